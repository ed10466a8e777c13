"""Stores for the states of a pool's addresses: in full, or compact in columns of numbers. Any thread may read them.

A compact address takes 17 bytes and its compressed PTR names. Evidence and sentences are kept for a limited number of
addresses that somebody will want to read about.
"""

# ruff: noqa: SLF001  # one object copies from another of its class

import threading
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver, ReceiverResult, ReceiverVerdict
from exporter.checks.report import Report, Target, Verdicts
from exporter.checks.result import CheckName, Finding, IprevVerdict, Reason, Result
from exporter.inventory.ranges import IndexRanges, Run
from exporter.state.address import AddressState
from exporter.state.known import KnownFindings

_FLAPPING_SECONDS = 6 * 3600.0
"""How long an address keeps its details after its PTR names changed: that long it may count as flapping."""
_LAST_SECOND = 2**32 - 1


class Sizes(NamedTuple):
    """How much a store does at once. The defaults suit pools of half a million addresses.

    Attributes:
        names_block: How many addresses have their PTR names compressed together.
        open_blocks: How many of these blocks are decompressed at a time: those of rounds and readers.
        results: How many interned results there are before unused ones are dropped.
        objects_per_step: How many states a step of a reload copies one by one.
        columns_per_step: How many states a step of a reload copies as columns.
        versions_block: How many addresses share a version counter of the pool.
        search_block: How many addresses share a counter of changed names, and a block of the search index.
    """

    names_block: int = 256
    open_blocks: int = 16
    results: int = 4096
    objects_per_step: int = 256
    columns_per_step: int = 8192
    versions_block: int = 512
    search_block: int = 1024


SIZES = Sizes()


