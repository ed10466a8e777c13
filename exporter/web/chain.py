"""The chain of an address as a graph: to its PTR names and from them back, and from its HELO names to their addresses.

The rule of this file: an edge is broken only for what the DNS said. What it left open is an open edge, and what is
merely of no use (a second PTR name, an address of another server) is an aside.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Evidence
from exporter.checks.helo import HeloName
from exporter.checks.iprev import NAME_LIMIT
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.verdicts import CheckName, some


class Shape(StrEnum):
    """How an edge is drawn."""

    GOOD = "good"
    BROKEN = "broken"
    OPEN = "open"
    """The DNS did not answer."""
    ASIDE = "aside"
    """It does not help, and does no harm."""


@dataclass(frozen=True, slots=True)
class Step:
    """An edge with what it leads to: *label* is on the edge, *lines* are in the box, *via* are the CNAMEs between.

    *sentence* says the same to whoever does not see the picture.
    """

    shape: Shape
    label: str
    lines: tuple[str, ...]
    sentence: str
    via: tuple[DomainName, ...] = ()
    onward: tuple["Step", ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """Where a part of the chain starts: the address, or a HELO name."""

    kind: str
    text: str
    steps: tuple[Step, ...] = field(default=())


def chain(target: Target, evidence: Evidence, expect: Collection[CheckName]) -> list[Start]:
    """The chain that *evidence* shows: first that of the address, then that of each HELO name."""
    address = target.address
    return [
        Start("address", str(address), _reverse(address, evidence)),
        *[Start("HELO", said.text, _helo(address, said, evidence, expect)) for said in target.helos],
    ]


def _reverse(address: Address, evidence: Evidence) -> tuple[Step, ...]:
    ptr = evidence.get(Question(address.reverse_name, "PTR"))
    if ptr is None:
        return ()
    if ptr.status is not Status.ANSWER:
        shape = _negative(ptr)
        sentence = f"The PTR lookup of {address} ({address.reverse_name}): {_outcome(ptr, 'PTR')}."
        lines = ("no PTR name",) if ptr.is_conclusive else ("?",)
        return (Step(shape, _outcome(ptr, "PTR"), lines, sentence, ptr.chain),)
    names = ptr.names[:NAME_LIMIT]
    answers = {name: evidence.get(Question(name, address.rdtype)) for name in names}
    is_confirmed = any(answer is not None and address in answer.records for answer in answers.values())
    steps = [_ptr_name(address, ptr, name, answers[name], is_confirmed=is_confirmed) for name in names]
    if len(ptr.names) > NAME_LIMIT:
        more = f"{len(ptr.names) - NAME_LIMIT} more"
        sentence = f"{more} PTR names are not followed: only the first {NAME_LIMIT} in alphabetical order are."
        steps.append(Step(Shape.ASIDE, "not followed", (more,), sentence))
    return tuple(steps)


def _ptr_name(address: Address, ptr: Answer, name: DomainName, answer: Answer | None, *, is_confirmed: bool) -> Step:
    sentence = f"{address} has the PTR name {name}."
    if answer is None:
        return Step(Shape.GOOD, "PTR", (name,), sentence, ptr.chain)
    onward = _forward(address, name, answer, spare=is_confirmed)
    return Step(Shape.GOOD, "PTR", (name,), sentence, ptr.chain, (onward,))


def _forward(address: Address, name: str, answer: Answer, *, spare: bool) -> Step:
    """From a name back to addresses; *spare* says that it need not lead to *address*."""
    rdtype = address.rdtype
    if address in answer.records:
        others = len(answer.addresses) - 1
        lines = (str(address), f"and {others} more") if others else (str(address),)
        return Step(Shape.GOOD, rdtype, lines, f"{name} resolves to {address}.", answer.chain)
    if not answer.is_conclusive:
        label = _outcome(answer, rdtype)
        return Step(Shape.OPEN, label, ("?",), f"The {rdtype} lookup of {name}: {label}.", answer.chain)
    shape = Shape.ASIDE if spare else Shape.BROKEN
    if answer.status is Status.ANSWER:
        sentence = f"{name} resolves to {some(answer.addresses)}, not to {address}."
        return Step(shape, "another address", _few(answer.addresses), sentence, answer.chain)
    what = f"no {rdtype} record" if answer.status is Status.NODATA else "no such name"
    return Step(shape, _outcome(answer, rdtype), (what,), f"{name}: {what} ({answer.status}).", answer.chain)


def _few(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    shown = tuple(map(str, addresses[:2]))
    return (*shown[:1], f"and {len(addresses) - 1} more") if len(addresses) > 2 else shown


def _helo(address: Address, said: HeloName, evidence: Evidence, expect: Collection[CheckName]) -> tuple[Step, ...]:
    if said.name is None:
        sentence = f"{said} is no domain name: there is nothing to look up."
        shape = Shape.BROKEN if CheckName.HELO_SYNTAX in expect else Shape.ASIDE
        return (Step(shape, "no name", ("nothing to look up",), sentence),)
    answer = evidence.get(Question(said.name, address.rdtype))
    if answer is None:
        return ()
    return (_forward(address, said.text, answer, spare=CheckName.HELO_ADDRESS_MATCH not in expect),)


def _negative(answer: Answer) -> Shape:
    return Shape.BROKEN if answer.is_conclusive else Shape.OPEN


def _outcome(answer: Answer, rdtype: str) -> str:
    match answer.status:
        case Status.NXDOMAIN:
            return "NXDOMAIN"
        case Status.NODATA:
            return f"no {rdtype} record"
        case status:
            return f"no answer: {status}"
