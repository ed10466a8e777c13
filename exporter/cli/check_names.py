"""A HELO name, the other way round: what is to be looked at, what came out, and the words and keys for it.

The rule of this file: what the addresses of a name come to is said of the name. It is no verdict on the address that
says it, so where one address was asked for, the exit code does not follow it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from exporter.checks.addresses import Address
from exporter.checks.check import Evidence
from exporter.checks.helo import HeloName
from exporter.checks.name_examination import NameExamination
from exporter.checks.verdicts import CheckName, Result, some
from exporter.cli.check_outcome import Overall
from exporter.web.documents import Json
from exporter.web.helo_names import share_words

_SHOWN = 16
"""Addresses that a line names; JSON has all of them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The pool that a name belongs to: its name, its size, and whether an address is in it."""

    pool: str
    size: int
    contains: Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class NameSubject:
    """One HELO name, and what is expected of the addresses that say it. *scope* is None for a name of no pool."""

    said: HeloName
    expect: frozenset[CheckName]
    profile: str
    scope: Scope | None = None

    @property
    def pool(self) -> str | None:
        """The pool that it belongs to."""
        return None if self.scope is None else self.scope.pool

    def contains(self, address: Address) -> bool:
        """Whether *address* is in the pool; where there is none, nothing is outside of it."""
        return self.scope is None or self.scope.contains(address)


@dataclass(frozen=True, slots=True)
class NameExamined:
    """A HELO name, what came out for it, and every answer that this rests on."""

    subject: NameSubject
    examination: NameExamination
    evidence: Evidence

    @property
    def overall(self) -> Overall:
        """Whether everything that is expected of it is so."""
        return Overall.of(
            finding.result for finding in self.examination.report.findings if finding.check in self.subject.expect
        )

    def failing(self, result: Result = Result.FAIL) -> list[CheckName]:
        """The expected checks that come to *result*."""
        findings = self.examination.report.findings
        return [it.check for it in findings if it.check in self.subject.expect and it.result is result]

    @property
    def inside(self) -> int:
        """How many of its addresses are in the pool."""
        report = self.examination.report
        return len(report.addresses) - len(report.outside)


def name_headline(one: NameExamined) -> str:
    """The outcome in one line."""
    match one.overall:
        case Overall.PASS:
            said = f"pass, {'; '.join(words for _, words in name_lines(one))}"
        case Overall.FINDING:
            said = f"FAIL ({', '.join(one.failing())})"
        case _:
            said = f"not known ({', '.join(one.failing(Result.UNKNOWN))})"
    return f"HELO {one.subject.said}, the other way round: {said}"


def name_held_to(one: NameExamined) -> str:
    """What was expected of it, and why."""
    subject = one.subject
    if subject.pool is None:
        return f"In no pool of the configuration, so held to the profile {subject.profile}."
    return f"Held to what the pool {subject.pool} expects (profile {subject.profile})."


def name_lines(one: NameExamined) -> Iterator[tuple[str, str]]:
    """What its addresses come to, a line for each outcome: its kind (good, bad, open, aside), and the words."""
    report, scope = one.examination.report, one.subject.scope
    size = len(report.addresses)
    if not size:
        yield "aside", "it has no addresses" if report.is_complete else "its addresses are not known"
        return
    if report.confirmed:
        whole = "its one address" if size == 1 else f"{len(report.confirmed)} of its {size} addresses"
        yield "good", f"forward-confirmed: {whole}"
    if report.unconfirmed:
        kind = "bad" if CheckName.FCRDNS in one.subject.expect else "aside"
        yield kind, f"not forward-confirmed: {_listed(report.unconfirmed)}"
    if report.unknown:
        yield "open", f"not known: {_listed(report.unknown)}"
    if report.unfollowed:
        yield "aside", f"not followed: {len(report.unfollowed)} more"
    if scope is not None:
        covered = f"{one.inside} of the {scope.size} addresses" if scope.size != 1 else f"{one.inside} of 1 address"
        yield (
            "good" if one.inside else "aside",
            f"it covers {covered} of the pool {scope.pool} ({share_words(one.inside, scope.size)})",
        )
        if report.outside:
            yield "aside", f"outside the pool: {_listed(report.outside)}"


def _listed(addresses: Collection[Address]) -> str:
    return some(list(addresses), _SHOWN)


def coverage_document(one: NameExamined) -> Json:
    """Its addresses in JSON, by what they come to."""
    report, scope = one.examination.report, one.subject.scope
    return {
        "complete": report.is_complete,
        "addresses": _texts(report.addresses),
        "confirmed": _texts(report.confirmed),
        "unconfirmed": _texts(report.unconfirmed),
        "unknown": _texts(report.unknown),
        "unfollowed": _texts(report.unfollowed),
        "outside_pool": None if scope is None else _texts(report.outside),
        "pool_addresses": None if scope is None else scope.size,
        "pool_share": None if scope is None or not scope.size else one.inside / scope.size,
    }


def _texts(addresses: Collection[Address]) -> list[str]:
    return [str(address) for address in addresses]
