"""What is known of an address without its words: what every sample came to, and what is held.

The rule of this file: a `Form` names neither the address nor what the DNS said in detail, so that half a million
addresses share a few dozen of them. Whatever judges, counts or compares states gets the same from a state that was
made of its form as from the original. Sentences, mends and evidence do not come back.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.checks.iprev import Iprev
from exporter.checks.predictions import Verdicts
from exporter.checks.receivers import Receiver, ReceiverResult, ReceiverVerdict
from exporter.checks.report import Report, Target
from exporter.checks.verdicts import CheckName, Finding, IprevVerdict, Reason, Result
from exporter.state.address import AddressState
from exporter.state.held import Held

WITHOUT_WORDS = (
    "The details are not kept: in pools of this size they are for some addresses at a time. "
    "A check of the address now tells them."
)
"""The sentence of a finding whose own is not kept."""


class Mark(NamedTuple):
    """A finding without its words. *subject* is its place among the target's HELO names, if it is one of them.

    Whether there was a sentence is kept: a pass with one is a pass for want of anything to check.
    """

    check: CheckName
    result: Result
    reason: Reason | None
    subject: int | str
    has_sentence: bool


class Answered(NamedTuple):
    """A receiver's verdict without its words."""

    receiver: Receiver
    result: ReceiverResult
    code: int | None
    share: float
    is_conclusive: bool
    lacks: tuple[CheckName, ...]


class Form(NamedTuple):
    """*verdict*, *findings* and *predicted* are of the latest sample, None and empty without one; the others are held.

    *concluded* is the last conclusive verdict.
    """

    verdict: IprevVerdict | None
    findings: tuple[Mark, ...]
    predicted: tuple[tuple[Answered, ...], ...]
    concluded: IprevVerdict | None
    held: tuple[Mark, ...]
    receivers: tuple[tuple[Answered, ...], ...]


class Times(NamedTuple):
    """When an address was sampled, when that was conclusive, and when a result changed: Unix time, 0.0 for never."""

    sampled_at: float
    concluded_at: float
    changed_at: float


def form_of(state: AddressState) -> Form:
    """What *state* comes to."""
    latest = state.latest
    places = {said.text: place for place, said in enumerate(state.target.helos)}
    findings = _marks(latest.findings, places) if latest is not None else ()
    held = _marks(tuple(state.held.values()), places)
    return Form(
        latest.iprev.verdict if latest is not None else None,
        findings,
        _answered(latest.receivers) if latest is not None else (),
        state.iprev.verdict if state.iprev is not None else None,
        findings if held == findings else held,
        _answered(state.receivers),
    )


def retargeted(form: Form, places: Mapping[int, int], names: int) -> Form:
    """What `AddressState.retarget` makes of *form*: *places* has those HELO names that stay, before and now.

    There are *names* of them now. What a domain that was also a HELO name here came to goes with the name.
    """
    before = {now: place for place, now in places.items() if place < len(form.receivers)}
    return Form(
        None,
        (),
        (),
        form.concluded,
        tuple(
            [
                mark._replace(subject=places[mark.subject]) if isinstance(mark.subject, int) else mark
                for mark in form.held
                if not isinstance(mark.subject, int) or mark.subject in places
            ]
        ),
        tuple([form.receivers[before[now]] if now in before else () for now in range(names)]) if form.receivers else (),
    )


class Outline(NamedTuple):
    """All that makes the state of a target of its *form*: its PTR names, those that are confirmed, and its times."""

    form: Form
    ptr_names: Sequence[str]
    confirmed_names: Sequence[str]
    times: Times


class Rebuilder:
    """Makes states of one form; what all of them have in common is made once."""

    __slots__ = ("_findings", "_form", "_held", "_needs_names", "_predicted", "_receivers")

    def __init__(self, form: Form) -> None:
        self._form = form
        self._needs_names = any(isinstance(mark.subject, int) for mark in (*form.findings, *form.held))
        self._findings = () if self._needs_names else _findings(form.findings, ())
        self._held: Held = {} if self._needs_names else _held(form.held, ())
        self._predicted = _verdicts(form.predicted)
        self._receivers = self._predicted if form.receivers == form.predicted else _verdicts(form.receivers)

    def state(self, target: Target, names: "tuple[Sequence[str], Sequence[str]]", times: Times) -> AddressState:
        """The state of *target*, whose PTR names and confirmed ones are *names*."""
        form, findings, held = self._form, self._findings, self._held
        if self._needs_names:
            subjects = [said.text for said in target.helos]
            findings, held = _findings(form.findings, subjects), _held(form.held, subjects)
        concluded: Iprev | None = None
        if form.concluded is not None:
            finding = held.get((CheckName.FCRDNS, ""))
            concluded = Iprev(form.concluded, finding or _UNKNOWN, *names)  # type: ignore[arg-type]
        latest: Report | None = None
        if form.verdict is not None:
            is_conclusive = form.verdict is not IprevVerdict.TEMPERROR
            iprev = concluded if is_conclusive and concluded is not None else Iprev(form.verdict, findings[0])
            latest = Report(target, iprev, findings, self._predicted)
        return AddressState(target, latest, {}, held, concluded, *times, receivers=self._receivers)


_UNKNOWN = Finding(CheckName.FCRDNS, Result.UNKNOWN, "", Reason.UNCONFIRMED, WITHOUT_WORDS)


def _marks(findings: Sequence[Finding], places: Mapping[str, int]) -> tuple[Mark, ...]:
    return tuple(
        [
            Mark(
                one.check,
                one.result,
                one.reason,
                places.get(one.subject, one.subject) if places else one.subject,
                bool(one.sentence),
            )
            for one in findings
        ]
    )


def _findings(marks: Sequence[Mark], subjects: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(
        [
            Finding(
                mark.check,
                mark.result,
                mark.subject if isinstance(mark.subject, str) else subjects[mark.subject],
                mark.reason,
                WITHOUT_WORDS if mark.has_sentence else "",
            )
            for mark in marks
        ]
    )


def _held(marks: Sequence[Mark], subjects: Sequence[str]) -> Held:
    return {(finding.check, finding.subject): finding for finding in _findings(marks, subjects)}


def _answered(verdicts: Verdicts) -> tuple[tuple[Answered, ...], ...]:
    return tuple(
        [
            tuple([Answered(it.receiver, it.result, it.code, it.share, it.is_conclusive, it.lacks) for it in row])
            for row in verdicts
        ]
    )


def _verdicts(rows: Sequence[Sequence[Answered]]) -> Verdicts:
    return tuple(
        [
            tuple([ReceiverVerdict(*it, "" if it.result is ReceiverResult.ACCEPT else WITHOUT_WORDS) for it in row])
            for row in rows
        ]
    )
