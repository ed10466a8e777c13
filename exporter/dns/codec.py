"""DNS messages in wire format (RFC 1035 section 4.1): random bytes, names, and all common replies.

Any input takes bounded work. A compression pointer must point to before the name that contains it.
"""

import struct
from collections.abc import Callable
from random import SystemRandom
from struct import Struct
from typing import Protocol, TypeVar

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Record, RRType, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName

T = TypeVar("T")
U = TypeVar("U")

_RANDOM_BYTES_AT_ONCE = 16_384  # each read from the system's source is a system call


class RandomSource(Protocol):
    """A `random.SystemRandom`, or a seeded `random.Random` in tests."""

    def randbytes(self, n: int, /) -> bytes:
        """*n* random bytes."""


class Randomness:
    """Unpredictable bytes for query IDs, source ports and the case of letters (RFC 5452, dns0x20)."""

    __slots__ = ("_at", "_bytes", "_source")

    def __init__(self, source: RandomSource | None = None) -> None:
        self._source: RandomSource = source if source is not None else SystemRandom()
        self._bytes = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """*count* bytes that were never returned before; at most a few hundred at a time."""
        at = self._at
        self._at = end = at + count
        if end <= len(self._bytes):
            return self._bytes[at:end]
        self._bytes = self._source.randbytes(_RANDOM_BYTES_AT_ONCE)
        self._at = count
        return self._bytes[:count]


RandomBytes = Callable[[int], bytes]
"""`Randomness.take`, or a replacement in tests."""

CODES: dict[str, int] = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
"""The QTYPE of each record type that can be asked for."""

IN = 1
MAX_UDP_PAYLOAD = 1232
"""The EDNS payload size in queries (RFC 6891): no path has to fragment it, as DNS flag day 2020 recommends."""

TYPE_AND_CLASS = {rdtype: Struct(">HH").pack(code, IN) for rdtype, code in CODES.items()}
"""The bytes after the name in a question section."""
_LENGTHS = [bytes([length]) for length in range(64)]
_LETTER_BITS = bytes([0x20 if 0x41 <= byte & 0xDF <= 0x5A else 0 for byte in range(256)])
_LOWER_LDH = b"abcdefghijklmnopqrstuvwxyz0123456789-_"  # letters, digits, hyphen; and the underscore
_LDH = _LOWER_LDH + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER_OR_DOT = bytes([ord(chr(byte).lower()) if byte in _LDH else 0x2E for byte in range(256)])
_MAX_NAME_BYTES = 255
_MAX_LABEL_BYTES = 63
_POINTER = 0xC0
_HEADER_BYTES = 12
_MAX_POINTERS = 64
_MAX_KNOWN_PARENTS = 2_000
_MAX_NAME_STEPS = 100_000  # for all compressed names of a message: tens of milliseconds


class UnreadableError(Exception):
    """A message that contradicts itself or breaks the format."""


class UnusualError(Exception):
    """A message that only dnspython reads."""


def wire_name(name: DomainName) -> bytes:
    """The name in wire format: lower case, uncompressed."""
    head, _, parent = name.partition(".")
    known = _parents.get(parent)
    if known is not None and "\\" not in head:
        label = head.encode()
        return _LENGTHS[len(label)] + label + known
    wire = b"".join([_LENGTHS[len(label)] + label for label in name.labels]) + b"\0"
    if parent and "\\" not in name:
        _remember(_parents, parent, wire[len(head) + 1 :])
    return wire


def mixed_case(wire: bytes, random_bytes: RandomBytes) -> bytes:
    """The same name with each letter in random case (0x20): a forger must guess it, besides the ID and the port."""
    length = len(wire)
    flips = _number(wire.translate(_LETTER_BITS)) & _number(random_bytes(length))
    return (_number(wire) ^ flips).to_bytes(length)


