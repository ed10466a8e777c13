"""What block lists say of the addresses of the pools, and how the lists themselves are.

The rule of this file: one octet an address and list, and words only for what is listed, since nearly nothing is. It is
owned by the event loop.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from exporter.checks.addresses import Address
from exporter.checks.dnsbl import ListHealth
from exporter.checks.names import DomainName
from exporter.checks.verdicts import CheckName, Finding, Reason, Result
from exporter.inventory.blocklists import ListPlan
from exporter.inventory.pool import Pool

_PENDING, _CLEAN, _LISTED = range(3)
_UNKNOWNS = tuple(Reason)
"""What an octet from 3 on stands for: the reason why it is unknown."""


class PoolListings:
    """What one list says of one pool: an octet for each address, and the findings of those that are *listed*."""

    __slots__ = ("listed", "octets", "pool")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.octets = bytearray(pool.size)
        self.listed: dict[int, Finding] = {}

    def put(self, index: int, finding: Finding) -> None:
        """Take in what the list says of the address at *index*."""
        self.listed.pop(index, None)
        if finding.result is Result.FAIL:
            self.listed[index] = finding
            self.octets[index] = _LISTED
        elif finding.result is Result.PASS:
            self.octets[index] = _CLEAN
        else:
            reason = finding.reason or Reason.DNSBL_UNTRUSTED
            self.octets[index] = _LISTED + 1 + _UNKNOWNS.index(reason)

    def is_listed(self, index: int) -> bool:
        """Whether the list has the address at *index*, as far as is known."""
        return self.octets[index] == _LISTED

    def finding(self, index: int, zone: DomainName, address: Address) -> Finding:
        """What the list says of the address at *index*."""
        octet = self.octets[index]
        if octet == _CLEAN:
            return _passes(zone)
        if octet == _LISTED:
            return self.listed[index]
        if octet == _PENDING:
            return _pending(zone, address)
        reason = _UNKNOWNS[octet - _LISTED - 1]
        sentence = f"Whether {zone} lists {address} is unknown: it gave no answer that says so ({reason})."
        return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, reason, sentence)

    def inherit(self, old: "PoolListings") -> None:
        """Take over what *old* knows of the addresses that both have."""
        if old.pool.source == self.pool.source:
            self.octets, self.listed = old.octets, old.listed
            return
        for index, target in enumerate(self.pool.targets):
            place = old.pool.index(target.address)
            if place is not None:
                self.octets[index] = old.octets[place]
                if place in old.listed:
                    self.listed[index] = old.listed[place]


class Blocklists:
    """The lists of the current configuration, by zone."""

    def __init__(self) -> None:
        self.plans: tuple[ListPlan, ...] = ()
        self._listings: dict[tuple[DomainName, str], PoolListings] = {}
        self._healths: dict[tuple[DomainName, int], ListHealth] = {}

    def adopt(self, plans: Sequence[ListPlan], pools: Iterable[Pool]) -> None:
        """Make these the current lists and pools, those of the board; what is known of those that stay is kept."""
        before, self._listings = self._listings, {}
        self.plans = tuple(plans)
        for pool in pools:
            for zone in pool.dnsbls:
                old = before.get((zone, pool.name))
                if old is None or old.pool is not pool:
                    listings = PoolListings(pool)
                    if old is not None:
                        listings.inherit(old)
                    old = listings
                self._listings[zone, pool.name] = old
        zones = {plan.zone for plan in plans}
        self._healths = {key: health for key, health in self._healths.items() if key[0] in zones}

    def of(self, zone: DomainName) -> list[PoolListings]:
        """What the list says, for each pool that is looked up in it."""
        return [listings for (other, _), listings in self._listings.items() if other == zone]

    def put_health(self, health: ListHealth) -> None:
        """Take in how a list is, for one family."""
        self._healths = {**self._healths, (health.zone, health.family): health}  # scrapes read the one before

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


@lru_cache(maxsize=1024)
def _passes(zone: DomainName) -> Finding:
    return Finding(CheckName.DNSBL, Result.PASS, zone)


def _pending(zone: DomainName, address: Address) -> Finding:
    sentence = f"{zone} has not been asked about {address} yet: lists are asked at a pace of their own."
    return Finding(CheckName.DNSBL, Result.UNKNOWN, zone, Reason.DNSBL_PENDING, sentence)
