"""Domain names, as the DNS compares them and as mail may use them.

The rule of this file: a `DomainName` is canonical at birth. Two are equal exactly when the DNS holds them equal
(RFC 4343), so everybody else compares with ``==``.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Self

_MAX_WIRE_BYTES = 255  # RFC 1035 section 2.3.4, the length octets and the root label included
_MAX_LABEL_BYTES = 63

_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LDH_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_PRESENTED = [chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}" for octet in range(256)]
_ESCAPE = re.compile(rb'["();@$\\.]')
_FOLD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")


class DomainName(str):
    r"""An absolute domain name in canonical form: lower case, escaped as in RFC 4343 section 2.1, no trailing dot.

    It is a `str` of printable ASCII, whatever octets the DNS sent: a quote, a dot inside a label, a NUL or an ESC is
    written as ``\"``, ``\.``, ``\000``, ``\027``. So it can be shown anywhere, and still turned back into labels.
    Anything that a PTR record can point at is allowed; `is_hostname` says whether a server may be called so.
    The root is ``"."``.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Read presentation format, with or without the trailing dot.

        Raises `ValueError`, saying why, for what no DNS message can hold: an empty label, a label over 63 octets,
        a name over 255, a character outside ASCII, an escape that is none.
        """
        lowered = text.lower() if text.isascii() else text
        plain = lowered[:-1] if lowered[-1:] == "." else lowered
        if len(plain) < _MAX_WIRE_BYTES - 1 and _PLAIN.fullmatch(plain):
            return str.__new__(cls, plain)
        return cls.from_labels(_split(text))

    @classmethod
    def from_labels(cls, labels: Sequence[bytes]) -> Self:
        """Build a name from the octets of its labels, leftmost first, without the root's empty one."""
        if sum(map(len, labels)) + len(labels) + 1 > _MAX_WIRE_BYTES:
            raise ValueError("a domain name is at most 255 octets long")
        for label in labels:
            if not label:
                raise ValueError("a domain name has no empty labels")
            if len(label) > _MAX_LABEL_BYTES:
                raise ValueError("a label of a domain name is at most 63 octets long")
        return str.__new__(cls, ".".join(map(_escape, labels)) or ".")

    @classmethod
    def trusted(cls, canonical: str) -> Self:
        """Wrap a text that is known to be canonical, without looking at it: for codecs that built it so."""
        return str.__new__(cls, canonical)

    @property
    def labels(self) -> tuple[bytes, ...]:
        """The octets of each label, leftmost first; empty for the root."""
        if self == ".":
            return ()
        if "\\" in self:
            return tuple(_split(self))
        return tuple(self.encode("ascii").split(b"."))

    @property
    def parent(self) -> "DomainName":
        """The name without its leftmost label; the root is its own parent."""
        return DomainName.from_labels(self.labels[1:])

    @property
    def is_qualified(self) -> bool:
        """Whether it has more than one label."""
        return len(self.labels) > 1

    @property
    def is_hostname(self) -> bool:
        """Whether every label is letters, digits and inner hyphens (RFC 952, RFC 1123 section 2.1)."""
        return self != "." and all(_LDH_LABEL.fullmatch(label) for label in self.split("."))

    def is_under(self, suffix: "DomainName") -> bool:
        """Whether it is *suffix* or a name below it, label by label."""
        if suffix == ".":
            return True
        wanted, mine = suffix.labels, self.labels
        return mine[len(mine) - len(wanted) :] == wanted if len(mine) >= len(wanted) else False

    def __repr__(self) -> str:
        return f"DomainName({str(self)!r})"


def _escape(label: bytes) -> str:
    folded = _ESCAPE.sub(rb"\\\g<0>", label.translate(_FOLD))
    return "".join([_PRESENTED[octet] for octet in folded])


def _split(text: str) -> list[bytes]:
    """Read the labels of a name in presentation format (RFC 1035 section 5.1)."""
    if not text:
        raise ValueError("a domain name is not empty")
    if text == ".":
        return []
    labels: list[bytes] = []
    label = bytearray()
    rest = iter(text)
    for character in rest:
        if character == ".":
            labels.append(bytes(label))
            label.clear()
        elif character == "\\":
            label.append(_unescape(rest))
        elif character.isascii():
            label.append(ord(character))
        else:
            raise ValueError(f"{character!a} is not ASCII: write an internationalised name in its xn-- form")
    if label or text[-1] != ".":
        labels.append(bytes(label))
    return labels


def _unescape(characters: Iterator[str]) -> int:
    first = next(characters, "")
    if first.isdigit() and first.isascii():
        digits = first + next(characters, "") + next(characters, "")
        if re.fullmatch(r"[0-9]{3}", digits) and int(digits) < 256:
            return int(digits)
        raise ValueError(f"\\{digits} is no escape: \\DDD takes three digits, at most 255")
    if not first or not first.isascii():
        raise ValueError("a backslash escapes the character that follows it")
    return ord(first)
