"""Questions to the DNS and their answers: values, never exceptions.

An answer is conclusive (records, NODATA, NXDOMAIN), or it says why not. An outage never looks like "no such record".
"""

import re
from collections.abc import Sequence
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
    """How a question ended. The values are label values: a closed set that never changes."""

    ANSWER = "answer"
    """Records of the type that was asked for, at the name or at the end of its CNAME chain."""
    NODATA = "nodata"
    """The name exists, but has no record of this type (RFC 2308 section 2.2)."""
    NXDOMAIN = "nxdomain"
    """The name, or the end of its CNAME chain, does not exist (RFC 2308 section 2.1)."""

    TIMEOUT = "timeout"
    """No server answered in time."""
    SERVFAIL = "servfail"
    """The servers answered SERVFAIL."""
    DNSSEC_BOGUS = "dnssec-bogus"
    """A server answered SERVFAIL, because DNSSEC validation of the zone fails (RFC 8914)."""
    REFUSED = "refused"
    """The servers answered REFUSED, or another RCODE that says nothing about the name."""
    NETWORK = "network"
    """No server could be reached: a closed port, no route, a refused TCP connection."""
    TLS = "tls"
    """The certificate or the handshake of every server failed."""
    MALFORMED = "malformed"
    """The servers answered with something that contradicts itself or cannot be read."""
    CHAIN = "chain"
    """The CNAME chain loops, or is longer than 16 links."""
    CANARY = "canary"
    """The resolver fails its canary, so its answers do not count."""
    LOCAL_DATA = "local-data"
    """The servers answered from local data, such as a hosts file, and not from the DNS."""

    @property
    def is_conclusive(self) -> bool:
        """Whether the DNS answered, even if it answered "nothing"."""
        return self in _CONCLUSIVE

    @property
    def is_negative(self) -> bool:
        """Whether the DNS answered "nothing": NODATA or NXDOMAIN."""
        return self in _NEGATIVE


_CONCLUSIVE = (Status.ANSWER, Status.NODATA, Status.NXDOMAIN)  # tuples: hashing a member of an enum is slow
_NEGATIVE = (Status.NODATA, Status.NXDOMAIN)


class MailExchange(NamedTuple):
    """An MX record (RFC 1035 section 3.3.9)."""

    preference: int
    exchange: DomainName


class StartOfAuthority(NamedTuple):
    """The fields of an SOA record that show who runs the zone (RFC 1035 section 3.3.13)."""

    mname: DomainName
    rname: DomainName
    serial: int


class Text(NamedTuple):
    """A TXT record: its character strings, joined as SPF, DKIM and DMARC read them (RFC 7208 section 3.3).

    *lengths* has the length of each string as a byte, or nothing for a single string. It keeps records apart that have
    the same text in different strings.
    """

    joined: bytes
    lengths: bytes = b""

    @classmethod
    def of(cls, strings: Sequence[bytes]) -> Self:
        """Build a record from its strings."""
        return cls(b"".join(strings), bytes(map(len, strings)) if len(strings) > 1 else b"")


Record = Address | DomainName | MailExchange | StartOfAuthority | Text
"""RDATA: an `Address` for A and AAAA, a `DomainName` for PTR, CNAME and NS, and the others for their type."""


@dataclass(frozen=True, slots=True)
class ExtendedError:
    """An Extended DNS Error (RFC 8914) that came with an answer. The server wrote *text*: do not trust it."""

    code: int
    text: str = ""


class _AnswerFields(NamedTuple):
    """The fields of `Answer`. A tuple, because answers are built by the million.

    Attributes:
        status: How the question ended.
        records: Distinct and sorted, so that no verdict depends on the order in which a server sent them.
        chain: The names that CNAMEs led to, in order. The last one owns the records, or lacks them.
        ttl: In seconds, clamped: the smallest along the chain.
        server: The server that answered, as ``host:port`` or URL; "" if none did.
        asked_at: When the answer arrived, in Unix time.
        errors: Extended DNS Errors that came with the answer.
    """

    status: Status
    records: tuple[Record, ...] = ()
    chain: tuple[DomainName, ...] = ()
    ttl: int = 0
    server: str = ""
    asked_at: float = 0.0
    errors: tuple[ExtendedError, ...] = ()


