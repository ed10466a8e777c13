"""Reads the ordinary reply, which is nearly every reply, thirty times as fast as a general DNS library.

The rule of this file: it either reads a message whole (every record of every section, to the last octet) and then
agrees with `exporter.dns.slowpath`, or it does not judge it: `UnusualError` leaves it to the slow path,
`UnreadableError` says that nobody could read it. Whoever calls it has checked ID, flags and question.
"""

import struct
from struct import Struct

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Record, RRType, StartOfAuthority, Text
from exporter.checks.names import DomainName
from exporter.dns.reading import MAX_TTL, Content, Reading, conclude
from exporter.dns.wire import CODES, IN, NameReader, UnreadableError, UnusualError

_COUNTS = Struct(">HHH").unpack_from  # ANCOUNT, NSCOUNT, ARCOUNT
_FIXED = Struct(">HHIH").unpack_from  # TYPE, CLASS, TTL, RDLENGTH
_FIXED_OCTETS = 10
_HEADER_OCTETS = 12
_OPT_START = b"\0\0\x29"
_COOKIE_CODE = b"\0\x0a\0"
_TTL_AND_LENGTH = Struct(">IH").unpack_from
_SERIAL = Struct(">I").unpack_from
_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _OPT = 1, 2, 5, 6, 12, 15, 16, 28, 41
_ADDRESS_OCTETS = {_A: 4, _AAAA: 16}
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
        start = at + _FIXED_OCTETS
        at = start + octets
        if rclass != IN or code not in (wanted, _CNAME):
            raise UnusualError
        content.add_answer(owner, code == wanted, _record(names, code, start, at, packet), ttl)
    for _ in range(authorities):
        owner, at = names.read(at)
        code, rclass, ttl, octets = _FIXED(packet, at)
        start = at + _FIXED_OCTETS
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
    if rclass != IN or code not in _ADDRESS_OCTETS:
        raise UnusualError
    if octets != _ADDRESS_OCTETS[code]:
        raise UnreadableError("an address of the wrong length")
    return int(at) + _FIXED_OCTETS + int(octets)


def _record(names: NameReader, code: int, start: int, end: int, packet: bytes) -> Record:
    """Read the RDATA from *start* to *end*."""
    if end > len(packet):
        raise UnreadableError("a record that is longer than the message")
    record: Record
    match code:
        case 12 | 5 | 2:  # PTR, CNAME, NS
            record, at = names.read(start)
        case 1 | 28:  # A, AAAA
            record, at = _new(Address, (packet[start:end],)), start + _ADDRESS_OCTETS[code]
        case 16:  # TXT
            record, at = _text(packet, start, end), end
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


def _text(packet: bytes, start: int, end: int) -> Text:
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
