"""Queries in, replies out, as octets.

The rule of this file: dnspython compiles the reply to a question once, and from then on it is copied: only the ID, the
case of the name (0x20) and EDNS are the query's own. What is compiled is forgotten as soon as the world changes.
"""

import io
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

import dns.flags
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from exporter.checks.answers import Status
from exporter.checks.names import DomainName
from exporter.demo.world import Resolution, World
from exporter.demo.zone import RecordSet, name_of

UDP_PAYLOAD = 1232
"""The largest reply over UDP that this server sends, as most do since the DNS Flag Day of 2020."""

_HEADER = struct.Struct("!6H")
_TYPE_AND_CLASS = struct.Struct("!2H")
_OPT = struct.Struct(
    "!B2H2B2H"
)  # root, type, payload, extended RCODE, version, flags, RDLENGTH (RFC 6891 section 6.1.2)
_OPCODE = 0x7800
_DNSSEC_OK = 0x8000
_COMPILED_LIMIT = 100_000  # questions that are remembered: more than any world has
_ROTATIONS = 16
_LARGEST = 65535  # octets in a message over TCP
_LONGEST_QUESTION = 255 + 4

_RCODE = {
    Status.NXDOMAIN: dns.rcode.NXDOMAIN,
    Status.SERVFAIL: dns.rcode.SERVFAIL,
    Status.REFUSED: dns.rcode.REFUSED,
}

Observe = Callable[[DomainName, str], None]
"""Is told the name and type of each question that gets as far as being looked up."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A reply without its header, question and EDNS. *bodies* differ only in the order of the records."""

    rcode: int
    answers: int = 0
    authorities: int = 0
    bodies: tuple[bytes, ...] = (b"",)
    is_truncated: bool = False


class Responder:
    """Answers queries from a world as a recursive resolver does: RA set, CNAMEs followed, record order rotating.

    Names are compressed against the question at the front of the reply, so that the body fits behind any spelling.
    """

    def __init__(self, world: World, *, observe: Observe | None = None) -> None:
        self._world = world
        self._observe = observe
        self._generation = world.generation
        self._compiled: dict[bytes, _Compiled | None] = {}
        self._turn = count()

    def respond(self, query: bytes, *, over_tcp: bool = False) -> bytes | None:
        """The reply to a query, or `None` for what gets none: a reply, a scrap, a question to a silent server."""
        if len(query) < _HEADER.size:
            return None
        ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(query)
        if flags & dns.flags.QR:
            return None
        flags &= _OPCODE | dns.flags.RD | dns.flags.CD
        flags |= dns.flags.QR | dns.flags.RA
        if flags & _OPCODE:
            return _HEADER.pack(ident, flags | dns.rcode.NOTIMP, 0, 0, 0, 0)
        end = _end_of_question(query)
        if not end or questions != 1 or answers or authorities:
            return _HEADER.pack(ident, flags | dns.rcode.FORMERR, 0, 0, 0, 0)
        question = query[_HEADER.size : end]
        limit, edns = _edns(query, end) if additionals else (512, b"")
        if edns and query[end + 6]:  # another version of EDNS than 0: BADVERS (RFC 6891 section 6.1.3)
            return _HEADER.pack(ident, flags, 1, 0, 0, 1) + question + edns
        reply = self._look_up(query, question)
        if reply is None:
            return None
        body = reply.bodies[next(self._turn) % len(reply.bodies)]
        flags |= reply.rcode
        has_edns = 1 if edns else 0
        size = _HEADER.size + len(question) + len(body) + len(edns)
        if not over_tcp and (reply.is_truncated or size > limit):
            return _HEADER.pack(ident, flags | dns.flags.TC, 1, 0, 0, has_edns) + question + edns
        return _HEADER.pack(ident, flags, 1, reply.answers, reply.authorities, has_edns) + question + body + edns

    def _look_up(self, query: bytes, question: bytes) -> _Compiled | None:
        generation = self._world.generation
        if generation != self._generation or len(self._compiled) > _COMPILED_LIMIT:
            self._compiled.clear()
            self._generation = generation
        key = question[:-4].lower() + question[-4:]  # length octets are below "A", so that only letters are folded
        if key not in self._compiled or self._observe is not None:
            name, _ = dns.name.from_wire(query, _HEADER.size)
            rdtype, rdclass = _TYPE_AND_CLASS.unpack(question[-4:])
            text = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
            if self._observe is not None:
                self._observe(name_of(name), text)
            if key not in self._compiled:
                self._compiled[key] = self._compile(name, text, rdclass)
        return self._compiled[key]

    def _compile(self, name: dns.name.Name, rdtype: str, rdclass: int) -> _Compiled | None:
        if rdclass != dns.rdataclass.IN:
            return _Compiled(dns.rcode.REFUSED)
        found = self._world.resolve(name_of(name), rdtype)
        if found.status is Status.TIMEOUT:
            return None
        answers = [_rrset(link) for link in found.chain]
        authorities = [_rrset(found.authority)] if found.authority is not None else []
        bodies: list[bytes] = []
        for turn in range(_turns(found)):
            last = [_rrset(found.records, turn)] if found.records is not None else []
            bodies.append(_body(name, [*answers, *last, *authorities]))
        if len(bodies[0]) > _LARGEST - _HEADER.size - _LONGEST_QUESTION - _OPT.size:
            return _Compiled(dns.rcode.SERVFAIL)
        count = len(answers) + (len(found.records.rdatas) if found.records is not None else 0)
        rcode = _RCODE.get(found.status, dns.rcode.NOERROR)
        return _Compiled(rcode, count, len(authorities), tuple(bodies), found.is_truncated)


def _body(name: dns.name.Name, rrsets: Iterable[dns.rrset.RRset]) -> bytes:
    """The sections behind a question for *name*, compressed against it."""
    file = io.BytesIO()
    compress: dict[dns.name.Name, int] = {}
    file.write(bytes(_HEADER.size))
    name.to_wire(file, compress)
    file.write(bytes(_TYPE_AND_CLASS.size))
    start = file.tell()
    for rrset in rrsets:
        rrset.to_wire(file, compress, want_shuffle=False)
    return file.getvalue()[start:]


def _turns(found: Resolution) -> int:
    return min(len(found.records.rdatas), _ROTATIONS) if found.records is not None else 1


def _rrset(records: RecordSet, turn: int = 0) -> dns.rrset.RRset:
    rdatas = records.rdatas[turn:] + records.rdatas[:turn]
    return dns.rrset.from_rdata_list(dns.name.Name((*records.owner.labels, b"")), records.ttl, rdatas)


def _end_of_question(message: bytes) -> int:
    """Where the first question ends, or 0 if it is none: too long, cut off, or with a compressed name."""
    at = _HEADER.size
    limit = min(len(message) - _TYPE_AND_CLASS.size, at + 255)
    while at < limit:
        length = message[at]
        if not length:
            return at + 1 + _TYPE_AND_CLASS.size
        if length > 63:
            return 0
        at += length + 1
    return 0


def _edns(query: bytes, end: int) -> tuple[int, bytes]:
    """The limit that the query sets to a reply over UDP, and the OPT record for the reply: none if it has none."""
    if len(query) < end + _OPT.size:
        return 512, b""
    root, rdtype, payload, _, version, flags, _ = _OPT.unpack_from(query, end)
    if root or rdtype != dns.rdatatype.OPT:
        return 512, b""
    reply = _OPT.pack(0, rdtype, UDP_PAYLOAD, 1 if version else 0, 0, flags & _DNSSEC_OK, 0)
    return max(512, min(payload, UDP_PAYLOAD)), reply
