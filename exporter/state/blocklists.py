"""What block lists say of the addresses of the pools, and how the lists themselves are.

The rule of this file: one octet an address and list, and words only for what is listed, since nearly nothing is. It is
owned by the event loop.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from exporter.checks.addresses import Address
from exporter.checks.dnsbl import ListHealth
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.inventory.build import ListPlan
from exporter.inventory.pool import Pool
from exporter.state.dirty import DirtyNames

PENDING, _CLEAN, _LISTED = range(3)
"""What an octet up to 2 stands for: not asked yet, not listed, listed."""

BLOCK = 512
"""How many neighbours share a time, and a mark of what is not saved."""

Cursor = tuple[str, Address]
"""A pool, by name, and an address in it."""

_UNKNOWNS = tuple(Reason)
"""What an octet from 3 on stands for: the reason why it is unknown."""


class PoolListings:
    """What one list says of one pool: an octet for each address, and the findings of those that are *listed*.

    *asked* has, for each `STRIDE` neighbours, the Unix time at which the list was last asked about one of them; *news*
    and *asked_blocks* are the strides that are not saved yet: those where something changed, and the others.
    *was_looked_for* says whether what is known from before this process is in here.
    """

    __slots__ = ("asked", "asked_blocks", "codes", "listed", "dirty_blocks", "pool", "was_looked_for")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.codes = bytearray(pool.size)
        self.listed: dict[int, Finding] = {}
        self.asked = array("d", bytes(8 * (pool.size // BLOCK + 1)))
        self.dirty_blocks: set[int] = set()
        self.asked_blocks: set[int] = set()
        self.was_looked_for = False

    def put(self, index: int, finding: Finding, at: float) -> None:
        """Take in what the list says of the address at *index*, asked at Unix time *at*."""
        before = self.codes[index], self.listed.pop(index, None)
        self._put(index, finding)
        stride = index // BLOCK
        self.asked[stride] = max(self.asked[stride], at)
        is_same = before == (self.codes[index], self.listed.get(index))
        (self.asked_blocks if is_same else self.dirty_blocks).add(stride)

    def restore(self, start: int, octets: bytes, listed: Mapping[int, Finding], at: float) -> None:
        """Begin with what is known from before, as of Unix time *at*, of the addresses from *start* on.

        *octets* stand for what is conclusive, else they are 0; *listed* has the findings of those that are, by place.
        What was asked meanwhile is newer.
        """
        for index, octet in enumerate(octets, start):
            if self.codes[index] == PENDING and octet:
                self.codes[index] = octet
                if octet == _LISTED:
                    self.listed[index] = listed[index]
                self.asked[index // BLOCK] = max(self.asked[index // BLOCK], at)

    def conclusive(self, start: int, stop: int) -> bytes:
        """The octets of the addresses from *start* to before *stop*, 0 for whatever is not conclusive."""
        return bytes(self.codes[start:stop]).translate(_CONCLUSIVE)

    def _put(self, index: int, finding: Finding) -> None:
        if finding.result is Result.FAIL:
            self.listed[index] = finding
            self.codes[index] = _LISTED
        elif finding.result is Result.PASS:
            self.codes[index] = _CLEAN
        else:
            reason = finding.reason or Reason.DNSBL_UNTRUSTED
            self.codes[index] = _LISTED + 1 + _UNKNOWNS.index(reason)

    def is_listed(self, index: int) -> bool:
        """Whether the list has the address at *index*, as far as is known."""
        return self.codes[index] == _LISTED

    def finding(self, index: int, zone: DomainName, address: Address) -> Finding:
        """What the list says of the address at *index*."""
        octet = self.codes[index]
        if octet == _CLEAN:
            return _passes(zone)
        if octet == _LISTED:
            return self.listed[index]
        if octet == PENDING:
            return _pending(zone, address)
        reason = _UNKNOWNS[octet - _LISTED - 1]
        sentence = f"Whether {zone} lists {address} is unknown: it gave no answer that says so ({reason})."
        return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, reason, sentence)

    def copy_from(self, old: "PoolListings") -> None:
        """Take over what *old* knows of the addresses that both have."""
        self.was_looked_for = old.was_looked_for
        if old.pool.source == self.pool.source:
            self.codes, self.listed, self.asked = old.codes, old.listed, old.asked
            self.dirty_blocks, self.asked_blocks = old.dirty_blocks, old.asked_blocks
            return
        for index, target in enumerate(self.pool.targets):
            place = old.pool.index(target.address)
            if place is not None and old.codes[place] != PENDING:
                self.codes[index] = old.codes[place]
                if place in old.listed:
                    self.listed[index] = old.listed[place]
                self.asked[index // BLOCK] = max(self.asked[index // BLOCK], old.asked[place // BLOCK])
                self.dirty_blocks.add(index // BLOCK)


class Blocklists:
    """The lists of the current configuration, by zone."""

    def __init__(self) -> None:
        self.plans: tuple[ListPlan, ...] = ()
        self._listings: dict[tuple[DomainName, str], PoolListings] = {}
        self._healths: dict[tuple[DomainName, int], ListHealth] = {}
        self.cursors: dict[DomainName, Cursor] = {}
        """Where the way through the addresses of each list stands: what is to be asked about next."""
        self.dirty = DirtyNames()

    def publish(self, plans: Sequence[ListPlan], pools: Iterable[Pool]) -> None:
        """Make these the current lists and pools, those of the board; what is known of those that stay is kept."""
        before, self._listings = self._listings, {}
        self.plans = tuple(plans)
        for pool in pools:
            for zone in pool.dnsbls:
                old = before.get((zone, pool.name))
                if old is None or old.pool is not pool:
                    listings = PoolListings(pool)
                    if old is not None:
                        listings.copy_from(old)
                    old = listings
                self._listings[zone, pool.name] = old
        zones = {plan.zone for plan in plans}
        self._healths = {key: health for key, health in self._healths.items() if key[0] in zones}
        self.cursors = {zone: place for zone, place in self.cursors.items() if zone in zones}

    @property
    def listings(self) -> Mapping[tuple[DomainName, str], PoolListings]:
        """What each list says of each pool that is looked up in it."""
        return MappingProxyType(self._listings)

    def of(self, zone: DomainName) -> list[PoolListings]:
        """What the list says, for each pool that is looked up in it."""
        return [listings for (other, _), listings in self._listings.items() if other == zone]

    def put_health(self, health: ListHealth) -> None:
        """Take in how a list is, for one family."""
        self.dirty.note(health.zone, is_changed=self._healths.get((health.zone, health.family)) != health)
        self._healths = {**self._healths, (health.zone, health.family): health}  # scrapes read the one before

    def set_cursor(self, zone: DomainName, place: Cursor) -> None:
        """Take in how far the way through the addresses of a list has come."""
        self.cursors[zone] = place
        self.dirty.note(zone, is_changed=False)

    @property
    def healths(self) -> Mapping[tuple[DomainName, int], ListHealth]:
        """How each list is, by zone and family, as far as is known."""
        return self._healths

    def findings(self, pool: Pool, index: int, address: Address) -> tuple[Finding, ...]:
        """What the lists of *pool* say of its address at *index*: one finding for each that has its family."""
        if not pool.dnsbls:
            return ()
        return tuple(
            [
                self._finding(plan.zone, pool, index, address)
                for plan in self.plans
                if plan.zone in pool.dnsbls and address.family in plan.blocklist.families
            ]
        )

    def _finding(self, zone: DomainName, pool: Pool, index: int, address: Address) -> Finding:
        listings = self._listings.get((zone, pool.name))
        health = self._healths.get((zone, address.family))
        if listings is None or listings.pool is not pool or health is None:
            return _pending(zone, address)
        if health.works is not True:
            reason = health.reason or Reason.DNSBL_UNTRUSTED
            sentence = f"Whether {zone} lists {address} is unknown. {health.sentence}".rstrip()
            return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, reason, sentence)
        return listings.finding(index, zone, address)


_CONCLUSIVE = bytes([octet if octet in {_CLEAN, _LISTED} else PENDING for octet in range(256)])


@lru_cache(maxsize=1024)
def _passes(zone: DomainName) -> Finding:
    return Finding(CheckName.DNSBL, Result.PASS, zone)


def _pending(zone: DomainName, address: Address) -> Finding:
    sentence = f"{zone} has not been asked about {address} yet: lists are asked at a pace of their own."
    return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, Reason.DNSBL_PENDING, sentence)
