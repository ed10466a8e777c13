"""Turns what an answer says into octets and back, for the cache.

The rule of this file: the ordinary answer (addresses, or names, at the name itself) takes no more than its records;
anything else goes through `marshal`, whose octets never leave the process.
"""

import marshal
from collections.abc import Callable
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, ExtendedError, MailExchange, Record, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName

KIND_A, KIND_AAAA, KIND_NAMES, KIND_NODATA, KIND_NXDOMAIN, KIND_OTHER = range(6)

Said = tuple[Status, tuple[Record, ...], tuple[DomainName, ...], tuple[ExtendedError, ...]]
"""Status, records, chain and errors of an answer."""

_NEGATIVE_KINDS = {KIND_NODATA: Status.NODATA, KIND_NXDOMAIN: Status.NXDOMAIN}
_new = tuple.__new__
_name = DomainName.trusted


def encode(answer: Answer) -> tuple[int, bytes]:
    """The kind and the octets of a conclusive answer."""
    status, records, chain, _, _, _, errors = answer
    if chain or errors:
        return KIND_OTHER, _encode_other(answer)
    if not records:
        return KIND_NODATA if status is Status.NODATA else KIND_NXDOMAIN, b""
    first = records[0]
    if isinstance(first, Address):
        packed = first.packed if len(records) == 1 else b"".join([record.packed for record in answer.addresses])
        return KIND_A if len(first.packed) == 4 else KIND_AAAA, packed
    if isinstance(first, DomainName):
        return KIND_NAMES, first.encode() if len(records) == 1 else "\n".join(answer.names).encode()
    return KIND_OTHER, _encode_other(answer)


def decode(kind: int, octets: bytes) -> Said:
    """What was encoded as *kind*."""
    if kind == KIND_NAMES:
        text = octets.decode()
        names = (_name(text),) if "\n" not in text else tuple(map(_name, text.split("\n")))
        return Status.ANSWER, names, (), ()
    if kind == KIND_OTHER:
        return _decode_other(octets)
    if kind in _NEGATIVE_KINDS:
        return _NEGATIVE_KINDS[kind], (), (), ()
    width = 4 if kind == KIND_A else 16
    return (
        Status.ANSWER,
        tuple([_new(Address, (octets[at : at + width],)) for at in range(0, len(octets), width)]),
        (),
        (),
    )


def _encode_other(answer: Answer) -> bytes:
    records = [(_LETTERS[type(record)], _plain(record)) for record in answer.records]
    errors = [(error.code, error.text) for error in answer.errors]
    return marshal.dumps((answer.status.value, records, [str(name) for name in answer.chain], errors))


def _decode_other(octets: bytes) -> Said:
    status, records, chain, errors = marshal.loads(octets)  # noqa: S302  # our own octets, which never left the process
    return (
        Status(status),
        tuple([_MAKERS[letter](value) for letter, value in records]),
        tuple(map(_name, chain)),
        tuple([ExtendedError(code, text) for code, text in errors]),
    )


def _plain(record: Record) -> object:
    match record:
        case Address(value) | Text(value):
            return value
        case MailExchange(preference, exchange):
            return preference, str(exchange)
        case StartOfAuthority(mname, rname, serial):
            return str(mname), str(rname), serial
        case name:
            return str(name)


_LETTERS: dict[type, str] = {Address: "a", DomainName: "n", MailExchange: "m", StartOfAuthority: "s", Text: "t"}
_MAKERS: dict[str, Callable[[Any], Record]] = {
    "a": Address,
    "n": _name,
    "m": lambda value: MailExchange(value[0], _name(value[1])),
    "s": lambda value: StartOfAuthority(_name(value[0]), _name(value[1]), value[2]),
    "t": Text,
}
