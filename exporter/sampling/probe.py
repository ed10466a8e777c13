"""One sample now, for whoever waits for it: the board hears nothing of it.

The rule of this file: a failure that is not held by the board is confirmed before it is told, as in the background.
"""

import asyncio
import time

from exporter.checks.check import Check, Evidence
from exporter.checks.report import Report, Target, report
from exporter.inventory.pool import Pool
from exporter.sampling.sampling import Asker, Sampling
from exporter.state.address import AddressState


class ProbeSubject:
    """A target of *pool*, of which *known* is known; *outcome* gets what the sample leads to."""

    def __init__(
        self, pool: Pool, target: Target, known: AddressState, outcome: "asyncio.Future[AddressState]"
    ) -> None:
        self._pool = pool
        self._target = target
        self._known = known.retarget(target)
        self._outcome = outcome

    def check(self) -> Check[Report]:
        return report(self._target, suffix=self._pool.suffix, policies=self._pool.receivers)

    def worsens(self, report: Report) -> bool:
        return self._known.worsens(report)

    def is_news(self, report: Report) -> bool:
        return self._known.is_news(report)

    def confirmed(self, first: Report, second: Report) -> Report:
        return self._known.confirmed(first, second)

    def record(self, report: Report, evidence: Evidence) -> None:
        state, _ = AddressState(self._target).observe(report, evidence, time.time())
        if not self._outcome.done():
            self._outcome.set_result(state)

    def broken(self, error: Exception) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)


async def sample_now(
    pool: Pool, target: Target, known: AddressState, asker: Asker, timeout_seconds: float
) -> AddressState:
    """Sample *target*; after *timeout_seconds* whatever is not answered counts as a time-out."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[AddressState] = loop.create_future()
    sampling = Sampling(ProbeSubject(pool, target, known, outcome), asker, 0.0, lambda: None)
    end = loop.call_later(timeout_seconds, sampling.give_up)
    try:
        sampling.start()
        return await outcome
    finally:
        end.cancel()
        sampling.drop()
