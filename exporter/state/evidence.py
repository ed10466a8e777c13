"""Evidence as text: what was asked and answered, packed to be kept with a change for months.

The rule of this file: what comes out of `unpack` is what went into `pack`, answer by answer; what does not fit is left
out whole, so that nobody reads half an answer.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, get_args

from exporter.checks.addresses import Address
from exporter.checks.answers import (
    Answer,
    ExtendedError,
    MailExchange,
    Question,
    Record,
    RRType,
    StartOfAuthority,
    Status,
    Text,
)
from exporter.checks.check import Evidence
from exporter.checks.names import DomainName

MAX_OCTETS = 4096
"""How long the packed evidence of one change may be: some twenty ordinary answers."""

_RDTYPES = frozenset(get_args(RRType))
_EMPTY = "[]"


def pack(evidence: Evidence, most: int = MAX_OCTETS) -> str:
    """The answers in their order, as ASCII text; as many of them as fit into *most* octets."""
    packed: list[str] = []
    room = most - len(_EMPTY)
    for question, answer in evidence.items():
        text = json.dumps(_packed(question, answer), separators=(",", ":"))
        if len(text) < room:
            packed.append(text)
            room -= len(text) + 1
    return f"[{','.join(packed)}]"


def unpack(text: str) -> Evidence:
    """What `pack` made *text* of. Raises `ValueError` if it is nothing of that kind."""
    try:
        return dict([_unpacked(*fields) for fields in json.loads(text)])
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no packed evidence: {error}") from None


def _packed(question: Question, answer: Answer) -> list[Any]:
    return [
        question.name,
        question.rdtype,
        answer.status,
        [_record(record) for record in answer.records],
        answer.chain,
        answer.ttl,
        answer.server,
        round(answer.asked_at, 6),
        [(error.code, error.text) for error in answer.errors],
    ]


def _unpacked(
    name: str,
    rdtype: RRType,
    status: str,
    records: Sequence[Any],
    chain: Sequence[str],
    ttl: int,
    server: str,
    asked_at: float,
    errors: Sequence[tuple[int, str]],
) -> tuple[Question, Answer]:
    if rdtype not in _RDTYPES:
        raise ValueError(f"{rdtype!r} is no type of record")
    read = _READERS.get(rdtype, DomainName)
    answer = Answer(
        Status(status),
        tuple([read(record) for record in records]),
        tuple(map(DomainName, chain)),
        int(ttl),
        str(server),
        float(asked_at),
        tuple([ExtendedError(int(code), str(text)) for code, text in errors]),
    )
    return Question(DomainName(name), rdtype), answer


def _record(record: Record) -> Any:
    match record:
        case Address():
            return str(record)
        case Text(joined):
            return joined.decode("latin-1")
        case _:
            return record  # a name is a text, the others are tuples


def _address(text: str) -> Address:
    return Address.parse(text)


def _exchange(fields: Sequence[Any]) -> MailExchange:
    preference, exchange = fields
    return MailExchange(int(preference), DomainName(exchange))


def _authority(fields: Sequence[Any]) -> StartOfAuthority:
    mname, rname, serial = fields
    return StartOfAuthority(DomainName(mname), DomainName(rname), int(serial))


def _text(text: str) -> Text:
    return Text(text.encode("latin-1"))


_READERS: dict[str, Callable[[Any], Record]] = {
    "A": _address,
    "AAAA": _address,
    "MX": _exchange,
    "SOA": _authority,
    "TXT": _text,
}
