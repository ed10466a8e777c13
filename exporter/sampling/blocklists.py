"""Looks addresses up in block lists, each list at its own pace, independent of the rounds of the pools."""

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
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Result
from exporter.inventory.build import ListPlan
from exporter.sampling.confirm import Asker, servers_of
from exporter.state.blocklists import PENDING, Blocklists, Cursor, PoolListings
from exporter.state.board import Board

log = structlog.get_logger()

TEST_SECONDS = 300.0
"""How often a list is tested (RFC 5782 section 5), unless its own interval is shorter."""

_RETRY_SECONDS = 30.0
"""The pause after a test that was not answered."""

_DAY = 86_400
_BURST_SECONDS = 3600.0
"""The share of a day's budget that may be used at once."""

_TEST_SHARE = 20
"""A test asks two questions of each family. Once in the time of so many questions, it takes a tenth of the budget."""

_TICK_SECONDS = 0.02
_MAX_UNDER_WAY = 64
_SHARE = 0.9
"""The share of the interval over which known addresses are spread."""


class BlocklistSampler:
    """Scans the addresses of all pools, once an interval for each list. It belongs to the running event loop.

    A list is tested before it is asked, and again every few minutes. A listing is recorded only if the list repeats it,
    passing its test again without the DNS cache, through servers that pass their canaries afterwards.

    Addresses that a list was never asked about are looked up at the list's pace. The others are spread over the
    interval, beginning where the last scan stopped, which may have been in an earlier process. All questions to a list
    count for its budget of a day, of which an hour's share may be used at once. Pools that expect `dnsbl` come first;
    the others get what is left. *asker* gives the current resolvers.
    """

    def __init__(self, blocklists: Blocklists, asker: Callable[[], Asker]) -> None:
        self._blocklists = blocklists
        self._asker = asker
        self._scans: list[_ListScan] = []
        self._spent: dict[DomainName, float] = {}

    def follow(self, plans: Sequence[ListPlan], board: Board) -> None:
        """Scan these lists and the pools on the board from now on. New or changed scans begin at once."""
        self._blocklists.publish(plans, [state.pool for state in board.pools.values()])
        old, self._scans = self._scans, []
        for plan in self._blocklists.plans:
            same = next((scan for scan in old if scan.is_of(plan)), None)
            if same is not None:
                old.remove(same)
                self._scans.append(same)
            else:
                self._scans.append(_ListScan(plan, self._blocklists, self._asker, self._spent))
                self._scans[-1].begin()
        for scan in old:
            scan.stop()

    def stop(self) -> None:
        """Drop everything that is under way."""
        for scan in self._scans:
            scan.stop()
        self._scans.clear()


class _Lane:
    """The scan of some pools for one list: its state, and when its next lookup is due."""

    def __init__(self, circle: "ListItems", spread: float) -> None:
        self.circle = circle
        self.spread = spread
        self.items: Iterator[ListItem] = iter(())
        self.next: ListItem | None = None
        self.began = -inf
        self.due = 0.0


