"""Domain names and queries in wire format (RFC 1035 section 4.1), built and read with all bounds checked.

The rule of this file: whatever octets come in, the work is bounded. A compression pointer must point backwards, to
what lies before the name that it stands in; a name that pointers led to is read once and remembered.
"""

import struct
from collections.abc import Callable
from random import SystemRandom
from struct import Struct
from typing import Protocol, TypeVar

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Record, RRType, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName

# SECTION exporter.dns.randomness
# Unpredictable octets, for query IDs, source sockets and the case of letters (RFC 5452, draft-vixie-dnsext-
# dns0x20).
#
# The rule of this file: they come from a cryptographic source, fetched in bulk because asking it costs a system
# call.

_BULK = 16_384


class RandomSource(Protocol):
    """What is needed of `random.Random`: a `random.SystemRandom` in service, a seeded one in tests."""

    def randbytes(self, n: int, /) -> bytes:
        """Give *n* octets."""


class Randomness:
    """Gives out random octets, few at a time."""

    __slots__ = ("_at", "_bytes", "_source")

    def __init__(self, source: RandomSource | None = None) -> None:
        self._source: RandomSource = source if source is not None else SystemRandom()
        self._bytes = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """*count* octets that were never given out before; *count* is at most a few hundred."""
        at = self._at
        self._at = end = at + count
        if end <= len(self._bytes):
            return self._bytes[at:end]
        self._bytes = self._source.randbytes(_BULK)
        self._at = count
        return self._bytes[:count]


Take = Callable[[int], bytes]
"""`Randomness.take`, or what stands for it."""


# SECTION exporter.dns.wire

T = TypeVar("T")
U = TypeVar("U")

CODES: dict[str, int] = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
"""The QTYPE of each type that is asked for."""

IN = 1
MAX_UDP_PAYLOAD = 1232
"""What is offered by EDNS (RFC 6891): fits every path without fragments, as DNS flag day 2020 agreed."""

TYPE_AND_CLASS = {rdtype: Struct(">HH").pack(code, IN) for rdtype, code in CODES.items()}
"""What follows the name in a question section."""
_LENGTHS = [bytes([length]) for length in range(64)]
_LETTER_BITS = bytes([0x20 if 0x41 <= octet & 0xDF <= 0x5A else 0 for octet in range(256)])
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789-_"
_PLAIN_OR_UPPER = _PLAIN + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DOTTED = bytes([ord(chr(octet).lower()) if octet in _PLAIN_OR_UPPER else 0x2E for octet in range(256)])
_MAX_NAME_BYTES = 255
_MAX_LABEL_BYTES = 63
_POINTER = 0xC0
_HEADER_BYTES = 12
_MAX_POINTERS = 64
_MAX_KNOWN_PARENTS = 2_000
_MAX_LABEL_STEPS = 100_000  # of all names of a message that pointers led to: tens of milliseconds


class UnreadableError(Exception):
    """A message that contradicts itself or breaks its format."""


class UnusualError(Exception):
    """A message that the fast path leaves to dnspython."""


def wire_name(name: DomainName) -> bytes:
    """The name in wire format, lower case, uncompressed."""
    head, _, parent = name.partition(".")
    known = _parents.get(parent)
    if known is not None and "\\" not in head:
        label = head.encode()
        return _LENGTHS[len(label)] + label + known
    wire = b"".join([_LENGTHS[len(label)] + label for label in name.labels]) + b"\0"
    if parent and "\\" not in name:
        _remember(_parents, parent, wire[len(head) + 1 :])
    return wire


def mixed_case(wire: bytes, take: Take) -> bytes:
    """The same name with each letter in a random case; what a forger has to guess besides ID and port (0x20)."""
    length = len(wire)
    flips = _number(wire.translate(_LETTER_BITS)) & _number(take(length))
    return (_number(wire) ^ flips).to_bytes(length)


def plain_name(packet: bytes, start: int, end: int) -> DomainName | None:
    """The name that reaches from *start* to *end* if it is an ordinary one: uncompressed, letters, digits, hyphens.

    None leaves it to a `NameReader`: also where a label is so long that its length looks like a letter or digit.
    """
    if start >= end:
        return None
    length = packet[start]
    first = start + 1 + length
    parent = packet[first:end]
    known = _parent_texts.get(parent)
    if known is not None and 0 < length <= _MAX_LABEL_BYTES and end - start <= _MAX_NAME_BYTES:
        label = packet[start + 1 : first].lower()
        if not label.translate(None, _PLAIN):
            return _new_name(DomainName, label.decode() + known)
    wire = packet[start:end]
    lengths = wire.translate(None, _PLAIN_OR_UPPER)
    if not lengths or lengths.find(b"\0") != len(lengths) - 1 or max(lengths) > 63 or len(wire) > _MAX_NAME_BYTES:
        return None
    # What is neither letter, digit nor hyphen must be a length, and the right one.
    text = wire[1:-1].translate(_DOTTED)
    if wire[0] != lengths[0] or bytes([*map(len, text.split(b".")), 0]) != lengths:
        return None
    name = text.decode()
    if len(lengths) > 2:
        _remember(_parent_texts, parent, name[wire[0] :])
    return _new_name(DomainName, name)