class Answer(_AnswerFields):
    """The outcome of one question, and where it came from.

    Raises `ValueError` for records without `Status.ANSWER`, or that without records. ``Answer._make`` takes all seven
    fields unchecked, for codecs that have sorted the records already.
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
        """Sort the records."""
        if len(records) > 1:
            distinct: Any = set(records)  # all of one type, which the union of types cannot express
            records = tuple(sorted(distinct))
        if (status is Status.ANSWER) != bool(records):
            raise ValueError(f"{status} cannot have {len(records)} records")
        return cls._make((status, records, chain, ttl, server, asked_at, errors))

    @property
    def is_conclusive(self) -> bool:
        """Whether the DNS answered, even if it answered "nothing"."""
        return self.status in _CONCLUSIVE

    def owner(self, asked: DomainName) -> DomainName:
        """The name that has the records or lacks them: *asked*, or the end of its CNAME chain."""
        return self.chain[-1] if self.chain else asked

    @property
    def names(self) -> tuple[DomainName, ...]:
        """The records that are domain names (PTR, CNAME, NS), sorted."""
        records = self.records
        if len(records) == 1 and isinstance(records[0], DomainName):
            return records  # type: ignore[return-value]  # the only record is a name
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


_ERROR_NAMES = (
    "Other Error", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer", "Forged Answer",
    "DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired", "Signature Not Yet Valid", "DNSKEY Missing",
    "RRSIGs Missing", "No Zone Key Bit Set", "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored",
    "Filtered", "Prohibited", "Stale NXDomain Answer", "Not Authoritative", "Not Supported", "No Reachable Authority",
    "Network Error", "Invalid Data", "Signature Expired before Valid", "Too Early",
    "Unsupported NSEC3 Iterations Value", "Unable to conform to policy", "Synthesized",
)  # fmt: skip
"""The names of Extended DNS Errors by code (RFC 8914 section 4, and IANA's registry)."""


_BOGUS = 6  # says only that validation failed
_BOGUS_CODES = frozenset({_BOGUS, 7, 8, 9, 10, 11, 12, 25})
"""The errors whose definitions say that validation was attempted and failed: not Indeterminate, nor an algorithm or an
iteration count that the resolver does not support, for which the zone need not be wrong."""
_UNREACHABLE_CODES = frozenset({22, 23})
"""With these, keys and signatures are missing because the servers of the zone do not answer."""


def is_bogus(errors: Sequence[ExtendedError]) -> bool:
    """Whether the errors that came with SERVFAIL say that the zone fails DNSSEC validation."""
    codes = {error.code for error in errors}
    return not codes.isdisjoint(_BOGUS_CODES) and codes.isdisjoint(_UNREACHABLE_CODES)


def why_unanswered(asked: DomainName | None, answer: Answer) -> str:
    """Why the lookup of *asked*, if it is known, got no answer, in words for parentheses; of a bogus zone, also which.

    The zone is the highest name at or above the owner that the texts of the errors name, apart from a top-level domain:
    they are about a key of the zone, or about a name in it. Without one, only the owner is known.
    """
    if answer.status is Status.LOCAL_DATA:
        return f"{answer.status}: {answer.server} answers from its own data, such as a hosts file, not from the DNS"
    if answer.status is not Status.DNSSEC_BOGUS:
        return str(answer.status)
    owner = answer.owner(asked or DomainName("."))
    texts = "\n".join([error.text.lower() for error in answer.errors])
    labels = owner.split(".")
    above = [".".join(labels[at:]) for at in reversed(range(len(labels) - 1))]
    zone = next((name for name in above if re.search(rf"(?<![\w.\\-]){re.escape(name)}\.(?![\w-])", texts)), None)
    causes = [error for error in answer.errors if error.code in _BOGUS_CODES and error.code != _BOGUS]
    names = ", ".join(dict.fromkeys(map(error_name, causes)))
    which = f"the zone {zone}" if zone else "its zone" if owner == "." else f"the zone of {owner}"
    return f"{answer.status}: {which} fails DNSSEC validation{f', {names}' if names else ''}"


def nothing(answer: Answer) -> str:
    """The subject of "is known to be wrong" after `why_unanswered`."""
    return "nothing else" if answer.status is Status.DNSSEC_BOGUS else "nothing"


def error_name(error: ExtendedError) -> str:
    """The registered name of the error's code, or its number."""
    return _ERROR_NAMES[error.code] if error.code < len(_ERROR_NAMES) else f"error {error.code}"
