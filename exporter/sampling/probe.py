"""One sample now, for whoever waits for it: the board hears nothing of it.

The rule of this file: a failure that is not held by the board is confirmed before it is told, as in the background.
"""

import asyncio
import time

from exporter.checks.authentication import Wanted
from exporter.checks.check import Check, Evidence
from exporter.checks.report import Report, Target, report
from exporter.inventory.pool import Pool
from exporter.sampling.authentication import wanted_now
from exporter.sampling.sampling import Asker, Sampling
from exporter.sampling.subjects import ReportSubject
from exporter.state.address import AddressState
from exporter.state.blocklists import Blocklists
from exporter.state.disputes import Dispute


class ProbeSubject(ReportSubject):
    """A target of *pool*, of which *known* is known; *outcome* gets what the sample leads to."""

    def __init__(
        self,
        pool: Pool,
        target: Target,
        known: AddressState,
        outcome: "asyncio.Future[AddressState]",
        wanted: Wanted,
    ) -> None:
        self._pool = pool
        self._wanted = wanted
        self._target = target
        self._known = known.retarget(target)
        self._outcome = outcome

    @property
    def known(self) -> AddressState:
        return self._known

    def check(self) -> Check[Report]:
        pool = self._pool
        return report(self._target, suffix=pool.suffix, policies=pool.receivers, wanted=self._wanted)

    def record(
        self,
        report: Report,
        evidence: Evidence,
        dispute: Dispute | None = None,  # noqa: ARG002  # the board hears nothing of it
        *,
        is_waiting: bool = False,  # noqa: ARG002
    ) -> None:
        state, _ = AddressState(self._target).observe(report, evidence, time.time())
        if not self._outcome.done():
            self._outcome.set_result(state)

    def broken(self, error: Exception) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)


async def sample_now(
    pool: Pool,
    target: Target,
    known: AddressState,
    asker: Asker,
    timeout_seconds: float,
    blocklists: Blocklists | None = None,
) -> AddressState:
    """Sample *target*; after *timeout_seconds* whatever is not answered counts as a time-out."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[AddressState] = loop.create_future()
    wanted = wanted_now(pool, target, Blocklists() if blocklists is None else blocklists)
    sampling = Sampling(ProbeSubject(pool, target, known, outcome, wanted), asker, 0.0, lambda: None)
    end = loop.call_later(timeout_seconds, sampling.give_up)
    try:
        sampling.start()
        return await outcome
    finally:
        end.cancel()
        sampling.drop()
