"""The state of one pool: its addresses, its HELO names, and counts over all of them.

Counts are updated with each sample, so that a scrape never adds up half a million addresses. The event loop owns the
state; the objects that it returns are immutable, so that scrapes can read them from another thread.
"""

# ruff: noqa: SLF001  # one object copies from another of its class

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from heapq import nsmallest
from typing import Final, Literal, NamedTuple

from exporter.checks.check import Evidence
from exporter.checks.helo_name import HeloNameReport
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver
from exporter.checks.report import Report, Target
from exporter.checks.result import CheckName, Finding, Result
from exporter.inventory.pool import Pool
from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import IndexRanges, Run
from exporter.state.address import AddressState, health, without_followers
from exporter.state.counters import PoolCounters, SampleState, Sums, zeros
from exporter.state.dirty import Dirty, is_changed
from exporter.state.helo import HeloState
from exporter.state.journal import Change
from exporter.state.known import ReceiverOutcome, tally
from exporter.state.store import (
    SIZES,
    CompactRow,
    CompactStates,
    DetailLimit,
    FullStates,
    InternedResult,
    Sizes,
    retargeted,
)

UNSAMPLED, HEALTHY, FAILING, UNKNOWN = range(4)
"""The values of `PoolState.healths`: whether every expected check passes, by the known findings."""

NOT_SAMPLED: Final = "not-sampled"
"""The result of an address without a sample: nobody asked the DNS about it yet, so nothing is unanswered."""

PoolResult = Result | Literal["not-sampled"]


