"""The state of one address, and how a sample changes it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from exporter.checks.check import Evidence
from exporter.checks.iprev import Iprev
from exporter.checks.report import Predicted, Report, Target, Verdicts
from exporter.checks.result import OTHER_SUBJECTS, CheckName, Finding, IprevVerdict, Reason, Result, causes
from exporter.state.journal import Change
from exporter.state.known import (
    KnownFindings,
    confirmed,
    confirmed_verdicts,
    failures,
    update_known,
    update_verdicts,
    verdicts_worsen,
    worsens,
)

_FLAPPING_CHANGES = 4
_FLAPPING_SECONDS = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class AddressState:
    """The results of one address. Times are Unix times, 0.0 for never.

    Attributes:
        target: The address and its HELO names.
        latest: The latest report, conclusive or not.
        evidence: The answers that the latest report rests on.
        known: The last conclusive finding of each check and subject.
        iprev: The last conclusive iprev verdict.
        sampled_at: When it was last sampled.
        concluded_at: When the iprev verdict was last conclusive.
        changed_at: When a conclusive result last changed.
        renamed_at: When `shown_ptr` changed: the latest few times.
        receivers: The last conclusive verdict of each receiver, one row for each HELO name.
        known_since: Since when, at least, `known` has these checks and subjects. Not saved.
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
    known_since: float = field(default=0.0, compare=False)

    def observe(self, report: Report, evidence: Evidence, at: float) -> "tuple[AddressState, tuple[Change, ...]]":
        """Return the state after one more sample, and what changed. *report* must be confirmed: see `confirmed`."""
        known, since = self.known, self.known_since or self.sampled_at
        changes: tuple[Change, ...] = ()
        if self.latest is None or report.findings != self.latest.findings:
            known, changed = update_known(self.known, report.findings)
            since = since if known.keys() <= self.known.keys() else at
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
            # If the wall clock was set back, no time may be later than the sample itself.
            at if is_conclusive else min(self.concluded_at, at),
            at if changes else min(self.changed_at, at),
            (*self.renamed_at, at)[-_FLAPPING_CHANGES:] if renamed else self.renamed_at,
            update_verdicts(self.receivers, report.receivers) if report.receivers else self.receivers,
            min(since, at),
        )
        return state, changes

    def retarget(self, target: Target) -> "AddressState":
        """Return the state with the HELO names of *target*; what is known of other names is dropped."""
        if target == self.target:
            return self
        gone = {helo.text for helo in self.target.helos} - {helo.text for helo in target.helos}
        known = {
            slot: finding for slot, finding in self.known.items() if slot[1] not in gone or slot[0] in OTHER_SUBJECTS
        }
        rows = dict(zip(self.target.helos, self.receivers, strict=False))
        receivers = tuple([rows.get(helo, ()) for helo in target.helos]) if rows else ()
        return replace(self, target=target, latest=None, known=known, receivers=receivers)

    def with_earlier(self, earlier: "AddressState") -> "AddressState":
        """Return the state with what only *earlier*, a saved state, knows; itself if that is nothing."""
        if self.known.keys() >= earlier.known.keys() and (self.iprev is not None or earlier.iprev is None):
            return self
        return replace(
            self,
            known={**earlier.known, **self.known},
            iprev=self.iprev or earlier.iprev,
            concluded_at=max(self.concluded_at, earlier.concluded_at),
            changed_at=max(self.changed_at, earlier.changed_at),
            renamed_at=self.renamed_at or earlier.renamed_at,
            receivers=update_verdicts(earlier.receivers, self.receivers) if self.receivers else earlier.receivers,
        )

    def worsens(self, report: Report) -> bool:
        """Whether *report* has a new failure, or a new refusal, that a second sample must confirm."""
        return worsens(self.known.values(), report.findings) or verdicts_worsen(self.receivers, report.receivers)

    def is_changed(self, report: Report) -> bool:
        """Whether a conclusive result in *report* differs from the known one."""
        latest = self.latest
        if latest is not None and report.findings == latest.findings and report.iprev == latest.iprev:
            return False
        if self.iprev is not None and report.is_conclusive and report.iprev.ptr_names != self.iprev.ptr_names:
            return True
        return bool(update_known(self.known, report.findings)[1])

    def confirmed(self, earlier: Sequence[Report], last: Report) -> Report:
        """Return the report to record where *earlier* ones worsened the state and *last* followed to confirm it."""
        seen = failures([*self.known.values(), *[finding for report in earlier for finding in report.findings]])
        findings = tuple([confirmed(finding, seen) for finding in last.findings])
        iprev = last.iprev
        if findings[0] is not iprev.finding:
            iprev = iprev._replace(verdict=IprevVerdict.TEMPERROR, finding=findings[0])
        report = last._replace(iprev=iprev, findings=findings)
        if not last.receivers:
            return report
        return report._replace(receivers=confirmed_verdicts(self.receivers, earlier[0].receivers, last.receivers))

    def predicted(self) -> Predicted | None:
        """What the next sample may reuse; None without evidence."""
        if self.latest is None or not self.evidence:
            return None
        return Predicted(self.evidence, self.latest.receivers)

    @property
    def may_be_flapping(self) -> bool:
        """Whether `is_flapping` can be true, depending on the time."""
        return len(self.renamed_at) == _FLAPPING_CHANGES

    def is_flapping(self, now: float) -> bool:
        """Whether `shown_ptr` changes too often to be a label value."""
        return len(self.renamed_at) == _FLAPPING_CHANGES and now - self.renamed_at[0] < _FLAPPING_SECONDS


