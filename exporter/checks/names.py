"""Domain names: canonical, so that ``==`` compares them as the DNS does (RFC 4343)."""

import re
from collections.abc import Iterator, Sequence
from typing import Self

_MAX_WIRE_BYTES = 255  # RFC 1035 section 2.3.4, with the length bytes and the root label
_MAX_LABEL_BYTES = 63

_UNESCAPED = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LDH_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_PRESENTED = [chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03d}" for byte in range(256)]
_ESCAPE = re.compile(rb'["();@$\\.]')
_FOLD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")


class DomainName(str):
    r"""An absolute domain name in canonical form: lower case, escaped as in RFC 4343 section 2.1, no trailing dot.

    A `str` of printable ASCII, safe to show: a quote, a dot in a label, a NUL or an ESC from the DNS is written as
    ``\"``, ``\.``, ``\000``, ``\027``. It can be anything that a PTR record can point at; `is_hostname` says whether a
    server can have this name. The root is ``"."``.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Read presentation format, with or without the trailing dot.

        Raises `ValueError` for an empty label, a label over 63 bytes, a name over 255 bytes, a character outside ASCII,
        or an invalid escape.
        """
        lowered = text.lower() if text.isascii() else text
        undotted = lowered[:-1] if lowered[-1:] == "." else lowered
        if len(undotted) < _MAX_WIRE_BYTES - 1 and _UNESCAPED.fullmatch(undotted):
            return str.__new__(cls, undotted)
        return cls.from_labels(_split(text))

    @classmethod
    def from_labels(cls, labels: Sequence[bytes]) -> Self:
        """Build a name from the bytes of its labels, leftmost first, without the empty label of the root."""
        if sum(map(len, labels)) + len(labels) + 1 > _MAX_WIRE_BYTES:
            raise ValueError("a domain name is at most 255 bytes long")
        for label in labels:
            if not label:
                raise ValueError("a domain name has no empty labels")
            if len(label) > _MAX_LABEL_BYTES:
                raise ValueError("a label of a domain name is at most 63 bytes long")
        return str.__new__(cls, ".".join(map(_escape, labels)) or ".")

    @classmethod
    def trusted(cls, canonical: str) -> Self:
        """Wrap a text without a check. For codecs, which build canonical texts."""
        return str.__new__(cls, canonical)

    @property
    def labels(self) -> tuple[bytes, ...]:
        """The bytes of each label, leftmost first; empty for the root."""
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
        return len(mine) >= len(wanted) and mine[len(mine) - len(wanted) :] == wanted

    def __repr__(self) -> str:
        return f"DomainName({str(self)!r})"


def _escape(label: bytes) -> str:
    folded = _ESCAPE.sub(rb"\\\g<0>", label.translate(_FOLD))
    return "".join([_PRESENTED[byte] for byte in folded])


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
