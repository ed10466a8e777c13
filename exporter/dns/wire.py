"""Domain names and queries in wire format (RFC 1035 section 4.1), built and read with all bounds checked.

The rule of this file: whatever octets come in, the work is bounded. A compression pointer must point backwards, to
what lies before the name that it stands in; a name that pointers led to is read once and remembered.
"""

from struct import Struct
from typing import TypeVar

from exporter.checks.names import DomainName
from exporter.dns.randomness import Take

T = TypeVar("T")
U = TypeVar("U")

CODES: dict[str, int] = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
"""The QTYPE of each type that is asked for."""

IN = 1
MAX_UDP_PAYLOAD = 1232
"""What is offered by EDNS (RFC 6891): fits every path without fragments, as DNS flag day 2020 agreed."""

TYPE_AND_CLASS = {rdtype: Struct(">HH").pack(code, IN) for rdtype, code in CODES.items()}
"""What follows the name in a question section."""
_LENGTHS = [bytes([length]) for length in range(64)]
_LETTER_BITS = bytes([0x20 if 0x41 <= octet & 0xDF <= 0x5A else 0 for octet in range(256)])
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789-_"
_PLAIN_OR_UPPER = _PLAIN + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DOTTED = bytes([ord(chr(octet).lower()) if octet in _PLAIN_OR_UPPER else 0x2E for octet in range(256)])
_MAX_NAME_OCTETS = 255
_MAX_LABEL_OCTETS = 63
_POINTER = 0xC0
_HEADER_OCTETS = 12
_MAX_POINTERS = 64
_MAX_KNOWN_PARENTS = 2_000
_MAX_LABEL_STEPS = 100_000  # of all names of a message that pointers led to: tens of milliseconds


class UnreadableError(Exception):
    """A message that contradicts itself or breaks its format."""


class UnusualError(Exception):
    """A message that the fast path leaves to dnspython."""


def wire_name(name: DomainName) -> bytes:
    """The name in wire format, lower case, uncompressed."""
    head, _, parent = name.partition(".")
    known = _parents.get(parent)
    if known is not None and "\\" not in head:
        label = head.encode()
        return _LENGTHS[len(label)] + label + known
    wire = b"".join([_LENGTHS[len(label)] + label for label in name.labels]) + b"\0"
    if parent and "\\" not in name:
        _remember(_parents, parent, wire[len(head) + 1 :])
    return wire


def mixed_case(wire: bytes, take: Take) -> bytes:
    """The same name with each letter in a random case; what a forger has to guess besides ID and port (0x20)."""
    length = len(wire)
    flips = _number(wire.translate(_LETTER_BITS)) & _number(take(length))
    return (_number(wire) ^ flips).to_bytes(length)


def plain_name(packet: bytes, start: int, end: int) -> DomainName | None:
    """The name that reaches from *start* to *end* if it is an ordinary one: uncompressed, letters, digits, hyphens.

    None leaves it to a `NameReader`: also where a label is so long that its length looks like a letter or digit.
    """
    if start >= end:
        return None
    length = packet[start]
    first = start + 1 + length
    parent = packet[first:end]
    known = _parent_texts.get(parent)
    if known is not None and 0 < length <= _MAX_LABEL_OCTETS and end - start <= _MAX_NAME_OCTETS:
        label = packet[start + 1 : first].lower()
        if not label.translate(None, _PLAIN):
            return _new_name(DomainName, label.decode() + known)
    wire = packet[start:end]
    lengths = wire.translate(None, _PLAIN_OR_UPPER)
    if not lengths or lengths.find(b"\0") != len(lengths) - 1 or max(lengths) > 63 or len(wire) > _MAX_NAME_OCTETS:
        return None
    # What is neither letter, digit nor hyphen must be a length, and the right one.
    text = wire[1:-1].translate(_DOTTED)
    if wire[0] != lengths[0] or bytes([*map(len, text.split(b".")), 0]) != lengths:
        return None
    name = text.decode()
    if len(lengths) > 2:
        _remember(_parent_texts, parent, name[wire[0] :])
    return _new_name(DomainName, name)


class NameReader:
    """Reads the names of one message, and remembers what pointers led to."""

    __slots__ = ("_known", "_packet", "_steps")

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._known: dict[int, tuple[DomainName, int]] = {}
        self._steps = 0

    def read(self, start: int) -> tuple[DomainName, int]:
        """The name that starts there, and the offset of what follows it.

        Raises `UnreadableError` or `IndexError` for what is no name.
        """
        name, _octets, end = self._read(start, 0)
        return name, end

    def _read(self, start: int, depth: int) -> tuple[DomainName, int, int]:
        packet = self._packet
        labels = []
        at = start
        length = packet[at]
        while 0 < length < 64:
            end = at + 1 + length
            labels.append(packet[at + 1 : end])
            at = end
            length = packet[at]
        octets = at - start + 1
        if octets > _MAX_NAME_OCTETS:
            raise UnreadableError("a name of more than 255 octets")
        if not length:
            return _text(labels), octets, at + 1
        if length < _POINTER:
            raise UnreadableError("a label of an unknown type")
        target = (length & 0x3F) << 8 | packet[at + 1]
        if not _HEADER_OCTETS <= target < start or depth > _MAX_POINTERS:
            raise UnreadableError("a compression pointer that does not point backwards, or too many of them")
        if target in self._known:
            tail, tail_octets = self._known[target]
        else:
            tail, tail_octets, _ = self._read(target, depth + 1)
            self._known[target] = tail, tail_octets
            self._steps += 8 + tail_octets // 4
            if self._steps > _MAX_LABEL_STEPS:
                raise UnreadableError("more compressed names than any answer has")
        octets += tail_octets - 1
        if octets > _MAX_NAME_OCTETS:
            raise UnreadableError("a name of more than 255 octets")
        if not labels:
            return tail, octets, at + 2
        head = _text(labels)
        name = head if tail == "." else DomainName.trusted(f"{head}.{tail}")
        return name, octets, at + 2


def _text(labels: list[bytes]) -> DomainName:
    joined = b".".join(labels).lower()
    if joined.translate(None, _PLAIN) == _DOTS[len(labels)]:
        return DomainName.trusted(joined.decode())
    return DomainName.from_labels(labels)


def _remember(known: dict[T, U], parent: T, form: U) -> None:
    """Keep what names are made of but for their first label: many names have the same parent, as in a /24."""
    if len(known) >= _MAX_KNOWN_PARENTS:
        known.clear()
    known[parent] = form


_parents: dict[str, bytes] = {}
"""Parents of names in wire format, by their text."""
_parent_texts: dict[bytes, str] = {}
"""What follows the first label in the text of a name, from the dot on, by its wire format, in whatever case."""
_new_name = str.__new__
_number = int.from_bytes
_DOTS = [b"\xff", *[b"." * dots for dots in range(128)]]  # no labels are the root, which is written with a dot
