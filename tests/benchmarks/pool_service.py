"""Runs the exporter itself, as its operator would, and reads what it costs from outside."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.integration.servers.process import Server

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")
_NODE_EXPORTER = "prometheus-node-exporter"
_PEERS = Path(__file__).parents[2] / "build" / "benchmark-peers"


class RunningExporter(Server):
    """``maildns-exporter`` with one pool of *networks*, asking *server*; *pool* is merged into the pool's entry."""

    def __init__(self, networks: list[str], server: str, **pool: Any) -> None:
        super().__init__()
        resolver = {"name": "knot", "servers": [server], "max_queries_per_second": "unlimited", "max_in_flight": 500}
        resolver |= {"canary": False, "max_queued": 1_000_000, "timeout": "5s"}
        entry = {"name": "microsoft-365", "profile": "microsoft-365", "expect": ["fcrdns"], "interval": "1d"}
        entry["addresses"] = [{"network": network} for network in networks]
        self._text = yaml.safe_dump({"resolvers": [resolver], "pools": [entry | pool]})
        self.began = 0.0

    def command(self) -> list[str]:
        """Write maildns.yml."""
        (self.folder / "maildns.yml").write_text(self._text)
        self.began = time.monotonic()
        listen = f"--web.listen-address={self.address}"
        return [sys.executable, "-m", "exporter", f"--config.file={self.folder}/maildns.yml", listen]

    def answers(self) -> bool:
        """Whether it serves metrics."""
        try:
            return "maildns_pool_addresses" in self.get("/metrics")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def get(self, path: str) -> str:
        """Ask for a path."""
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=60) as answer:
            text: str = answer.read().decode()
            return text

    def value(self, series: str) -> float | None:
        """The value of a series, named to the letter, on /metrics."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(f"{series} "):
                return float(line.rpartition(" ")[2])
        return None

    def failing(self) -> dict[str, str]:
        """The reason of every failing address, read page by page from the API."""
        found: dict[str, str] = {}
        cursor: str | None = ""
        while cursor is not None:
            page = json.loads(self.get(f"/api/v1/addresses?health=failing&limit=500&cursor={cursor}"))
            found |= {one["ip"]: one["problems"][0]["reason"] for one in page["data"]}
            cursor = page["next"]
        return found

    @property
    def cpu_seconds(self) -> float:
        """Its processor time, user and system."""
        return cpu_seconds(self.pid)

    @property
    def resident_bytes(self) -> int:
        """Its memory that is resident."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    @property
    def peak_bytes(self) -> int:
        """The most memory that was resident at a time."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        process = self._process
        super().stop()
        if process is not None:
            process.wait(timeout=60)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def node_exporter_program() -> str | None:
    """Where node_exporter is: `$NODE_EXPORTER`, on the path, or Debian's, unpacked into ``build/benchmark-peers``."""
    found = os.environ.get("NODE_EXPORTER") or shutil.which(_NODE_EXPORTER)
    unpacked = _PEERS / _NODE_EXPORTER / "usr" / "bin" / _NODE_EXPORTER
    if found is None and not unpacked.exists() and shutil.which("apt-get"):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "-qq", "download", _NODE_EXPORTER], cwd=folder, check=False)
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(_PEERS / _NODE_EXPORTER)], check=True)
    return found or (str(unpacked) if unpacked.exists() else None)


def node_exporter(program: str, port: int, folder: Path) -> "subprocess.Popen[bytes]":
    """Start node_exporter with its textfile collector alone."""
    return subprocess.Popen(
        [
            program,
            "--collector.disable-defaults",
            "--web.disable-exporter-metrics",
            "--collector.textfile",
            f"--collector.textfile.directory={folder}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
