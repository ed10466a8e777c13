"""The demo world, watched by the whole service in this process, on ports of its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import yaml

from exporter.config.configuration import Configuration
from exporter.config.load import parse
from exporter.demo.server import DemoServer
from exporter.demo.world import World, demo_configuration, demo_world
from exporter.errors import ConfigError, Problem
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import Exporter, serving

SILENT_IP = "192.0.2.10"
SILENCE_SECONDS = 30
"""How long a sample waits for a DNS that fell silent; after `DemoServer.resume`, a tenth of that."""

_RECORDS = [". SOA ns. host. 1 3600 900 604800 1", "10.2.0.192.in-addr.arpa. PTR mail.example.org."]


class WorldClock:
    """The age of the demo world, in seconds, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.age = 0.0

    def __call__(self) -> float:
        return self.age


@asynccontextmanager
async def watched_demo(
    clock: WorldClock | None = None, *, interval: str = "10s", problems: Sequence[Problem] = (), **options: Any
) -> AsyncIterator[Exporter]:
    """Serve the demo world, and wait until every address was sampled once. A reload finds *problems*."""
    async with DemoServer(demo_world(clock=clock or WorldClock())) as server:
        configuration = parse(demo_configuration(server.port, interval=interval), "demo.yml")

        def load() -> Configuration:
            if problems:
                raise ConfigError(problems)
            return configuration

        async with serving(load, **options) as exporter:
            await _readiness(exporter, options.get("route_prefix", "").rstrip("/") + "/-/ready")
            yield exporter


@asynccontextmanager
async def fallen_silent(**options: Any) -> AsyncIterator[tuple[Exporter, DemoServer]]:
    """Serve an address that was sampled once, before its DNS fell silent: whoever samples it again has to wait."""
    async with DemoServer(World(_RECORDS)) as server:
        resolver = {"name": "test", "servers": [server.address], "canary": False}
        resolver |= {"timeout": f"{SILENCE_SECONDS // 10}s", "attempts": 10}
        pool = {"name": "test", "interval": "1h", "addresses": [{"ip": SILENT_IP}]}
        configuration = parse(yaml.safe_dump({"resolvers": [resolver], "pools": [pool]}), "silent.yml")
        async with serving(lambda: configuration, **options) as exporter:
            await _readiness(exporter)
            server.stop_answering()
            yield exporter, server


async def _readiness(exporter: Exporter, path: str = "/-/ready") -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await exporter.ask(path))[0] != 200:
            await asyncio.sleep(0.05)
