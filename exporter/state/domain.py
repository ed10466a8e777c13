"""What is remembered of one domain, and how one more sample changes it.

The rule of this file: what the DNS leaves open changes the latest report, never what is held. Everything here is a pure
function.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.checks.check import Evidence
from exporter.checks.dkim import DkimReport
from exporter.checks.dmarc.check import DmarcReport
from exporter.checks.domain import AnyReason, DomainCheckName, DomainFinding, Hint
from exporter.checks.domain_report import DomainReport
from exporter.checks.spf.domain import SpfDomainReport
from exporter.checks.verdicts import Result
from exporter.config.configuration import DomainSettings
from exporter.state.change import Change
from exporter.state.domain_held import Held, Slot, believed, hold, is_conclusive, slots, worsens


@dataclass(frozen=True, slots=True)
class DomainState:
    """The latest report on one domain, and what is held of it through inconclusive ones.

    *spf*, *dmarc* and *dkim*, by selector, are the last conclusive ones; *hints* are those of each slot's last
    conclusive findings. Times are Unix times, 0.0 for never.
    """

    settings: DomainSettings
    latest: DomainReport | None = None
    evidence: Evidence = field(default_factory=dict)
    held: Held = field(default_factory=dict)
    hints: Mapping[Slot, tuple[Hint, ...]] = field(default_factory=dict)
    spf: SpfDomainReport | None = None
    dkim: Mapping[str, DkimReport] = field(default_factory=dict)
    dmarc: DmarcReport | None = None
    sampled_at: float = 0.0
    concluded_at: float = 0.0
    changed_at: float = 0.0

    def observe(self, report: DomainReport, evidence: Evidence, at: float) -> "tuple[DomainState, tuple[Change, ...]]":
        """The state after one more sample, and what changed by it. *report* is to be believed: see `confirmed`."""
        held, changed = hold(self.held, report.findings)
        changes = tuple([Change(self.settings.name, before, after, at, evidence) for before, after in changed])
        concluded = _conclusive_slots(report)
        keys = zip(self.settings.selectors, report.dkim, strict=True)
        state = DomainState(
            self.settings,
            report,
            evidence,
            held,
            {**self.hints, **{slot: _about(slot, report.hints) for slot in concluded}},
            report.spf if is_conclusive(report.spf.findings) else self.spf,
            {**self.dkim, **{selector: key for selector, key in keys if is_conclusive([key.finding])}},
            report.dmarc if is_conclusive(report.dmarc.findings) else self.dmarc,
            at,
            at if is_conclusive(report.findings) else self.concluded_at,
            at if changes else self.changed_at,
        )
        return state, changes

    def resettle(self, settings: DomainSettings) -> "DomainState":
        """The same domain with other settings: what is held of it, and of the selectors that stay, is kept."""
        gone = {(DomainCheckName.DKIM, one) for one in self.settings.selectors if one not in settings.selectors}
        return replace(
            self,
            settings=settings,
            latest=self.latest if settings.selectors == self.settings.selectors else None,
            held={slot: findings for slot, findings in self.held.items() if slot not in gone},
            hints={slot: hints for slot, hints in self.hints.items() if slot not in gone},
            dkim={selector: key for selector, key in self.dkim.items() if selector in settings.selectors},
        )

    def worsens(self, report: DomainReport) -> bool:
        """Whether *report* has a failure that must be confirmed before it is believed."""
        return worsens(self.held, report.findings)

    def is_news(self, report: DomainReport) -> bool:
        """Whether *report* conclusively says anything else than what is held: a verdict, or what is published."""
        if hold(self.held, report.findings)[1]:
            return True
        if self.spf is not None and is_conclusive(report.spf.findings) and _said(self.spf) != _said(report.spf):
            return True
        if (
            self.dmarc is not None
            and is_conclusive(report.dmarc.findings)
            and _asked(self.dmarc) != _asked(report.dmarc)
        ):
            return True
        keys = zip(self.settings.selectors, report.dkim, strict=True)
        return any(is_conclusive([key.finding]) and self.dkim.get(selector, key) != key for selector, key in keys)

    def confirmed(self, earlier: Sequence[DomainReport], last: DomainReport) -> DomainReport:
        """The report to believe where *earlier* ones had a failure that is not held, and *last* followed."""
        before = [finding for report in earlier for finding in report.findings]
        return last.with_findings(lambda finding: believed(self.held, before, finding))

    @property
    def is_healthy(self) -> bool | None:
        """Whether every expected check passes, by what is held; None while that is not known."""
        if self.latest is None:
            return None
        wanted = [slot for slot in slots(self.latest.findings) if slot[0] in self.settings.expect]
        if any(is_failing(self.held.get(slot, ())) for slot in wanted):
            return False
        return True if all(slot in self.held for slot in wanted) else None

    @property
    def problems(self) -> tuple[DomainFinding, ...]:
        """The expected checks that fail, by what is held: one finding for each check, reason and selector."""
        failing: dict[tuple[Slot, AnyReason | None], DomainFinding] = {}
        for slot, findings in self.held.items():
            if slot[0] in self.settings.expect:
                for finding in findings:
                    if finding.result is Result.FAIL:
                        failing.setdefault((slot, finding.reason), finding)
        return tuple(failing.values())

    def passes(self, check: DomainCheckName, subject: str | None = None) -> bool | None:
        """Whether *check* of *subject*, or of the domain itself, passes, by what is held; None if nothing is."""
        findings = self.held.get((check, self.settings.name if subject is None else subject))
        return None if findings is None else not is_failing(findings)


def is_failing(findings: Iterable[DomainFinding]) -> bool:
    """Whether one of them is a failure."""
    return any(finding.result is Result.FAIL for finding in findings)


def _conclusive_slots(report: DomainReport) -> list[Slot]:
    return [slot for slot, findings in slots(report.findings).items() if is_conclusive(findings)]


def _about(slot: Slot, hints: Iterable[Hint]) -> tuple[Hint, ...]:
    return tuple([hint for hint in hints if (hint.check, hint.subject) == slot])


def _asked(report: DmarcReport) -> tuple[object, ...]:
    """What receivers are asked to do, for comparison."""
    policies = (report.policy, report.subdomain_policy, report.nonexistent_policy, report.is_testing)
    return (report.record, report.record_domain, *policies)


def _said(report: SpfDomainReport) -> tuple[object, ...]:
    """What an SPF tree comes to, for comparison."""
    compiled = report.compiled
    families = (compiled.authorised(4), compiled.open(4), compiled.authorised(6), compiled.open(6))
    return (report.records, report.domains, report.lookups, report.void_lookups, *families)
