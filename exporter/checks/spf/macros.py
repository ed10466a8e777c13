"""Macros of SPF (RFC 7208 section 7): parsed once, expanded for each message. Expanding cannot fail."""

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
    """One ``%{...}`` (section 7.3).

    Attributes:
        letter: which value, in lower case.
        escaped: whether the value is URL-escaped.
        keep: how many labels are kept, from the right.
        reverse: whether the labels are reversed first.
        delimiters: the characters that separate labels.
    """

    letter: str
    escaped: bool
    keep: int
    reverse: bool
    delimiters: str


class MacroString(NamedTuple):
    """A text with macros; *ends_in_macro* says whether it ends in ``%{...}``, ``%%``, ``%_`` or ``%-``."""

    tokens: tuple[str | Macro, ...]
    ends_in_macro: bool = False

    @property
    def letters(self) -> frozenset[str]:
        """The macros that it uses."""
        return frozenset([token.letter for token in self.tokens if isinstance(token, Macro)])


def parse_macros(text: str, *, explaining: bool = False) -> MacroString | None:
    """Parse a macro string; None if it is invalid. With *explaining*, c, r, t and spaces are allowed (section 7.2)."""
    if " " in text and not explaining:
        return None
    tokens: list[str | Macro] = []
    at = 0
    token: re.Match[str] | None = None
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        at = token.end()
        if token["literal"]:
            tokens.append(token["literal"])
        elif token["escape"]:
            tokens.append(_ESCAPES[token["escape"]])
        else:
            letter, digits = token["letter"], token["keep"]
            if letter.lower() in _ONLY_EXPLAINING and not explaining:
                return None
            keep = min(int(digits[:9]), _MAX_KEPT) if digits else _MAX_KEPT
            if keep == 0:
                return None
            reverse = bool(token["reverse"])
            tokens.append(Macro(letter.lower(), letter.isupper(), keep, reverse, token["delimiters"] or "."))
    return MacroString(tuple(tokens), ends_in_macro=token is not None and not token["literal"])


def expand(text: MacroString, values: Mapping[str, str]) -> str:
    """Expand the macros; *values* are by macro letter."""
    if len(text.tokens) == 1 and isinstance(text.tokens[0], str):
        return text.tokens[0]
    return "".join([token if isinstance(token, str) else _cut(token, values[token.letter]) for token in text.tokens])


def _cut(macro: Macro, value: str) -> str:
    labels = re.split(f"[{re.escape(macro.delimiters)}]", value)
    if macro.reverse:
        labels.reverse()
    text = ".".join(labels[-macro.keep :])
    return _url_escape(text) if macro.escaped else text


def _url_escape(text: str) -> str:
    encoded = text.encode("utf-8", "surrogateescape")
    return "".join([chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in encoded])


def dotted(address: Address) -> str:
    """The value of ``%{i}``: an IPv4 address as usual, an IPv6 address as 32 nibbles with dots between them."""
    return str(address) if address.family == 4 else ".".join(address.packed.hex().upper())


def name_of(text: str) -> DomainName | None:
    """The domain name of an expanded target; None for what cannot be in the DNS.

    Labels are dropped from the left while it is too long (section 7.3). Backslashes are no escapes: the text is the
    name's bytes, not zone-file format.
    """
    name = text.removesuffix(".")
    if len(name) > _MAX_TEXT:
        dot = name.find(".", len(name) - _MAX_TEXT - 1)
        if dot < 0:
            return None
        name = name[dot + 1 :]
    try:
        return DomainName.from_labels([label.encode("utf-8", "surrogateescape") for label in name.split(".")])
    except ValueError:
        return None
