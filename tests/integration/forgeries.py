"""Floods of forged replies before each good one. Each is wrong in one way, which is enough to ignore it."""

import random
import struct
from collections.abc import Sequence
from typing import Literal

from tests.integration.packets import HEADER_BYTES, Query, forged, good, reply, with_edns
from tests.integration.sending import Sending, behaviour

FLOOD = 20
"""How many forged replies come before each good answer."""


def _flood(
    query: Query, *wires: bytes, source: Literal["here", "other-port", "other-address"] = "here"
) -> list[Sending]:
    many = [Sending(wires[number % len(wires)], source) for number in range(FLOOD)]
    return [*many, Sending(good(query))]


@behaviour
def _forged_id(query: Query) -> Sequence[Sending]:
    return _flood(query, *[forged(query, id_=query.id ^ (1 << bit)) for bit in range(16)])


@behaviour
def _forged_question(query: Query) -> Sequence[Sending]:
    other = bytearray(query.question)
    other[1] ^= 1
    return _flood(query, forged(query, question=bytes(other)))


@behaviour
def _forged_type(query: Query) -> Sequence[Sending]:
    other = query.question[:-4] + struct.pack(">HH", 99, 1)
    return _flood(query, forged(query, question=other), forged(query, question=query.question[:-1] + b"\3"))


@behaviour
def _forged_port(query: Query) -> Sequence[Sending]:
    return _flood(query, forged(query), source="other-port")


@behaviour
def _forged_address(query: Query) -> Sequence[Sending]:
    return _flood(query, forged(query), source="other-address")


@behaviour
def _only_forged_elsewhere(query: Query) -> Sequence[Sending]:
    """Replies with the wrong source, and otherwise correct; never the good one."""
    return [Sending(forged(query), source) for source in ("other-port", "other-address")] * FLOOD


@behaviour
def _only_forged_here(query: Query) -> Sequence[Sending]:
    """Replies from the server to other questions; never the good one."""
    other = forged(query, question=query.question[:-4].swapcase() + query.question[-4:])
    return [Sending(other), Sending(forged(query, id_=query.id ^ 1))] * FLOOD


@behaviour
def _forged_case(query: Query) -> Sequence[Sending]:
    return _flood(query, forged(query, question=query.question[:-4].swapcase() + query.question[-4:]))


@behaviour
def _forged_flags(query: Query) -> Sequence[Sending]:
    return _flood(query, forged(query, flags=0x0180), forged(query, flags=0xA180))  # QR 0; opcode 4


@behaviour
def _forged_cut(query: Query) -> Sequence[Sending]:
    whole = forged(query)
    cuts = [whole[:size] for size in (0, 1, 5, HEADER_BYTES - 1, HEADER_BYTES + 3, len(whole) - 1)]
    return _flood(query, *cuts)


@behaviour
def _forged_trailing(query: Query) -> Sequence[Sending]:
    whole = forged(query)
    return _flood(query, whole + b"\0", whole + whole, with_edns(whole) + b"\0", with_edns(whole)[:-1])


@behaviour
def _forged_bare(query: Query) -> Sequence[Sending]:
    return _flood(query, forged(query, question=b""), reply(query, question=b""))


@behaviour
def _forged_garbage(query: Query) -> Sequence[Sending]:
    noise = random.Random(query.id)
    return _flood(query, *[struct.pack(">H", query.id) + noise.randbytes(noise.randrange(600)) for _ in range(FLOOD)])
