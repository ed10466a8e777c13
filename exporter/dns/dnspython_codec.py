"""Reads with dnspython the replies that `exporter.dns.codec` does not: other RCODEs, record types and sections.

dnspython is correct about the format, but a hostile message could keep it busy. The limits below prevent that.
"""

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Record, RRType, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName
from exporter.dns.codec import CODES, ParsedReply, ReplyRecords, UnreadableError, interpret

MAX_BYTES = 4_096
MAX_RECORDS = 100
MAX_POINTER_CHAIN = 8


def read_unusual(packet: bytes, name: DomainName, rdtype: RRType) -> tuple[int, ParsedReply]:
    """The RCODE of any reply (RFC 6895 section 2.3, extended by EDNS), and what it says about *name* and *rdtype*.

    Every RCODE except NOERROR, NXDOMAIN and SERVFAIL is a refusal. Records of other types or classes are no answer.
    Raises as `read_message`.
    """
    message = read_message(packet)
    rcode = message.rcode()
    options = _options(message)
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        status = Status.SERVFAIL if rcode == dns.rcode.SERVFAIL else Status.REFUSED
        return rcode, (status, (), (), 0, options)
    try:
        reply = _reply_records(message, rdtype)
        reply.options = options
        if message.answer and not (reply.records or reply.cnames):  # only of another type or class: that is no NODATA
            return rcode, (Status.MALFORMED, (), (), 0, options)
        return rcode, interpret(reply, name)
    except ValueError as error:
        raise UnreadableError(str(error)) from None


def read_message(packet: bytes) -> dns.message.Message:
    """The message in *packet*. Raises `UnreadableError` if it is broken or above the limits."""
    counts = int.from_bytes(packet[6:8]) + int.from_bytes(packet[8:10]) + int.from_bytes(packet[10:12])
    if len(packet) > MAX_BYTES or counts > MAX_RECORDS or _longest_pointer_chain(packet) > MAX_POINTER_CHAIN:
        raise UnreadableError("too large for an unusual reply")
    try:
        return dns.message.from_wire(packet)
    except Exception as error:  # noqa: BLE001  # dnspython can raise anything for hostile bytes
        raise UnreadableError(f"{type(error).__name__}: {error}") from None


def _longest_pointer_chain(packet: bytes) -> int:
    """An upper bound of how many compression pointers point to each other in a row: dnspython follows them all."""
    chains: dict[int, int] = {}
    for at, byte in enumerate(packet[:-1]):
        if byte >= 0xC0:
            chains[at] = chains.get((byte & 0x3F) << 8 | packet[at + 1], 0) + 1
    return max(chains.values(), default=0)


def _options(message: dns.message.Message) -> bytes | None:
    if message.edns < 0:
        return None
    wires = [(int(option.otype), option.to_wire() or b"") for option in message.options]
    return b"".join([code.to_bytes(2) + len(wire).to_bytes(2) + wire for code, wire in wires])


def _reply_records(message: dns.message.Message, rdtype: RRType) -> ReplyRecords:
    """The relevant records of class IN."""
    reply = ReplyRecords(rcode=int(message.rcode()))
    wanted = CODES[rdtype]
    for rrset in message.answer:
        if rrset.rdclass == dns.rdataclass.IN and rrset.rdtype in (wanted, dns.rdatatype.CNAME):
            owner = _name(rrset.name)
            for rdata in rrset:
                reply.add_answer(owner, rrset.rdtype == wanted, _record(rdata), rrset.ttl)
    for rrset in message.authority:
        if rrset.rdclass == dns.rdataclass.IN and rrset.rdtype == dns.rdatatype.SOA:
            reply.add_authority(_name(rrset.name), min(rrset.ttl, rrset[0].minimum))
        elif rrset.rdtype == dns.rdatatype.NS:
            for rdata in rrset:
                reply.add_referral(_name(rrset.name), rdtype == "NS", _record(rdata))
    return reply


def _name(name: dns.name.Name) -> DomainName:
    return DomainName.from_labels(name.labels[:-1])


def _record(rdata: dns.rdata.Rdata) -> Record:
    value: object = rdata
    match dns.rdatatype.to_text(rdata.rdtype):
        case "A" | "AAAA":
            return Address(rdata.to_wire() or b"")
        case "TXT":
            return Text.of(value.strings)  # type: ignore[attr-defined]
        case "MX":
            return MailExchange(value.preference, _name(value.exchange))  # type: ignore[attr-defined]
        case "SOA":
            return StartOfAuthority(_name(value.mname), _name(value.rname), value.serial)  # type: ignore[attr-defined]
        case _:
            return _name(value.target)  # type: ignore[attr-defined]