class PoolState:
    """The latest results of one pool.

    With a `DetailLimit`, addresses are kept in `CompactStates`: their states have no evidence and no sentences, except
    for those with details.

    Readers compare version counters to decide what to render again.

    Attributes:
        pool: The pool.
        counters: Its counters, which survive reloads.
        round_seconds: How long the latest round took; None before the first one ended.
        dirty: What is not saved yet; None without a storage.
        helos: The states of the HELO names.
        healths: `UNSAMPLED`, `HEALTHY`, `FAILING` or `UNKNOWN` for each address: one byte each, which is fast to
            count and search.
        block_size: How many addresses share an element of `revisions` and `data_versions`.
        revisions: For each block of addresses, a counter that grows with every sample.
        data_versions: For each block of addresses, a counter that grows only if more than times changed.
        name_changes: For each block of `search_block` addresses, a counter that grows if the PTR names of one changed.
        helo_revision: A counter that grows with every sample of a HELO name.
        sample: How far the random sampling has come, and its sums.
    """

    def __init__(
        self, pool: Pool, counters: PoolCounters, limit: DetailLimit | None = None, sizes: Sizes = SIZES
    ) -> None:
        self.pool = pool
        self.counters = counters
        self.round_seconds: float | None = None
        self.dirty: Dirty | None = None
        self.helos = {helo.text: HeloState(helo) for helo in pool.helo_names}
        self.healths = bytearray(pool.size)
        self.search_block = sizes.search_block
        self.name_changes = [0] * (pool.size // self.search_block + 1)
        self.block_size = sizes.versions_block
        self.revisions = array("Q", bytes(8 * (pool.size // self.block_size + 1)))
        self.data_versions = array("Q", self.revisions)
        self.helo_revision = 0
        self.sample = SampleState(pool.checks)
        self._sizes = sizes
        self._addresses = self._store(limit)
        self._next: CompactStates | FullStates | None = None
        self._oldest: dict[int, tuple[int, float]] = {}
        self._results = zeros(pool.checks, (Result.PASS, Result.FAIL))
        self._known: Counter[tuple[CheckName, Result]] = Counter()
        self._outcomes: Counter[tuple[Receiver, ReceiverOutcome]] = Counter()
        counters.open(pool.checks)

    def __getitem__(self, index: int) -> AddressState:
        return self._addresses[index] or AddressState(self.pool.targets[index])

    def find(self, target: Target) -> AddressState | None:
        """The state of the address of *target*, if it is in the pool and was sampled."""
        index = self.pool.index(target.address)
        return None if index is None else self._addresses[index]

    def sampled(self, first: int = 0, stop: int | None = None) -> Iterator[AddressState]:
        """The states from *first* to before *stop* that are not empty: sampled, or restored."""
        indexes = range(first, self.pool.size if stop is None else stop)
        return (state for state in map(self._addresses.__getitem__, indexes) if state is not None)

    def is_sampled(self, index: int) -> bool:
        """Whether there is a latest report on the target at *index*."""
        return self._addresses.is_sampled(index)

    def unsampled(self) -> IndexRanges:
        """The indexes of targets without a latest report, in order."""
        return self._addresses.unsampled()

    def compact_row(self, index: int) -> CompactRow | None:
        """The columns of the target at *index*; None if its state is kept in full, or is empty."""
        return self._addresses.compact_row(index)

    def sampled_at(self, index: int) -> float:
        """When the target at *index* was last sampled, as Unix time; 0.0 for never."""
        return self._addresses.sampled_at(index)

    def ptr_names(self, index: int) -> tuple[DomainName, ...]:
        """The PTR names that the last conclusive sample of the target at *index* found."""
        return self._addresses.ptr_names(index)

    def oldest_sample(self) -> float:
        """The oldest of the times at which each target was last sampled; 0.0 if one never was.

        Only blocks that were sampled since the last call are searched.
        """
        for number, revision in enumerate(self.revisions):
            known = self._oldest.get(number)
            stop = min(self.pool.size, (number + 1) * self.block_size)
            if number * self.block_size < stop and (known is None or known[0] != revision):
                self._oldest[number] = (revision, self._addresses.oldest(number * self.block_size, stop))
        return min([at for _, at in tuple(self._oldest.values())], default=0.0)

    def stalest(self) -> int | None:
        """The first sampled target whose latest sample is the oldest; None if none was sampled."""
        return self._addresses.stalest()

    def results(self) -> dict[tuple[CheckName, PoolResult], int]:
        """The number of addresses by check and latest result. The results of a check add up to the pool's size."""
        results = self._results.copy()
        not_sampled = self.healths.count(UNSAMPLED)
        sampled = self.pool.size - not_sampled
        counts: dict[tuple[CheckName, PoolResult], int] = {}
        for check in self.pool.checks:
            passed, failed = results[check, Result.PASS], results[check, Result.FAIL]
            counts |= {
                (check, Result.PASS): passed,
                (check, Result.FAIL): failed,
                (check, Result.UNKNOWN): sampled - passed - failed,
                (check, NOT_SAMPLED): not_sampled,
            }
        return counts

    def sample_sums(self) -> Sums:
        """Conclusive and failing addresses by check, to estimate the share of failing ones.

        They are the draws of the latest round, or the last conclusive results of a pool whose rounds sample every
        address. So an outage changes no share.
        """
        if self.pool.plan is not None:
            return self.sample.latest
        if not self.counters.rounds:
            return dict.fromkeys(self.pool.checks, (0, 0))
        sums = {}
        for check in self.pool.checks:
            failed = self._known[check, Result.FAIL]
            sums[check] = (self._known[check, Result.PASS] + failed, failed)
        return sums

    def receiver_results(self) -> dict[tuple[Receiver, ReceiverOutcome], int]:
        """The number of addresses by receiver and known outcome. Those of a receiver add up to the pool's size."""
        counts: dict[tuple[Receiver, ReceiverOutcome], int] = {}
        for receiver in self.pool.receivers:
            known = {outcome: self._outcomes[receiver, outcome] for outcome in ReceiverOutcome}
            without = self.pool.size - sum(known.values())
            known[ReceiverOutcome.NOT_SAMPLED] = min(without, self.healths.count(UNSAMPLED))
            known[ReceiverOutcome.UNKNOWN] = without - known[ReceiverOutcome.NOT_SAMPLED]
            counts |= {(receiver, outcome): count for outcome, count in known.items()}
        return counts

    def record(self, index: int, report: Report, evidence: Evidence, at: float) -> tuple[Change, ...]:
        """Record a report on the target at *index*, sampled at Unix time *at*. Return what changed.

        A change that only follows from another one is counted, but not returned.
        """
        before = self[index]
        state, changes = before.observe(report, evidence, at)
        if before.latest is None or state.known is not before.known:
            self.healths[index] = self._health(state)
        if state.known is not before.known:
            self._known.subtract(worst(before.known.values()).items())
            self._known.update(worst(state.known.values()).items())
        has_changed = is_changed(before, state)
        self._put(index, state, is_changed=has_changed)
        if state.receivers is not before.receivers:
            self._outcomes.subtract(self._outcomes_of(before))
            self._outcomes.update(self._outcomes_of(state))
        if state.iprev is not before.iprev and _names(state) != _names(before):
            self.name_changes[index // self.search_block] += 1
        results = worst(report.findings)
        self._count_results(before.latest, results)
        samples = self.counters.samples
        for pair in results.items():
            samples[pair] += 1
        if self.dirty is not None:
            self.dirty.add(index, is_changed=has_changed)
        for change in changes:
            self.counters.changes[change.after.check, change.after.result] += 1
        return without_followers(changes, before.known, state.known)

    def record_helo(self, report: HeloNameReport, at: float) -> None:
        """Record a report on a HELO name, sampled at Unix time *at*."""
        state = self.helos[report.helo.text]
        after = self.helos[report.helo.text] = state.observe(report, at)
        self.helo_revision += 1
        if self.dirty is not None:
            self.dirty.helos.add(report.helo.text, is_changed=after != replace(state, sampled_at=at))

    def restore(self, index: int, state: AddressState) -> bool:
        """Restore what only an earlier state of the target at *index* knows. Return whether that is anything.

        If storage opens late, the target was sampled meanwhile, perhaps without an answer.
        """
        before = self._addresses[index]
        if before is None:
            self._count(state, 1)
        else:
            state = before.with_earlier(state)
            if state is before:
                return False
            self._outcomes.subtract(self._outcomes_of(before))
            self._outcomes.update(self._outcomes_of(state))
            if self.dirty is not None:
                self.dirty.add(index, is_changed=True)
        self.healths[index] = self._health(state)
        self._put(index, state, is_changed=True)
        if state.iprev is not None:
            self.name_changes[index // self.search_block] += 1
        return True

    def restore_helo(self, state: HeloState) -> None:
        """Restore what only an earlier state of a HELO name knows, if the pool has the name."""
        mine = self.helos.get(state.helo.text)
        if mine is not None:
            self.helos[state.helo.text] = mine.with_earlier(state)
            self.helo_revision += 1
            if mine.latest is not None and self.dirty is not None:
                self.dirty.helos.add(state.helo.text, is_changed=True)

    def converting(self, limit: DetailLimit | None) -> Iterator[None]:
        """Keep the addresses compact with *limit*, or in full without, from now on. Each step is short.

        Samples may be recorded between the steps.
        """
        old = self._addresses
        if isinstance(old, CompactStates) and limit:
            old.use_limit(limit)
        elif limit or isinstance(old, CompactStates):
            new = self._next = self._store(limit)
            for index in range(self.pool.size):
                if index % self._sizes.objects_per_step == 0:
                    yield
                state = old[index]
                if state is not None:
                    new.put(index, state, is_failing=self.healths[index] == FAILING)
            self._addresses, self._next = new, None
            self.invalidate(range(len(self.revisions)))

    def copying(self, old: "PoolState") -> Iterator[None]:
        """Copy what *old* knows of the targets and HELO names that both have. Each step is short.

        Nothing may be recorded in either until the last step. If the HELO names of many adjacent addresses changed,
        results on a name are kept where its template stays.
        """
        yield from self.copying_moved(old)
        self.round_seconds = old.round_seconds if old.pool.size else None  # a round over no address does not count
        self.sample.copy_from(old.sample)

    def copying_moved(self, old: "PoolState") -> Iterator[None]:
        """Copy what *old*, another pool, knows of the targets and HELO names that came from it. Each step is short."""
        for run in self.pool.source.runs(old.pool.source):
            yield from self._copying_run(run, old)
        self.helos.update({text: it for text, it in old.helos.items() if text in self.helos and it.latest is not None})

    def invalidate(self, blocks: Iterable[int]) -> None:
        """Raise the counters of *blocks*: whatever was rendered of them is out of date."""
        for block in blocks:
            self.revisions[block] += 1
            self.data_versions[block] += 1

    def _store(self, limit: DetailLimit | None) -> CompactStates | FullStates:
        return CompactStates(self.pool.targets, limit, self._sizes) if limit else FullStates(self.pool.size)

    def _copying_run(self, run: Run, old: "PoolState") -> Iterator[None]:
        mine, theirs, sizes = self._addresses, old._addresses, self._sizes
        is_long = run.is_alike or run.size >= sizes.objects_per_step
        if isinstance(mine, CompactStates) and isinstance(theirs, CompactStates) and is_long:
            change = self._renaming(run, old)
            for part in run.split(sizes.columns_per_step):
                self._copy_columns(part, mine, theirs, change)
                yield
            return
        for part in run.split(sizes.objects_per_step):
            for offset in range(part.size):
                known = theirs[part.there + offset]
                if known is not None:
                    self.restore(part.here + offset, known.retarget(self.pool.targets[part.here + offset]))
            yield

    def _renaming(self, run: Run, old: "PoolState") -> Callable[[InternedResult], InternedResult]:
        """What to do with the results of *run*, whose HELO names may be different now."""
        if run.is_alike:
            return lambda result: result
        now, before = self.pool.source.at(run.here)[1], old.pool.source.at(run.there)[1]
        moved = {index: now.index(template) for index, template in enumerate(before) if template in now}
        return lambda result: retargeted(result, moved, len(now))

    def _copy_columns(
        self, run: Run, mine: CompactStates, theirs: CompactStates, change: Callable[[InternedResult], InternedResult]
    ) -> None:
        healths, concluded = {0: UNSAMPLED}, {0: False}
        first, stop = run.here, run.here + run.size
        for number, count in mine.copy(theirs, run, change).items():
            if number:
                example = self[first + mine.numbers(first, stop).index(number)]
                healths[number] = self._health(example)
                concluded[number] = example.iprev is not None
                self._count(example, count)
        self.healths[first:stop] = bytes(map(healths.__getitem__, mine.numbers(first, stop)))
        mine.copy_details(theirs, run, lambda index: self.healths[index] == FAILING, is_alike=run.is_alike)
        for block in range(first // self.search_block, (stop - 1) // self.search_block + 1):
            numbers = mine.numbers(max(first, block * self.search_block), min(stop, (block + 1) * self.search_block))
            self.name_changes[block] += sum(map(concluded.__getitem__, numbers))
        self.invalidate(range(first // self.block_size, (stop - 1) // self.block_size + 1))

    def _put(self, index: int, state: AddressState, *, is_changed: bool) -> None:
        is_failing = self.healths[index] == FAILING
        self._addresses.put(index, state, is_failing=is_failing)
        if self._next is not None:
            self._next.put(index, state, is_failing=is_failing)
        self.revisions[index // self.block_size] += 1
        self.data_versions[index // self.block_size] += is_changed

    def _count(self, example: AddressState, count: int) -> None:
        """Count *count* new addresses with the results of *example*."""
        for outcome, once in self._outcomes_of(example).items():
            self._outcomes[outcome] += once * count
        for pair in worst(example.known.values()).items():
            self._known[pair] += count
        if example.latest is not None:
            self._count_results(None, worst(example.latest.findings), count)

    def _count_results(self, before: Report | None, results: dict[CheckName, Result], count: int = 1) -> None:
        counts = self._results
        if before is not None:
            for pair in worst(before.findings).items():
                if pair in counts:
                    counts[pair] -= 1
        for pair in results.items():
            if pair in counts:
                counts[pair] += count

    def _outcomes_of(self, state: AddressState) -> Counter[tuple[Receiver, ReceiverOutcome]]:
        return tally(state.receivers, self.pool.receivers, self.pool.expect)

    def _health(self, state: AddressState) -> int:
        is_healthy = health(state, self.pool.expect)
        if is_healthy is None:
            return UNSAMPLED if state.latest is None else UNKNOWN
        return HEALTHY if is_healthy else FAILING


def worst(findings: Iterable[Finding]) -> dict[CheckName, Result]:
    """The worst result of each check over all HELO names: a fail, else an unknown, else a pass."""
    results: dict[CheckName, Result] = {}
    for finding in findings:
        before = results.get(finding.check)
        if before is None or before is Result.PASS or finding.result is Result.FAIL:
            results[finding.check] = finding.result
    return results


def _names(state: AddressState) -> tuple[DomainName, ...]:
    return () if state.iprev is None else state.iprev.ptr_names


MAX_PREFIXES = 50
"""How many prefixes of a pool are shown."""


class WorstPrefix(NamedTuple):
    """A prefix with failing addresses.

    *sampled* counts the addresses that were sampled. In a pool without random sampling these are all of them.
    """

    text: str
    failing: int
    sampled: int


class WorstPrefixes:
    """The prefixes of a pool with the most failing addresses. Keep it as long as the `PoolState`."""

    __slots__ = ("_found", "_prefixes", "_seen", "state")

    def __init__(self, state: PoolState) -> None:
        self.state = state
        self._seen = b""
        self._found: tuple[WorstPrefix, ...] = ()
        self._prefixes: Prefixes | None = None

    def __call__(self) -> tuple[WorstPrefix, ...]:
        """The prefixes with failing addresses: the worst first, then in the order of addresses."""
        healths = bytes(self.state.healths)
        if healths != self._seen:
            self._seen, self._found = healths, self._search(healths)
        return self._found

    def _search(self, healths: bytes) -> tuple[WorstPrefix, ...]:
        needle = bytes((FAILING,))
        index = healths.find(needle)
        if index < 0:
            return ()
        if self._prefixes is None:
            self._prefixes = self.state.pool.prefixes
        counts: list[tuple[int, int]] = []
        while index >= 0:
            _, end = self._prefixes.of(index)
            counts.append((-healths.count(needle, index, end), index))
            index = healths.find(needle, end)
        return tuple([self._prefix(self._prefixes, index, -count) for count, index in nsmallest(MAX_PREFIXES, counts)])

    def _prefix(self, prefixes: Prefixes, index: int, failing: int) -> WorstPrefix:
        start, end = prefixes.of(index)
        if self.state.pool.plan is None:
            return WorstPrefix(prefixes.text(index), failing, end - start)
        sampled = sum(self.state.sampled_at(index) > 0 for index in range(start, end))
        return WorstPrefix(prefixes.text(index), failing, sampled)
