"""Measures what holds the event loop of an exporter that has half a million addresses, and for how long.

It is the whole service, asked over HTTP, and only the DNS is at hand. What counts is processor
time: of one callback of the loop, whatever it is for, garbage included; and, where a thread is at work beside it, of
the whole process from one turn of the loop to the next. Prints one JSON object: seconds by what was done.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from exporter import service as service_module
from exporter.checks.answers import Answer, Question, Status, Text
from exporter.checks.check import OnAnswer
from exporter.cli import serve
from exporter.cli.serve import configure_logging
from exporter.config.load import parse
from exporter.dns.resolvers import Source
from exporter.options import ServeOptions
from exporter.service import Service
from exporter.state.board import FULL_ADDRESSES
from tests.benchmarks import pool_world as world
from tests.benchmarks.pool_fleet import SERIES, SERIES_EACH, answer, sweep
from tests.integration.running import longest_callback

BIG, SHOWN = "microsoft-365", "shown"
RECORD = "spf.example.test"
BROKEN_OF = 100
"""One address of so many has no PTR record."""
_HELO = "mail-{octet1}-{octet2}-{octet3}-{octet4}.outbound.example.test"
_OTHER_HELO = "mta-{octet1}-{octet2}-{octet3}-{octet4}.outbound.example.test"


class DnsAtHand:
    """Stands in for `Resolvers`: the answer to everything is at hand. *networks* are what the SPF record lists."""

    deadline_seconds = 5.0
    max_in_flight = 500

    def __init__(self, networks: list[str]) -> None:
        self.networks = networks

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def retire(self) -> None: ...

    async def is_outdated(self, _settings: object) -> bool:
        return False

    def sources(self, _servers: Collection[str]) -> frozenset[Source]:
        return frozenset()

    def source_at(self, _number: int) -> Source | None:
        return None

    def another(self, _heard: Collection[Source]) -> Source | None:
        return None

    def verify(self, _servers: Collection[str], verified: Callable[[Status | None], None]) -> None:
        verified(None)

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = inf,  # as `Resolvers` has it
        confirm: bool = False,
        source: Source | None = None,
    ) -> None:
        on_answer(question, self._answer(question))

    def _answer(self, question: Question) -> Answer:
        if question.rdtype == "TXT":
            text = f"v=spf1 {' '.join(f'ip4:{network}' for network in self.networks)} -all"
            return answer(Question(question.name, "A"))._replace(records=(Text(text.encode()),))
        if question.rdtype == "PTR" and not int(question.name.split(".")[0]) * 37 % 256 % BROKEN_OF:
            return Answer(Status.NXDOMAIN, server="127.0.0.1:53", asked_at=time.time())
        return answer(question)


class Measured:
    """One service, and the longest hold by what was being done."""

    def __init__(self, networks: list[str], shown: int, storage: Path | None) -> None:
        self.dns = DnsAtHand(networks)
        self.seconds: dict[str, dict[str, Any]] = {}
        self._shown = shown
        self._storage = storage
        self.service: Any = None
        self.text = self.configuration()

    def configuration(self, *, helo: str = "", more: str = "", shown: int | None = None) -> str:
        """What is configured: *helo* for all addresses of a big pool of *more*, and the pool that is shown whole."""
        storage = [f"storage: {{path: {self._storage}}}"] if self._storage else []
        names = f'helo: "{helo}"' if helo else ""
        listed = [f"{{network: {one}{', ' if names else ''}{names}}}" for one in (more, *self.dns.networks) if one]
        source = f"addresses: [{', '.join(listed)}]" if helo or more else f"spf: {RECORD}"
        entries = ", ".join(
            f'{{ip: 10.0.{n >> 8}.{n & 255}, helo: "{_HELO}"}}' for n in range(self._shown if shown is None else shown)
        )
        addresses = f"addresses: [{entries}]"
        return "\n".join(
            [
                *storage,
                "resolvers: [{name: at-hand, servers: [127.0.0.1], max_queries_per_second: unlimited}]",
                "pools:",
                f"  - {{name: {BIG}, expect: [fcrdns], interval: 1d, sample: false, series: failing, {source}}}",
                f"  - {{name: {SHOWN}, expect: [fcrdns], interval: 1d, series: all, {addresses}, receivers: []}}",
            ]
        )

    def state(self, name: str) -> Any:
        """What is known of a pool."""
        return self.service._board.pools[name]

    async def of(self, what: str, act: Callable[[], Awaitable[Any]]) -> None:
        """Do something, and note the longest hold of the loop meanwhile."""
        with longest_callback() as longest:
            async with turning() as turns:
                await act()
                await asyncio.sleep(0)
        self.seconds[what] = {"callback": longest.seconds, "turn": turns[0], "by": longest.name[:120]}

    async def reload(self, text: str) -> None:
        """Use another configuration."""
        self.text = text
        helo = await self.service.reload()
        if helo:
            raise RuntimeError(helo)

    async def get(self, path: str) -> None:
        """Ask for a path."""
        reader, writer = await asyncio.open_connection(*self.service.addresses[0])
        asked = f"GET {path} HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        writer.write(asked.encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{path} cannot be had: {answer[:80]!r}")

    async def swept(self) -> None:
        """Wait until every address was sampled."""
        while not all(state.counters.rounds and not state.unsampled() for state in map(self.state, (BIG, SHOWN))):
            await asyncio.sleep(0.2)

    async def _refresh(self) -> None:
        self.dns.networks = self.dns.networks[1:] if len(self.dns.networks) > 1 else ["198.51.100.0/28"]
        await self.service._pool_sources._spf[BIG].refresh()

    async def run(self) -> None:
        """Start the service, do everything, and stop it."""
        self.service = Service(ServeOptions(lambda: parse(self.text, "benchmark"), (("127.0.0.1", 0),)))
        running = asyncio.create_task(self.service.run())
        try:
            await self._listening(running)
            await self.of("first sweep", self.swept)
            await self._measure()
        finally:
            self.service.stop()
            await running

    async def _listening(self, running: asyncio.Task[None]) -> None:
        listening = asyncio.create_task(self.service.listening.wait())
        await asyncio.wait({listening, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            listening.cancel()
            await running

    async def _measure(self) -> None:
        sweep(self.state(SHOWN), 1.79e9)
        await self.of("scrape, all series new", lambda: self.get("/metrics"))
        sweep(self.state(SHOWN), 1.79e9 + 100)
        await self.of("scrape, all sampled anew", lambda: self.get("/metrics"))
        await self.of("scrape, nothing changed", lambda: self.get("/metrics"))
        for path in (
            "/",
            f"/pools/{BIG}",
            f"/pools/{SHOWN}",
            "/addresses/10.0.0.1",
            "/search?q=no-such-name",
            "/exporter",
            "/changes",
            "/config",
            "/api/v1/pools",
            "/api/v1/addresses?limit=500",
            "/api/v1/addresses?limit=500&health=failing",
            f"/api/v1/pools/{SHOWN}/helo-names?limit=500",
            "/api/v1/changes?limit=500",
        ):
            await self.of(f"`{path}`", lambda path=path: self.get(path))  # type: ignore[misc]
        await self.of("round begins", lambda: _now(lambda: self.service._sampler.tick(BIG)))
        await self.of("reload, nothing changed", lambda: self.reload(self.configuration()))
        if self._shown > FULL_ADDRESSES // 2:  # it is kept in full until it has more than that
            more = self.configuration(shown=FULL_ADDRESSES + 1)
            await self.of("reload, a pool from full to compact", lambda: self.reload(more))
            await self.of("reload, from compact to full", lambda: self.reload(self.configuration()))
        await self.of("SPF record without a network", self._refresh)
        await self.of("reload, a network more", lambda: self.reload(self.configuration(more="203.0.113.0/28")))
        await self.of("reload, other HELO names", lambda: self.reload(self.configuration(helo=_OTHER_HELO)))


async def _now(act: Callable[[], object]) -> None:
    act()
    await asyncio.sleep(0.5)


@asynccontextmanager
async def turning() -> AsyncIterator[list[float]]:
    """Have the loop turn again and again: the most processor time of this process between two turns."""
    longest = [0.0]

    async def turn() -> None:
        before = time.process_time()
        while True:
            await asyncio.sleep(0.002)
            now = time.process_time()
            longest[0] = max(longest[0], now - before)
            before = now

    task = asyncio.create_task(turn())
    try:
        yield longest
    finally:
        task.cancel()


async def measure(networks: list[str], shown: int) -> dict[str, dict[str, Any]]:
    """Measure everything, with a storage that saves meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        measured = Measured(networks, shown, Path(folder) / "maildns.db")

        async def started(_settings: Any) -> Any:
            return measured.dns

        usual: Any = service_module.Resolvers
        service_module.Resolvers = SimpleNamespace(started=started)  # type: ignore[misc,assignment]
        try:
            await measured.run()
        finally:
            service_module.Resolvers = usual  # type: ignore[misc]
        return measured.seconds


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=len(world.NETWORKS))
    parser.add_argument("--shown", type=int, default=SERIES // SERIES_EACH)
    options = parser.parse_args()
    configure_logging("error", "logfmt")
    serve.tune_garbage_collector()
    networks = [str(network) for network in world.NETWORKS[-options.networks :]]
    print(json.dumps(asyncio.run(measure(networks, options.shown))))


if __name__ == "__main__":
    main()
