"""An address that a round drew at random from a range that is too big to be listed.

The rule of this file: it is sampled as any address is, and a PTR name that does not resolve back is confirmed as any
failure is; but the outcome is counted apart, and nothing follows from it.
"""

import time

import structlog

from exporter.checks.addresses import Address
from exporter.checks.check import Check, Evidence
from exporter.checks.report import Report, Target, report
from exporter.checks.verdicts import IprevVerdict
from exporter.sampling.subjects import ReportSubject
from exporter.state.address import AddressState
from exporter.state.disputes import Dispute
from exporter.state.unlisted import UnlistedSamples

log = structlog.get_logger()


class UnlistedSubject(ReportSubject):
    """The address *address*, of the pool *pool*; *samples* is where the outcome goes."""

    __slots__ = ("_pool", "_samples", "_state")

    def __init__(self, pool: str, address: Address, samples: UnlistedSamples) -> None:
        self._pool = pool
        self._samples = samples
        self._state = AddressState(Target(address, ()))

    @property
    def known(self) -> AddressState:
        return self._state

    def check(self) -> Check[Report]:
        return report(self._state.target)

    def worsens(self, report: Report) -> bool:
        return report.iprev.verdict is IprevVerdict.FAIL

    def is_news(self, report: Report) -> bool:  # noqa: ARG002  # nothing was known before
        return False

    def record(
        self,
        report: Report,
        evidence: Evidence,  # noqa: ARG002  # an address that fails can be checked again
        dispute: Dispute | None = None,  # noqa: ARG002  # two who differ about it are no news
        *,
        is_waiting: bool = False,  # noqa: ARG002
    ) -> None:
        self._samples.note(report, time.time())

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", pool=self._pool, ip=str(self._state.target.address), exc_info=error)
