"""What is known of domains, as rows: written, read, noted as gone.

The rule of this file: what comes out is what went in: the reports, with all that pages and metrics show of them, and
what is held. A row has a bound: of a domain whose records are so large that it would be longer, first the evidence is
left out, and then what its latest sample came to and its SPF record; what is held, which decides, never is.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from exporter.checks.check import Evidence
from exporter.checks.dkim import DkimReport
from exporter.checks.dmarc.check import DmarcReport
from exporter.checks.domain import DomainCheckName, DomainFinding, Hint
from exporter.checks.domain_report import DomainReport
from exporter.checks.names import DomainName
from exporter.checks.spf.domain import SpfDomainReport
from exporter.config.configuration import DomainSettings
from exporter.state.domain import DomainState
from exporter.state.domain_board import DomainBoard
from exporter.state.evidence import pack, unpack
from exporter.state.storage.plain import plain, typed
from exporter.state.storage.rows import Reading, checksum
from exporter.state.storage.words import reading

MAX_OCTETS = 1 << 20
"""How long a row may be: a record that authorises ten thousand networks fits."""

_MAX_EVIDENCE = 64 << 10
_SAME = 0

Taken = Sequence[DomainName]


def domain_text(state: DomainState) -> str:
    """All of *state* but its name, and of its settings the selectors; as much of it as fits into a row."""
    text = _text(state, pack(state.evidence, _MAX_EVIDENCE), with_latest=True)
    if len(text) > MAX_OCTETS:
        text = _text(state, pack({}), with_latest=True)
    return text if len(text) <= MAX_OCTETS else _text(state, pack({}), with_latest=False)


def _text(state: DomainState, evidence: str, *, with_latest: bool) -> str:
    latest = state.latest if with_latest else None
    spf = state.spf if with_latest else None
    data: list[Any] = [
        list(state.settings.selectors),
        plain(latest),
        list(map(plain, state.held.values())),
        [[*slot, plain(hints)] for slot, hints in state.hints.items()],
        _SAME if latest is not None and spf == latest.spf else plain(spf),
        {selector: plain(key) for selector, key in state.dkim.items()},
        plain(state.dmarc),
        state.concluded_at,
        state.changed_at,
        evidence,
    ]
    return json.dumps(data, separators=(",", ":"))


@reading
def domain_state(text: str, settings: DomainSettings, sampled_at: float, now: float) -> DomainState:
    """What `domain_text` wrote of the domain that has these *settings* now; no time of it is later than *now*.

    What was known of selectors that are no longer configured is left out. Raises `ValueError`.
    """
    selectors, latest, held, hints, spf, dkim, dmarc, concluded_at, changed_at, evidence = json.loads(text)
    report = typed(DomainReport | None, latest)  # type: ignore[arg-type]  # a union is a kind too
    groups = typed(tuple[tuple[DomainFinding, ...], ...], held)
    state = DomainState(
        DomainSettings(settings.name, settings.interval, settings.expect, tuple(map(str, selectors))),
        report,
        _answered(unpack(evidence), now),
        {(group[0].check, group[0].subject): group for group in groups},
        {(DomainCheckName(check), str(subject)): typed(tuple[Hint, ...], some) for check, subject, some in hints},
        report.spf if spf == _SAME and report is not None else typed(SpfDomainReport | None, spf),  # type: ignore[arg-type]
        {str(selector): typed(DkimReport, key) for selector, key in dkim.items()},
        typed(DmarcReport | None, dmarc),  # type: ignore[arg-type]
        min(sampled_at, now),
        min(float(concluded_at), now),
        min(float(changed_at), now),
    )
    return state if state.settings == settings else state.resettle(settings)


def _answered(evidence: Evidence, now: float) -> Evidence:
    return {
        question: answer if answer.asked_at <= now else answer._replace(asked_at=now)
        for question, answer in evidence.items()
    }


class KeptDomains:
    """The domains of a board, for the thread that saves (see `exporter.state.storage.parts.Part`)."""

    name = "domains"

    def __init__(self, board: DomainBoard) -> None:
        self._board = board
        self._looked: set[DomainName] = set()

    def note_all(self) -> None:
        """Everything that is known has to be saved anew, and read anew what is not."""
        self._looked.clear()
        for name, state in self._board.generation().items():
            if state.sampled_at:
                self._board.unsaved.note(name, is_news=True)

    def take(self, *, all_of_them: bool) -> Taken:
        """Take the domains that have news, or *all_of_them* that were sampled."""
        return self._board.unsaved.take(all_of_them=all_of_them)

    def put_back(self, taken: Taken) -> None:
        """Could not be saved."""
        for name in taken:
            self._board.unsaved.note(name, is_news=True)

    def save(self, connection: sqlite3.Connection, taken: Taken) -> None:
        """Write them, as they are now."""
        generation = self._board.generation()
        states = [generation[name] for name in taken if name in generation]
        rows = [(state.settings.name, state.sampled_at, domain_text(state)) for state in states if state.sampled_at]
        connection.executemany(
            "INSERT OR REPLACE INTO domains (name, sampled_at, state, crc) VALUES (?, ?, ?, ?)",
            [(name, at, text, checksum(name, text)) for name, at, text in rows],
        )

    def note_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """Note of every domain whether it is configured, and if not, since when."""
        configured = self._board.generation()
        rows = connection.execute("SELECT name, gone_at FROM domains").fetchall()
        moved = [
            (now if gone_at is None else None, name)
            for name, gone_at in rows
            if (gone_at is None) != (name in configured)
        ]
        connection.executemany("UPDATE domains SET gone_at = ? WHERE name = ?", moved)

    def wanted(self) -> list[DomainSettings]:
        """The domains of which nothing is known, and that were not looked for."""
        generation = self._board.generation()
        self._looked &= generation.keys()
        unknown = [name for name, state in generation.items() if not state.sampled_at and name not in self._looked]
        self._looked.update(unknown)
        return [generation[name].settings for name in unknown]

    def read(self, source: Reading, wanted: Iterable[DomainSettings]) -> list[DomainState]:
        """What the file has of the *wanted* ones."""
        return list(read_domains(source, wanted))

    def restore(self, found: Iterable[DomainState]) -> int:
        """Begin with what was *found*, as far as nothing newer is known; how many that were."""
        return sum(map(self._board.restore, found))


def read_domains(source: Reading, wanted: Iterable[DomainSettings]) -> Iterable[DomainState]:
    """What the file has of domains; what cannot be read, or is too old, is left out."""
    for settings in wanted:
        query = "SELECT sampled_at, state, crc FROM domains WHERE name = ?"
        for sampled_at, text, crc in source.connection.execute(query, (settings.name,)):
            if not isinstance(text, str) or checksum(settings.name, text) != crc:
                source.unreadable += 1
                continue
            try:
                state = domain_state(text, settings, float(sampled_at), source.now)
            except ValueError:
                source.unreadable += 1
                continue
            if state.sampled_at >= source.since:
                yield state