def without_followers(changes: tuple[Change, ...], before: KnownFindings, after: KnownFindings) -> tuple[Change, ...]:
    """The changes of one sample without those that only follow from another of them: one missing record is one change.

    *before* and *after* are what was known before and after the sample.
    """
    if len(changes) < 2:
        return changes
    changed = {(change.after.check, change.after.subject) for change in changes}
    follow = {
        (result, check, subject)
        for result, known in ((Result.FAIL, after), (Result.PASS, before))
        for (check, subject), cause in causes(known.values()).items()
        if (cause.check, cause.subject) in changed
    }
    return tuple([it for it in changes if (it.after.result, it.after.check, it.after.subject) not in follow])


def shown_ptr(iprev: Iprev) -> str | None:
    """The PTR name to show for an address: the first confirmed one, else the first, else None."""
    names = iprev.confirmed_names or iprev.ptr_names
    return names[0] if names else None


def health(state: AddressState, expect: frozenset[CheckName]) -> bool | None:
    """Whether every check of *expect* passes, by the known findings; None while that is unknown.

    A block list that never answered does not count: it may never answer us. At least one check has to pass. Before the
    first sample with other HELO names, only failures that are known already count.
    """
    findings = state.known
    if state.latest is None:
        return False if any(it.result is Result.FAIL and it.check in expect for it in findings.values()) else None
    is_complete, passes, silent = True, False, False
    for finding in state.latest.findings:
        if finding.check in expect:
            before = findings.get((finding.check, finding.subject))
            if before is None and finding.check is CheckName.DNSBL:
                silent = True
            elif before is None:
                is_complete = False
            elif before.result is Result.FAIL:
                return False
            else:
                passes = True
    return True if is_complete and (passes or not silent) else None


def problems(state: AddressState, expect: frozenset[CheckName]) -> tuple[Finding, ...]:
    """The failures of checks of *expect*, by the known findings: the first one for each check and reason.

    Failures that only follow from another one are left out.
    """
    failing: dict[tuple[CheckName, Reason | None], Finding] = {}
    follow = causes(state.known.values(), expect)
    for slot, finding in state.known.items():
        if finding.result is Result.FAIL and finding.check in expect and slot not in follow:
            failing.setdefault((finding.check, finding.reason), finding)
    return tuple(failing.values())