class DetailLimit:
    """How many addresses of all compact pools may keep their details. The last half is reserved for failing ones."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def acquire(self, *, is_failing: bool) -> bool:
        """Use one more if the limit allows it. Return whether it does."""
        if self.used >= (self._limit if is_failing else self._limit // 2):
            return False
        self.used += 1
        return True


class FullStates:
    """The full state of each of *size* addresses, None for one that was never sampled."""

    def __init__(self, size: int) -> None:
        self._states: list[AddressState | None] = [None] * size

    def __getitem__(self, index: int) -> AddressState | None:
        return self._states[index]

    def put(self, index: int, state: AddressState, *, is_failing: bool) -> None:  # noqa: ARG002  # all are kept alike
        """Store *state*."""
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

    def compact_row(self, index: int) -> "CompactRow | None":  # noqa: ARG002  # never compact
        """None: every state is stored in full."""
        return None

    def unsampled(self) -> IndexRanges:
        """The addresses without a latest report."""
        return IndexRanges.where(bytes([state is None or state.latest is None for state in self._states]))

    def oldest(self, first: int, stop: int) -> float:
        """When that address from *first* to before *stop* was sampled whose latest sample is the oldest."""
        return min([0.0 if state is None else state.sampled_at for state in self._states[first:stop]])

    def stalest(self) -> int | None:
        """The first sampled address whose latest sample is the oldest; None if none was sampled."""
        sampled = [index for index in range(len(self._states)) if self.sampled_at(index)]
        return min(sampled, key=self.sampled_at, default=None)


class CompactStates:
    """The states of *targets* in columns, None for one that was never sampled. Times are whole seconds.

    Each address has the number of an `InternedResult`, which many addresses share.
    """

    def __init__(self, targets: Sequence[Target], limit: DetailLimit, sizes: Sizes = SIZES) -> None:
        self._targets = targets
        self._limit = limit
        size = len(targets)
        columns = [array("I", bytes(4 * size)) for _ in range(4)]
        self._sampled, self._concluded, self._changed, self._numbers = columns
        self._names = PtrNames(size, sizes)
        self._results: list[InternedResult | None] = [None]  # number 0: never sampled
        self._builders: list[StateBuilder | None] = [None]
        self._number_of: dict[InternedResult, int] = {}
        self._min_results = self._max_results = sizes.results
        self._details: dict[int, AddressState] = {}
        self._lock = threading.Lock()

    def __getitem__(self, index: int) -> AddressState | None:
        with self._lock:
            builder = self._builders[self._numbers[index]]
            if builder is None:
                return None
            return self._details.get(index) or builder.state(
                self._targets[index],
                self._names[index],
                Timestamps(self._sampled[index], self._concluded[index], self._changed[index]),
            )

    def put(self, index: int, state: AddressState, *, is_failing: bool) -> None:
        """Store *state*, with its details if they are of interest and the limit allows it."""
        with self._lock:
            self._numbers[index] = self._number(interned(state))
            self._names.put(index, state.iprev)
            self._sampled[index] = _second(state.sampled_at)
            self._concluded[index] = _second(state.concluded_at)
            self._changed[index] = _second(state.changed_at)
            has_details = bool(state.evidence) and (is_failing or _is_of_interest(state))
            if has_details and (index in self._details or self._limit.acquire(is_failing=is_failing)):
                self._details[index] = state
            elif self._details.pop(index, None) is not None:
                self._limit.used -= 1

    def copy(
        self, old: "CompactStates", run: Run, change: "Callable[[InternedResult], InternedResult]"
    ) -> "Counter[int]":
        """Copy the addresses of *run* from *old*, without details; they must not be stored here yet.

        *change* is applied to their results. Return how many of them have which of the `numbers`.
        """
        mine, theirs = slice(run.here, run.here + run.size), slice(run.there, run.there + run.size)
        with self._lock, old._lock:
            before = old._numbers[theirs]
            # Drop none of these results while they are numbered.
            self._max_results = max(self._max_results, 2 * (len(self._results) + len(old._results)))
            used = [(number, old._results[number]) for number in set(before)]
            numbers = {number: 0 if result is None else self._number(change(result)) for number, result in used}
            self._numbers[mine] = array("I", map(numbers.__getitem__, before))
            self._sampled[mine] = old._sampled[theirs]
            self._concluded[mine] = old._concluded[theirs]
            self._changed[mine] = old._changed[theirs]
            self._names.copy(old._names, run)
            return Counter(self._numbers[mine])

    def copy_details(
        self, old: "CompactStates", run: Run, is_failing: Callable[[int], bool], *, is_alike: bool
    ) -> None:
        """Copy details of the addresses of *run* from *old*, up to the limit.

        Without *is_alike*, HELO names changed and the addresses are sampled soon; then only those keep their details
        that fail in any case, or whose PTR names changed lately.
        """
        stop = run.there + run.size
        with old._lock:
            known = sorted([(index, state) for index, state in old._details.items() if run.there <= index < stop])
        for old_index, state in known:
            index = old_index - run.there + run.here
            if not is_alike:
                changed = state.retarget(self._targets[index])
                if is_failing(index) or _is_of_interest(changed):
                    self.put(index, changed, is_failing=is_failing(index))
            elif self._limit.acquire(is_failing=is_failing(index)):
                self._details[index] = state

    def numbers(self, first: int, stop: int) -> Sequence[int]:
        """The number of the result of each address from *first* to before *stop*; 0 if it was never sampled.

        States with the same number differ only in times and PTR names.
        """
        return self._numbers[first:stop]

    def compact_row(self, index: int) -> "CompactRow | None":
        """The columns of the address at *index*; None if it was never sampled or has details."""
        with self._lock:
            result = self._results[self._numbers[index]]
            if result is None or index in self._details:
                return None
            times = Timestamps(self._sampled[index], self._concluded[index], self._changed[index])
            return CompactRow(result, *self._names[index], times)

    def unsampled(self) -> IndexRanges:
        """The addresses without a latest report."""
        lacking = bytes([result is None or result.verdict is None for result in self._results])
        return IndexRanges.where(bytes(map(lacking.__getitem__, self._numbers)))

    def use_limit(self, limit: DetailLimit) -> None:
        """Count the details in another *limit* from now on."""
        self._limit = limit
        limit.used += len(self._details)

    def is_sampled(self, index: int) -> bool:
        """Whether there is a latest report on the address at *index*."""
        result = self._results[self._numbers[index]]
        return result is not None and result.verdict is not None

    def sampled_at(self, index: int) -> float:
        """When the address at *index* was last sampled, 0 for never."""
        return self._sampled[index]

    def ptr_names(self, index: int) -> tuple[DomainName, ...]:
        """The PTR names that the last conclusive sample of the address at *index* found."""
        with self._lock:
            return self._names[index][0]

    def oldest(self, first: int, stop: int) -> float:
        """When that address from *first* to before *stop* was sampled whose latest sample is the oldest."""
        return min(self._sampled[first:stop])

    def stalest(self) -> int | None:
        """The first sampled address whose latest sample is the oldest; None if none was sampled."""
        oldest = min(filter(None, self._sampled), default=None)
        return None if oldest is None else self._sampled.index(oldest)

    def _number(self, result: "InternedResult") -> int:
        number = self._number_of.get(result)
        if number is None:
            if len(self._results) >= self._max_results:
                self._renumber()
            number = self._number_of[result] = len(self._results)
            self._results.append(result)
            self._builders.append(StateBuilder(result))
        return number

    def _renumber(self) -> None:
        """Drop unused results. If most are used, let their number double before the next time."""
        used = sorted({0, *self._numbers})
        new = dict(zip(used, range(len(used)), strict=True))
        self._numbers = array("I", map(new.__getitem__, self._numbers))
        self._results = [self._results[number] for number in used]
        self._builders = [self._builders[number] for number in used]
        self._number_of = {result: number for number, result in enumerate(self._results) if result is not None}
        self._max_results = max(self._min_results, 2 * len(used))


def _is_of_interest(state: AddressState) -> bool:
    """Whether an address that does not fail keeps details: a result is unknown, or its names changed lately."""
    if state.renamed_at and state.sampled_at - state.renamed_at[-1] < _FLAPPING_SECONDS:
        return True
    return state.latest is not None and any(one.result is Result.UNKNOWN for one in state.latest.findings)


def _second(at: float) -> int:
    return min(_LAST_SECOND, max(1, int(at))) if at else 0


# Interned results: what half a million addresses share a few dozen of.

DETAILS_NOT_KEPT = (
    "The details are not kept: in a pool of this size only some addresses keep them. Check the address now to see them."
)
"""The sentence of a finding whose own sentence is not kept."""


class FindingCode(NamedTuple):
    """A finding without its sentence and fix.

    Attributes:
        check: The check.
        result: Its result.
        reason: The reason of the result.
        subject: The index of the target's HELO name that it is about, else the subject itself.
        has_sentence: Whether it had a sentence. A pass with one means that there was nothing to check.
    """

    check: CheckName
    result: Result
    reason: Reason | None
    subject: int | str
    has_sentence: bool


VerdictCode = tuple[Receiver, ReceiverResult, int | None, float, bool, tuple[CheckName, ...]]
"""The fields of a `ReceiverVerdict` in their order, without its sentence."""


class InternedResult(NamedTuple):
    """The results of an address without its name, its times and any sentence, so that many addresses share one.

    Attributes:
        verdict: The iprev verdict of the latest sample; None without one.
        findings: The findings of the latest sample.
        predicted: The receivers' verdicts predicted from the latest sample, one row for each HELO name.
        concluded: The last conclusive iprev verdict.
        known: The last conclusive findings.
        receivers: The last conclusive verdicts of the receivers.
    """

    verdict: IprevVerdict | None
    findings: tuple[FindingCode, ...]
    predicted: tuple[tuple[VerdictCode, ...], ...]
    concluded: IprevVerdict | None
    known: tuple[FindingCode, ...]
    receivers: tuple[tuple[VerdictCode, ...], ...]


class Timestamps(NamedTuple):
    """When an address was sampled, when its verdict was conclusive, and when a result changed.

    Unix times, 0.0 for never.
    """

    sampled_at: float
    concluded_at: float
    changed_at: float


class CompactRow(NamedTuple):
    """The columns of one address.

    Attributes:
        result: Its results.
        ptr_names: Its PTR names.
        confirmed_names: Those that resolve back to it.
        times: Its times.
    """

    result: InternedResult
    ptr_names: Sequence[str]
    confirmed_names: Sequence[str]
    times: Timestamps


def interned(state: AddressState) -> InternedResult:
    """The results of *state*, to be compared and shared."""
    latest = state.latest
    indexes = {helo.text: index for index, helo in enumerate(state.target.helos)}
    findings = _finding_codes(latest.findings, indexes) if latest is not None else ()
    known = _finding_codes(tuple(state.known.values()), indexes)
    return InternedResult(
        latest.iprev.verdict if latest is not None else None,
        findings,
        _verdict_codes(latest.receivers) if latest is not None else (),
        state.iprev.verdict if state.iprev is not None else None,
        findings if known == findings else known,
        _verdict_codes(state.receivers),
    )


def retargeted(result: InternedResult, moved: Mapping[int, int], names: int) -> InternedResult:
    """Return *result* with other HELO names, as `AddressState.retarget` does with a state.

    There are *names* of them now; *moved* has the new index of each old one that stays. Findings on a domain that was
    also a HELO name are dropped with the name.
    """
    before = {now: index for index, now in moved.items() if index < len(result.receivers)}
    receivers = [result.receivers[before[now]] if now in before else () for now in range(names)]
    known = [
        code._replace(subject=moved[code.subject]) if isinstance(code.subject, int) else code
        for code in result.known
        if not isinstance(code.subject, int) or code.subject in moved
    ]
    return InternedResult(None, (), (), result.concluded, tuple(known), tuple(receivers) if result.receivers else ())


class StateBuilder:
    """Builds address states from one interned result. They share the findings wherever HELO names allow it."""

    __slots__ = ("_findings", "_known", "_needs_names", "_predicted", "_receivers", "_result")

    def __init__(self, result: InternedResult) -> None:
        self._result = result
        self._needs_names = any(isinstance(code.subject, int) for code in (*result.findings, *result.known))
        self._findings = () if self._needs_names else _findings(result.findings, ())
        self._known: KnownFindings = {} if self._needs_names else _known(result.known, ())
        self._predicted = _verdicts(result.predicted)
        self._receivers = self._predicted if result.receivers == result.predicted else _verdicts(result.receivers)

    def state(self, target: Target, names: tuple[Sequence[str], Sequence[str]], times: Timestamps) -> AddressState:
        """Build the state of *target*; *names* are its PTR names, and those that are confirmed."""
        result, findings, known = self._result, self._findings, self._known
        if self._needs_names:
            subjects = [helo.text for helo in target.helos]
            findings, known = _findings(result.findings, subjects), _known(result.known, subjects)
        concluded: Iprev | None = None
        if result.concluded is not None:
            finding = known.get((CheckName.FCRDNS, ""))
            concluded = Iprev(result.concluded, finding or _UNKNOWN, *names)  # type: ignore[arg-type]
        latest: Report | None = None
        if result.verdict is not None:
            is_conclusive = result.verdict is not IprevVerdict.TEMPERROR
            iprev = concluded if is_conclusive and concluded is not None else Iprev(result.verdict, findings[0])
            latest = Report(target, iprev, findings, self._predicted)
        return AddressState(target, latest, {}, known, concluded, *times, receivers=self._receivers)


_UNKNOWN = Finding(CheckName.FCRDNS, Result.UNKNOWN, "", Reason.UNCONFIRMED, DETAILS_NOT_KEPT)


def _finding_codes(findings: Sequence[Finding], indexes: Mapping[str, int]) -> tuple[FindingCode, ...]:
    return tuple(
        [
            FindingCode(it.check, it.result, it.reason, indexes.get(it.subject, it.subject), bool(it.sentence))
            for it in findings
        ]
    )


def _findings(codes: Sequence[FindingCode], subjects: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(
        [
            Finding(
                code.check,
                code.result,
                code.subject if isinstance(code.subject, str) else subjects[code.subject],
                code.reason,
                DETAILS_NOT_KEPT if code.has_sentence else "",
            )
            for code in codes
        ]
    )


def _known(codes: Sequence[FindingCode], subjects: Sequence[str]) -> KnownFindings:
    return {(finding.check, finding.subject): finding for finding in _findings(codes, subjects)}


def _verdict_codes(verdicts: Verdicts) -> tuple[tuple[VerdictCode, ...], ...]:
    return tuple(
        [
            tuple([(it.receiver, it.result, it.code, it.share, it.is_conclusive, it.lacks) for it in row])
            for row in verdicts
        ]
    )


def _verdicts(rows: Sequence[Sequence[VerdictCode]]) -> Verdicts:
    return tuple(
        [
            tuple([ReceiverVerdict(*it, "" if it[1] is ReceiverResult.ACCEPT else DETAILS_NOT_KEPT) for it in row])
            for row in rows
        ]
    )


# PTR names, compressed in blocks.

Names = tuple[DomainName, ...]

_UNCONFIRMED = "\t"
"""The prefix of a name that does not resolve back. No name contains it, nor the space that separates names."""


class PtrNames:
    """The PTR names of *size* addresses, and which of them resolve back. At first there are none.

    Names are lines of text, compressed in blocks. A few blocks are open at a time. Rounds go through a pool in order,
    so hardly any sample has to decompress a block.
    """

    def __init__(self, size: int, sizes: Sizes = SIZES) -> None:
        self._block_size = sizes.names_block
        self._max_open = sizes.open_blocks
        self._packed: list[bytes] = [b""] * (size // self._block_size + 1)
        self._open: dict[int, list[str]] = {}
        self._changed: set[int] = set()

    def __getitem__(self, index: int) -> tuple[Names, Names]:
        """All PTR names of the address at *index*, and the confirmed ones."""
        text = self._block(index // self._block_size)[index % self._block_size]
        if _UNCONFIRMED not in text and " " not in text:
            names = (DomainName.trusted(text),) if text else ()
            return names, names
        texts = text.split(" ")
        return (
            tuple([DomainName.trusted(one.lstrip(_UNCONFIRMED)) for one in texts]),
            tuple([DomainName.trusted(one) for one in texts if not one.startswith(_UNCONFIRMED)]),
        )

    def put(self, index: int, iprev: Iprev | None) -> None:
        """Store the names of *iprev* for the address at *index*."""
        number, offset = divmod(index, self._block_size)
        block = self._block(number)
        text = _text(iprev)
        if block[offset] != text:
            block[offset] = text
            self._changed.add(number)

    def copy(self, old: "PtrNames", run: Run) -> None:
        """Copy the names of *run* from *old*. Blocks that are whole on both sides are not decompressed."""
        here, there, stop, size = run.here, run.there, run.here + run.size, self._block_size
        while here < stop:
            (number, offset), (old_number, old_offset) = divmod(here, size), divmod(there, size)
            count = min(stop - here, size - offset, size - old_offset)
            if count == size:
                old._close(old_number)
                self._packed[number] = old._packed[old_number]
            else:
                self._block(number)[offset : offset + count] = old._block(old_number)[old_offset : old_offset + count]
                self._changed.add(number)
            here, there = here + count, there + count

    def _block(self, number: int) -> list[str]:
        block = self._open.get(number)
        if block is None:
            packed = self._packed[number]
            block = zlib.decompress(packed).decode("ascii").split("\n") if packed else [""] * self._block_size
            self._open[number] = block
            if len(self._open) > self._max_open:
                self._close(next(iter(self._open)))
        return block

    def _close(self, number: int) -> None:
        block = self._open.pop(number, None)
        if block is not None and number in self._changed:
            self._changed.discard(number)
            self._packed[number] = zlib.compress("\n".join(block).encode("ascii"))


def _text(iprev: Iprev | None) -> str:
    if iprev is None or not iprev.ptr_names:
        return ""
    if iprev.ptr_names == iprev.confirmed_names:
        return " ".join(iprev.ptr_names)
    confirmed = frozenset(iprev.confirmed_names)
    return " ".join([name if name in confirmed else _UNCONFIRMED + name for name in iprev.ptr_names])
