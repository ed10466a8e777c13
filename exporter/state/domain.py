"""The state of one domain, how a sample changes it, and the states of all domains."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from exporter.checks.check import Evidence
from exporter.checks.dkim import DkimReport
from exporter.checks.dmarc import DmarcReport
from exporter.checks.domain import Hint
from exporter.checks.domain_report import DomainReport
from exporter.checks.names import DomainName
from exporter.checks.result import DOMAIN_CHECKS, CheckName, Finding, Reason, Result, Slot
from exporter.checks.spf.domain import SpfDomainReport
from exporter.config.configuration import DomainSettings
from exporter.state.counters import CheckResult, zeros
from exporter.state.dirty import DirtySet
from exporter.state.journal import Change
from exporter.state.known import (
    KnownDomain,
    confirmed,
    failures,
    is_conclusive,
    slots,
    update_known_domain,
    worsens,
)


@dataclass(frozen=True, slots=True)
class DomainState:
    """The results of one domain. Times are Unix times, 0.0 for never.

    Attributes:
        settings: What is configured for the domain.
        latest: The latest report, conclusive or not.
        evidence: The answers that the latest report rests on.
        known: The last conclusive findings of each check and subject.
        hints: The hints that came with them.
        spf: The last conclusive SPF report.
        dkim: The last conclusive DKIM report of each selector.
        dmarc: The last conclusive DMARC report.
        sampled_at: When it was last sampled.
        concluded_at: When a report was last conclusive.
        changed_at: When a conclusive result last changed.
        known_since: Since when, at least, `known` has these checks and subjects. Not saved.
    """

    settings: DomainSettings
    latest: DomainReport | None = None
    evidence: Evidence = field(default_factory=dict)
    known: KnownDomain = field(default_factory=dict)
    hints: Mapping[Slot, tuple[Hint, ...]] = field(default_factory=dict)
    spf: SpfDomainReport | None = None
    dkim: Mapping[str, DkimReport] = field(default_factory=dict)
    dmarc: DmarcReport | None = None
    sampled_at: float = 0.0
    concluded_at: float = 0.0
    changed_at: float = 0.0
    known_since: float = field(default=0.0, compare=False)

    def observe(self, report: DomainReport, evidence: Evidence, at: float) -> "tuple[DomainState, tuple[Change, ...]]":
        """Return the state after one more sample, and what changed. *report* must be confirmed: see `confirmed`."""
        known, changed = update_known_domain(self.known, report.findings)
        changes = tuple([Change(self.settings.name, before, after, at, evidence) for before, after in changed])
        concluded = [slot for slot, findings in slots(report.findings).items() if is_conclusive(findings)]
        hints = {slot: tuple([it for it in report.hints if (it.check, it.subject) == slot]) for slot in concluded}
        keys = zip(self.settings.selectors, report.dkim, strict=True)
        state = DomainState(
            self.settings,
            report,
            evidence,
            known,
            {**self.hints, **hints},
            report.spf if is_conclusive(report.spf.findings) else self.spf,
            {**self.dkim, **{selector: key for selector, key in keys if is_conclusive([key.finding])}},
            report.dmarc if is_conclusive(report.dmarc.findings) else self.dmarc,
            at,
            at if is_conclusive(report.findings) else self.concluded_at,
            at if changes else self.changed_at,
            (self.known_since or self.sampled_at) if known.keys() <= self.known.keys() else at,
        )
        return state, changes

    def reconfigure(self, settings: DomainSettings) -> "DomainState":
        """Return the state with other settings: keep what is known of the domain and of selectors that stay."""
        gone = {(CheckName.DKIM, one) for one in self.settings.selectors if one not in settings.selectors}
        return replace(
            self,
            settings=settings,
            latest=self.latest if settings.selectors == self.settings.selectors else None,
            known={slot: findings for slot, findings in self.known.items() if slot not in gone},
            hints={slot: hints for slot, hints in self.hints.items() if slot not in gone},
            dkim={selector: key for selector, key in self.dkim.items() if selector in settings.selectors},
        )

    def with_earlier(self, earlier: "DomainState") -> "DomainState":
        """Return the state with what only *earlier*, a saved state, knows; itself if that is nothing."""
        if not self.sampled_at:
            return earlier
        if self.known.keys() >= earlier.known.keys():
            return self
        return replace(
            self,
            known={**earlier.known, **self.known},
            hints={**earlier.hints, **self.hints},
            spf=self.spf or earlier.spf,
            dkim={**earlier.dkim, **self.dkim},
            dmarc=self.dmarc or earlier.dmarc,
            concluded_at=max(self.concluded_at, earlier.concluded_at),
            changed_at=max(self.changed_at, earlier.changed_at),
        )

    def worsens(self, report: DomainReport) -> bool:
        """Whether *report* has a new failure that a second sample must confirm."""
        return worsens(chain.from_iterable(self.known.values()), report.findings)

    def is_changed(self, report: DomainReport) -> bool:
        """Whether a conclusive result in *report*, or a published record, differs from the known one."""
        if update_known_domain(self.known, report.findings)[1]:
            return True
        if self.spf is not None and is_conclusive(report.spf.findings) and _spf_key(self.spf) != _spf_key(report.spf):
            return True
        dmarc = self.dmarc
        if dmarc is not None and is_conclusive(report.dmarc.findings) and _dmarc_key(dmarc) != _dmarc_key(report.dmarc):
            return True
        keys = zip(self.settings.selectors, report.dkim, strict=True)
        return any(is_conclusive([key.finding]) and self.dkim.get(selector, key) != key for selector, key in keys)

    def confirmed(self, earlier: Sequence[DomainReport], last: DomainReport) -> DomainReport:
        """Return the report to record where *earlier* ones had a new failure and *last* followed."""
        before = [finding for report in earlier for finding in report.findings]
        seen = failures(chain(before, *self.known.values()))
        return last.with_findings(lambda finding: confirmed(finding, seen))

    @property
    def is_healthy(self) -> bool | None:
        """Whether every expected check passes, by the known findings; None while that is unknown."""
        if self.latest is None:
            return None
        wanted = [slot for slot in slots(self.latest.findings) if slot[0] in self.settings.expect]
        if any(is_failing(self.known.get(slot, ())) for slot in wanted):
            return False
        return True if all(slot in self.known for slot in wanted) else None

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The failures of expected checks, by the known findings: the first for each check, selector and reason."""
        failing: dict[tuple[Slot, Reason | None], Finding] = {}
        for slot, findings in self.known.items():
            if slot[0] in self.settings.expect:
                for finding in findings:
                    if finding.result is Result.FAIL:
                        failing.setdefault((slot, finding.reason), finding)
        return tuple(failing.values())

    def passes(self, check: CheckName, subject: str | None = None) -> bool | None:
        """Whether *check* passes for *subject* (default: the domain), by the known findings; None without any."""
        findings = self.known.get((check, self.settings.name if subject is None else subject))
        return None if findings is None else not is_failing(findings)


