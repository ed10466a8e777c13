"""An address that a round drew from its prefix, and what follows from what it comes to."""

from collections.abc import Callable

from exporter.checks.check import Evidence
from exporter.checks.report import Report
from exporter.sampling.authentication import Authentication
from exporter.sampling.subjects import AddressSubject, OnChange
from exporter.state.disputes import Dispute, Disputes
from exporter.state.pool import FAILING, PoolState, worst


class DrawnSubject(AddressSubject):
    """The address at *index* of a pool; *counts* says whether it is part of the estimate.

    *failed* is called when a failure is recorded that was not known before: it was confirmed by then.
    """

    __slots__ = ("_counts", "_failed")

    def __init__(
        self,
        pool: PoolState,
        index: int,
        disputes: Disputes,
        on_change: OnChange,
        authentication: Authentication,
        *,
        counts: bool,
        failed: Callable[[], None],
    ) -> None:
        super().__init__(pool, index, disputes, on_change, authentication)
        self._counts = counts
        self._failed = failed

    def record(
        self, report: Report, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        state, index = self._pool, self._index
        was_failing = state.healths[index] == FAILING
        super().record(report, evidence, dispute, is_waiting=is_waiting)
        if self._counts:
            state.sample.note(worst(report))
        if state.healths[index] == FAILING and not was_failing:
            self._failed()