class _ListScan:
    """Scans the addresses for one list, again and again.

    *spent* has for each list the time of the event loop until which its budget is used.
    """

    def __init__(
        self, plan: ListPlan, blocklists: Blocklists, asker: Callable[[], Asker], spent: dict[DomainName, float]
    ) -> None:
        self._plan = plan
        self._blocklists = blocklists
        self._asker = asker
        self._listings = blocklists.of(plan.zone)
        self._families = [
            family
            for family in plan.blocklist.families
            if any(one.family == family for listings in self._listings for one in listings.pool.source)
        ]
        self._spent = spent
        self._pace = 0.0 if isinf(plan.max_queries_per_second) else 1 / plan.max_queries_per_second
        # Room for a burst at the start, and for questions that are under way when the budget is used.
        self._cost = (_DAY + 2 * _BURST_SECONDS) / plan.max_queries_per_day
        own = [one for one in self._listings if CheckName.DNSBL in one.pool.expect]
        others = [one for one in self._listings if CheckName.DNSBL not in one.pool.expect]
        circles = [ListItems(some, blocklists.cursors.get(plan.zone)) for some in (own, others)]
        self._lanes = [_Lane(one, _SHARE * plan.interval_seconds / max(1, one.size)) for one in circles]
        self._longest = max(self._lanes, key=lambda lane: lane.circle.size)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._paced = self._test_at = 0.0
        self._tests = 0
        self._looking_up: dict[int, ListItem | None] = {}
        self._numbers = count()
        self._stopped = False

    def is_of(self, plan: ListPlan) -> bool:
        """Whether this scan is right for *plan* and the current pools."""
        return self._plan == plan and self._listings == self._blocklists.of(plan.zone)

    def begin(self) -> None:
        if self._families:
            self._timer = self._loop.call_soon(self._step)  # type: ignore[assignment]  # both can be cancelled

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _step(self) -> None:
        """Test the list if that is due, else look up the addresses that are due."""
        now = self._loop.time()
        if self._tests:
            pass  # wait for the result of the test
        elif now >= self._test_at:
            seconds = min(TEST_SECONDS, self._plan.interval_seconds)
            self._test_at = now + max(seconds, _TEST_SHARE * self._cost * len(self._families))
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
        for lane in self._lanes:
            self._ask_lane(lane, now)
        self._due = min(self._test_at, max(self._free_at, min(lane.due for lane in self._lanes)))

    @property
    def _free_at(self) -> float:
        """When the list may be asked again: its pace, and its budget of a day."""
        return max(self._paced, self._spent.get(self._plan.zone, -inf))

    def _ask_lane(self, lane: _Lane, now: float) -> None:
        if lane.next is None:
            lane.due = lane.began + self._plan.interval_seconds
            if now < lane.due:
                return
            lane.items = lane.circle.scan(self._works)
            lane.next = next(lane.items, None)
            lane.began = lane.due = now
        while lane.next is not None and max(lane.due, self._free_at) <= now and len(self._looking_up) < _MAX_UNDER_WAY:
            item, lane.next = lane.next, next(lane.items, None)
            is_first = item.listings.codes[item.position] == PENDING
            lane.due = max(lane.due, now - _TICK_SECONDS) + (0.0 if is_first else lane.spread)
            self._paced = max(self._paced, now - _TICK_SECONDS) + self._pace
            self._look_up(item, is_remembered=lane is self._longest and not is_first)
        if lane.next is None:
            log.debug("block list scanned", dnsbl=self._plan.zone, seconds=round(now - lane.began, 3))

    def _set_cursor(self) -> None:
        """Set where to continue after a restart: at the first address whose lookup has not ended.

        Of the two lanes, the longer one continues; the other one, which is soon through, begins again.
        """
        under_way = (item for item in self._looking_up.values() if item is not None)
        item = next(under_way, self._longest.next) or self._longest.circle.first
        if item is not None and item.listings.codes[item.position] != PENDING:
            self._blocklists.set_cursor(self._plan.zone, item.cursor)

    def _health(self, family: int) -> ListHealth | None:
        return self._blocklists.healths.get((self._plan.zone, family))

    def _works(self, family: int) -> bool:
        health = self._health(family)
        return health is not None and health.works is True

    def _test(self, family: int) -> None:
        def done(health: ListHealth, evidence: Evidence) -> None:  # noqa: ARG001  # `CheckRun` passes it
            self._tests -= 1
            if self._stopped:
                return
            before = self._health(family)
            if before is None or before.works is not health.works:
                log.info("block list tested", dnsbl=self._plan.zone, works=health.works, sentence=health.sentence)
                for lane in self._lanes:
                    if health.works is True and lane.next is None:
                        lane.began = -inf  # begin a scan now: none ran while the list did not work
            if health.works is None:
                self._test_at = min(self._test_at, self._loop.time() + _RETRY_SECONDS)
            self._blocklists.put_health(health)

        def broken(error: Exception) -> None:
            self._tests -= 1
            log.error("a test of a block list is broken", dnsbl=self._plan.zone, exc_info=error)

        CheckRun(list_health(self._plan.blocklist, family), self._asking(confirm=True), done, broken).start()

    def _look_up(self, item: "ListItem", *, is_remembered: bool) -> None:
        listings, index = item
        address = listings.pool.targets[index].address
        health = self._health(address.family)
        number = next(self._numbers)
        self._looking_up[number] = item if is_remembered else None

        def done(listing: Listing, evidence: Evidence) -> None:  # noqa: ARG001  # `CheckRun` passes it
            if listing.is_listed and not listings.is_listed(index):
                check = dnsbl(CheckName.DNSBL, address, blocklist)  # without *health*, it tests the list too
                CheckRun(check, self._asking(confirm=True), confirmed, broken).start()
            else:
                put(listing)

        def confirmed(listing: Listing, evidence: Evidence) -> None:
            if listing.is_listed:
                self._asker().verify(servers_of(evidence), lambda failure: put(listing if failure is None else None))
            else:
                put(listing)

        def put(listing: Listing | None) -> None:
            self._looking_up.pop(number, None)
            if listing is not None and not self._stopped:
                listings.put(index, listing.finding, time.time())
                self._set_cursor()
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
                return
            before = self._spent.get(self._plan.zone, -inf)
            self._spent[self._plan.zone] = max(before, self._loop.time() - _BURST_SECONDS) + self._cost
            if confirm:
                self._asker().ask(question, on_answer, confirm=True)
            else:
                self._asker().ask(question, on_answer, max_age_seconds=self._plan.interval_seconds)

        return ask


