"""Takes pictures of the dashboards and the status page with live data of the demo world: `make screenshots`.

The data is real: the demo runs at six times real time, Prometheus scrapes it and answers the panels' own queries, and
Grafana's components draw the results in Chromium.
Needs Prometheus, Chromium, npm and the font Inter (Debian: fonts-inter); writes docs/images/*.png.
"""

# ruff: noqa: S603  # programs that are found on the path, with arguments of our own

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.servers.http import get_json, is_ok
from tests.integration.servers.process import Server, wait_until
from tests.integration.servers.prometheus import Prometheus

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
IMAGES = ROOT / "docs" / "images"
SPEED = 6
SECONDS = 240
STEP_SECONDS = 5  # as often as Prometheus scrapes
RATE_STEP_SECONDS = 20  # as wide as the interval below, so that no change is drawn twice
RATE_INTERVAL = "20s"
WIDTH = 1300
PAGES = {"status-page": ("/", 1100), "status-address": ("/addresses/198.51.100.5", 1150)}
"""The pictures of the exporter's own pages: their paths and heights in pixels."""
ADDRESS = "192.0.2.20"
VARIABLES = {"job": ".+", "instance": ".+", "pool": ".+", "domain": ".+", "ip": ADDRESS}
LEAVE_OUT = {"How to read this"}
PICTURES = {
    "fleet": ("fleet", None, "Prefixes"),
    "fleet-details": ("fleet", "Prefixes", None),
    "domains": ("domains", None, "Hints"),
    "address": ("address", None, "PTR names and DNS answers"),
    "exporter": ("exporter", None, "DNS queries in detail"),
}
"""The pictures: the dashboard, its first row, and the row before which the picture ends."""


class Demo(Server):
    """`maildns-exporter demo` at `SPEED` times real time."""

    def command(self) -> list[str]:
        """The command; the demo has its own configuration."""
        return [
            *("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "exporter", "demo", f"--speed={SPEED}"),
            f"--web.listen-address={self.address}",
        ]

    def answers(self) -> bool:
        """Whether its first rounds are over."""
        return is_ok(f"http://{self.address}/-/ready")


def main() -> None:
    """Build the page, run the demo, take the pictures."""
    build()
    with Demo() as demo, Prometheus([demo.address], interval=f"{STEP_SECONDS}s") as prometheus:
        began = time.time()
        print(f"the demo runs for {SECONDS} seconds at {SPEED} times the speed", flush=True)
        wait_until(lambda: time.time() - began > SECONDS, "the demo has run", deadline_seconds=2 * SECONDS)
        for name, (path, height) in PAGES.items():
            show(name, f"http://{demo.address}{path}", height)
        for name, (dashboard, first, end) in PICTURES.items():
            photograph(name, part(answered(dashboard, prometheus, began), first, end))


def build() -> None:
    """Install what package.json names, and build the page."""
    npm = shutil.which("npm") or sys.exit("npm is not installed")
    if not (HERE / "node_modules").exists():
        flags = ["--no-package-lock", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
        subprocess.run([npm, "install", *flags], cwd=HERE, check=True)
    subprocess.run([npm, "run", "build"], cwd=HERE, check=True)


def answered(name: str, prometheus: Prometheus, began: float) -> dict[str, Any]:
    """The dashboard, with the result of each query in its target."""
    dashboard: dict[str, Any] = json.loads((ROOT / "dashboards" / "grafana" / f"{name}.json").read_text("utf-8"))
    now = time.time()
    dashboard["panels"] = list(unfolded(dashboard["panels"]))
    for panel in dashboard["panels"]:
        panel["title"] = panel.get("title", "").replace("${ip}", ADDRESS)
        for target in panel.get("targets", []):
            target["result"] = ask(target, prometheus, began, now)
    dashboard["panels"] = [panel for panel in dashboard["panels"] if panel["title"] not in LEAVE_OUT]
    return {"dashboard": dashboard, "from": began * 1000, "to": now * 1000, "step": STEP_SECONDS * 1000}


def unfolded(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """*panels* with all rows open: each row's own panels follow it, and what is below moves down."""
    excess = 0
    for panel in panels:
        own = panel.pop("panels", [])
        for one in (panel, *own):
            one["gridPos"]["y"] += excess
            yield one
        excess += max((one["gridPos"]["y"] + one["gridPos"]["h"] for one in own), default=0) - (
            panel["gridPos"]["y"] + panel["gridPos"]["h"] if own else 0
        )


def part(content: dict[str, Any], first: str | None, end: str | None) -> dict[str, Any]:
    """The rows of a dashboard from *first* until *end*, moved to the top of the page."""
    panels = content["dashboard"]["panels"]
    tops = {panel["title"]: panel["gridPos"]["y"] for panel in panels if panel["type"] == "row"}
    top = tops[first] if first else 0
    bottom = tops[end] if end else max(panel["gridPos"]["y"] for panel in panels) + 1
    chosen = [panel for panel in panels if top <= panel["gridPos"]["y"] < bottom]
    for panel in chosen:
        panel["gridPos"]["y"] -= top
    return {**content, "dashboard": {**content["dashboard"], "panels": chosen}}


def ask(target: dict[str, Any], prometheus: Prometheus, began: float, now: float) -> list[Any]:
    """The result of one query of a panel."""
    expr = target["expr"].replace("$__rate_interval", RATE_INTERVAL).replace("$__range", f"{now - began:.0f}s")
    for variable, value in VARIABLES.items():
        expr = expr.replace(f'"${variable}"', f'"{value}"')
    if target.get("instant"):
        path, arguments = "query", {"query": expr, "time": str(now)}
    else:
        path = "query_range"
        step = RATE_STEP_SECONDS if "$__rate_interval" in target["expr"] else STEP_SECONDS
        arguments = {"query": expr, "start": str(began), "end": str(now), "step": str(step)}
    answer = get_json(f"{prometheus.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
    result: list[Any] = answer["data"]["result"]
    return result


def photograph(name: str, content: dict[str, Any]) -> None:
    """Draw one dashboard, and save the picture."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in content["dashboard"]["panels"])
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page"
        shutil.copytree(HERE / "dist", page)
        shutil.copy(HERE / "index.html", page)
        (page / "content.js").write_text(f"window.content = {json.dumps(content)};", encoding="utf-8")
        show(name, (page / "index.html").as_uri(), rows * 38 + 70)


def show(name: str, address: str, height: int) -> None:
    """Open a page in a window of *height* pixels, and save the picture."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or sys.exit("chromium is not installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--force-device-scale-factor=1.25", "--allow-file-access-from-files", f"--user-data-dir={folder}"),
            *(f"--window-size={WIDTH},{height}", "--virtual-time-budget=15000"),
            *(f"--screenshot={IMAGES / name}.png", address),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120, env={**os.environ, "HOME": folder})
    print(f"docs/images/{name}.png")


if __name__ == "__main__":
    main()
