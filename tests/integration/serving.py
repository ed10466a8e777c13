"""Runs the exporter under test in this process: the whole service, on a port of its own."""

import asyncio
import dataclasses
import gzip
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter.config.configuration import Configuration
from exporter.config.load import parse
from exporter.config.values import Duration
from exporter.options import ServeOptions
from exporter.service import Service
from exporter.web.connections import ConnectionLimits
from tests.integration.servers.process import DEADLINE_SECONDS

PATIENCE_SECONDS = 300.0
"""How long a thousand addresses may take on a machine that is busy with other tests."""

PATIENT = ConnectionLimits(asking=PATIENCE_SECONDS, reading=PATIENCE_SECONDS, handshake=PATIENCE_SECONDS)
"""What the server does with slow clients, unless a test is about them: on such a machine, a good one may be slow."""

Labels = frozenset[tuple[str, str]]
Series = dict[str, dict[Labels, float]]
"""The value of each series of a scrape, by name and labels."""


def configuration_text(server: str, addresses: Iterable[dict[str, Any]], **pool: Any) -> str:
    """Write a configuration file with one pool, asking one *server*, patiently: machines that run tests are slow."""
    resolver = {"name": "test", "servers": [server], "timeout": "5s", "attempts": 2, "canary": False}
    resolver |= {"max_queries_per_second": 2000}
    entries = {"name": "test", "profile": "dedicated", "addresses": list(addresses), **pool}
    return yaml.safe_dump({"resolvers": [resolver], "pools": [entries]})


def hurried(text: str, seconds: float) -> Configuration:
    """Read a configuration, and sample each pool more often than an operator may."""
    configuration = parse(text, "test.yml")
    interval = Duration(round(seconds * 1000))
    pools = tuple(dataclasses.replace(pool, interval=interval) for pool in configuration.pools)
    return dataclasses.replace(configuration, pools=pools)


@dataclass
class Exporter:
    """A running exporter, as its users see it."""

    service: Service
    address: str

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
        """Ask for a path: status and body."""
        request = urllib.request.Request(f"http://{self.address}{path}", headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
                body = response.read()
                plain = gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body
                return response.status, plain.decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def ask(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
        """Ask for a path, and leave the event loop to the exporter."""
        return await asyncio.to_thread(self.get, path, headers, method)

    async def series(self) -> Series:
        """Scrape."""
        status, text = await self.ask("/metrics")
        assert status == 200, text
        found: Series = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = frozenset(sample.labels.items())
                assert labels not in found.setdefault(sample.name, {}), f"{sample} is there twice"
                found[sample.name][labels] = sample.value
        return found

    async def wait_for(self, condition: Callable[[Series], bool], what: str) -> Series:
        """Scrape until the condition holds, and give that scrape."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not condition(series := await self.series()):
            assert asyncio.get_running_loop().time() < deadline, f"{what} did not come about"
            await asyncio.sleep(0.5)
        return series

    async def wait_for_no(self, differences: Callable[[Series], list[Any]]) -> Series:
        """Scrape until there are no differences, and give that scrape."""
        last: list[Any] = []

        def is_right(series: Series) -> bool:
            last[:] = differences(series)
            return not last

        try:
            return await self.wait_for(is_right, "the expected exposition")
        except AssertionError as error:
            raise AssertionError(f"{len(last)} differences: {last[:10]}") from error


@asynccontextmanager
async def serving(load: Callable[[], Configuration], **options: Any) -> AsyncIterator[Exporter]:
    """Run the exporter until the block ends, and see it end well."""
    service = Service(ServeOptions(load, listen=(("127.0.0.1", 0),), **{"connection_limits": PATIENT, **options}))
    running = asyncio.create_task(service.run())
    listening = asyncio.create_task(service.listening.wait())
    await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED)
    if not listening.done():
        listening.cancel()
        await running
    host, port = service.addresses[0]
    try:
        yield Exporter(service, f"{host}:{port}")
    finally:
        service.stop()
        await running
