"""Runs the engine under test with servers on loopback, and measures how long it blocks the event loop."""

import asyncio.events
import gc
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from exporter.checks.answers import Question, RRType
from exporter.checks.check import Check, CheckRun
from exporter.checks.names import DomainName
from exporter.dns.resolver import Resolver
from exporter.dns.settings import ResolverSettings, parse_endpoint


@asynccontextmanager
async def resolver_for(*servers: str, **settings: Any) -> AsyncIterator[Resolver]:
    """Run a resolver with these servers, as in a configuration; without canary and rate by default.

    The timeout is long, because test machines are slow. Tests of timeouts set a short one.
    """
    options: dict[str, Any] = {"timeout_seconds": 5.0, "canary": None, "max_queries_per_second": math.inf, **settings}
    resolver = Resolver(ResolverSettings(name="test", servers=tuple(map(parse_endpoint, servers)), **options))
    await resolver.start()
    try:
        yield resolver
    finally:
        await resolver.close()


def asking_for(behaviour: str, rdtype: RRType = "A", number: int = 1) -> Question:
    """Build a question that the misbehaving server answers with this behaviour."""
    return Question(DomainName(f"{number}.{behaviour}.example.org"), rdtype)


async def sampled(resolver: Resolver, check: Check[Any]) -> Any:
    """Run a check with a resolver, as the sampler does."""
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    CheckRun(check, resolver.ask, lambda verdict, evidence: outcome.set_result(verdict), outcome.set_exception).start()
    return await outcome


class LongestCallback:
    """The callback that blocked the event loop for the longest time, and the seconds of processor time."""

    seconds = 0.0
    name = ""


@contextmanager
def longest_callback() -> Iterator[LongestCallback]:
    """Measure every callback of the event loop.

    Only processor time of the loop's thread counts, so that other processes and threads do not matter. The garbage
    collector ignores everything from before.
    """
    longest = LongestCallback()
    run = asyncio.events.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        before = time.thread_time()
        run(handle)
        took = time.thread_time() - before
        if took > longest.seconds:
            longest.seconds, longest.name = took, repr(handle)

    gc.collect()
    gc.freeze()
    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield longest
    finally:
        asyncio.events.Handle._run = run  # type: ignore[method-assign]
        gc.unfreeze()
