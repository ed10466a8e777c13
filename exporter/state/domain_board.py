"""All that is remembered of domains: the state of every domain of the current configuration.

The rule of this file: as on `exporter.state.board`, a reader sees one generation; what it reads of a domain is
immutable.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.checks.check import Evidence
from exporter.checks.domain import DomainCheckName
from exporter.checks.domain_report import DomainReport
from exporter.checks.names import DomainName
from exporter.checks.verdicts import Result
from exporter.config.configuration import DomainSettings
from exporter.state.change import Change
from exporter.state.counters import CheckResult, zeros
from exporter.state.domain import DomainState
from exporter.state.unsaved import UnsavedNames


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
        self.unsaved = UnsavedNames()

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

    def adopt(self, domains: Sequence[DomainSettings]) -> None:
        """Make *domains* the current generation. What is known of those that stay is kept."""
        states: dict[DomainName, DomainState] = {}
        counters: dict[DomainName, DomainCounters] = {}
        for settings in domains:
            old = self._states.get(settings.name)
            if old is None:
                states[settings.name] = DomainState(settings)
            else:
                states[settings.name] = old if old.settings == settings else old.resettle(settings)
            counters[settings.name] = self._counters.get(settings.name) or _fresh()
        self._states, self._counters = states, counters

    def record(self, name: DomainName, report: DomainReport, evidence: Evidence, at: float) -> tuple[Change, ...]:
        """Take in one more report on *name*, sampled at Unix time *at*; say what changed by it."""
        before = self._states[name]
        self._states[name], changes = before.observe(report, evidence, at)
        self.unsaved.note(name, is_news=bool(changes) or before.latest != report)
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
