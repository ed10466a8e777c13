"""Macros of SPF (RFC 7208 section 7): read once, expanded for each message.

The rule of this file: a macro string is checked when it is read; expanding it cannot fail.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName

_TOKEN = re.compile(
    r"%\{(?P<letter>[slodiphvcrtSLODIPHVCRT])(?P<keep>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[.\-+,/_=]*)\}"
    r"|(?P<escape>%[%_-])"
    r"|(?P<literal>[\x20-\x24\x26-\x7e]+)"
)
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
_ONLY_EXPLAINING = frozenset("crt")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_MAX_KEPT = 128  # labels; a name has no more, so a larger number keeps all of them
_MAX_TEXT = 253


class Macro(NamedTuple):
    """One ``%{...}``: its letter in lower case, and how its value is cut (section 7.3)."""

    letter: str
    escaped: bool
    keep: int
    reverse: bool
    delimiters: str


class MacroString(NamedTuple):
    """A text with macros in it."""

    parts: tuple[str | Macro, ...]
    ends_in_macro: bool = False
    """Whether its last part is a ``%{...}``, ``%%``, ``%_`` or ``%-``."""

    @property
    def letters(self) -> frozenset[str]:
        """The macros that it uses."""
        return frozenset([part.letter for part in self.parts if isinstance(part, Macro)])


def parse_macros(text: str, *, explaining: bool = False) -> MacroString | None:
    """Read a macro string; None if it is none. *explaining*: c, r, t and spaces are allowed too (section 7.2)."""
    if " " in text and not explaining:
        return None
    parts: list[str | Macro] = []
    at = 0
    token: re.Match[str] | None = None
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        at = token.end()
        if token["literal"]:
            parts.append(token["literal"])
        elif token["escape"]:
            parts.append(_ESCAPES[token["escape"]])
        else:
            letter, digits = token["letter"], token["keep"]
            if letter.lower() in _ONLY_EXPLAINING and not explaining:
                return None
            keep = min(int(digits[:9]), _MAX_KEPT) if digits else _MAX_KEPT
            if keep == 0:
                return None
            reverse = bool(token["reverse"])
            parts.append(Macro(letter.lower(), letter.isupper(), keep, reverse, token["delimiters"] or "."))
    return MacroString(tuple(parts), ends_in_macro=token is not None and not token["literal"])


def expand(text: MacroString, values: Mapping[str, str]) -> str:
    """Put *values* (by macro letter) in."""
    if len(text.parts) == 1 and isinstance(text.parts[0], str):
        return text.parts[0]
    return "".join([part if isinstance(part, str) else _cut(part, values[part.letter]) for part in text.parts])


def _cut(macro: Macro, value: str) -> str:
    pieces = re.split(f"[{re.escape(macro.delimiters)}]", value)
    if macro.reverse:
        pieces.reverse()
    text = ".".join(pieces[-macro.keep :])
    return _url_escape(text) if macro.escaped else text


def _url_escape(text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    return "".join([chr(octet) if octet in _UNRESERVED else f"%{octet:02X}" for octet in octets])


def dotted(address: Address) -> str:
    """The value of ``%{i}``: an IPv4 address as usual, an IPv6 address as 32 nibbles with dots between them."""
    return str(address) if address.family == 4 else ".".join(address.packed.hex().upper())


def name_of(text: str) -> DomainName | None:
    """The domain name that an expanded target is; None for what the DNS cannot hold.

    Labels are dropped from the left while it is too long (section 7.3). No backslash escapes: a text in a record is
    the name's octets, not a zone file.
    """
    plain = text.removesuffix(".")
    if len(plain) > _MAX_TEXT:
        dot = plain.find(".", len(plain) - _MAX_TEXT - 1)
        if dot < 0:
            return None
        plain = plain[dot + 1 :]
    try:
        return DomainName.from_labels([label.encode("utf-8", "surrogateescape") for label in plain.split(".")])
    except ValueError:
        return None
