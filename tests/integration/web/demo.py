"""The demo world, watched by the whole service in this process, on ports of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from exporter.config.loader import parse
from exporter.demo.configuration import demo_configuration
from exporter.demo.demo_world import demo_world
from exporter.demo.server import DemoServer
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import Exporter, serving


class WorldClock:
    """The age of the demo world, in seconds, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.age = 0.0

    def __call__(self) -> float:
        return self.age


@asynccontextmanager
async def watched_demo(
    clock: WorldClock | None = None, *, interval: str = "10s", **options: Any
) -> AsyncIterator[Exporter]:
    """Serve the demo world, and wait until every address was sampled once."""
    async with DemoServer(demo_world(clock=clock or WorldClock())) as server:
        configuration = parse(demo_configuration(server.port, interval=interval), "demo.yml")
        async with serving(lambda: configuration, **options) as exporter:
            ready = options.get("route_prefix", "").rstrip("/") + "/-/ready"
            async with asyncio.timeout(DEADLINE_SECONDS):
                while (await exporter.ask(ready))[0] != 200:
                    await asyncio.sleep(0.05)
            yield exporter