def is_failing(findings: Iterable[Finding]) -> bool:
    """Whether one of *findings* is a failure."""
    return any(finding.result is Result.FAIL for finding in findings)


def _dmarc_key(report: DmarcReport) -> tuple[object, ...]:
    """The policies that a DMARC report publishes, for comparison."""
    policies = (report.policy, report.subdomain_policy, report.nonexistent_policy, report.is_testing)
    return (report.record, report.record_domain, *policies)


def _spf_key(report: SpfDomainReport) -> tuple[object, ...]:
    """The records, lookups and ranges of an SPF report, for comparison."""
    compiled = report.compiled
    families = (compiled.authorised(4), compiled.open(4), compiled.authorised(6), compiled.open(6))
    return (report.records, report.domains, report.lookups, report.void_lookups, *families)


@dataclass(slots=True)
class DomainCounters:
    """How often a domain was sampled since the process began, and how often its results changed."""

    samples: int
    changes: dict[CheckResult, int]


class DomainBoard(Mapping[DomainName, DomainState]):
    """The states of the domains, by name, in the order of the configuration.

    Counters survive a reload that keeps the name.
    """

    def __init__(self) -> None:
        self._states: dict[DomainName, DomainState] = {}
        self._counters: dict[DomainName, DomainCounters] = {}
        self.dirty = DirtySet[DomainName]()

    def __getitem__(self, name: DomainName) -> DomainState:
        return self._states[name]

    def __iter__(self) -> Iterator[DomainName]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def find(self, name: str) -> DomainState | None:
        """The state of the domain *name*, in any spelling; None if it is not configured."""
        try:
            return self._states.get(DomainName(name))
        except ValueError:
            return None

    def generation(self) -> Mapping[DomainName, DomainState]:
        """A copy of the mapping, for readers in other threads."""
        return dict(self._states)

    def counters(self, name: DomainName) -> DomainCounters:
        """The counters of a domain; all 0 if it is not configured any more."""
        return self._counters.get(name) or _fresh()

    def publish(self, domains: Sequence[DomainSettings]) -> None:
        """Make *domains* the current generation, and keep the states of those that stay."""
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
        """Record a report on *name*, sampled at Unix time *at*. Return what changed."""
        before = self._states[name]
        self._states[name], changes = before.observe(report, evidence, at)
        self.dirty.add(name, is_changed=bool(changes) or before.latest != report)
        counters = self._counters[name]
        counters.samples += 1
        for change in changes:
            counters.changes[change.after.check, change.after.result] += 1
        return changes

    def restore(self, state: DomainState) -> bool:
        """Restore what only a saved state knows of a configured domain. Return whether that is anything."""
        mine = self._states.get(state.settings.name)
        if mine is None or mine.settings != state.settings:
            return False
        merged = self._states[state.settings.name] = mine.with_earlier(state)
        if mine.sampled_at and merged is not mine:
            self.dirty.add(state.settings.name, is_changed=True)
        return merged is not mine


def _fresh() -> DomainCounters:
    return DomainCounters(0, zeros(DOMAIN_CHECKS, (Result.PASS, Result.FAIL)))
