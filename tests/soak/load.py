"""What the exporter has to bear in a soak, and what was measured of it.

The rule of this file: everything is seen from outside, over HTTP, as Prometheus and an operator see it.
"""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_SECONDS = 30.0
LAG = "maildns_event_loop_lag_seconds"
MEMORY, DESCRIPTORS = "process_resident_memory_bytes", "process_open_fds"
_READ = (LAG, MEMORY, DESCRIPTORS, "maildns_samples_total", "maildns_result_changes_total")


@dataclass
class Measured:
    """What the scrapers and the reloader saw."""

    scrape_seconds: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    reloads: int = 0
    refused: int = 0
    samples: float = 0.0
    changes: float = 0.0
    lost: list[str] = field(default_factory=list)


def percentile(values: list[float], percent: int) -> float:
    """The value that so many percent are not above."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


def _is_summed(labels: dict[str, str]) -> bool:
    """Whether a series is about fcrdns of the pool that stays, or about the exporter."""
    return labels.get("pool", "big") == "big" and labels.get("check", "fcrdns") == "fcrdns"


class Scraper:
    """Scrapes *url* every *seconds*; the first one of several also reads what it gets."""

    def __init__(self, url: str, seconds: float, measured: Measured, sets: list[frozenset[str]], number: int) -> None:
        self._url, self._seconds, self._measured, self._sets = url, seconds, measured, sets
        self._is_first = number == 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"scraper-{number}", daemon=True)
        self._delay = seconds * number / 40

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last scrape."""
        self._ending.set()
        self._thread.join(_TIMEOUT_SECONDS)

    def _run(self) -> None:
        self._ending.wait(self._delay)
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                with urllib.request.urlopen(f"{self._url}/metrics", timeout=_TIMEOUT_SECONDS) as response:
                    text = response.read().decode()
            except OSError as error:
                self._measured.failed.append(str(error))
            else:
                self._measured.scrape_seconds.append(time.monotonic() - began)
                if self._is_first:
                    self._read(text)
            self._ending.wait(max(0.0, began + self._seconds - time.monotonic()))

    def _read(self, text: str) -> None:
        measured = self._measured
        totals = dict.fromkeys(_READ, 0.0)
        pools = set()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "maildns_pool_addresses":
                    pools.add(sample.labels["pool"])
                elif sample.name in totals and _is_summed(sample.labels):
                    totals[sample.name] += sample.value
        measured.lags.append(totals[LAG])
        measured.memory.append(totals[MEMORY])
        measured.descriptors.append(totals[DESCRIPTORS])
        if totals["maildns_samples_total"] < measured.samples:
            measured.lost.append(f"{measured.samples} samples became {totals['maildns_samples_total']}")
        measured.samples = totals["maildns_samples_total"]
        measured.changes = totals["maildns_result_changes_total"]
        if frozenset(pools) not in self._sets:
            measured.mixed.append(" ".join(sorted(pools)))


def reload_over_and_over(
    url: str, path: Path, texts: list[tuple[str, bool]], seconds: float, measured: Measured, is_over: Callable[[], bool]
) -> None:
    """Write one text after the other to *path*, and reload; each comes with whether it is good."""
    turn = 0
    while not is_over():
        text, is_good = texts[turn % len(texts)]
        turn += 1
        path.write_text(text)
        request = urllib.request.Request(f"{url}/-/reload", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
                status = 200
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except OSError as error:
            measured.failed.append(f"reload: {error}")
            continue
        measured.reloads += 1
        measured.refused += status == 500
        if (status == 200) != is_good:
            measured.failed.append(f"reload: {status}")
        time.sleep(seconds)