class NameReader:
    """Reads the names of one message, and remembers what pointers led to."""

    __slots__ = ("_known", "_packet", "_steps")

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._known: dict[int, tuple[DomainName, int]] = {}
        self._steps = 0

    def read(self, start: int) -> tuple[DomainName, int]:
        """The name that starts there, and the offset of what follows it.

        Raises `UnreadableError` or `IndexError` for what is no name.
        """
        name, _bytes, end = self._read(start, 0)
        return name, end

    def _read(self, start: int, depth: int) -> tuple[DomainName, int, int]:
        packet = self._packet
        labels = []
        at = start
        length = packet[at]
        while 0 < length < 64:
            end = at + 1 + length
            labels.append(packet[at + 1 : end])
            at = end
            length = packet[at]
        octets = at - start + 1
        if octets > _MAX_NAME_BYTES:
            raise UnreadableError("a name of more than 255 octets")
        if not length:
            return _text(labels), octets, at + 1
        if length < _POINTER:
            raise UnreadableError("a label of an unknown type")
        target = (length & 0x3F) << 8 | packet[at + 1]
        if not _HEADER_BYTES <= target < start or depth > _MAX_POINTERS:
            raise UnreadableError("a compression pointer that does not point backwards, or too many of them")
        if target in self._known:
            tail, tail_bytes = self._known[target]
        else:
            tail, tail_bytes, _ = self._read(target, depth + 1)
            self._known[target] = tail, tail_bytes
            self._steps += 8 + tail_bytes // 4
            if self._steps > _MAX_LABEL_STEPS:
                raise UnreadableError("more compressed names than any answer has")
        octets += tail_bytes - 1
        if octets > _MAX_NAME_BYTES:
            raise UnreadableError("a name of more than 255 octets")
        if not labels:
            return tail, octets, at + 2
        head = _text(labels)
        name = head if tail == "." else DomainName.trusted(f"{head}.{tail}")
        return name, octets, at + 2


def _text(labels: list[bytes]) -> DomainName:
    joined = b".".join(labels).lower()
    if joined.translate(None, _PLAIN) == _DOTS[len(labels)]:
        return DomainName.trusted(joined.decode())
    return DomainName.from_labels(labels)


def _remember(known: dict[T, U], parent: T, form: U) -> None:
    """Keep what names are made of but for their first label: many names have the same parent, as in a /24."""
    if len(known) >= _MAX_KNOWN_PARENTS:
        known.clear()
    known[parent] = form


_parents: dict[str, bytes] = {}
"""Parents of names in wire format, by their text."""
_parent_texts: dict[bytes, str] = {}
"""What follows the first label in the text of a name, from the dot on, by its wire format, in whatever case."""
_new_name = str.__new__
_number = int.from_bytes
_DOTS = [b"\xff", *[b"." * dots for dots in range(128)]]  # no labels are the root, which is written with a dot


# SECTION exporter.dns.reading
# What a reply says of the question, whoever decoded it: follows the CNAME chain, tells negative from
# contradictory.
#
# The rule of this file: it sees records, never octets, so that the fast path and dnspython's cannot come to two
# meanings.

MAX_TTL = 86_400
"""Seconds. Longer TTLs count as this; those of 2^31 and more as 0 (RFC 2181 section 8)."""
MAX_NEGATIVE_TTL = 900
"""Seconds that "no such record" is believed at most: a fixed record should not wait for hours (RFC 2308 section 5)."""
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


# SECTION exporter.dns.fastpath
# Reads the ordinary reply, which is nearly every reply, thirty times as fast as a general DNS library.
#
# The rule of this file: it either reads a message whole (every record of every section, to the last octet) and
# then
# agrees with `exporter.dns.slowpath`, or it does not judge it: `UnusualError` leaves it to the slow path,
# `UnreadableError` says that nobody could read it. Whoever calls it has checked ID, flags and question.

_COUNTS = Struct(">HHH").unpack_from  # ANCOUNT, NSCOUNT, ARCOUNT
_FIXED = Struct(">HHIH").unpack_from  # TYPE, CLASS, TTL, RDLENGTH
_FIXED_BYTES = 10
_OPT_START = b"\0\0\x29"
_COOKIE_CODE = b"\0\x0a\0"
_TTL_AND_LENGTH = Struct(">IH").unpack_from
_SERIAL = Struct(">I").unpack_from
_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _OPT = 1, 2, 5, 6, 12, 15, 16, 28, 41
_ADDRESS_BYTES = {_A: 4, _AAAA: 16}
_new = tuple.__new__  # builds a NamedTuple in a third of the time


