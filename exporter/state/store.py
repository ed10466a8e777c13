"""The states of a pool that is too big for an object an address: columns of numbers, and details of a few.

The rule of this file: each address costs 17 octets and what its PTR names compress to, whatever happens to it. All that
is lost is words: the evidence, and the sentences of findings; they are kept for addresses that somebody will want to
read about, as far as there is room. It may be read from another thread.
"""

# ruff: noqa: SLF001  # of two of one class, the one takes over what the other has

import threading
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, overload

from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver, ReceiverResult, ReceiverVerdict
from exporter.checks.report import Report, Target, Verdicts
from exporter.checks.result import CheckName, Finding, IprevVerdict, Reason, Result
from exporter.inventory.ranges import Run, Spans
from exporter.state.address import AddressState
from exporter.state.known import KnownFindings

# SECTION exporter.state.forms
# What is known of an address without its words: what every sample came to, and what is held.
#
# The rule of this file: a `Form` names neither the address nor what the DNS said in detail, so that half a
# million
# addresses share a few dozen of them. Whatever judges, counts or compares states gets the same from a state
# that was
# made of its form as from the original. Sentences, fixes and evidence do not come back.

DETAILS_NOT_KEPT = (
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
    known: tuple[Mark, ...]
    receivers: tuple[tuple[Answered, ...], ...]


class Times(NamedTuple):
    """When an address was sampled, when that was conclusive, and when a result changed: Unix time, 0.0 for never."""

    sampled_at: float
    concluded_at: float
    changed_at: float


def interned(state: AddressState) -> Form:
    """What *state* comes to."""
    latest = state.latest
    places = {helo.text: place for place, helo in enumerate(state.target.helos)}
    findings = _marks(latest.findings, places) if latest is not None else ()
    known = _marks(tuple(state.known.values()), places)
    return Form(
        latest.iprev.verdict if latest is not None else None,
        findings,
        _answered(latest.receivers) if latest is not None else (),
        state.iprev.verdict if state.iprev is not None else None,
        findings if known == findings else known,
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
                for mark in form.known
                if not isinstance(mark.subject, int) or mark.subject in places
            ]
        ),
        tuple([form.receivers[before[now]] if now in before else () for now in range(names)]) if form.receivers else (),
    )


class CompactRow(NamedTuple):
    """All that makes the state of a target of its *form*: its PTR names, those that are confirmed, and its times."""

    form: Form
    ptr_names: Sequence[str]
    confirmed_names: Sequence[str]
    times: Times


class StateBuilder:
    """Makes states of one form; what all of them have in common is made once."""

    __slots__ = ("_findings", "_form", "_held", "_needs_names", "_predicted", "_receivers")

    def __init__(self, form: Form) -> None:
        self._form = form
        self._needs_names = any(isinstance(mark.subject, int) for mark in (*form.findings, *form.known))
        self._findings = () if self._needs_names else _findings(form.findings, ())
        self._held: KnownFindings = {} if self._needs_names else _held(form.known, ())
        self._predicted = _verdicts(form.predicted)
        self._receivers = self._predicted if form.receivers == form.predicted else _verdicts(form.receivers)

    def state(self, target: Target, names: "tuple[Sequence[str], Sequence[str]]", times: Times) -> AddressState:
        """The state of *target*, whose PTR names and confirmed ones are *names*."""
        form, findings, known = self._form, self._findings, self._held
        if self._needs_names:
            subjects = [helo.text for helo in target.helos]
            findings, known = _findings(form.findings, subjects), _held(form.known, subjects)
        concluded: Iprev | None = None
        if form.concluded is not None:
            finding = known.get((CheckName.FCRDNS, ""))
            concluded = Iprev(form.concluded, finding or _UNKNOWN, *names)  # type: ignore[arg-type]
        latest: Report | None = None
        if form.verdict is not None:
            is_conclusive = form.verdict is not IprevVerdict.TEMPERROR
            iprev = concluded if is_conclusive and concluded is not None else Iprev(form.verdict, findings[0])
            latest = Report(target, iprev, findings, self._predicted)
        return AddressState(target, latest, {}, known, concluded, *times, receivers=self._receivers)


_UNKNOWN = Finding(CheckName.FCRDNS, Result.UNKNOWN, "", Reason.UNCONFIRMED, DETAILS_NOT_KEPT)


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
                DETAILS_NOT_KEPT if mark.has_sentence else "",
            )
            for mark in marks
        ]
    )


def _held(marks: Sequence[Mark], subjects: Sequence[str]) -> KnownFindings:
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
            tuple([ReceiverVerdict(*it, "" if it.result is ReceiverResult.ACCEPT else DETAILS_NOT_KEPT) for it in row])
            for row in rows
        ]
    )