class ListItem(NamedTuple):
    """The address at *position* in a pool, and what one list says of the pool."""

    listings: PoolListings
    position: int

    @property
    def cursor(self) -> Cursor:
        """Identifies the address after a reload or restart."""
        return self.listings.pool.name, self.listings.pool.targets[self.position].address


class _Segment(NamedTuple):
    """A range of addresses of one pool.

    Attributes:
        listings: What the list says of the pool.
        family: Their address family.
        start: The index of the first one.
        stop: The index after the last one.
    """

    listings: PoolListings
    family: int
    start: int
    stop: int


class ListItems:
    """The addresses of some pools as a circle that begins at *start*. It costs memory per range, not per address."""

    def __init__(self, listings: Sequence[PoolListings], start: Cursor | None) -> None:
        self._segments = [segment for each in listings for segment in _segments(each)]
        self.size = sum(segment.stop - segment.start for segment in self._segments)
        if start is not None:
            self._rotate(start)

    @property
    def first(self) -> ListItem | None:
        """The first address; None if there is none."""
        return next((ListItem(one.listings, one.start) for one in self._segments if one.start < one.stop), None)

    def scan(self, is_wanted: Callable[[int], bool]) -> Iterator[ListItem]:
        """Each address once: first those that the list was never asked about, then the others.

        *is_wanted* decides about an address family whenever one of its addresses is next.
        """
        before = {id(one.listings): bytes(one.listings.codes) for one in self._segments}
        for listings, family, start, stop in self._segments:
            codes = before[id(listings)]
            index = codes.find(PENDING, start, stop) if is_wanted(family) else -1
            while index >= 0 and is_wanted(family):
                yield ListItem(listings, index)
                index = codes.find(PENDING, index + 1, stop)
        for listings, family, start, stop in self._segments:
            codes, index = before[id(listings)], start
            while index < stop and is_wanted(family):
                if codes[index] != PENDING:
                    yield ListItem(listings, index)
                index += 1

    def _rotate(self, start: Cursor) -> None:
        """Begin the circle at *start*, or at the next address if that is gone."""
        name, address = start
        for number, (listings, family, low, high) in enumerate(self._segments):
            if listings.pool.name == name:
                index = listings.pool.source.next_position(address) % listings.pool.size
                if low <= index < high:
                    first, last = _Segment(listings, family, index, high), _Segment(listings, family, low, index)
                    self._segments = [first, *self._segments[number + 1 :], *self._segments[:number], last]
                    return


def _segments(listings: PoolListings) -> Iterator[_Segment]:
    start = 0
    for one in listings.pool.source:
        yield _Segment(listings, one.family, start, start + one.size)
        start += one.size