def read_reply(packet: bytes, end: int, name: DomainName, rdtype: RRType) -> Reading:
    """What a reply says of *name* and *rdtype*, whose question section ends at *end*; its RCODE is 0 or 3.

    Raises `UnusualError` and `UnreadableError` as above, and nothing else.
    """
    try:
        return _read_sections(packet, end, name, rdtype)
    except (IndexError, ValueError, struct.error) as error:
        raise UnreadableError(str(error)) from None


def _options(packet: bytes, at: int) -> bytes:
    """The options of the OPT record (RFC 6891) that is all that is left."""
    if not packet.startswith(_OPT_START, at):
        raise UnusualError
    flags, octets = _TTL_AND_LENGTH(packet, at + 5)
    if at + 11 + octets != len(packet):
        raise UnreadableError("not at its end after the last record")
    if flags >> 24:
        raise UnusualError  # an extended RCODE
    if octets and not _is_cookie(packet, at + 11, octets):
        raise UnusualError
    return packet[at + 11 :]


def _is_cookie(packet: bytes, at: int, octets: int) -> bool:
    """Whether the only option is a cookie (RFC 7873 section 4), the server's part included."""
    return packet.startswith(_COOKIE_CODE, at) and packet[at + 3] == octets - 4 and 20 <= octets <= 44


def _read_sections(packet: bytes, at: int, name: DomainName, rdtype: RRType) -> Reading:
    """Read any number of ordinary records, and follow the CNAME chain through them."""
    answers, authorities, additionals = _COUNTS(packet, 6)
    names = NameReader(packet)
    content = Content(rcode=packet[3] & 15)
    wanted = CODES[rdtype]
    for _ in range(answers):
        owner, at = names.read(at)
        code, rclass, ttl, octets = _FIXED(packet, at)
        start = at + _FIXED_BYTES
        at = start + octets
        if rclass != IN or code not in (wanted, _CNAME):
            raise UnusualError
        content.add_answer(owner, code == wanted, _record(names, code, start, at, packet), ttl)
    for _ in range(authorities):
        owner, at = names.read(at)
        code, rclass, ttl, octets = _FIXED(packet, at)
        start = at + _FIXED_BYTES
        at = start + octets
        if rclass != IN or code not in (_SOA, _NS):
            raise UnusualError
        _record(names, code, start, at, packet)
        if code == _SOA:
            content.add_authority(owner, min(ttl, _SERIAL(packet, at - 4)[0]))
        else:
            content.delegates = True
    for _ in range(additionals - 1):
        at = _skip_glue(names, packet, at)
    if additionals:
        if packet.startswith(_OPT_START, at):
            content.options = _options(packet, at)
            return conclude(content, name)
        at = _skip_glue(names, packet, at)
    if at != len(packet):
        raise UnreadableError("not at its end after the last record")
    return conclude(content, name)


def _skip_glue(names: NameReader, packet: bytes, at: int) -> int:
    """Pass over an address in the additional section."""
    _, at = names.read(at)
    code, rclass, _, octets = _FIXED(packet, at)
    if rclass != IN or code not in _ADDRESS_BYTES:
        raise UnusualError
    if octets != _ADDRESS_BYTES[code]:
        raise UnreadableError("an address of the wrong length")
    return int(at) + _FIXED_BYTES + int(octets)


def _record(names: NameReader, code: int, start: int, end: int, packet: bytes) -> Record:
    """Read the RDATA from *start* to *end*."""
    if end > len(packet):
        raise UnreadableError("a record that is longer than the message")
    record: Record
    match code:
        case 12 | 5 | 2:  # PTR, CNAME, NS
            record, at = names.read(start)
        case 1 | 28:  # A, AAAA
            record, at = _new(Address, (packet[start:end],)), start + _ADDRESS_BYTES[code]
        case 16:  # TXT
            record, at = _read_text(packet, start, end), end
        case 15:  # MX
            exchange, at = names.read(start + 2)
            record = MailExchange(int.from_bytes(packet[start : start + 2]), exchange)
        case _:  # SOA
            mname, at = names.read(start)
            rname, at = names.read(at)
            record, at = StartOfAuthority(mname, rname, _SERIAL(packet, at)[0]), at + 20
    if at != end:
        raise UnreadableError("RDATA of the wrong length")
    return record


def _read_text(packet: bytes, start: int, end: int) -> Text:
    """Join the strings of a TXT record, of which there may be tens of thousands."""
    if start == end:
        raise UnreadableError("a TXT record without strings")
    strings = []
    at = start
    while at < end:
        length = packet[at]
        if length:
            strings.append(packet[at + 1 : at + 1 + length])
        at += 1 + length
    if at != end:
        raise UnreadableError("RDATA of the wrong length")
    return Text(b"".join(strings))


def _clamp(ttl: int) -> int:
    return MAX_TTL if ttl < 1 << 31 else 0
