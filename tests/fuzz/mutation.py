"""Turns real DNS replies into broken ones. The same seed gives the same mutants, so that a failure can be repeated."""

import random
import struct
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.integration.packets import HEADER_BYTES, Query

_INTERESTING = (0x00, 0x01, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF)
_RDATA = {
    "A": ["192.0.2.1", "192.0.2.2"],
    "AAAA": ["2001:db8::1"],
    "PTR": ["mail.example.org.", "mail2.example.org.", r"odd\000\255.example.org."],
    "TXT": ['"v=spf1 ip4:192.0.2.0/24 -all" "and more"', '""'],
    "MX": ["10 mail.example.org.", "20 backup.example.net."],
    "NS": ["ns1.example.org.", "ns2.example.org."],
    "SOA": ["ns1.example.org. hostmaster.example.org. 1 3600 600 86400 60"],
    "CNAME": ["host.example.org."],
}
RDTYPES = tuple(_RDATA)
SHAPES = ("one", "all", "chain", "nodata", "nxdomain", "edns", "glue")


def template(shape: str, rdtype: str, size: int) -> bytes:
    """Build a real reply for a question whose name has *size* bytes on the wire."""
    qname = f"{'q' * (size - len('.mutant.example.org') - 2)}.mutant.example.org."
    message = dns.message.make_response(dns.message.make_query(qname, rdtype, use_edns=0 if shape == "edns" else None))
    message.flags |= dns.flags.RA | dns.flags.AA
    rdata = _RDATA[rdtype]
    if shape in {"nodata", "nxdomain"}:
        message.authority.append(dns.rrset.from_text("example.org.", 300, "IN", "SOA", *_RDATA["SOA"]))
        message.set_rcode(dns.rcode.NXDOMAIN if shape == "nxdomain" else dns.rcode.NOERROR)
    elif shape == "chain" and rdtype != "CNAME":
        message.answer.append(dns.rrset.from_text(qname, 300, "IN", "CNAME", "a.example.org."))
        message.answer.append(dns.rrset.from_text("a.example.org.", 60, "IN", "CNAME", "b.example.net."))
        message.answer.append(dns.rrset.from_text("b.example.net.", 30, "IN", rdtype, *rdata))
    else:
        message.answer.append(dns.rrset.from_text(qname, 300, "IN", rdtype, *(rdata if shape == "all" else rdata[:1])))
    if shape == "glue":
        message.authority.append(dns.rrset.from_text("example.org.", 300, "IN", "NS", "ns1.example.org."))
        message.additional.append(dns.rrset.from_text("ns1.example.org.", 300, "IN", "A", "192.0.2.53"))
    return message.to_wire()


class Mutator:
    """Builds right and broken replies to a query. *made* counts the broken ones."""

    def __init__(self, seed: int) -> None:
        self.made = 0
        self._random = random.Random(seed)
        self._templates: dict[tuple[str, int, int], bytes] = {}
        self._mutations: tuple[Callable[[bytearray, int], bytearray], ...] = (
            self._flip,
            self._set,
            self._cut,
            self._extend,
            self._insert,
            self._remove,
            self._repeat,
            self._count,
            self._point,
            self._word,
        )

    def right(self, query: Query, shape: str = "") -> bytes:
        """Build a right reply, by default of a random shape."""
        shape = shape or self._random.choice(SHAPES)
        size = len(query.question) - 4
        key = (shape, query.rdtype, size)
        if key not in self._templates:
            rdtype = dns.rdatatype.to_text(dns.rdatatype.RdataType(query.rdtype))
            self._templates[key] = template(shape, rdtype, size)
        wire = self._templates[key]
        return struct.pack(">H", query.id) + wire[2:HEADER_BYTES] + query.question + wire[HEADER_BYTES + size + 4 :]

    def broken(self, query: Query) -> bytes:
        """Build a broken reply: one to four mutations, mostly of what follows the question."""
        self.made += 1
        wire = bytearray(self.right(query))
        after_question = HEADER_BYTES + len(query.question)
        for _ in range(self._random.choice((1, 1, 2, 4))):
            first = after_question if self._random.random() < 0.8 else 2  # the ID stays, or the reply would be ignored
            wire = self._random.choice(self._mutations)(wire, min(first, max(0, len(wire) - 1)))
        return bytes(wire[:65_000])

    def broken_frame(self, query: Query) -> bytes:
        """Build a reply for TCP with a wrong length."""
        wire = self.broken(query)
        return struct.pack(">H", self._random.choice((0, 1, 11, len(wire) + 1, max(0, len(wire) - 1), 65_535))) + wire

    def _at(self, wire: bytearray, first: int) -> int:
        return self._random.randrange(first, max(first + 1, len(wire)))

    def _flip(self, wire: bytearray, first: int) -> bytearray:
        if wire:
            wire[min(self._at(wire, first), len(wire) - 1)] ^= 1 << self._random.randrange(8)
        return wire

    def _set(self, wire: bytearray, first: int) -> bytearray:
        if wire:
            wire[min(self._at(wire, first), len(wire) - 1)] = self._random.choice(_INTERESTING)
        return wire

    def _cut(self, wire: bytearray, first: int) -> bytearray:
        return wire[: self._at(wire, first)]

    def _extend(self, wire: bytearray, first: int) -> bytearray:
        return wire + self._random.randbytes(self._random.choice((1, 2, 11, 500)))

    def _insert(self, wire: bytearray, first: int) -> bytearray:
        at = self._at(wire, first)
        return wire[:at] + self._random.randbytes(self._random.randrange(1, 9)) + wire[at:]

    def _remove(self, wire: bytearray, first: int) -> bytearray:
        at = self._at(wire, first)
        return wire[:at] + wire[at + self._random.randrange(1, 9) :]

    def _repeat(self, wire: bytearray, first: int) -> bytearray:
        at = self._at(wire, first)
        return wire[:at] + wire[at : at + 40] * self._random.choice((2, 3, 100)) + wire[at + 40 :]

    def _count(self, wire: bytearray, first: int) -> bytearray:
        if len(wire) >= HEADER_BYTES:
            count = self._random.choice((0, 1, 2, 255, 65_535))
            struct.pack_into(">H", wire, self._random.choice((4, 6, 6, 6, 8, 10)), count)
        return wire

    def _point(self, wire: bytearray, first: int) -> bytearray:
        if len(wire) > first + 2:
            at = self._random.randrange(first, len(wire) - 1)
            target = self._random.choice((at, at - 1, at + 1, 0, 12, 13, first, len(wire), 0x3FFF))
            struct.pack_into(">H", wire, at, 0xC000 | max(0, target) & 0x3FFF)
        return wire

    def _word(self, wire: bytearray, first: int) -> bytearray:
        if len(wire) > first + 2:
            at = self._random.randrange(first, len(wire) - 1)
            struct.pack_into(">H", wire, at, self._random.choice((0, 1, 5, 41, 255, 65_535, len(wire))))
        return wire
