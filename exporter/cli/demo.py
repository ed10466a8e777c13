"""`maildns-exporter demo`: the embedded world, served by the same code as any other."""

import asyncio
from typing import Any

from exporter.cli.serve import notifying_systemd, options
from exporter.config.load import parse
from exporter.demo.server import DemoServer
from exporter.demo.world import demo_configuration, demo_world
from exporter.service import Service


def serve_demo(speed: float, **serving: Any) -> None:
    """Serve the demo world until a signal ends it; its time runs *speed* times as fast as ours."""
    asyncio.run(_run(speed, **serving))


async def _run(speed: float, **serving: Any) -> None:
    async with DemoServer(demo_world(speed=speed)) as server:
        text = demo_configuration(server.port, interval=f"{max(10, round(15 / speed))}s")
        service = Service(options(lambda: parse(text, "demo"), **serving))
        async with notifying_systemd(service.listening, service.stopping):
            await service.run()
