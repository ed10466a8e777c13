"""Reads the unusual reply with dnspython: other RCODEs and record types, extended RCODEs, odd sections.

The rule of this file: dnspython is right about the format, but may be made to work for long. What is more than an
unusual reply can need goes unread.
"""

import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Record, RRType, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName
from exporter.dns.codec import CODES, Content, Reading, UnreadableError, conclude

MAX_BYTES = 4_096
MAX_RECORDS = 100
MAX_POINTER_CHAIN = 8

BADCOOKIE = 23
_SAID_NOTHING = {dns.rcode.SERVFAIL: Status.SERVFAIL}  # every other RCODE is a refusal, one way or another


def read_unusual(packet: bytes, name: DomainName, rdtype: RRType) -> tuple[int, Reading]:
    """The RCODE (RFC 6895 section 2.3, extended by EDNS) of any reply, and what it says of *name* and *rdtype*.

    Raises `UnreadableError` where dnspython cannot read it, or would have to work too long.
    """
    message = read_message(packet)
    rcode = message.rcode()
    options = _options(message)
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return rcode, (_SAID_NOTHING.get(rcode, Status.REFUSED), (), (), 0, options)
    try:
        content = _content(message, rdtype)
        content.options = options
        return rcode, conclude(content, name)
    except ValueError as error:
        raise UnreadableError(str(error)) from None


def read_message(packet: bytes) -> dns.message.Message:
    """What dnspython makes of a packet. Raises `UnreadableError` where that is nothing, or too much work."""
    counts = int.from_bytes(packet[6:8]) + int.from_bytes(packet[8:10]) + int.from_bytes(packet[10:12])
    if len(packet) > MAX_BYTES or counts > MAX_RECORDS or _longest_pointer_chain(packet) > MAX_POINTER_CHAIN:
        raise UnreadableError("too large for what is unusual about it")
    try:
        return dns.message.from_wire(packet)
    except Exception as error:  # noqa: BLE001  # whatever it is, it came from the octets
        raise UnreadableError(f"{type(error).__name__}: {error}") from None


def _longest_pointer_chain(packet: bytes) -> int:
    """How many compression pointers lead straight from one to the next, at worst: dnspython follows them all."""
    chains: dict[int, int] = {}
    for at, octet in enumerate(packet[:-1]):
        if octet >= 0xC0:
            chains[at] = chains.get((octet & 0x3F) << 8 | packet[at + 1], 0) + 1
    return max(chains.values(), default=0)


def _options(message: dns.message.Message) -> bytes | None:
    if message.edns < 0:
        return None
    wires = [(int(option.otype), option.to_wire() or b"") for option in message.options]
    return b"".join([code.to_bytes(2) + len(wire).to_bytes(2) + wire for code, wire in wires])


def _content(message: dns.message.Message, rdtype: RRType) -> Content:
    """The records that matter, of class IN; all others are none of our business."""
    content = Content(rcode=int(message.rcode()))
    wanted = CODES[rdtype]
    for rrset in message.answer:
        if rrset.rdclass == dns.rdataclass.IN and rrset.rdtype in (wanted, dns.rdatatype.CNAME):
            owner = _name(rrset.name)
            for rdata in rrset:
                content.add_answer(owner, rrset.rdtype == wanted, _record(rdata), rrset.ttl)
    for rrset in message.authority:
        if rrset.rdclass == dns.rdataclass.IN and rrset.rdtype == dns.rdatatype.SOA:
            content.add_authority(_name(rrset.name), min(rrset.ttl, rrset[0].minimum))
        elif rrset.rdtype == dns.rdatatype.NS:
            content.delegates = True
    return content


def _name(name: dns.name.Name) -> DomainName:
    return DomainName.from_labels(name.labels[:-1])


def _record(rdata: dns.rdata.Rdata) -> Record:
    """A record of one of the types that are asked for."""
    value: object = rdata
    match dns.rdatatype.to_text(rdata.rdtype):
        case "A" | "AAAA":
            return Address(rdata.to_wire() or b"")
        case "TXT":
            return Text(b"".join(value.strings))  # type: ignore[attr-defined]
        case "MX":
            return MailExchange(value.preference, _name(value.exchange))  # type: ignore[attr-defined]
        case "SOA":
            return StartOfAuthority(_name(value.mname), _name(value.rname), value.serial)  # type: ignore[attr-defined]
        case _:
            return _name(value.target)  # type: ignore[attr-defined]
