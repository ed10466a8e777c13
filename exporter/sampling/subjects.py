"""The two things that are sampled: an address of a pool, and a HELO name of a pool, the other way round."""

import time
from collections.abc import Callable

import structlog

from exporter.checks.check import Check, Evidence
from exporter.checks.helo_name import HeloNameReport, helo_name
from exporter.checks.report import Report, report
from exporter.state.change import Change
from exporter.state.pool import PoolState

log = structlog.get_logger()

OnChange = Callable[[str, Change], None]
"""Hears of each conclusive change: the pool's name, "" where it is about a domain, and the change."""


class AddressSubject:
    """The address at *index* of a pool."""

    __slots__ = ("_index", "_on_change", "_pool")

    def __init__(self, pool: PoolState, index: int, on_change: OnChange) -> None:
        self._pool = pool
        self._index = index
        self._on_change = on_change

    def check(self) -> Check[Report]:
        pool = self._pool.pool
        state = self._pool[self._index]
        if not pool.receivers:
            return report(state.target, suffix=pool.suffix)
        return report(state.target, suffix=pool.suffix, policies=pool.receivers, before=state.predicted())

    def worsens(self, report: Report) -> bool:
        return self._pool[self._index].worsens(report)

    def is_news(self, report: Report) -> bool:
        return self._pool[self._index].is_news(report)

    def confirmed(self, first: Report, second: Report) -> Report:
        return self._pool[self._index].confirmed(first, second)

    def record(self, report: Report, evidence: Evidence) -> None:
        for change in self._pool.record(self._index, report, evidence, time.time()):
            self._on_change(self._pool.pool.name, change)

    def broken(self, error: Exception) -> None:
        target = self._pool[self._index].target
        log.error("a check is broken", pool=self._pool.pool.name, ip=str(target.address), exc_info=error)


class HeloNameSubject:
    """The HELO name *text* of a pool: its addresses are followed back."""

    __slots__ = ("_pool", "_text")

    def __init__(self, pool: PoolState, text: str) -> None:
        self._pool = pool
        self._text = text

    def check(self) -> Check[HeloNameReport]:
        return helo_name(self._pool.helos[self._text].said, self._pool.pool.contains)

    def worsens(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].worsens(report)

    def is_news(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].is_news(report)

    def confirmed(self, first: HeloNameReport, second: HeloNameReport) -> HeloNameReport:
        return self._pool.helos[self._text].confirmed(first, second)

    def record(self, report: HeloNameReport, evidence: Evidence) -> None:  # noqa: ARG002  # kept with addresses only
        self._pool.record_helo(report, time.time())

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", pool=self._pool.pool.name, helo=self._text, exc_info=error)
