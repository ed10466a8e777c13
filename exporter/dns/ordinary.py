"""Reads the ordinary reply, which nearly every reply is: one record of the type that was asked for, at the name itself.

The rule of this file: it reads whole octets instead of one field after the other, a burst of packets at a time, and
leaves whatever is not ordinary alone. `exporter.dns.fastpath` comes to the same with the same packet.
"""

from collections.abc import Iterator
from struct import Struct

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Record, Status
from exporter.dns.job import Answered, Job
from exporter.dns.reading import MAX_TTL
from exporter.dns.wire import TYPE_AND_CLASS, plain_name

_HEADER_OCTETS = 12
_QUESTION_POINTER = b"\xc0\x0c"
_RECORD = Struct(">6sIH").unpack_from  # pointer, type and class; TTL; RDLENGTH
_RECORD_OCTETS = 12
_STARTS = {rdtype: _QUESTION_POINTER + following for rdtype, following in TYPE_AND_CLASS.items()}
_OCTETS = {"A": 4, "AAAA": 16} | dict.fromkeys(["CNAME", "MX", "NS", "PTR", "SOA", "TXT"])  # None where they vary
_FLAGS = [  # QR and no error, whatever AA, RD, RA, AD and CD
    bytes([0x80 | authoritative | desired, available | authentic | unchecked])
    for authoritative in (0, 4)
    for desired in (0, 1)
    for available in (0, 0x80)
    for authentic in (0, 0x20)
    for unchecked in (0, 0x10)
]
_HEADERS, _HEADERS_WITH_OPT = [  # all but the ID: flags, one question, one answer, no or one OPT
    frozenset([flags + bytes([0, 1, 0, 1, 0, 0, 0, additionals]) for flags in _FLAGS]) for additionals in (0, 1)
]
_ANSWER = Status.ANSWER
_new = tuple.__new__  # builds a NamedTuple in a third of the time


def take_ordinary(
    packets: Iterator[bytes],
    pending: dict[bytes, Job],
    opt: bytes,
    answered: list[Answered],
    *,
    server: str,
    asked_at: float,
) -> tuple[Job | None, bytes] | None:
    """Take ordinary replies out of *packets*, as long as they are, and add what they answer to *answered*.

    *pending* has the questions that wait, by ID; *opt* is the OPT record of an ordinary reply, which has been looked
    at before, or none. *server* and *asked_at* are what the answers say of where they come from. The first packet
    that is no ordinary reply ends it: that one is given back, with the question that has its ID. None says that no
    packet is left.
    """
    find = pending.get
    add = answered.append
    headers = _HEADERS_WITH_OPT if opt else _HEADERS
    opt_octets = len(opt)
    for packet in packets:
        query_id = packet[:2]
        job = find(query_id)
        # At its first sending nothing can have happened yet that makes a question special.
        if job is None or job.serial != 1:
            return job, packet
        section, rdtype = job.section, job.rdtype
        record_at = len(section) + _HEADER_OCTETS
        start = record_at + _RECORD_OCTETS
        end = len(packet) - opt_octets
        if end <= start or not packet.startswith(section, _HEADER_OCTETS) or packet[2:12] not in headers:
            return job, packet
        said, ttl, octets = _RECORD(packet, record_at)
        if said != _STARTS[rdtype] or start + octets != end or ttl > MAX_TTL or not packet.endswith(opt):
            return job, packet
        record: Record | None
        if octets == _OCTETS[rdtype]:
            record = _new(Address, (packet[start:end],))
        else:
            record = plain_name(packet, start, end) if rdtype == "PTR" else None
            if record is None:
                return job, packet
        del pending[query_id]
        job.pending = None
        add((job, _new(Answer, (_ANSWER, (record,), (), ttl, server, asked_at, ()))))
    return None