# SECTION exporter.state.ptr_names
# The PTR names of half a million addresses, in the few octets of each that its neighbours do not have too.
#
# The rule of this file: names are kept as the lines of a text, a block of neighbours together, and a block is
# compressed
# whenever nobody is busy with it. Rounds go through a pool in order, or touch a block only now and then, so
# that hardly
# any sample has to unpack one.

Names = tuple[DomainName, ...]

_BLOCK = 256
"""How many neighbours are packed together: of fewer, compression finds less in common."""
_OPEN_BLOCKS = 16
"""How many blocks are unpacked at a time: those of a round under way, and of whoever reads."""

_UNCONFIRMED = "\t"
"""Stands before a name that does not resolve back; no name has one, nor the space between names."""


class PtrNames:
    """The PTR names of *size* addresses, and which of them resolve back; none at first."""

    def __init__(self, size: int) -> None:
        self._packed: list[bytes] = [b""] * (size // _BLOCK + 1)
        self._open: dict[int, list[str]] = {}
        self._changed: set[int] = set()

    def __getitem__(self, index: int) -> tuple[Names, Names]:
        """All the names of the address at *index*, and the confirmed ones."""
        text = self._block(index // _BLOCK)[index % _BLOCK]
        if _UNCONFIRMED not in text and " " not in text:
            names = (DomainName.trusted(text),) if text else ()
            return names, names
        words = text.split(" ")
        return (
            tuple([DomainName.trusted(word.lstrip(_UNCONFIRMED)) for word in words]),
            tuple([DomainName.trusted(word) for word in words if not word.startswith(_UNCONFIRMED)]),
        )

    def put(self, index: int, iprev: Iprev | None) -> None:
        """Keep the names of *iprev* for the address at *index*."""
        number, place = divmod(index, _BLOCK)
        block = self._block(number)
        text = _text(iprev)
        if block[place] != text:
            block[place] = text
            self._changed.add(number)

    def copy(self, old: "PtrNames", run: Run) -> None:
        """Take over what *old* has of *run*: whole blocks as they are packed, if they are blocks on both sides."""
        here, there, stop = run.here, run.there, run.here + run.size
        while here < stop:
            (number, place), (old_number, old_place) = divmod(here, _BLOCK), divmod(there, _BLOCK)
            count = min(stop - here, _BLOCK - place, _BLOCK - old_place)
            if count == _BLOCK:
                self._packed[number] = old._pack(old_number)
            else:
                self._block(number)[place : place + count] = old._block(old_number)[old_place : old_place + count]
                self._changed.add(number)
            here, there = here + count, there + count

    @property
    def octets(self) -> int:
        """What the packed blocks take."""
        return sum(map(len, self._packed))

    def _block(self, number: int) -> list[str]:
        block = self._open.get(number)
        if block is None:
            packed = self._packed[number]
            block = zlib.decompress(packed).decode("ascii").split("\n") if packed else [""] * _BLOCK
            self._open[number] = block
            if len(self._open) > _OPEN_BLOCKS:
                self._close(next(iter(self._open)))
        return block

    def _pack(self, number: int) -> bytes:
        """The block, packed."""
        if number in self._open:
            self._close(number)
        return self._packed[number]

    def _close(self, number: int) -> None:
        block = self._open.pop(number)
        if number in self._changed:
            self._changed.discard(number)
            self._packed[number] = zlib.compress("\n".join(block).encode("ascii"))


def _text(iprev: Iprev | None) -> str:
    if iprev is None or not iprev.ptr_names:
        return ""
    if iprev.ptr_names == iprev.confirmed_names:
        return " ".join(iprev.ptr_names)
    confirmed = frozenset(iprev.confirmed_names)
    return " ".join([name if name in confirmed else _UNCONFIRMED + name for name in iprev.ptr_names])


# SECTION exporter.state.compact

_RENAMED_SECONDS = 6 * 3600.0
"""How long after its PTR names changed an address is kept in detail: so long may it count as flapping."""
_MOST_FORMS = 4096
"""Forms above which those that no address has any more are forgotten."""
_LAST_SECOND = 2**32 - 1


class DetailLimit:
    """How many addresses of all pools together may be kept in detail; a failing one has a claim to the last half."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def take(self, *, is_failing: bool) -> bool:
        """Take a place, if there is one."""
        if self.taken >= (self._limit if is_failing else self._limit // 2):
            return False
        self.taken += 1
        return True


class CompactStates(Sequence[AddressState | None]):
    """The state of each of *targets*, None for one that was never sampled. Times are kept in whole seconds."""

    def __init__(self, targets: Sequence[Target], room: DetailLimit) -> None:
        self._targets = targets
        self._room = room
        size = len(targets)
        self._sampled = array("I", bytes(4 * size))
        self._concluded = array("I", bytes(4 * size))
        self._changed = array("I", bytes(4 * size))
        self._numbers = array("I", bytes(4 * size))
        self._names = PtrNames(size)
        self._forms: list[Form | None] = [None]  # number 0: never sampled
        self._rebuilders: list[StateBuilder | None] = [None]
        self._numbered: dict[Form, int] = {}
        self._most_forms = _MOST_FORMS
        self._details: dict[int, AddressState] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> AddressState | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AddressState | None]: ...
    def __getitem__(self, index: int | slice) -> AddressState | Sequence[AddressState | None] | None:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        with self._lock:
            rebuilder = self._rebuilders[self._numbers[index]]
            if rebuilder is None:
                return None
            return self._details.get(index) or rebuilder.state(
                self._targets[index],
                self._names[index],
                Times(self._sampled[index], self._concluded[index], self._changed[index]),
            )

    def __iter__(self) -> Iterator[AddressState | None]:
        return (self[index] for index in range(len(self)))

    def put(self, index: int, state: AddressState, *, is_failing: bool) -> None:
        """Keep *state*, in detail if it is of interest and there is room."""
        with self._lock:
            self._numbers[index] = self._number(interned(state))
            self._names.put(index, state.iprev)
            self._sampled[index] = _second(state.sampled_at)
            self._concluded[index] = _second(state.concluded_at)
            self._changed[index] = _second(state.changed_at)
            is_worth_it = bool(state.evidence) and (is_failing or _is_of_interest(state))
            if is_worth_it and (index in self._details or self._room.take(is_failing=is_failing)):
                self._details[index] = state
            else:
                self._forget(index)

    def copy(self, old: "CompactStates", run: Run, change: Callable[[Form], Form]) -> "Counter[int]":
        """Take over what *old* has of the addresses of *run*, but for details; nothing is known of them here yet.

        *change* is what becomes of their forms. How many of them have which of the `numbers`.
        """
        mine, theirs = slice(run.here, run.here + run.size), slice(run.there, run.there + run.size)
        with self._lock, old._lock:
            was = old._numbers[theirs]
            self._most_forms = max(self._most_forms, 2 * (len(self._forms) + len(old._forms)))  # forget none of these
            number_of = {number: 0 if form is None else self._number(change(form)) for number, form in old._used(was)}
            self._numbers[mine] = array("I", map(number_of.__getitem__, was))
            self._sampled[mine] = old._sampled[theirs]
            self._concluded[mine] = old._concluded[theirs]
            self._changed[mine] = old._changed[theirs]
            self._names.copy(old._names, run)
            return Counter(self._numbers[mine])

    def copy_details(
        self, old: "CompactStates", run: Run, is_failing: Callable[[int], bool], *, is_alike: bool
    ) -> None:
        """Take over the details of addresses of *run*, as far as there is room; *is_failing* says which fail.

        Of those that are not alike, which are to be sampled at once, what flapped lately keeps its details.
        """
        stop = run.there + run.size
        with old._lock:
            known = sorted([(place, state) for place, state in old._details.items() if run.there <= place < stop])
        for place, state in known:
            index = place - run.there + run.here
            if not is_alike:
                changed = state.retarget(self._targets[index])
                if _is_of_interest(changed):
                    self.put(index, changed, is_failing=is_failing(index))
            elif self._room.take(is_failing=is_failing(index)):
                self._details[index] = state

    def numbers(self, first: int, stop: int) -> Sequence[int]:
        """A number for each address from *first* to before *stop*: two with the same differ in times and names only.

        It is 0 for one of which nothing is known.
        """
        return self._numbers[first:stop]

    def compact_row(self, index: int) -> CompactRow | None:
        """What the state at *index* is made of; None where nothing is known, or it is kept in detail."""
        with self._lock:
            form = self._forms[self._numbers[index]]
            if form is None or index in self._details:
                return None
            times = Times(self._sampled[index], self._concluded[index], self._changed[index])
            return CompactRow(form, *self._names[index], times)

    def unsampled(self) -> Spans:
        """The addresses without a latest report."""
        lacking = bytes([form is None or form.verdict is None for form in self._forms])
        return Spans.marked(bytes(map(lacking.__getitem__, self._numbers)))

    def move_to(self, room: DetailLimit) -> None:
        """Count the details in *room* from now on."""
        self._room = room
        room.taken += len(self._details)

    def is_sampled(self, index: int) -> bool:
        """Whether there is a latest report on the address at *index*."""
        form = self._forms[self._numbers[index]]
        return form is not None and form.verdict is not None

    def sampled_at(self, index: int) -> float:
        """When the address at *index* was last sampled."""
        return self._sampled[index]

    def ptr_names(self, index: int) -> tuple[DomainName, ...]:
        """The PTR names that the last conclusive sample of the address at *index* found."""
        with self._lock:
            return self._names[index][0]

    def oldest(self, first: int, stop: int) -> float:
        """The oldest of the moments at which addresses from *first* to before *stop* were last sampled."""
        return min(self._sampled[first:stop])

    def stalest(self) -> int | None:
        """Of those that were ever sampled, which was not for the longest: the first of several; None for none."""
        oldest = min(filter(None, self._sampled), default=None)
        return None if oldest is None else self._sampled.index(oldest)

    def _used(self, numbers: Iterable[int]) -> Iterator[tuple[int, Form | None]]:
        return ((number, self._forms[number]) for number in set(numbers))

    def _forget(self, index: int) -> None:
        if self._details.pop(index, None) is not None:
            self._room.taken -= 1

    def _number(self, form: Form) -> int:
        number = self._numbered.get(form)
        if number is None:
            if len(self._forms) >= self._most_forms:
                self._renumber()
            number = self._numbered[form] = len(self._forms)
            self._forms.append(form)
            self._rebuilders.append(StateBuilder(form))
        return number

    def _renumber(self) -> None:
        """Forget the forms that no address has; where most are in use, wait for twice as many before the next time."""
        used = sorted({0, *self._numbers})
        new = dict(zip(used, range(len(used)), strict=True))
        self._numbers = array("I", map(new.__getitem__, self._numbers))
        self._forms = [self._forms[number] for number in used]
        self._rebuilders = [self._rebuilders[number] for number in used]
        self._numbered = {form: number for number, form in enumerate(self._forms) if form is not None}
        self._most_forms = max(_MOST_FORMS, 2 * len(used))


def _is_of_interest(state: AddressState) -> bool:
    """Whether an address that does not fail will be looked at: the DNS left it open, or its names changed lately."""
    if state.renamed_at and state.sampled_at - state.renamed_at[-1] < _RENAMED_SECONDS:
        return True
    return state.latest is not None and any(one.result is Result.UNKNOWN for one in state.latest.findings)


def _second(moment: float) -> int:
    return min(_LAST_SECOND, max(1, int(moment))) if moment else 0


# SECTION exporter.state.full
# The states of a pool that is small enough to keep everything of every address.


class FullStates(Sequence[AddressState | None]):
    """The state of each of *size* addresses, None for one that was never sampled. It may be read from any thread."""

    def __init__(self, size: int) -> None:
        self._states: list[AddressState | None] = [None] * size

    def __len__(self) -> int:
        return len(self._states)

    @overload
    def __getitem__(self, index: int) -> AddressState | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AddressState | None]: ...
    def __getitem__(self, index: int | slice) -> AddressState | Sequence[AddressState | None] | None:
        return self._states[index]

    def __iter__(self) -> Iterator[AddressState | None]:
        return iter(tuple(self._states))

    def put(self, index: int, state: AddressState, *, is_failing: bool) -> None:  # noqa: ARG002  # kept whatever it is
        """Keep *state*."""
        self._states[index] = state

    def is_sampled(self, index: int) -> bool:
        """Whether there is a latest report on the address at *index*."""
        state = self._states[index]
        return state is not None and state.latest is not None

    def sampled_at(self, index: int) -> float:
        """When the address at *index* was last sampled, 0.0 for never."""
        state = self._states[index]
        return 0.0 if state is None else state.sampled_at

    def ptr_names(self, index: int) -> tuple[DomainName, ...]:
        """The PTR names that the last conclusive sample of the address at *index* found."""
        state = self._states[index]
        return () if state is None or state.iprev is None else state.iprev.ptr_names

    def compact_row(self, index: int) -> CompactRow | None:  # noqa: ARG002  # whatever it is
        """None: all is kept in detail."""
        return None

    def unsampled(self) -> Spans:
        """The addresses without a latest report."""
        return Spans.marked(bytes([state is None or state.latest is None for state in self._states]))

    def oldest(self, first: int, stop: int) -> float:
        """The oldest of the moments at which addresses from *first* to before *stop* were last sampled."""
        return min([0.0 if state is None else state.sampled_at for state in self._states[first:stop]])

    def stalest(self) -> int | None:
        """Of those that were ever sampled, which was not for the longest: the first of several; None for none."""
        sampled = [place for place in range(len(self._states)) if self.sampled_at(place)]
        return min(sampled, key=self.sampled_at, default=None)
