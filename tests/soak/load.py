"""What the exporter has to bear in a soak, and what was measured of it.

Everything is seen from outside, over HTTP, as Prometheus and an operator see it.
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

from tests.soak.reloads import BIG, KEPT, Step

_TIMEOUT_SECONDS = 60.0
LAG = "maildns_event_loop_lag_seconds"
_CONCLUSIVE = "maildns_last_conclusive_sample_timestamp_seconds"


@dataclass
class Measured:
    """What the scrapers and the reloader saw."""

    scrape_seconds: list[float] = field(default_factory=list)
    reload_seconds: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    refused: int = 0
    samples: float = 0.0
    changes: float = 0.0

    @property
    def reloads(self) -> int:
        """How many there were, those that were refused included."""
        return len(self.reload_seconds)


@dataclass
class Scrape:
    """What one scrape shows of the pools, and what it counts."""

    sizes: dict[str, int] = field(default_factory=dict)
    shown: set[tuple[str, str]] = field(default_factory=set)
    conclusive: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)
    lag: float = 0.0
    changes: float = 0.0

    def fits(self, step: Step) -> bool:
        """Whether it shows the pools of *step*, all of them, and no address of any other."""
        return self.sizes == step.sizes and all(step.has(pool, ip) for pool, ip in self.shown)


def read(text: str) -> Scrape:
    """What an exposition shows; counters are those of the pools that stay."""
    scrape = Scrape()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            pool = sample.labels.get("pool", "")
            if sample.name == "maildns_pool_addresses":
                scrape.sizes[pool] = int(sample.value)
            elif sample.name == LAG:
                scrape.lag = sample.value
            elif "ip" in sample.labels:
                scrape.shown.add((pool, sample.labels["ip"]))
                if sample.name == _CONCLUSIVE and pool == KEPT:
                    scrape.conclusive[sample.labels["ip"]] = sample.value
            elif sample.name == "maildns_result_changes_total":
                scrape.changes += sample.value
            elif family.type == "counter" and pool in {BIG, KEPT} and sample.name.endswith("_total"):
                scrape.counters[f"{sample.name} {sorted(sample.labels.items())}"] = sample.value
    return scrape


def fallen(before: Scrape, after: Scrape) -> list[str]:
    """What of the pools that stay became less, or is gone: counters, and when an address was known last."""
    pairs = [
        *[(what, value, after.counters.get(what, -1.0)) for what, value in before.counters.items()],
        *[(ip, value, after.conclusive.get(ip, -1.0)) for ip, value in before.conclusive.items()],
    ]
    return [f"{what}: {value} became {now}" for what, value, now in pairs if now < value]


def percentile(values: list[float], percent: int) -> float:
    """The value that so many percent are not above."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


class Reader:
    """Takes in one scrape after the other, in the order in which they were asked for."""

    def __init__(self, measured: Measured, allowed: list[Step]) -> None:
        self._measured, self._allowed = measured, [step for step in allowed if step.is_good]
        self._last = Scrape()

    def take(self, text: str, current: Step | None = None) -> None:
        """A scrape fits *current*, if that is known, else any one that is allowed; and nothing in it fell."""
        scrape, measured = read(text), self._measured
        if not any(scrape.fits(step) for step in ([current] if current else self._allowed)):
            measured.mixed.append(f"{sorted(scrape.sizes.items())}, {len(scrape.shown)} addresses shown")
        measured.lost += fallen(self._last, scrape)
        measured.lags.append(scrape.lag)
        measured.changes = scrape.changes
        measured.samples = sum(value for what, value in scrape.counters.items() if what.startswith("maildns_samples"))
        self._last = scrape


class Scraper:
    """Scrapes *url* every *seconds*; the one that has a reader also reads what it gets."""

    def __init__(self, url: str, seconds: float, delay: float, measured: Measured, reader: Reader | None) -> None:
        self._url, self._seconds, self._delay = url, seconds, delay
        self._measured, self._reader = measured, reader
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

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
            text = scraped(self._url, self._measured)
            if text is not None and self._reader is not None:
                self._reader.take(text)
            self._ending.wait(max(0.0, began + self._seconds - time.monotonic()))


def scraped(url: str, measured: Measured) -> str | None:
    """Scrape once; None if that failed."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=_TIMEOUT_SECONDS) as response:
            text: str = response.read().decode()
    except OSError as error:
        measured.failed.append(str(error))
        return None
    measured.scrape_seconds.append(time.monotonic() - began)
    return text


def reload_over_and_over(
    url: str, path: Path, turns: list[Step], pause: float, measured: Measured, is_over: Callable[[], bool]
) -> None:
    """Write one text after the other to *path*, reload, and look whether it is in use at once, and nothing else."""
    reader, current, turn = Reader(measured, turns), turns[0], 0
    while not is_over():
        step = turns[turn % len(turns)]
        turn += 1
        path.write_text(step.text)
        began = time.monotonic()
        status = _reload(url, measured)
        if status == 0:
            continue
        measured.reload_seconds.append(time.monotonic() - began)
        measured.refused += status == 500
        if (status == 200) != step.is_good:
            measured.failed.append(f"reload: {status}")
        current = step if step.is_good else current
        text = scraped(url, measured)
        if text is not None:
            reader.take(text, current)
        time.sleep(pause)


def _reload(url: str, measured: Measured) -> int:
    """Reload as an operator does: the status, 0 if there was none."""
    request = urllib.request.Request(f"{url}/-/reload", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError as error:
        measured.failed.append(f"reload: {error}")
        return 0
