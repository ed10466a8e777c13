"""What a reply says of the question, whoever decoded it: follows the CNAME chain, tells negative from contradictory.

The rule of this file: it sees records, never octets, so that the fast path and dnspython's cannot come to two meanings.
"""

from exporter.checks.answers import Record, Status
from exporter.checks.names import DomainName
from exporter.dns.wire import UnreadableError

MAX_TTL = 86_400
"""Seconds. Longer TTLs count as this; those of 2^31 and more as 0 (RFC 2181 section 8)."""
MAX_NEGATIVE_TTL = 900
"""Seconds that "no such record" is believed at most: a mended record should not wait for hours (RFC 2308 section 5)."""
MAX_LINKS = 16
"""How many CNAMEs are followed."""
MAX_RECORDS = 1_000
"""How many records of an answer are kept; the first ones in order, so that every sample drops the same ones."""

Reading = tuple[Status | None, tuple[Record, ...], tuple[DomainName, ...], int, bytes | None]
"""Status, records, CNAME chain, TTL, EDNS options (None without EDNS).

A status of None says that the chain leads on, to a name of which this reply knows nothing.
"""

_NXDOMAIN_RCODE = 3


class Content:
    """The records of one reply that matter, by owner."""

    __slots__ = ("_negative", "_ttls", "cnames", "delegates", "options", "rcode", "records")

    def __init__(self, rcode: int) -> None:
        self.rcode = rcode
        self.options: bytes | None = None
        self.delegates = False
        """Whether the authority section names servers."""
        self.records: dict[DomainName, list[Record]] = {}
        self.cnames: dict[DomainName, DomainName] = {}
        self._ttls: dict[DomainName, int] = {}
        self._negative: list[tuple[DomainName, int]] = []

    def add_answer(self, owner: DomainName, wanted: bool, record: Record, ttl: int) -> None:  # noqa: FBT001
        """Take a record of the type that was asked for (*wanted*), or else a CNAME record."""
        if wanted:
            self.records.setdefault(owner, []).append(record)
        elif not isinstance(record, DomainName) or self.cnames.setdefault(owner, record) != record:
            raise UnreadableError("two CNAME records at one name")
        ttl = clamp(ttl)
        self._ttls[owner] = min(ttl, self._ttls.get(owner, ttl))

    def add_authority(self, owner: DomainName, ttl: int) -> None:
        """Take an SOA record of the authority section; *ttl* is the smaller of its own and its minimum."""
        self._negative.append((owner, clamp(ttl)))

    def ttl(self, owner: DomainName) -> int:
        """The smallest TTL of the records at *owner*."""
        return self._ttls[owner]

    def negative_ttl(self, name: DomainName) -> int | None:
        """For how long *name* is known not to be, or not to have the type: None where no zone says so."""
        for owner, ttl in self._negative:
            if name.is_under(owner):
                return min(ttl, MAX_NEGATIVE_TTL)
        return None


def clamp(ttl: int) -> int:
    """A TTL that can be believed."""
    return min(ttl, MAX_TTL) if ttl < 1 << 31 else 0


def conclude(content: Content, name: DomainName) -> Reading:
    """What *content* says of *name*. Raises `UnreadableError` for what contradicts itself.

    NXDOMAIN is about the end of the chain (RFC 6604 section 3). NODATA needs the SOA of a zone that the name is in, or
    at least no servers to ask instead: that would be a referral (RFC 2308 section 2.2), which tells nothing.
    """
    chain: list[DomainName] = []
    ttl = MAX_TTL
    end = name
    while end in content.cnames:
        if end in content.records:
            raise UnreadableError("a name with both a CNAME record and others")
        ttl = min(ttl, content.ttl(end))
        end = content.cnames[end]
        looped = end == name or end in chain
        chain.append(end)
        if looped or len(chain) > MAX_LINKS:
            return Status.CHAIN, (), tuple(chain), ttl, content.options
    if content.records and (end not in content.records or content.rcode == _NXDOMAIN_RCODE):
        raise UnreadableError("records of the type at a name that was not asked for, or that does not exist")
    links = tuple(chain)
    if end in content.records:
        return Status.ANSWER, _in_order(content.records[end]), links, min(ttl, content.ttl(end)), content.options
    negative = content.negative_ttl(end)
    if content.rcode == _NXDOMAIN_RCODE:
        return Status.NXDOMAIN, (), links, min(ttl, negative or 0), content.options
    if negative is not None:
        return Status.NODATA, (), links, min(ttl, negative), content.options
    if links:
        return None, (), links, ttl, content.options
    status = Status.REFUSED if content.delegates else Status.NODATA
    return status, (), (), 0, content.options


def _in_order(records: list[Record]) -> tuple[Record, ...]:
    if len(records) == 1:
        return (records[0],)
    distinct: set[Record] = set(records)
    ordered: list[Record] = sorted(distinct)
    return tuple(ordered[:MAX_RECORDS])
