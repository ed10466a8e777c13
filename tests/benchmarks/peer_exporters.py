"""The same check by exporters that probe on demand: an HTTP request for the PTR record, another for the A record.

What is measured is the exporter's own processor time, as the kernel counts it for its process.
"""

import http.client
import os
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.integration import sweep
from tests.integration.kinds import DOMAIN
from tests.integration.servers.http import is_ok
from tests.integration.servers.process import Server

THREADS = 8
MODULES = 500
WARM_UP = 500


def probes(number: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Name and type of the two lookups of an address of the sweep."""
    return ((sweep.FIRST + number).reverse_pointer, "PTR"), (f"mail-{number:06x}.{DOMAIN}", "A")


class BlackboxExporter(Server):
    """prometheus-blackbox-exporter, which wants a module for each name and type."""

    label = "blackbox_exporter (Go), a probe each for PTR and A"

    def __init__(self, binary: str, dns_port: int) -> None:
        super().__init__()
        self._binary, self._dns_port = binary, dns_port

    def command(self) -> list[str]:
        """Write blackbox.yml."""
        modules: dict[str, Any] = {}
        for number in range(MODULES):
            for name, rdtype in probes(number):
                asks = {"query_name": name, "query_type": rdtype, "preferred_ip_protocol": "ip4"}
                modules[f"{rdtype}{number}"] = {"prober": "dns", "timeout": "2s", "dns": asks}
        (self.folder / "blackbox.yml").write_text(yaml.safe_dump({"modules": modules}))
        config = f"--config.file={self.folder}/blackbox.yml"
        return [self._binary, config, f"--web.listen-address={self.address}", "--log.level=error"]

    def answers(self) -> bool:
        """Whether it serves."""
        return is_ok(f"http://{self.address}/-/healthy")

    def path(self, number: int, name: str, rdtype: str) -> str:
        """Where to probe."""
        return f"/probe?target=127.0.0.1:{self._dns_port}&module={rdtype}{number % MODULES}"

    success = b"probe_success 1"


class DnsExporter(Server):
    """dns-exporter of PyPI."""

    label = "dns_exporter (Python, dnspython), likewise"

    def __init__(self, binary: str, dns_port: int) -> None:
        super().__init__()
        self._binary, self._dns_port = binary, dns_port

    def command(self) -> list[str]:
        """Nothing is written: all is in the URL."""
        return [self._binary, "--listen-ip", self.host, "--port", str(self.port), "--quiet"]

    def answers(self) -> bool:
        """Whether it serves."""
        return is_ok(f"http://{self.address}/")

    def path(self, number: int, name: str, rdtype: str) -> str:
        """Where to probe."""
        asks = {"server": f"udp://127.0.0.1:{self._dns_port}", "family": "ipv4", "query_name": name}
        return f"/query?{urllib.parse.urlencode({**asks, 'query_type': rdtype})}"

    success = b"dnsexp_dns_query_success 1"


def measure(exporter: BlackboxExporter | DnsExporter, count: int) -> dict[str, Any]:
    """Probe *count* addresses; raises if fewer than nine of ten lookups succeed, for then it measures nothing."""
    good = [number for number in range(MODULES) if sweep.verdict(number) != "permerror"]
    numbers = [good[at % len(good)] for at in range(count)]
    _probe(exporter, (numbers * 5)[:WARM_UP])
    before, wall = _cpu_seconds(exporter.pid), time.perf_counter()
    succeeded = _probe(exporter, numbers)
    cpu, wall = _cpu_seconds(exporter.pid) - before, time.perf_counter() - wall
    if succeeded < 2 * count * 0.9:
        raise RuntimeError(f"{exporter.label}: {succeeded} of {2 * count} probes succeeded\n{exporter.log[-2000:]}")
    return {"cpu_seconds": cpu, "wall_seconds": wall}


def _probe(exporter: BlackboxExporter | DnsExporter, numbers: Iterable[int]) -> int:
    """Probe these addresses from several threads; how many lookups succeeded."""
    waiting, lock, succeeded = iter(list(numbers)), threading.Lock(), [0]

    def take() -> int | None:
        with lock:
            return next(waiting, None)

    threads = [threading.Thread(target=_work, args=(exporter, take, succeeded, lock)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return succeeded[0]


def _work(
    exporter: BlackboxExporter | DnsExporter, take: Callable[[], int | None], succeeded: list[int], lock: threading.Lock
) -> None:
    connection = http.client.HTTPConnection(exporter.host, exporter.port, timeout=30)
    while (number := take()) is not None:
        for name, rdtype in probes(number):
            connection.request("GET", exporter.path(number, name, rdtype))
            body = connection.getresponse().read()
            with lock:
                succeeded[0] += exporter.success in body
    connection.close()


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process, user and system, as /proc has it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
