"""What DNS block lists say of the addresses of the pools, and whether the lists work. The event loop owns it."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from exporter.checks.addresses import Address
from exporter.checks.dnsbl import ListHealth
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.inventory.build import ListPlan
from exporter.inventory.pool import Pool
from exporter.state.dirty import DirtySet

PENDING, _CLEAN, _LISTED = range(3)
"""The codes of an address that the list was not asked about, does not list, or lists."""

_UNKNOWN_REASONS = tuple(Reason)
"""The reasons of the codes from 3 on, which mean unknown."""

BLOCK = 512
"""How many addresses share an `asked` time, and are saved together."""

Cursor = tuple[str, Address]
"""The name of a pool, and an address in it."""


class PoolListings:
    """What one list says of one pool: one byte for each address, and findings only for the few that are listed.

    Attributes:
        pool: The pool.
        codes: A code for each address: see `PENDING`.
        listed: The findings of listed addresses, by index.
        asked: For each block, the Unix time when the list was last asked about one of its addresses.
        dirty: Blocks that changed since they were saved, or were only asked about again.
        was_looked_for: Whether the saved data of an earlier process was requested.
    """

    __slots__ = ("asked", "codes", "dirty", "listed", "pool", "was_looked_for")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.codes = bytearray(pool.size)
        self.listed: dict[int, Finding] = {}
        self.asked = array("d", bytes(8 * (pool.size // BLOCK + 1)))
        self.dirty = DirtySet[int]()
        self.was_looked_for = False

    def put(self, index: int, finding: Finding, at: float) -> None:
        """Record what the list has on the address at *index*, asked at Unix time *at*."""
        before = self.codes[index], self.listed.pop(index, None)
        if finding.result is Result.FAIL:
            self.listed[index] = finding
            self.codes[index] = _LISTED
        elif finding.result is Result.PASS:
            self.codes[index] = _CLEAN
        else:
            reason = finding.reason or Reason.DNSBL_UNTRUSTED
            self.codes[index] = _LISTED + 1 + _UNKNOWN_REASONS.index(reason)
        block = index // BLOCK
        self.asked[block] = max(self.asked[block], at)
        self.dirty.add(block, is_changed=before != (self.codes[index], self.listed.get(index)))

    def restore(self, start: int, codes: bytes, listed: Mapping[int, Finding], at: float) -> None:
        """Restore the saved *codes* of the addresses from *start* on, as of Unix time *at*.

        *listed* has the findings of listed addresses, by index. Newer answers, of this process, are kept.
        """
        for index, code in enumerate(codes, start):
            if self.codes[index] not in {_CLEAN, _LISTED} and code:
                self.codes[index] = code
                if code == _LISTED:
                    self.listed[index] = listed[index]
                self.asked[index // BLOCK] = max(self.asked[index // BLOCK], at)

    def conclusive(self, start: int, stop: int) -> bytes:
        """The codes of the addresses from *start* to before *stop*, with 0 for unknown ones."""
        return bytes(self.codes[start:stop]).translate(_CONCLUSIVE)

    def is_listed(self, index: int) -> bool:
        """Whether the list is known to have the address at *index*."""
        return self.codes[index] == _LISTED

    def finding(self, index: int, zone: DomainName, address: Address) -> Finding:
        """What the list says of the address at *index*."""
        code = self.codes[index]
        if code == _CLEAN:
            return _passes(zone)
        if code == _LISTED:
            return self.listed[index]
        if code == PENDING:
            return _pending(zone, address)
        reason = _UNKNOWN_REASONS[code - _LISTED - 1]
        sentence = f"Whether {zone} lists {address} is unknown: it gave no answer that says so ({reason})."
        return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, reason, sentence)

    def copy_from(self, old: "PoolListings") -> None:
        """Copy what *old* knows of the addresses that both pools have."""
        self.was_looked_for = old.was_looked_for
        if old.pool.source == self.pool.source:
            self.codes, self.listed, self.asked = old.codes, old.listed, old.asked
            self.dirty = old.dirty
            return
        for index, target in enumerate(self.pool.targets):
            before = old.pool.index(target.address)
            if before is not None and old.codes[before] != PENDING:
                self.codes[index] = old.codes[before]
                if before in old.listed:
                    self.listed[index] = old.listed[before]
                self.asked[index // BLOCK] = max(self.asked[index // BLOCK], old.asked[before // BLOCK])
                self.dirty.add(index // BLOCK, is_changed=True)


class Blocklists:
    """The lists of the current configuration, by zone."""

    def __init__(self) -> None:
        self.plans: tuple[ListPlan, ...] = ()
        self.listings: Mapping[tuple[DomainName, str], PoolListings] = {}
        """The listings, by zone and name of the pool."""
        self.healths: Mapping[tuple[DomainName, int], ListHealth] = {}
        """Whether each list works, by zone and address family."""
        self.cursors: dict[DomainName, Cursor] = {}
        """The address that each list is to be asked about next."""
        self.dirty = DirtySet[DomainName]()

    def publish(self, plans: Sequence[ListPlan], pools: Iterable[Pool]) -> None:
        """Make *plans* and the board's *pools* the current ones, and keep what is known of those that stay."""
        found: dict[tuple[DomainName, str], PoolListings] = {}
        self.plans = tuple(plans)
        for pool in pools:
            for zone in pool.dnsbls:
                old = self.listings.get((zone, pool.name))
                if old is None or old.pool is not pool:
                    listings = PoolListings(pool)
                    if old is not None:
                        listings.copy_from(old)
                    old = listings
                found[zone, pool.name] = old
        self.listings = found
        zones = {plan.zone for plan in plans}
        self.healths = {key: health for key, health in self.healths.items() if key[0] in zones}
        self.cursors = {zone: cursor for zone, cursor in self.cursors.items() if zone in zones}

    def of(self, zone: DomainName) -> list[PoolListings]:
        """The listings of the list *zone*, one for each pool that is looked up there."""
        return [listings for (other, _), listings in self.listings.items() if other == zone]

    def put_health(self, health: ListHealth) -> None:
        """Record whether a list works for one address family."""
        self.dirty.add(health.zone, is_changed=self.healths.get((health.zone, health.family)) != health)
        self.healths = {**self.healths, (health.zone, health.family): health}  # scrapes read the one before

    def set_cursor(self, zone: DomainName, cursor: Cursor) -> None:
        """Record which address the list *zone* is to be asked about next."""
        self.cursors[zone] = cursor
        self.dirty.add(zone, is_changed=False)

    def findings(self, pool: Pool, index: int, address: Address) -> tuple[Finding, ...]:
        """The findings of all lists of *pool* that support the family of its *address* at *index*."""
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
        listings = self.listings.get((zone, pool.name))
        health = self.healths.get((zone, address.family))
        if listings is None or listings.pool is not pool or health is None:
            return _pending(zone, address)
        if health.works is not True:
            reason = health.reason or Reason.DNSBL_UNTRUSTED
            sentence = f"Whether {zone} lists {address} is unknown. {health.sentence}".rstrip()
            return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, reason, sentence)
        return listings.finding(index, zone, address)


_CONCLUSIVE = bytes([code if code in {_CLEAN, _LISTED} else PENDING for code in range(256)])


@lru_cache(maxsize=1024)
def _passes(zone: DomainName) -> Finding:
    return Finding(CheckName.DNSBL, Result.PASS, zone)


def _pending(zone: DomainName, address: Address) -> Finding:
    sentence = f"{zone} has not been asked about {address} yet: lists are asked at a pace of their own."
    return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, Reason.DNSBL_PENDING, sentence)
