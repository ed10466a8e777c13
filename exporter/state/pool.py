"""What is remembered of one pool: its addresses, its HELO names, and their sums.

The rule of this file: whatever a scrape needs of a whole pool is kept up to date by each result, not added up anew.
It is owned by the event loop; what it hands out (`AddressState`, `HeloState`) is immutable, so that a scrape can read
it from another thread.
"""

# ruff: noqa: SLF001  # it is a part of `PoolState` and `CompactStates`, in a file of its own

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from heapq import nsmallest
from typing import NamedTuple

from exporter.checks.check import Evidence
from exporter.checks.helo_name import HeloNameReport
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver
from exporter.checks.report import Report, Target
from exporter.checks.result import CheckName, Result
from exporter.inventory.pool import Pool
from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import Run, Spans
from exporter.state.address import AddressState, health
from exporter.state.counters import CheckResult, PoolCounters, SampleState, zeros
from exporter.state.dirty import Dirty, is_changed
from exporter.state.helo import HeloState
from exporter.state.journal import Change
from exporter.state.known import ReceiverOutcome, tally
from exporter.state.store import CompactRow, CompactStates, DetailLimit, Form, FullStates, retargeted

# SECTION exporter.state.strides
# How a pool's addresses are told apart and together: one octet of health each, and strides of neighbours.

UNKNOWN, HEALTHY, FAILING = range(3)
"""What `PoolState.healths` has for an address: whether every expected check passes, by what is held."""


NAMES_BLOCK = 1024
"""How many neighbours share an element of `PoolState.name_changes`."""

BLOCK = 512
"""How many neighbours share an element of `PoolState.revisions`."""


# SECTION exporter.state.carrying
# What is known of addresses that stay, carried over to the state of the next generation, a step at a time.
#
# The rule of this file: no step holds the event loop for long, and half a million addresses are carried over as
# columns
# of numbers, whatever their HELO names are from now on. Full states, and few neighbours, go one by one.

ONE_BY_ONE = 256
"""How many addresses make a step where each is taken by itself."""
_AT_ONCE = 8192
"""How many make a step where they are columns."""


def carry(run: Run, mine: "PoolState", old: "PoolState") -> Iterator[None]:
    """Take over what *old* has of the addresses of *run*; nothing is known of them in *mine* yet.

    Of many neighbours whose names changed, what is held of a name stays where its template does.
    """
    here, there = mine._addresses, old._addresses
    is_compact = isinstance(here, CompactStates) and isinstance(there, CompactStates)
    if not (is_compact and (run.is_alike or run.size >= ONE_BY_ONE)):
        for piece in run.pieces(ONE_BY_ONE):
            _restore(piece, mine, old)
            yield
        return
    change = _same if run.is_alike else _renaming(run, mine, old)
    for piece in run.pieces(_AT_ONCE):
        _copy(piece, mine, old, change, is_alike=run.is_alike)
        yield


def _same(form: Form) -> Form:
    return form


def _renaming(run: Run, mine: "PoolState", old: "PoolState") -> Callable[[Form], Form]:
    """What becomes of the forms of *run*, whose servers say other names now."""
    now, before = mine.pool.source.at(run.here)[1], old.pool.source.at(run.there)[1]
    places = {place: now.index(template) for place, template in enumerate(before) if template in now}
    return lambda form: retargeted(form, places, len(now))


def _restore(run: Run, mine: "PoolState", old: "PoolState") -> None:
    """Take them over one by one."""
    targets = mine.pool.targets
    for offset in range(run.size):
        known = old._addresses[run.there + offset]
        if known is not None:
            mine.restore(run.here + offset, known.retarget(targets[run.here + offset]))