def uncompressed_name(packet: bytes, start: int, end: int) -> DomainName | None:
    """The name between *start* and *end*, if it is uncompressed and has only letters, digits, hyphens and underscores.

    None means that a `NameReader` must read it. That includes labels so long that the length byte looks like a letter.
    """
    if start >= end:
        return None
    length = packet[start]
    first = start + 1 + length
    parent = packet[first:end]
    known = _parent_texts.get(parent)
    if known is not None and 0 < length <= _MAX_LABEL_BYTES and end - start <= _MAX_NAME_BYTES:
        label = packet[start + 1 : first].lower()
        if not label.translate(None, _LOWER_LDH):
            return _new_name(DomainName, label.decode() + known)
    wire = packet[start:end]
    lengths = wire.translate(None, _LDH)
    if not lengths or lengths.find(b"\0") != len(lengths) - 1 or max(lengths) > 63 or len(wire) > _MAX_NAME_BYTES:
        return None
    # Every byte that is not a letter, digit, hyphen or underscore must be a length byte, and a correct one.
    text = wire[1:-1].translate(_LOWER_OR_DOT)
    if wire[0] != lengths[0] or bytes([*map(len, text.split(b".")), 0]) != lengths:
        return None
    name = text.decode()
    if len(lengths) > 2:
        _remember(_parent_texts, parent, name[wire[0] :])
    return _new_name(DomainName, name)


class NameReader:
    """Reads the names of one message. Each target of a compression pointer is read only once."""

    __slots__ = ("_known", "_packet", "_steps")

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._known: dict[int, tuple[DomainName, int]] = {}
        self._steps = 0

    def read(self, start: int) -> tuple[DomainName, int]:
        """The name that begins at *start*, and the offset after it.

        Raises `UnreadableError` or `IndexError` if it is not a valid name.
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
        size = at - start + 1
        if size > _MAX_NAME_BYTES:
            raise UnreadableError("a name has more than 255 bytes")
        if not length:
            return _text(labels), size, at + 1
        if length < _POINTER:
            raise UnreadableError("a label has an unknown type")
        target = (length & 0x3F) << 8 | packet[at + 1]
        if not _HEADER_BYTES <= target < start or depth > _MAX_POINTERS:
            raise UnreadableError("a compression pointer does not point backwards, or there are too many of them")
        if target in self._known:
            tail, tail_bytes = self._known[target]
        else:
            tail, tail_bytes, _ = self._read(target, depth + 1)
            self._known[target] = tail, tail_bytes
            self._steps += 8 + tail_bytes // 4
            if self._steps > _MAX_NAME_STEPS:
                raise UnreadableError("the message has too many compressed names")
        size += tail_bytes - 1
        if size > _MAX_NAME_BYTES:
            raise UnreadableError("a name has more than 255 bytes")
        if not labels:
            return tail, size, at + 2
        head = _text(labels)
        name = head if tail == "." else DomainName.trusted(f"{head}.{tail}")
        return name, size, at + 2


def _text(labels: list[bytes]) -> DomainName:
    joined = b".".join(labels).lower()
    if joined.translate(None, _LOWER_LDH) == _DOTS[len(labels)]:
        return DomainName.trusted(joined.decode())
    return DomainName.from_labels(labels)


def _remember(known: dict[T, U], parent: T, converted: U) -> None:
    """Cache the conversion of everything after a name's first label: many names share it, as in a reverse zone."""
    if len(known) >= _MAX_KNOWN_PARENTS:
        known.clear()
    known[parent] = converted


_parents: dict[str, bytes] = {}  # text to wire format
_parent_texts: dict[bytes, str] = {}  # wire format, in any case, to text with a leading dot
_new_name = str.__new__
_number = int.from_bytes
_DOTS = [b"\xff", *[b"." * dots for dots in range(128)]]  # the root has no labels, but its text is a dot


MAX_TTL = 86_400
"""Seconds. Longer TTLs are cut to this; those of 2^31 and more count as 0 (RFC 2181 section 8)."""
MAX_NEGATIVE_TTL = 900
"""Seconds. A negative answer is cached no longer, so that a corrected record is soon seen (RFC 2308 section 5)."""
MAX_LINKS = 16
"""The longest CNAME chain that is followed."""

NO_SOA = -1
"""The TTL of a negative reply without the SOA record of a zone above the name."""

ParsedReply = tuple[Status | None, tuple[Record, ...], tuple[DomainName, ...], int, bytes | None]
"""Status, records, CNAME chain, TTL, and EDNS options (None without EDNS).

A status of None means that the chain ends at a name that this reply has no records of. Only ANSWER has records, and
REFUSED for a referral (RFC 1034 section 4.3.2) to the servers of the name itself, if those were asked for.
"""

_NXDOMAIN_RCODE = 3


