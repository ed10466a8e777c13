"""The whole way from a record to a page: a DNS, the exporter, Prometheus with our rules, Alertmanager, a webhook.

Everything is the real thing, as it is started by its users. Only the rules are hurried: they
are evaluated each second, and wait two seconds instead of minutes. So those about scrapes that fail are left out: on
a machine that is busy with other tests, scrapes are late for as long.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from dashboards.generator.outputs import FOLDER
from exporter.demo.server import DemoServer
from exporter.demo.world import World, demo_configuration, demo_world
from tests.integration.servers.http import is_ok
from tests.integration.servers.process import DEADLINE_SECONDS, Server
from tests.yaml_files import read_yaml

ROOT = FOLDER.parent
RULES = FOLDER / "prometheus" / "maildns.rules.yml"
SCRAPES = {"MailDnsExporterDown", "MailDnsUnwatched"}
"""The alerts that are left out."""
INTERVAL = "10s"
"""The shortest that may be configured."""

LOTTERIES = {"192.0.2.15", "192.0.2.16"}
"""Addresses with several PTR names: confirmed, and refused now and then by receivers that take the first one."""

REVERSE_ZONE = "2.0.192.in-addr.arpa."
IP, PTR_OWNER = "192.0.2.20", "20.2.0.192.in-addr.arpa"
PTR_RECORD = f"{PTR_OWNER}. 1 PTR notices.example.org."
"""The address of the demo world whose PTR record the tests take away."""


def hurried_rules(folder: Path) -> Path:
    """The rules but two, evaluated each second; alerts wait two seconds, and go on for one."""
    rules = read_yaml(RULES.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group["interval"] = "1s"
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert") not in SCRAPES]
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "2s"
            if "keep_firing_for" in rule:
                rule["keep_firing_for"] = "1s"
    file = folder / "hurried.rules.yml"
    file.write_text(yaml.safe_dump(rules), encoding="utf-8")
    return file


class Dns:
    """A world served from a thread of its own: by default the demo world, stopped at its first moment.

    What the tests change in that has a TTL of a second, so that no cache is in their way.
    """

    def __init__(self, world: World | None = None) -> None:
        self.server = DemoServer(demo_world(speed=0) if world is None else world)
        if world is None:
            soa = f"{REVERSE_ZONE} 1 SOA ns1.example.org. hostmaster.example.org. 1 3600 900 604800 1"
            self.server.world.apply([soa, PTR_RECORD])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def do(self, change: Callable[[DemoServer], None]) -> None:
        """Change the world, or how it is served, and wait until that is done."""

        async def doing() -> None:
            change(self.server)

        asyncio.run_coroutine_threadsafe(doing(), self._loop).result(DEADLINE_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(DEADLINE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(DEADLINE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(300)
        self._loop.close()


class ProgramExporter(Server):
    """`python -m exporter` with a configuration. Its start ends when it is ready, or else when it serves."""

    def __init__(self, configuration: str, *, is_ready_at_start: bool = True) -> None:
        super().__init__()
        self._configuration = configuration
        self._path = "/-/ready" if is_ready_at_start else "/-/healthy"

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.address}"

    def command(self) -> list[str]:
        """Write maildns.yml."""
        file = self.folder / "maildns.yml"
        file.write_text(self._configuration, encoding="utf-8")
        return [
            *("env", f"PYTHONPATH={ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"),
            *(sys.executable, "-m", "exporter"),
            f"--config.file={file}",
            f"--web.listen-address={self.address}",
            f"--web.external-url={self.url}/",
        ]

    def answers(self) -> bool:
        """Whether its first rounds are over, if that was to be waited for."""
        return is_ok(self.url + self._path)


class Exporter(ProgramExporter):
    """An exporter that watches all of the demo world on *dns*; or some *pools*, without what is a lottery."""

    def __init__(self, dns: Dns, pools: Sequence[str] = ()) -> None:
        config = read_yaml(demo_configuration(dns.server.port, interval=INTERVAL))
        config["pools"] = [pool for pool in config["pools"] if not pools or pool["name"] in pools]
        if pools:
            del config["domains"]  # most of which have something the matter with them
        for pool in config["pools"] if pools else ():
            pool["addresses"] = [one for one in pool["addresses"] if one.get("ip") not in LOTTERIES]
        config["resolvers"][0] |= {"canary": {"interval": "1s"}, "timeout": "1s"}
        super().__init__(yaml.safe_dump(config))


class Webhook:
    """Somebody's pager: remembers what Alertmanager told it."""

    def __init__(self) -> None:
        heard: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.extend(json.loads(body)["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.heard = heard

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def heard_of(self, status: str, **labels: str) -> bool:
        """Whether it was told that an alert with these labels is of that status."""
        return any(
            alert["status"] == status and labels.items() <= alert["labels"].items() for alert in tuple(self.heard)
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(300)


def alertmanager_config(webhook: Webhook) -> dict[str, Any]:
    """The delivered route, in a hurry."""
    config = delivered_route(webhook)
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "0s", "group_interval": "1s"}
    return config


def delivered_route(webhook: Webhook) -> dict[str, Any]:
    """The route of dashboards/prometheus/alertmanager.yml, with the webhook as every receiver's."""
    text = (FOLDER / "prometheus" / "alertmanager.yml").read_text(encoding="utf-8")
    config: dict[str, Any] = read_yaml(text)
    for receiver in config["receivers"]:
        if "webhook_configs" in receiver:
            receiver["webhook_configs"] = [{"url": webhook.url, "send_resolved": True}]
    return config
