"""What is remembered of one domain, and how one more sample changes it.

The rule of this file: what the DNS leaves open changes the latest report, never what is held. Everything here is a pure
function.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.checks.check import Evidence
from exporter.checks.dkim import DkimReport
from exporter.checks.dmarc import DmarcReport
from exporter.checks.domain import AnyReason, DomainCheckName, DomainFinding, Hint
from exporter.checks.domain_report import DomainReport
from exporter.checks.names import DomainName
from exporter.checks.result import Result
from exporter.checks.spf.domain import SpfDomainReport
from exporter.config.configuration import DomainSettings
from exporter.state.counters import CheckResult, zeros
from exporter.state.dirty import DirtyNames
from exporter.state.journal import Change
from exporter.state.known import (
    DomainSlot,
    KnownDomain,
    confirmed_domain,
    domain_worsens,
    is_conclusive,
    slots,
    update_known_domain,
)


@dataclass(frozen=True, slots=True)
class DomainState:
    """The latest report on one domain, and what is held of it through inconclusive ones.

    *spf*, *dmarc* and *dkim*, by selector, are the last conclusive ones; *hints* are those of each slot's last
    conclusive findings. Times are Unix times, 0.0 for never.
    """

    settings: DomainSettings
    latest: DomainReport | None = None
    evidence: Evidence = field(default_factory=dict)
    known: KnownDomain = field(default_factory=dict)
    hints: Mapping[DomainSlot, tuple[Hint, ...]] = field(default_factory=dict)
    spf: SpfDomainReport | None = None
    dkim: Mapping[str, DkimReport] = field(default_factory=dict)
    dmarc: DmarcReport | None = None
    sampled_at: float = 0.0
    concluded_at: float = 0.0
    changed_at: float = 0.0

    def observe(self, report: DomainReport, evidence: Evidence, at: float) -> "tuple[DomainState, tuple[Change, ...]]":
        """The state after one more sample, and what changed by it. *report* is to be believed: see `confirmed`."""
        known, changed = update_known_domain(self.known, report.findings)
        changes = tuple([Change(self.settings.name, before, after, at, evidence) for before, after in changed])
        concluded = _conclusive_slots(report)
        keys = zip(self.settings.selectors, report.dkim, strict=True)
        state = DomainState(
            self.settings,
            report,
            evidence,
            known,
            {**self.hints, **{slot: _about(slot, report.hints) for slot in concluded}},
            report.spf if is_conclusive(report.spf.findings) else self.spf,
            {**self.dkim, **{selector: key for selector, key in keys if is_conclusive([key.finding])}},
            report.dmarc if is_conclusive(report.dmarc.findings) else self.dmarc,
            at,
            at if is_conclusive(report.findings) else self.concluded_at,
            at if changes else self.changed_at,
        )
        return state, changes

    def reconfigure(self, settings: DomainSettings) -> "DomainState":
        """The same domain with other settings: what is held of it, and of the selectors that stay, is kept."""
        gone = {(DomainCheckName.DKIM, one) for one in self.settings.selectors if one not in settings.selectors}
        return replace(
            self,
            settings=settings,
            latest=self.latest if settings.selectors == self.settings.selectors else None,
            known={slot: findings for slot, findings in self.known.items() if slot not in gone},
            hints={slot: hints for slot, hints in self.hints.items() if slot not in gone},
            dkim={selector: key for selector, key in self.dkim.items() if selector in settings.selectors},
        )

    def worsens(self, report: DomainReport) -> bool:
        """Whether *report* has a failure that must be confirmed before it is believed."""
        return domain_worsens(self.known, report.findings)

    def is_changed(self, report: DomainReport) -> bool:
        """Whether *report* conclusively says anything else than what is held: a verdict, or what is published."""
        if update_known_domain(self.known, report.findings)[1]:
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
        return last.with_findings(lambda finding: confirmed_domain(self.known, before, finding))

    @property
    def is_healthy(self) -> bool | None:
        """Whether every expected check passes, by what is held; None while that is not known."""
        if self.latest is None:
            return None
        wanted = [slot for slot in slots(self.latest.findings) if slot[0] in self.settings.expect]
        if any(is_failing(self.known.get(slot, ())) for slot in wanted):
            return False
        return True if all(slot in self.known for slot in wanted) else None

    @property
    def problems(self) -> tuple[DomainFinding, ...]:
        """The expected checks that fail, by what is held: one finding for each check, reason and selector."""
        failing: dict[tuple[DomainSlot, AnyReason | None], DomainFinding] = {}
        for slot, findings in self.known.items():
            if slot[0] in self.settings.expect:
                for finding in findings:
                    if finding.result is Result.FAIL:
                        failing.setdefault((slot, finding.reason), finding)
        return tuple(failing.values())

    def passes(self, check: DomainCheckName, subject: str | None = None) -> bool | None:
        """Whether *check* of *subject*, or of the domain itself, passes, by what is held; None if nothing is."""
        findings = self.known.get((check, self.settings.name if subject is None else subject))
        return None if findings is None else not is_failing(findings)


def is_failing(findings: Iterable[DomainFinding]) -> bool:
    """Whether one of them is a failure."""
    return any(finding.result is Result.FAIL for finding in findings)


def _conclusive_slots(report: DomainReport) -> list[DomainSlot]:
    return [slot for slot, findings in slots(report.findings).items() if is_conclusive(findings)]


def _about(slot: DomainSlot, hints: Iterable[Hint]) -> tuple[Hint, ...]:
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


# SECTION exporter.state.domain_board
# All that is remembered of domains: the state of every domain of the current configuration.
#
# The rule of this file: as on `exporter.state.board`, a reader sees one generation; what it reads of a domain
# is
# immutable.


@dataclass(slots=True)
class DomainCounters:
    """What is counted of a domain, over its whole life in this process: *samples* and *changes* of results."""

    samples: int
    changes: dict[CheckResult, int]


class DomainBoard(Mapping[DomainName, DomainState]):
    """The states of the domains, by name, in the order of the configuration; counters go on while a name stays."""

    def __init__(self) -> None:
        self._states: dict[DomainName, DomainState] = {}
        self._counters: dict[DomainName, DomainCounters] = {}
        self.dirty = DirtyNames()

    def __getitem__(self, name: DomainName) -> DomainState:
        return self._states[name]

    def __iter__(self) -> Iterator[DomainName]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def find(self, name: str) -> DomainState | None:
        """What is known of the domain that is called so, however it is written; None if it is not configured."""
        try:
            return self._states.get(DomainName(name))
        except ValueError:
            return None

    def generation(self) -> Mapping[DomainName, DomainState]:
        """What is known now, for a reader in another thread."""
        return dict(self._states)

    def counters(self, name: DomainName) -> DomainCounters:
        """What is counted of a domain. A domain that just left has counted nothing."""
        return self._counters.get(name) or _fresh()

    def publish(self, domains: Sequence[DomainSettings]) -> None:
        """Make *domains* the current generation. What is known of those that stay is kept."""
        states: dict[DomainName, DomainState] = {}
        counters: dict[DomainName, DomainCounters] = {}
        for settings in domains:
            old = self._states.get(settings.name)
            if old is None:
                states[settings.name] = DomainState(settings)
            else:
                states[settings.name] = old if old.settings == settings else old.reconfigure(settings)
            counters[settings.name] = self._counters.get(settings.name) or _fresh()
        self._states, self._counters = states, counters

    def record(self, name: DomainName, report: DomainReport, evidence: Evidence, at: float) -> tuple[Change, ...]:
        """Take in one more report on *name*, sampled at Unix time *at*; say what changed by it."""
        before = self._states[name]
        self._states[name], changes = before.observe(report, evidence, at)
        self.dirty.note(name, is_changed=bool(changes) or before.latest != report)
        counters = self._counters[name]
        counters.samples += 1
        for change in changes:
            counters.changes[change.after.check, change.after.result] += 1
        return changes

    def restore(self, state: DomainState) -> bool:
        """Begin with what is known from before of a domain, if it is one here and was not sampled yet; whether so."""
        mine = self._states.get(state.settings.name)
        if mine is None or mine.sampled_at or mine.settings != state.settings:
            return False
        self._states[state.settings.name] = state
        return True


def _fresh() -> DomainCounters:
    return DomainCounters(0, zeros(DomainCheckName, (Result.PASS, Result.FAIL)))