class ReplyRecords:
    """The relevant records of one reply, by owner name. Filled by either decoder, so both interpret them the same.

    Attributes:
        rcode: The RCODE of the reply.
        options: Its EDNS options, if it has an OPT record.
        is_referral: Whether the authority section has NS records.
        referred: Those records, if NS records were asked for.
        records: The records of the requested type.
        cnames: The target of the CNAME record at each name.
    """

    __slots__ = ("_soa_ttls", "_ttls", "cnames", "is_referral", "options", "rcode", "records", "referred")

    def __init__(self, rcode: int) -> None:
        self.rcode = rcode
        self.options: bytes | None = None
        self.is_referral = False
        self.referred: dict[DomainName, list[Record]] = {}
        self.records: dict[DomainName, list[Record]] = {}
        self.cnames: dict[DomainName, DomainName] = {}
        self._ttls: dict[DomainName, int] = {}
        self._soa_ttls: list[tuple[DomainName, int]] = []

    def add_answer(self, owner: DomainName, wanted: bool, record: Record, ttl: int) -> None:  # noqa: FBT001
        """Add a record of the requested type (*wanted*) or a CNAME. Raises `UnreadableError` for two CNAMEs."""
        if wanted:
            self.records.setdefault(owner, []).append(record)
        elif not isinstance(record, DomainName) or self.cnames.setdefault(owner, record) != record:
            raise UnreadableError("two CNAME records at one name")
        ttl = clamp_ttl(ttl)
        self._ttls[owner] = min(ttl, self._ttls.get(owner, ttl))

    def add_authority(self, owner: DomainName, ttl: int) -> None:
        """Add an SOA record of the authority section. *ttl* is the smaller of its TTL and its MINIMUM field."""
        self._soa_ttls.append((owner, clamp_ttl(ttl)))

    def add_referral(self, owner: DomainName, wanted: bool, record: Record) -> None:  # noqa: FBT001
        """Add an NS record of the authority section, which is *wanted* if NS records were asked for."""
        self.is_referral = True
        if wanted:
            self.referred.setdefault(owner, []).append(record)

    def ttl(self, owner: DomainName) -> int:
        """The smallest TTL of the records at *owner*."""
        return self._ttls[owner]

    def negative_ttl(self, name: DomainName) -> int | None:
        """How long a negative answer for *name* is valid; None without an SOA record of a zone above it."""
        for owner, ttl in self._soa_ttls:
            if name.is_under(owner):
                return min(ttl, MAX_NEGATIVE_TTL)
        return None


def clamp_ttl(ttl: int) -> int:
    """The TTL within the bounds of `MAX_TTL`."""
    return min(ttl, MAX_TTL) if ttl < 1 << 31 else 0


def interpret(reply: ReplyRecords, name: DomainName) -> ParsedReply:
    """What the reply says about *name*. Raises `UnreadableError` if it contradicts itself.

    NXDOMAIN is about the end of the chain (RFC 6604 section 3). NODATA has the SOA record of a zone above the name, or
    `NO_SOA` as its TTL. With NS records instead it is a referral (RFC 2308 section 2.2), which says nothing about it.
    """
    chain: list[DomainName] = []
    ttl = MAX_TTL
    end = name
    while end in reply.cnames:
        if end in reply.records:
            raise UnreadableError("a name has both a CNAME record and others")
        ttl = min(ttl, reply.ttl(end))
        end = reply.cnames[end]
        looped = end == name or end in chain
        chain.append(end)
        if looped or len(chain) > MAX_LINKS:
            return Status.CHAIN, (), tuple(chain), ttl, reply.options
    if reply.records and (end not in reply.records or reply.rcode == _NXDOMAIN_RCODE):
        raise UnreadableError("records at a name that was not asked for, or that does not exist")
    links = tuple(chain)
    if end in reply.records:
        return Status.ANSWER, _sorted(reply.records[end]), links, min(ttl, reply.ttl(end)), reply.options
    negative = reply.negative_ttl(end)
    if reply.rcode == _NXDOMAIN_RCODE:
        return Status.NXDOMAIN, (), links, NO_SOA if negative is None else min(ttl, negative), reply.options
    if negative is not None:
        return Status.NODATA, (), links, min(ttl, negative), reply.options
    if links:
        return None, (), links, ttl, reply.options
    if reply.is_referral:
        return Status.REFUSED, _sorted(reply.referred.get(end, [])), (), 0, reply.options
    return Status.NODATA, (), (), NO_SOA, reply.options


def _sorted(records: list[Record]) -> tuple[Record, ...]:
    """All of them, however many: a check that finds an address missing has to have seen them all."""
    if len(records) == 1:
        return (records[0],)
    distinct: set[Record] = set(records)
    ordered: list[Record] = sorted(distinct)
    return tuple(ordered)


