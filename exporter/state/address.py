"""What is remembered of one address, and how one more sample changes it.

The rule of this file: what the DNS leaves open changes the latest report, never what is held. Everything here is a pure
function.
"""

from dataclasses import dataclass, field, replace

from exporter.checks.check import Evidence
from exporter.checks.iprev import Iprev
from exporter.checks.report import Predicted, Report, Target, Verdicts
from exporter.checks.result import OTHER_SUBJECTS, CheckName, Finding, IprevVerdict, Reason, Result
from exporter.state.journal import Change
from exporter.state.known import (
    KnownFindings,
    confirmed_findings,
    confirmed_verdicts,
    update_known,
    update_verdicts,
    verdicts_worsen,
    worsens,
)

_FLAPPING_CHANGES = 4
_FLAPPING_SECONDS = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class AddressState:
    """The latest report on one target, and what is held of it through inconclusive ones.

    *iprev* is the last conclusive one, *receivers* are the last conclusive verdicts on each HELO name. Times are Unix
    times, 0.0 for never; *renamed_at* are the latest moments at which `shown_ptr` changed.
    """

    target: Target
    latest: Report | None = None
    evidence: Evidence = field(default_factory=dict)
    known: KnownFindings = field(default_factory=dict)
    iprev: Iprev | None = None
    sampled_at: float = 0.0
    concluded_at: float = 0.0
    changed_at: float = 0.0
    renamed_at: tuple[float, ...] = ()
    receivers: Verdicts = ()

    def observe(self, report: Report, evidence: Evidence, at: float) -> "tuple[AddressState, tuple[Change, ...]]":
        """The state after one more sample, and what changed by it. *report* is to be believed: see `confirmed`."""
        known = self.known
        changes: tuple[Change, ...] = ()
        if self.latest is None or report.findings != self.latest.findings:
            known, changed = update_known(self.known, report.findings)
            changes = tuple([Change(self.target, before, after, at, evidence) for before, after in changed])
        is_conclusive = report.is_conclusive
        iprev = report.iprev if is_conclusive else self.iprev
        renamed = self.iprev is not None and iprev is not None and shown_ptr(self.iprev) != shown_ptr(iprev)
        state = AddressState(
            self.target,
            report,
            evidence,
            known,
            iprev,
            at,
            # A wall clock that was stepped back must not leave a moment in the future, after the sample itself.
            at if is_conclusive else min(self.concluded_at, at),
            at if changes else min(self.changed_at, at),
            (*self.renamed_at, at)[-_FLAPPING_CHANGES:] if renamed else self.renamed_at,
            update_verdicts(self.receivers, report.receivers) if report.receivers else self.receivers,
        )
        return state, changes

    def retarget(self, target: Target) -> "AddressState":
        """The same address with other HELO names: what is held of the address, and of names that stay, is kept."""
        if target == self.target:
            return self
        gone = {helo.text for helo in self.target.helos} - {helo.text for helo in target.helos}
        known = {
            slot: finding for slot, finding in self.known.items() if slot[1] not in gone or slot[0] in OTHER_SUBJECTS
        }
        rows = dict(zip(self.target.helos, self.receivers, strict=False))
        receivers = tuple([rows.get(helo, ()) for helo in target.helos]) if rows else ()
        return replace(self, target=target, latest=None, known=known, receivers=receivers)

    def worsens(self, report: Report) -> bool:
        """Whether *report* has a failure, or a refusal, that must be confirmed before it is believed."""
        return worsens(self.known, report.findings) or verdicts_worsen(self.receivers, report.receivers)

    def is_changed(self, report: Report) -> bool:
        """Whether *report* conclusively says anything else than what is held."""
        latest = self.latest
        if latest is not None and report.findings == latest.findings and report.iprev == latest.iprev:
            return False
        if self.iprev is not None and report.is_conclusive and report.iprev.ptr_names != self.iprev.ptr_names:
            return True
        return bool(update_known(self.known, report.findings)[1])

    def confirmed(self, first: Report, second: Report) -> Report:
        """The report to believe when *first* worsened the state, and *second* was asked to confirm it."""
        believable = confirmed(self.known, first, second)
        if not second.receivers:
            return believable
        return believable._replace(receivers=confirmed_verdicts(self.receivers, first.receivers, second.receivers))

    def predicted(self) -> Predicted | None:
        """What the next sample may build on."""
        if self.latest is None or not self.evidence:
            return None
        return Predicted(self.evidence, self.latest.receivers)

    @property
    def may_be_flapping(self) -> bool:
        """Whether `is_flapping` depends on the time."""
        return len(self.renamed_at) == _FLAPPING_CHANGES

    def is_flapping(self, now: float) -> bool:
        """Whether the PTR name that is shown changes too often to be a label value."""
        return len(self.renamed_at) == _FLAPPING_CHANGES and now - self.renamed_at[0] < _FLAPPING_SECONDS


def shown_ptr(iprev: Iprev) -> str | None:
    """The one PTR name of an address that stands for it: the first that confirms it, else the first, else none."""
    names = iprev.confirmed_names or iprev.ptr_names
    return names[0] if names else None


def confirmed(known: KnownFindings, first: Report, second: Report) -> Report:
    """The report to believe when *first* had a failure that was not held, and *second* was asked to confirm it."""
    findings = confirmed_findings(known, first.findings, second.findings)
    iprev = second.iprev
    if findings[0] is not iprev.finding:
        iprev = iprev._replace(verdict=IprevVerdict.TEMPERROR, finding=findings[0])
    return second._replace(iprev=iprev, findings=findings)


def health(state: AddressState, expect: frozenset[CheckName]) -> bool | None:
    """Whether every expected check passes, by what is held; None while that is not known.

    A block list that never said anything is passed over: it may refuse to, for good. At least one check has to pass.
    """
    if state.latest is None:
        return None
    held = state.known
    known, passes, silent = True, False, False
    for finding in state.latest.findings:
        if finding.check in expect:
            before = held.get((finding.check, finding.subject))
            if before is None and finding.check is CheckName.DNSBL:
                silent = True
            elif before is None:
                known = False
            elif before.result is Result.FAIL:
                return False
            else:
                passes = True
    return True if known and (passes or not silent) else None


def problems(state: AddressState, expect: frozenset[CheckName]) -> tuple[Finding, ...]:
    """The expected checks that fail, by what is held: one finding for each check and reason."""
    failing: dict[tuple[CheckName, Reason | None], Finding] = {}
    for finding in state.known.values():
        if finding.result is Result.FAIL and finding.check in expect:
            failing.setdefault((finding.check, finding.reason), finding)
    return tuple(failing.values())
