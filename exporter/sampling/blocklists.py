"""Looks addresses up in block lists: each list at its own pace, apart from the rounds of the pools.

The rule of this file: a list is tested before it is believed, and again every few minutes; and a listing is believed
only when the list, tested anew and past the cache, says it again, through servers that pass their canaries after that.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import inf, isinf
from typing import NamedTuple

import structlog

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import CheckRun, Evidence, OnAnswer
from exporter.checks.dnsbl import ListHealth, Listing, dnsbl, list_health
from exporter.checks.result import CheckName, Result
from exporter.inventory.build import ListPlan
from exporter.sampling.confirm import Asker
from exporter.state.blocklists import PENDING, Blocklists, Cursor, PoolListings
from exporter.state.board import Board

# SECTION exporter.sampling.places
# The addresses that a block list is asked about, in a circle: whoever stops somewhere can go on there.
#
# The rule of this file: an order is worked out as it is walked, a range at a time, so that half a million
# addresses cost
# as much as the lines that name them.


class ListPlace(NamedTuple):
    """The address at *place* in a pool, as one list has it."""

    listings: PoolListings
    place: int

    @property
    def name(self) -> Cursor:
        """How it is found again when the pools have changed, or after a restart."""
        return self.listings.pool.name, self.listings.pool.targets[self.place].address


class _Span(NamedTuple):
    listings: PoolListings
    family: int
    start: int
    stop: int


class Places:
    """The addresses of some pools, in their order from *start* on, and then those before it."""

    def __init__(self, listings: Sequence[PoolListings], start: Cursor | None) -> None:
        self._spans = [span for each in listings for span in _spans(each)]
        self.size = sum(span.stop - span.start for span in self._spans)
        if start is not None:
            self._turn(start)

    @property
    def first(self) -> ListPlace | None:
        """Where it begins; None if there is nothing."""
        return next((ListPlace(span.listings, span.start) for span in self._spans if span.start < span.stop), None)

    def walk(self, is_wanted: Callable[[int], bool]) -> Iterator[ListPlace]:
        """Each once: first those that the list was never asked about, then the others.

        *is_wanted* says, when it is their turn, whether the addresses of a family are to be asked about.
        """
        before = {id(span.listings): bytes(span.listings.codes) for span in self._spans}
        for listings, family, start, stop in self._spans:
            octets = before[id(listings)]
            index = octets.find(PENDING, start, stop) if is_wanted(family) else -1
            while index >= 0 and is_wanted(family):
                yield ListPlace(listings, index)
                index = octets.find(PENDING, index + 1, stop)
        for listings, family, start, stop in self._spans:
            octets, index = before[id(listings)], start
            while index < stop and is_wanted(family):
                if octets[index] != PENDING:
                    yield ListPlace(listings, index)
                index += 1

    def _turn(self, start: Cursor) -> None:
        """Let *start* be the first, or what follows where it was."""
        name, address = start
        for number, (listings, family, low, high) in enumerate(self._spans):
            if listings.pool.name == name:
                place = listings.pool.source.next_position(address) % listings.pool.size
                if low <= place < high:
                    first, last = _Span(listings, family, place, high), _Span(listings, family, low, place)
                    self._spans = [first, *self._spans[number + 1 :], *self._spans[:number], last]
                    return


def _spans(listings: PoolListings) -> Iterator[_Span]:
    start = 0
    for one in listings.pool.source:
        yield _Span(listings, one.family, start, start + one.size)
        start += one.size


# SECTION exporter.sampling.blocklists

log = structlog.get_logger()

TEST_SECONDS = 300.0
"""How often a list is tested (RFC 5782 section 5), unless its own interval is shorter."""

_RETRY_SECONDS = 30.0
"""How soon it is tested again when a test got no answer."""

_TICK_SECONDS = 0.02
_MAX_UNDER_WAY = 64
_SHARE = 0.9
"""The share of the interval over which the addresses are spread that a list was asked about before."""


class BlocklistSampler:
    """Walks through the addresses of all pools, once an interval for each list. It belongs to the running event loop.

    What a list was never asked about comes at once, at the list's pace; the rest is spread over the interval, and
    begins where the walk before stood, be it one of an earlier process.

    *asker* gives whoever answers questions at the moment.
    """

    def __init__(self, blocklists: Blocklists, asker: Callable[[], Asker]) -> None:
        self._blocklists = blocklists
        self._asker = asker
        self._walks: list[_Walk] = []

    def follow(self, plans: Sequence[ListPlan], board: Board) -> None:
        """Fit the walks to these lists and the pools on the board: what is new or changed begins at once."""
        self._blocklists.publish(plans, [state.pool for state in board.pools.values()])
        old, self._walks = self._walks, []
        for plan in self._blocklists.plans:
            same = next((walk for walk in old if walk.is_of(plan)), None)
            if same is not None:
                old.remove(same)
                self._walks.append(same)
            else:
                self._walks.append(_Walk(plan, self._blocklists, self._asker))
                self._walks[-1].begin()
        for walk in old:
            walk.stop()

    def stop(self) -> None:
        """Drop everything that is under way."""
        for walk in self._walks:
            walk.stop()
        self._walks.clear()


class _Walk:
    """One list's way through the addresses, over and over."""

    def __init__(self, plan: ListPlan, blocklists: Blocklists, asker: Callable[[], Asker]) -> None:
        self._plan = plan
        self._blocklists = blocklists
        self._asker = asker
        self._listings = blocklists.of(plan.zone)
        self._families = [
            family
            for family in plan.blocklist.families
            if any(one.family == family for listings in self._listings for one in listings.pool.source)
        ]
        self._circle = Places(self._listings, blocklists.cursors.get(plan.zone))
        self._pace = 0.0 if isinf(plan.max_queries_per_second) else 1 / plan.max_queries_per_second
        self._spread = max(self._pace, _SHARE * plan.interval_seconds / max(1, self._circle.size))
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._places: Iterator[ListPlace] = iter(())
        self._next: ListPlace | None = None
        self._began = -inf
        self._due = self._test_at = 0.0
        self._tests = 0
        self._looking_up: dict[int, ListPlace | None] = {}
        self._numbers = count()
        self._stopped = False

    def is_of(self, plan: ListPlan) -> bool:
        """Whether there is nothing to do differently for this plan, and the pools as they are now."""
        return self._plan == plan and self._listings == self._blocklists.of(plan.zone)

    def begin(self) -> None:
        if self._families:
            self._timer = self._loop.call_soon(self._step)  # type: ignore[assignment]  # both can be cancelled

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _step(self) -> None:
        """Test the list when that is due, else ask about the addresses that are due; and come back."""
        now = self._loop.time()
        if self._tests:
            pass  # its outcome decides what may be asked
        elif now >= self._test_at:
            self._test_at = now + min(TEST_SECONDS, self._plan.interval_seconds)
            self._tests = len(self._families)
            for family in self._families:
                self._test(family)
        else:
            self._ask_due(now)
        if not self._stopped:
            self._timer = self._loop.call_later(max(_TICK_SECONDS, min(1.0, self._due - now)), self._step)

    def _ask_due(self, now: float) -> None:
        if not any(self._works(family) for family in self._families):
            self._due = self._test_at
            return
        if self._next is None:
            if now < self._began + self._plan.interval_seconds:
                self._due = min(self._test_at, self._began + self._plan.interval_seconds)
                return
            self._places = self._circle.walk(self._works)
            self._next = next(self._places, None)
            self._began = self._due = now
        while self._next is not None and self._due <= now and len(self._looking_up) < _MAX_UNDER_WAY:
            place, self._next = self._next, next(self._places, None)
            is_first = place.listings.codes[place.place] == PENDING
            self._due = max(self._due, now - _TICK_SECONDS) + (self._pace if is_first else self._spread)
            self._look_up(place, is_first=is_first)
        if self._next is None:
            log.debug("block list walked", dnsbl=self._plan.zone, seconds=round(now - self._began, 3))

    def _note_reached(self) -> None:
        """Note where to go on, whatever ends us now: what is under way has to be asked about again."""
        under_way = (place for place in self._looking_up.values() if place is not None)
        place = next(under_way, self._next) or self._circle.first
        if place is not None and place.listings.codes[place.place] != PENDING:
            self._blocklists.set_cursor(self._plan.zone, place.name)

    def _health(self, family: int) -> ListHealth | None:
        return self._blocklists.healths.get((self._plan.zone, family))

    def _works(self, family: int) -> bool:
        health = self._health(family)
        return health is not None and health.works is True

    def _test(self, family: int) -> None:
        def done(health: ListHealth, evidence: Evidence) -> None:  # noqa: ARG001  # what `CheckRun` gives
            self._tests -= 1
            if self._stopped:
                return
            before = self._health(family)
            if before is None or before.works is not health.works:
                log.info("block list tested", dnsbl=self._plan.zone, works=health.works, sentence=health.sentence)
                if health.works is True and self._next is None:
                    self._began = -inf  # nothing was asked while it did not work
            if health.works is None:
                self._test_at = min(self._test_at, self._loop.time() + _RETRY_SECONDS)
            self._blocklists.put_health(health)

        def broken(error: Exception) -> None:
            self._tests -= 1
            log.error("a test of a block list is broken", dnsbl=self._plan.zone, exc_info=error)

        CheckRun(list_health(self._plan.blocklist, family), self._asking(confirm=True), done, broken).start()

    def _look_up(self, place: ListPlace, *, is_first: bool) -> None:
        listings, index = place
        address = listings.pool.targets[index].address
        health = self._health(address.family)
        number = next(self._numbers)
        self._looking_up[number] = None if is_first else place

        def done(listing: Listing, evidence: Evidence) -> None:  # noqa: ARG001  # what `CheckRun` gives
            if listing.is_listed and not listings.is_listed(index):
                # without a health to go by, the list is tested along
                CheckRun(
                    dnsbl(CheckName.DNSBL, address, blocklist), self._asking(confirm=True), confirmed, broken
                ).start()
            else:
                put(listing)

        def confirmed(listing: Listing, evidence: Evidence) -> None:
            if not listing.is_listed:
                put(listing)
                return
            servers = {answer.server for answer in evidence.values() if answer.server}
            self._asker().verify(servers, lambda doubt: put(listing) if doubt is None else put(None))

        def put(listing: Listing | None) -> None:
            self._looking_up.pop(number, None)
            if listing is not None and not self._stopped:
                listings.put(index, listing.finding, time.time())
                self._note_reached()
                if listing.finding.result is Result.FAIL:
                    log.debug("listed", dnsbl=self._plan.zone, ip=str(address), codes=listing.codes)

        def broken(error: Exception) -> None:
            self._looking_up.pop(number, None)
            log.error("a lookup in a block list is broken", dnsbl=self._plan.zone, ip=str(address), exc_info=error)

        blocklist = self._plan.blocklist
        CheckRun(dnsbl(CheckName.DNSBL, address, blocklist, health), self._asking(confirm=False), done, broken).start()

    def _asking(self, *, confirm: bool) -> Callable[[Question, OnAnswer], None]:
        def ask(question: Question, on_answer: OnAnswer) -> None:
            if self._stopped:
                on_answer(question, Answer(Status.TIMEOUT, asked_at=time.time()))
            elif confirm:
                self._asker().ask(question, on_answer, confirm=True)
            else:
                self._asker().ask(question, on_answer, max_age_seconds=self._plan.interval_seconds)

        return ask