_COUNTS = Struct(">HHH").unpack_from  # ANCOUNT, NSCOUNT, ARCOUNT
_FIXED = Struct(">HHIH").unpack_from  # TYPE, CLASS, TTL, RDLENGTH
_FIXED_BYTES = 10
_OPT_START = b"\0\0\x29"
_COOKIE_CODE = b"\0\x0a\0"
_TTL_AND_LENGTH = Struct(">IH").unpack_from
_SERIAL = Struct(">I").unpack_from
_A, _NS, _CNAME, _SOA, _AAAA = 1, 2, 5, 6, 28
_ADDRESS_BYTES = {_A: 4, _AAAA: 16}
_new = tuple.__new__  # builds a NamedTuple in a third of the time


def read_reply(packet: bytes, end: int, name: DomainName, rdtype: RRType) -> ParsedReply:
    """What a common reply says about *name* and *rdtype*, thirty times as fast as dnspython, with equal results.

    The caller has checked ID, flags and question, which ends at *end*; the RCODE is 0 or 3. Every record is read to
    the last byte. Raises `UnusualError` if dnspython must read the message, and `UnreadableError` if it is broken.
    """
    try:
        return _read_sections(packet, end, name, rdtype)
    except (IndexError, ValueError, struct.error) as error:
        raise UnreadableError(str(error)) from None


def _options(packet: bytes, at: int) -> bytes:
    """The options of the OPT record (RFC 6891), which must be the rest of the packet."""
    if not packet.startswith(_OPT_START, at):
        raise UnusualError
    flags, size = _TTL_AND_LENGTH(packet, at + 5)
    if at + 11 + size != len(packet):
        raise UnreadableError("bytes after the last record")
    if flags >> 24:
        raise UnusualError  # an extended RCODE
    options = packet[at + 11 :]
    if size and not (options.startswith(_COOKIE_CODE) and options[3] == size - 4 and 20 <= size <= 44):
        raise UnusualError  # more than a cookie with the server's part (RFC 7873 section 4)
    return options


def _read_sections(packet: bytes, at: int, name: DomainName, rdtype: RRType) -> ParsedReply:
    answers, authorities, additionals = _COUNTS(packet, 6)
    names = NameReader(packet)
    reply = ReplyRecords(rcode=packet[3] & 15)
    wanted = CODES[rdtype]
    for _ in range(answers):
        owner, at = names.read(at)
        code, rclass, ttl, size = _FIXED(packet, at)
        start = at + _FIXED_BYTES
        at = start + size
        if rclass != IN or code not in (wanted, _CNAME):
            raise UnusualError
        reply.add_answer(owner, code == wanted, _record(names, code, start, at, packet), ttl)
    for _ in range(authorities):
        owner, at = names.read(at)
        code, rclass, ttl, size = _FIXED(packet, at)
        start = at + _FIXED_BYTES
        at = start + size
        if rclass != IN or code not in (_SOA, _NS):
            raise UnusualError
        record = _record(names, code, start, at, packet)
        if code == _SOA:
            reply.add_authority(owner, min(ttl, _SERIAL(packet, at - 4)[0]))
        else:
            reply.add_referral(owner, wanted == _NS, record)
    for _ in range(additionals - 1):
        at = _skip_glue(names, packet, at)
    if additionals:
        if packet.startswith(_OPT_START, at):
            reply.options = _options(packet, at)
            return interpret(reply, name)
        at = _skip_glue(names, packet, at)
    if at != len(packet):
        raise UnreadableError("bytes after the last record")
    return interpret(reply, name)


def _skip_glue(names: NameReader, packet: bytes, at: int) -> int:
    """The offset after the address record at *at* in the additional section."""
    _, at = names.read(at)
    code, rclass, _, size = _FIXED(packet, at)
    if rclass != IN or code not in _ADDRESS_BYTES:
        raise UnusualError
    if size != _ADDRESS_BYTES[code]:
        raise UnreadableError("an address of the wrong length")
    return int(at) + _FIXED_BYTES + int(size)


def _record(names: NameReader, code: int, start: int, end: int, packet: bytes) -> Record:
    """The record whose RDATA is between *start* and *end*."""
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
    """A TXT record, which can have tens of thousands of strings."""
    if start == end:
        raise UnreadableError("a TXT record without strings")
    strings = []
    at = start
    while at < end:
        following = at + 1 + packet[at]
        strings.append(packet[at + 1 : following])
        at = following
    if at != end:
        raise UnreadableError("RDATA of the wrong length")
    return Text.of(strings)