def _copy(run: Run, mine: "PoolState", old: "PoolState", change: Callable[[Form], Form], *, is_alike: bool) -> None:
    """The same, all at once."""
    states, known = mine._addresses, old._addresses
    if not (isinstance(states, CompactStates) and isinstance(known, CompactStates)):
        raise TypeError("only columns are copied at once")
    healths, concluded = {0: UNKNOWN}, {0: False}
    numbers, stop = states.numbers, run.here + run.size
    counts = states.copy(known, run, change)
    for number, count in counts.items():
        if number:
            example = mine[run.here + numbers(run.here, stop).index(number)]
            healths[number] = mine._health(example)
            concluded[number] = example.iprev is not None
            mine._count(example, count)
    mine.healths[run.here : stop] = bytes(map(healths.__getitem__, numbers(run.here, stop)))
    states.copy_details(known, run, lambda index: mine.healths[index] == FAILING, is_alike=is_alike)
    for stride in range(run.here // NAMES_BLOCK, (stop - 1) // NAMES_BLOCK + 1):
        part = numbers(max(run.here, stride * NAMES_BLOCK), min(stop, (stride + 1) * NAMES_BLOCK))
        mine.name_changes[stride] += sum(map(concluded.__getitem__, part))
    mine.invalidate(range(run.here // BLOCK, (stop - 1) // BLOCK + 1))


# SECTION exporter.state.pool


class PoolState:
    """The latest results of one pool; *counters* go on over reloads.

    With *room* it is kept in numbers, and only what is of interest in detail, as far as there is room: see
    `exporter.state.compact`. A state that was made of numbers has no evidence, and findings without sentences.

    *revisions* counts, for each `STRIDE` neighbours, how often anything about one of them was recorded, *news* how
    often that was more than when, and *helo_revision* the former of HELO names: whoever shows them sees by it what is
    still as it was shown.

    *healths* has one octet an address, so that counting and finding the failing ones of half a million, or those of
    one prefix, costs microseconds. *name_changes* counts, for each `NAMES_STRIDE` neighbours, how often the PTR names
    of one of them changed: whoever keeps an index of names sees by it which part of that is out of date.
    """

    def __init__(self, pool: Pool, counters: PoolCounters, room: DetailLimit | None = None) -> None:
        self.pool = pool
        self.counters = counters
        self.round_seconds: float | None = None
        self.lag_seconds = 0.0
        self.dirty: Dirty | None = None
        self.helos = {helo.text: HeloState(helo) for helo in pool.helo_names}
        self.healths = bytearray(pool.size)
        self.name_changes = [0] * (pool.size // NAMES_BLOCK + 1)
        self.revisions = array("Q", bytes(8 * (pool.size // BLOCK + 1)))
        self.data_versions = array("Q", self.revisions)
        self.helo_revision = 0
        self._addresses = CompactStates(pool.targets, room) if room else FullStates(pool.size)
        self._next: CompactStates | FullStates | None = None
        self._oldest: dict[int, tuple[int, float]] = {}
        self._known = zeros(pool.checks, (Result.PASS, Result.FAIL))
        self._tally: Counter[tuple[Receiver, ReceiverOutcome]] = Counter()
        self.sample = SampleState(pool.checks)
        counters.open(pool.checks)

    def __getitem__(self, index: int) -> AddressState:
        return self._addresses[index] or AddressState(self.pool.targets[index])

    def sampled(self, first: int = 0, stop: int | None = None) -> Iterator[AddressState]:
        """The states of the targets that were sampled, or are known from before, from *first* to before *stop*."""
        states = self._addresses
        places = range(first, self.pool.size if stop is None else stop)
        return (state for state in map(states.__getitem__, places) if state is not None)

    def is_sampled(self, index: int) -> bool:
        """Whether there is a latest report on the target at *index*."""
        return self._addresses.is_sampled(index)

    def unsampled(self) -> Spans:
        """The targets without a latest report, in their order."""
        return self._addresses.unsampled()

    def compact_row(self, index: int) -> CompactRow | None:
        """What the state of the target at *index* can be made of; None where there is more to it, or nothing at all."""
        return self._addresses.compact_row(index)

    def sampled_at(self, index: int) -> float:
        """When the target at *index* was last sampled, as Unix time; 0.0 for never."""
        return self._addresses.sampled_at(index)

    def ptr_names(self, index: int) -> tuple[DomainName, ...]:
        """The PTR names that the last conclusive sample of the target at *index* found."""
        return self._addresses.ptr_names(index)

    def oldest_sample(self) -> float:
        """When the target that was not sampled for the longest was last sampled; 0.0 if there is one that never was.

        Only strides that were sampled since the last call are looked through.
        """
        for number, revision in enumerate(self.revisions):
            known = self._oldest.get(number)
            stop = min(self.pool.size, (number + 1) * BLOCK)
            if number * BLOCK < stop and (known is None or known[0] != revision):
                self._oldest[number] = (revision, self._addresses.oldest(number * BLOCK, stop))
        return min([moment for _, moment in tuple(self._oldest.values())], default=0.0)

    def stalest(self) -> int | None:
        """Of the targets that were ever sampled, which was not for the longest: the first of several; None for none."""
        return self._addresses.stalest()

    def results(self) -> dict[CheckResult, int]:
        """How many addresses have which latest result, by check; the three results of a check sum to the size."""
        known, size = self._known, self.pool.size
        counts: dict[CheckResult, int] = {}
        for check in self.pool.checks:
            passed, failed = known[check, Result.PASS], known[check, Result.FAIL]
            counts[check, Result.PASS] = passed
            counts[check, Result.FAIL] = failed
            counts[check, Result.UNKNOWN] = size - passed - failed
        return counts

    def receiver_results(self) -> dict[tuple[Receiver, ReceiverOutcome], int]:
        """How many addresses each receiver makes what of, by what is held; the outcomes of one sum to the size."""
        counts: dict[tuple[Receiver, ReceiverOutcome], int] = {}
        for receiver in self.pool.receivers:
            known = {outcome: self._tally[receiver, outcome] for outcome in ReceiverOutcome}
            known[ReceiverOutcome.UNKNOWN] = self.pool.size - sum(known.values())
            counts |= {(receiver, outcome): count for outcome, count in known.items()}
        return counts

    def record(self, index: int, report: Report, evidence: Evidence, at: float) -> tuple[Change, ...]:
        """Take in one more report on the target at *index*, sampled at Unix time *at*; say what changed by it."""
        before = self[index]
        state, changes = before.observe(report, evidence, at)
        if before.latest is None or state.known is not before.known:
            self._note_health(index, state)
        is_new = is_changed(before, state)
        self._put(index, state, is_new=is_new)
        if state.receivers is not before.receivers:
            self._tally.subtract(self._outcomes(before))
            self._tally.update(self._outcomes(state))
        if state.iprev is not before.iprev and _names(state) != _names(before):
            self.name_changes[index // NAMES_BLOCK] += 1
        results = worst(report)
        self._retally(before.latest, results)
        samples = self.counters.samples
        for pair in results.items():
            samples[pair] += 1
        if self.dirty is not None:
            self.dirty.note(index, is_changed=is_new)
        for change in changes:
            self.counters.changes[change.after.check, change.after.result] += 1
        return changes

    def record_helo(self, report: HeloNameReport, at: float) -> None:
        """Take in one more report on a HELO name, the other way round, at Unix time *at*."""
        state = self.helos[report.helo.text]
        after = self.helos[report.helo.text] = state.observe(report, at)
        self.helo_revision += 1
        if self.dirty is not None:
            self.dirty.add_helo(report.helo.text, is_changed=after != replace(state, sampled_at=at))

    def restore(self, index: int, state: AddressState) -> None:
        """Begin with what is known from before of the target at *index*; nothing was recorded of it yet."""
        self._note_health(index, state)
        self._put(index, state, is_new=True)
        self._count(state, 1)
        if state.iprev is not None:
            self.name_changes[index // NAMES_BLOCK] += 1

    def restore_helo(self, state: HeloState) -> None:
        """Begin with what is known from before of a HELO name, if it is one here and was not sampled yet."""
        mine = self.helos.get(state.helo.text)
        if mine is not None and mine.latest is None:
            self.helos[state.helo.text] = state
            self.helo_revision += 1

    def fitting(self, room: DetailLimit | None) -> Iterator[None]:
        """Keep the addresses in detail from now on, or, with *room*, in numbers; a step at a time.

        Until the last step all is where it was, and what is recorded meanwhile is put into both.
        """
        old = self._addresses
        if isinstance(old, CompactStates) and room:
            old.move_to(room)
        elif room or isinstance(old, CompactStates):
            new = self._next = CompactStates(self.pool.targets, room) if room else FullStates(self.pool.size)
            for index in range(self.pool.size):
                if index % ONE_BY_ONE == 0:
                    yield
                state = old[index]
                if state is not None:
                    new.put(index, state, is_failing=self.healths[index] == FAILING)
            self._addresses, self._next = new, None
            self.invalidate(range(len(self.revisions)))

    def copying(self, old: "PoolState") -> Iterator[None]:
        """Take over what *old* knows of the targets and HELO names that both have, a step at a time.

        Nothing may be recorded in either until the last step.
        """
        for run in self.pool.source.runs(old.pool.source):
            yield from carry(run, self, old)
        self.helos.update({text: state for text, state in old.helos.items() if text in self.helos})
        self.round_seconds = old.round_seconds if old.pool.size else None  # a round over nothing was none
        self.sample.copy_from(old.sample)

    def find(self, target: Target) -> AddressState | None:
        """What is known of the address of *target*."""
        index = self.pool.index(target.address)
        return None if index is None else self._addresses[index]

    def copy_from(self, old: "PoolState") -> None:
        """Do all of `copying` at once."""
        for _ in self.copying(old):
            pass

    def invalidate(self, strides: Iterable[int]) -> None:
        """Whatever was shown of these strides is out of date."""
        for stride in strides:
            self.revisions[stride] += 1
            self.data_versions[stride] += 1

    def _put(self, index: int, state: AddressState, *, is_new: bool) -> None:
        is_failing = self.healths[index] == FAILING
        self._addresses.put(index, state, is_failing=is_failing)
        if self._next is not None:
            self._next.put(index, state, is_failing=is_failing)
        self.revisions[index // BLOCK] += 1
        self.data_versions[index // BLOCK] += is_new

    def _count(self, example: AddressState, count: int) -> None:
        """Count *count* addresses that are like *example* and were not known before."""
        for outcome, once in self._outcomes(example).items():
            self._tally[outcome] += once * count
        if example.latest is not None:
            self._retally(None, worst(example.latest), count)

    def _outcomes(self, state: AddressState) -> Counter[tuple[Receiver, ReceiverOutcome]]:
        return tally(state.receivers, self.pool.receivers, self.pool.expect)

    def _note_health(self, index: int, state: AddressState) -> None:
        self.healths[index] = self._health(state)

    def _health(self, state: AddressState) -> int:
        is_healthy = health(state, self.pool.expect)
        return UNKNOWN if is_healthy is None else HEALTHY if is_healthy else FAILING

    def _retally(self, before: Report | None, results: dict[CheckName, Result], count: int = 1) -> None:
        known = self._known
        if before is not None:
            for pair in worst(before).items():
                if pair in known:
                    known[pair] -= 1
        for pair in results.items():
            if pair in known:
                known[pair] += count


def _names(state: AddressState) -> tuple[DomainName, ...]:
    return () if state.iprev is None else state.iprev.ptr_names


def worst(report: Report) -> dict[CheckName, Result]:
    """What each check comes to where an address has several HELO names: the worst, a fail before an unknown."""
    results: dict[CheckName, Result] = {}
    for finding in report.findings:
        before = results.get(finding.check)
        if before is None or before is Result.PASS or finding.result is Result.FAIL:
            results[finding.check] = finding.result
    return results


# SECTION exporter.state.prefixes
# The prefixes of a pool with the most failing addresses.
#
# The rule of this file: nothing is kept up to date by each result. The failing ones are found by looking
# through one
# octet an address, which takes microseconds for half a million, and only as long as those octets are not the
# same.

MAX_PREFIXES = 50
"""How many prefixes of a pool are told of."""


class WorstPrefix(NamedTuple):
    """One prefix, as people write it, with how many of its addresses fail, and of how many that is known.

    Those are the ones that were sampled; where each round samples the whole pool, all that the pool has of it.
    """

    text: str
    failing: int
    sampled: int


class WorstPrefixes:
    """The worst prefixes of one pool; to be kept for as long as the pool's state is the same object."""

    __slots__ = ("_found", "_prefixes", "_seen", "_state")

    def __init__(self, state: PoolState) -> None:
        self._state = state
        self._seen = b""
        self._found: tuple[WorstPrefix, ...] = ()
        self._prefixes: Prefixes | None = None

    @property
    def state(self) -> PoolState:
        """Whose prefixes these are."""
        return self._state

    def __call__(self) -> tuple[WorstPrefix, ...]:
        """The prefixes that have failing addresses: the worst first, then in the order of addresses."""
        present = bytes(self._state.healths)
        if present != self._seen:
            self._seen, self._found = present, self._search(present)
        return self._found

    def _search(self, healths: bytes) -> tuple[WorstPrefix, ...]:
        needle = bytes((FAILING,))
        position = healths.find(needle)
        if position < 0:
            return ()
        if self._prefixes is None:
            self._prefixes = self._state.pool.prefixes
        counts: list[tuple[int, int]] = []
        while position >= 0:
            _, end = self._prefixes.of(position)
            counts.append((-healths.count(needle, position, end), position))
            position = healths.find(needle, end)
        return tuple(
            [self._told(self._prefixes, position, -count) for count, position in nsmallest(MAX_PREFIXES, counts)]
        )

    def _told(self, prefixes: Prefixes, position: int, failing: int) -> WorstPrefix:
        start, end = prefixes.of(position)
        if self._state.pool.plan is None:
            return WorstPrefix(prefixes.text(position), failing, end - start)
        sampled = sum(self._state.sampled_at(index) > 0 for index in range(start, end))
        return WorstPrefix(prefixes.text(position), failing, sampled)
