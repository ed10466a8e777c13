"""What one question to the DNS got: a value, never an exception.

The rule of this file: an answer is either conclusive (records, NODATA, NXDOMAIN) or it is not, and says why not.
Nothing here can turn an outage into "no such record".
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName

RRType = Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "TXT"]


class Question(NamedTuple):
    """QNAME and QTYPE (RFC 1035); the class is always IN."""

    name: DomainName
    rdtype: RRType

    def __str__(self) -> str:
        return f"{self.name} {self.rdtype}"


class Status(StrEnum):
    """What became of a question. The values are label values: closed and stable."""

    ANSWER = "answer"
    """Records of the type that was asked for, at the name or at the end of its CNAME chain."""
    NODATA = "nodata"
    """The name exists, the type does not there (RFC 2308 section 2.2)."""
    NXDOMAIN = "nxdomain"
    """The name, or the end of its CNAME chain, does not exist (RFC 2308 section 2.1)."""

    TIMEOUT = "timeout"
    """No server answered in time."""
    SERVFAIL = "servfail"
    """The servers answered SERVFAIL."""
    REFUSED = "refused"
    """The servers answered REFUSED, or another RCODE that tells nothing about the name."""
    NETWORK = "network"
    """No server could be reached: a closed port, no route, a refused TCP connection."""
    TLS = "tls"
    """No server could be spoken to safely: its certificate or handshake failed."""
    MALFORMED = "malformed"
    """The servers answered with something that contradicts itself or cannot be read."""
    CHAIN = "chain"
    """The CNAME chain loops, or is longer than 16 links."""
    CANARY = "canary"
    """The resolver fails its canary, so that nothing that it says is believed."""

    @property
    def is_conclusive(self) -> bool:
        """Whether the DNS answered, be it with "nothing"."""
        return self in _CONCLUSIVE

    @property
    def is_negative(self) -> bool:
        """Whether the DNS answered "nothing": NODATA or NXDOMAIN."""
        return self in _NEGATIVE


_CONCLUSIVE = (Status.ANSWER, Status.NODATA, Status.NXDOMAIN)  # tuples: the hash of an enum's member is slow
_NEGATIVE = (Status.NODATA, Status.NXDOMAIN)


class MailExchange(NamedTuple):
    """An MX record (RFC 1035 section 3.3.9)."""

    preference: int
    exchange: DomainName


class StartOfAuthority(NamedTuple):
    """What an SOA record says about who runs a zone (RFC 1035 section 3.3.13)."""

    mname: DomainName
    rname: DomainName
    serial: int


class Text(NamedTuple):
    """A TXT record: its character strings, joined as SPF, DKIM and DMARC read them (RFC 7208 section 3.3)."""

    joined: bytes


Record = Address | DomainName | MailExchange | StartOfAuthority | Text
"""RDATA: an `Address` for A and AAAA, a `DomainName` for PTR, CNAME and NS, and the others for their type."""


@dataclass(frozen=True, slots=True)
class ExtendedError:
    """An Extended DNS Error (RFC 8914) that came with an answer; its text is the server's, and hostile."""

    code: int
    text: str = ""


class _AnswerFields(NamedTuple):
    """The fields of `Answer`, which adds its rule to them. A tuple, because answers are built by the million."""

    status: Status
    records: tuple[Record, ...] = ()
    chain: tuple[DomainName, ...] = ()
    ttl: int = 0
    server: str = ""
    asked_at: float = 0.0
    errors: tuple[ExtendedError, ...] = ()


class Answer(_AnswerFields):
    """The outcome of one question, and where it came from.

    *records* are distinct and sorted, so that no verdict can depend on the order in which a server gave them.
    *chain* holds the names that CNAMEs led to, in order: empty for an answer at the name itself, else its last one
    owns the records (or lacks them). *ttl* is in seconds, clamped, the smallest along the chain. *server* is who
    said so, as ``host:port`` or URL, or "" where nobody did; *asked_at* is Unix time, when the answer came.

    Raises `ValueError` for records without `Status.ANSWER`, or that without records. ``Answer._make`` takes all seven
    fields as they are: for codecs that have sorted the records themselves.
    """

    __slots__ = ()

    def __new__(
        cls,
        status: Status,
        records: tuple[Record, ...] = (),
        chain: tuple[DomainName, ...] = (),
        ttl: int = 0,
        server: str = "",
        asked_at: float = 0.0,
        errors: tuple[ExtendedError, ...] = (),
    ) -> Self:
        """Put the records in order; see the class."""
        if len(records) > 1:
            rest: Any = set(records)  # of one type, which the union of types cannot say
            records = tuple(sorted(rest))
        if (status is Status.ANSWER) != bool(records):
            raise ValueError(f"{status} cannot carry {len(records)} records")
        return cls._make((status, records, chain, ttl, server, asked_at, errors))

    @property
    def is_conclusive(self) -> bool:
        """Whether the DNS answered, be it with "nothing"."""
        return self.status in _CONCLUSIVE

    @property
    def names(self) -> tuple[DomainName, ...]:
        """The records that are domain names (PTR, CNAME, NS), sorted."""
        records = self.records
        if len(records) == 1 and isinstance(records[0], DomainName):
            return records  # type: ignore[return-value]  # of which that is the only one
        return tuple([record for record in records if isinstance(record, DomainName)])

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The records that are addresses (A, AAAA), sorted."""
        return tuple([record for record in self.records if isinstance(record, Address)])

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The records that are texts (TXT), each joined, sorted."""
        return tuple([record.joined for record in self.records if isinstance(record, Text)])

    @property
    def exchanges(self) -> tuple[MailExchange, ...]:
        """The records that are mail exchanges (MX), by preference."""
        return tuple([record for record in self.records if isinstance(record, MailExchange)])


# SECTION exporter.checks.extended_errors
# What the codes of Extended DNS Errors say (RFC 8914 section 4, and the registry that it opened at IANA).

_NAMES = (
    "Other Error",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDomain Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable to conform to policy",
    "Synthesized",
)


def error_name(error: ExtendedError) -> str:
    """The name of the error's code; the number itself for one that is not registered."""
    return _NAMES[error.code] if error.code < len(_NAMES) else f"error {error.code}"
