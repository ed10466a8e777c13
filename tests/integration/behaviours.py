"""What the misbehaving server can do to a question, each by name: 1.servfail.example.org is answered by `_servfail`."""

import struct
from collections.abc import Sequence

from tests.integration.packets import (
    HEADER_BYTES,
    QUESTION_POINTER,
    Query,
    forged,
    good,
    name,
    name_of,
    negative,
    record,
    reply,
    truth,
)
from tests.integration.sending import Sending, behaviour

MAX_TTL = 2**31 - 1


@behaviour
def _good(query: Query) -> Sequence[Sending]:
    return [Sending(good(query))]


@behaviour
def _silent(query: Query) -> Sequence[Sending]:
    return []


@behaviour
def _truncated(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, flags=0x8380) if query.transport == "udp" else good(query))]


@behaviour
def _truncated_always(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, flags=0x8380))]


@behaviour
def _truncated_forged(query: Query) -> Sequence[Sending]:
    return [Sending(forged(query, flags=0x8380) if query.transport == "udp" else good(query))]


def _over_tcp(query: Query, *sendings: Sending) -> Sequence[Sending]:
    return sendings if query.transport == "tcp" else [Sending(reply(query, flags=0x8380))]


@behaviour
def _tcp_in_pieces(query: Query) -> Sequence[Sending]:
    return _over_tcp(query, Sending(good(query), pieces=8, pause_seconds=0.005))


@behaviour
def _tcp_slow(query: Query) -> Sequence[Sending]:
    return _over_tcp(query, Sending(good(query), pieces=40, pause_seconds=0.25))


@behaviour
def _tcp_closes(query: Query) -> Sequence[Sending]:
    return _over_tcp(query)


@behaviour
def _tcp_ends_early(query: Query) -> Sequence[Sending]:
    return _over_tcp(query, Sending(b"\xff\xff" + good(query), frame=False))


@behaviour
def _tcp_empty(query: Query) -> Sequence[Sending]:
    return _over_tcp(query, Sending(b"\0\0", frame=False))


@behaviour
def _tcp_flood(query: Query) -> Sequence[Sending]:
    """A megabyte of messages of no octets, or hardly any, before the good answer."""
    return _over_tcp(query, Sending(b"\0\0" * 400_000 + b"\0\1x" * 100_000, frame=False), Sending(good(query)))


@behaviour
def _tcp_forged_id(query: Query) -> Sequence[Sending]:
    return _over_tcp(query, *[Sending(forged(query, id_=query.id ^ 1))] * 20, Sending(good(query)))


@behaviour
def _many_names(query: Query) -> Sequence[Sending]:
    """64 kB of PTR names, all different, each compressed."""
    answers, octets = [], len(query.question) + HEADER_BYTES
    while octets < 65_500:
        rdata = bytes([12]) + b"n%011d" % len(answers) + b"\xc0\x0c"
        answers.append(record("PTR", rdata))
        octets += len(answers[-1])
    return _over_tcp(query, Sending(reply(query, *answers[:-1])))


@behaviour
def _many_texts(query: Query) -> Sequence[Sending]:
    """One TXT record of 65,000 empty strings."""
    return _over_tcp(query, Sending(reply(query, record("TXT", bytes(65_000)))))


@behaviour
def _many_empty_records(query: Query) -> Sequence[Sending]:
    """As many TXT records of one empty string as there is room for."""
    return _over_tcp(query, Sending(reply(query, *[record("TXT", b"\0")] * 5_000)))


@behaviour
def _ancount(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, truth(query.rdtype), ancount=65_535))]


@behaviour
def _pointer_loop(query: Query) -> Sequence[Sending]:
    at = HEADER_BYTES + len(query.question)
    return [Sending(reply(query, record("PTR", b"\0", owner=struct.pack(">H", 0xC000 | at))))]


@behaviour
def _pointer_pair(query: Query) -> Sequence[Sending]:
    at = HEADER_BYTES + len(query.question) + len(QUESTION_POINTER) + 10
    rdata = struct.pack(">HH", 0xC000 | at + 2, 0xC000 | at)
    return [Sending(reply(query, record("PTR", rdata)))]


def _deep(query: Query, depth: int) -> bytes:
    """A name that is reached through *depth* pointers, each to the one before."""
    at = HEADER_BYTES + len(query.question) + len(QUESTION_POINTER) + 10
    chain = name_of("deep.example.org")
    pointers = [struct.pack(">H", 0xC000 | at)]
    pointers += [struct.pack(">H", 0xC000 | at + len(chain) + 2 * number) for number in range(depth - 1)]
    last = struct.pack(">H", 0xC000 | at + len(chain) + 2 * (depth - 1))
    return reply(query, record("TXT", chain + b"".join(pointers)), record("PTR", last))


@behaviour
def _pointer_deep(query: Query) -> Sequence[Sending]:
    return [Sending(_deep(query, 500))]


@behaviour
def _pointer_deepest(query: Query) -> Sequence[Sending]:
    return _over_tcp(query, Sending(_deep(query, 4_000)))


@behaviour
def _ttl_greatest(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, record("A", bytes([192, 0, 2, 1]), ttl=MAX_TTL)))]


@behaviour
def _ttl_negative(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, record("A", bytes([192, 0, 2, 1]), ttl=2**32 - 1)))]


@behaviour
def _servfail(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, rcode=2))]


@behaviour
def _refused(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, rcode=5))]


@behaviour
def _notimp(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, rcode=4))]


@behaviour
def _formerr_bare(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, rcode=1, question=b""))]


@behaviour
def _nxdomain(query: Query) -> Sequence[Sending]:
    return [Sending(negative(query, 3))]


@behaviour
def _nodata(query: Query) -> Sequence[Sending]:
    return [Sending(negative(query, 0))]


@behaviour
def _empty(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query))]


@behaviour
def _nxdomain_answers(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, truth(query.rdtype), rcode=3))]


def _link(number: int) -> bytes:
    return name(b"link%d" % number, b"example", b"net")


def _chain(query: Query, links: int) -> bytes:
    owners = [QUESTION_POINTER, *[_link(number) for number in range(1, links + 1)]]
    cnames = [record("CNAME", _link(number + 1), owner=owners[number]) for number in range(links)]
    return reply(query, *cnames, record("A", bytes([192, 0, 2, 1]), owner=owners[-1]))


@behaviour
def _cname_16(query: Query) -> Sequence[Sending]:
    return [Sending(_chain(query, 16))]


@behaviour
def _cname_17(query: Query) -> Sequence[Sending]:
    return [Sending(_chain(query, 17))]


@behaviour
def _cname_self(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, record("CNAME", QUESTION_POINTER)))]


@behaviour
def _cname_loop(query: Query) -> Sequence[Sending]:
    back = record("CNAME", QUESTION_POINTER, owner=_link(1))
    return [Sending(reply(query, record("CNAME", _link(1)), back))]


HOSTILE_LABELS = (
    b'quote"quote',
    b"new\nline",
    b"nul\0nul",
    b"esc\x1b[31m",
    b"</script><script>",
    b"\xff\xfe\xfd",
    b"dot.dot",
    b"xn--\xc3\xbc",
    b"back\\slash",
    b" ",
)


@behaviour
def _hostile_names(query: Query) -> Sequence[Sending]:
    return [Sending(reply(query, *[record("PTR", name(label, b"example", b"org")) for label in HOSTILE_LABELS]))]
