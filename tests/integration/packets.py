"""DNS messages built byte by byte, so that they can be wrong in any way. Nothing is checked."""

import struct
from dataclasses import dataclass

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
QUESTION_POINTER = b"\xc0\x0c"
HEADER_BYTES = 12
TTL_SECONDS = 300


@dataclass(frozen=True)
class Query:
    """What was asked.

    Attributes:
        id: The ID.
        labels: The labels, in their case.
        rdtype: The QTYPE.
        question: The question section.
        transport: "udp" or "tcp".
    """

    id: int
    labels: tuple[bytes, ...]
    rdtype: int
    question: bytes
    transport: str = "udp"

    @property
    def behaviour(self) -> str:
        """How to answer: the label below example.org."""
        return self.labels[-3].lower().decode("latin-1") if len(self.labels) >= 3 else ""  # any byte is possible


def read_query(wire: bytes, transport: str) -> Query:
    """Read a query as clients send it: one question, no compression."""
    at, labels = HEADER_BYTES, []
    while wire[at]:
        labels.append(wire[at + 1 : at + 1 + wire[at]])
        at += 1 + wire[at]
    (rdtype,) = struct.unpack_from(">H", wire, at + 1)
    (number,) = struct.unpack_from(">H", wire)
    return Query(number, tuple(labels), rdtype, wire[HEADER_BYTES : at + 5], transport)


def name(*labels: bytes) -> bytes:
    """Encode a name without compression."""
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def name_of(text: str) -> bytes:
    """Encode a name from its text."""
    return name(*text.encode().split(b"."))


def record(rdtype: str, rdata: bytes, *, owner: bytes = QUESTION_POINTER, ttl: int = TTL_SECONDS) -> bytes:
    """Encode a record; its owner is the question's name unless given."""
    return owner + struct.pack(">HHIH", TYPES[rdtype], 1, ttl, len(rdata)) + rdata


def reply(
    query: Query,
    *answers: bytes,
    rcode: int = 0,
    flags: int = 0x8180,
    id_: int | None = None,
    question: bytes | None = None,
    ancount: int | None = None,
) -> bytes:
    """Encode a reply that repeats the question and has these answers."""
    section = query.question if question is None else question
    count = len(answers) if ancount is None else ancount
    header = struct.pack(">HHHHHH", query.id if id_ is None else id_, flags | rcode, 1 if section else 0, count, 0, 0)
    return header + section + b"".join(answers)


def truth(rdtype: int, *, forged: bool = False) -> bytes:
    """Encode the record of a good answer, or the one of a forger."""
    match rdtype:
        case 1:
            return record("A", bytes([6, 6, 6, 6] if forged else [192, 0, 2, 1]))
        case 28:
            return record("AAAA", bytes.fromhex("20010db8") + bytes(11) + (b"\x66" if forged else b"\x01"))
        case 16:
            return record("TXT", b"\x06forged" if forged else b"\x04good")
        case _:
            return record("PTR", name_of("forged.example.com" if forged else "good.example.org"))


def good(query: Query) -> bytes:
    """Encode the right answer."""
    return reply(query, truth(query.rdtype))


def forged(query: Query, *, flags: int = 0x8180, id_: int | None = None, question: bytes | None = None) -> bytes:
    """Encode a forged answer that is wrong only as the arguments say."""
    return reply(query, truth(query.rdtype, forged=True), flags=flags, id_=id_, question=question)


def with_edns(wire: bytes) -> bytes:
    """Add an OPT record without options (RFC 6891) to a reply that has no additional records."""
    return wire[:10] + b"\0\1" + wire[HEADER_BYTES:] + b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)


def soa() -> bytes:
    """Encode the SOA record of example.org, for negative answers."""
    rdata = name_of("ns.example.org") + name_of("hostmaster.example.org") + struct.pack(">5I", 1, 2, 3, 4, 60)
    return record("SOA", rdata, owner=name_of("example.org"))


def negative(query: Query, rcode: int) -> bytes:
    """Encode NXDOMAIN or NODATA (RFC 2308)."""
    header = struct.pack(">HHHHHH", query.id, 0x8180 | rcode, 1, 0, 1, 0)
    return header + query.question + soa()
