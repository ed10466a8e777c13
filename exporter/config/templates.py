"""HELO names by rule: one line for a network in which every server says a name made of its address.

The rule of this file: braces are placeholders, doubled braces are braces, and anything else is an error, so that a
misspelt placeholder is found before a server is judged by it.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Literal

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName

MAX_HELO_LENGTH = 255
"""RFC 5321 section 4.5.3.1.2: a domain is at most 255 octets long."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")

Placeholder = Callable[[bytes], object]


def _group(index: int) -> Placeholder:
    return lambda packed: f"{int.from_bytes(packed[index * 2 : index * 2 + 2], 'big'):x}"


def _dashed(packed: bytes) -> str:
    """The address as one label. IPv6 in full: compressed, 2001:db8:: would end in a hyphen, which no label may."""
    return "-".join(map(str, packed)) if len(packed) == 4 else packed.hex("-", 2)


_BOTH: dict[str, Placeholder] = {"ip_dashed": _dashed, "ip_hex": bytes.hex}
PLACEHOLDERS: dict[Literal[4, 6], dict[str, Placeholder]] = {
    4: {f"octet{index + 1}": itemgetter(index) for index in range(4)} | _BOTH,
    6: {f"group{index + 1}": _group(index) for index in range(8)} | _BOTH,
}
"""What stands between braces, for addresses of each family. A name means the same in both, if it is in both."""

_KNOWN = {
    4: "{octet1} to {octet4}, {ip_dashed} and {ip_hex}",
    6: "{group1} to {group8}, {ip_dashed} and {ip_hex}",
}
_WIDEST = {4: Address(b"\xff" * 4), 6: Address(b"\xff" * 16)}


@dataclass(frozen=True, slots=True)
class HeloTemplate:
    """A HELO name with placeholders for parts of the address; without any, the same name for all.

    Two are equal when they are written alike. *constant* is the name if there are no placeholders.
    """

    text: str
    placeholders: tuple[str, ...] = field(compare=False)
    constant: HeloName | None = field(compare=False)
    _format: str = field(compare=False, repr=False)
    _values: tuple[Placeholder, ...] = field(compare=False, repr=False)
    _is_trusted: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "HeloTemplate":
        """Read a template. Raises `ValueError` for an unknown placeholder, and for what no server can say in HELO."""
        if "{" not in text and "}" not in text:
            return cls(text, (), HeloName.parse(text), text, ())
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError:
            raise ValueError(f"{text!r} has a brace without its partner: write {{{{ or }}}} for a brace") from None
        literal = "".join(before for before, *_ in pieces)
        names = tuple(name for _, name, _, _ in pieces if name is not None)
        for _, name, spec, conversion in pieces:
            if name is not None and (spec or conversion or not any(name in known for known in PLACEHOLDERS.values())):
                shown = f"{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}"
                raise ValueError(
                    f"{{{shown}}} is not a placeholder; IPv4 addresses have {_KNOWN[4]}, IPv6 ones {_KNOWN[6]}"
                )
        HeloName.parse(literal or "x")
        template = cls(
            text=text,
            placeholders=names,
            constant=None if names else HeloName.parse(literal),
            _format="".join(
                before.replace("{", "{{").replace("}", "}}") + ("{}" if name is not None else "")
                for before, name, _, _ in pieces
            ),
            _values=tuple(PLACEHOLDERS[4].get(name) or PLACEHOLDERS[6][name] for name in names),
        )
        # With a letter that no address has, and canonical when it is longest, it is a canonical name for all addresses.
        if re.search("[G-Zg-z]", literal) and all(map(template._is_canonical, PLACEHOLDERS)):
            return replace(template, _is_trusted=True)
        return template

    def _is_canonical(self, family: Literal[4, 6]) -> bool:
        """Whether its longest name, if the placeholders fit *family*, is a domain name as it stands but for case."""
        if not all(name in PLACEHOLDERS[family] for name in self.placeholders):
            return True
        text = self.of(_WIDEST[family]).text
        try:
            return _PLAIN.fullmatch(text) is not None and DomainName(text) == text.lower()
        except ValueError:
            return False

    @property
    def helo(self) -> str:
        """Equal for two templates that come to the same name in the DNS."""
        return str(self.constant.name or self.text) if self.constant else self.text

    def misfit(self, family: Literal[4, 6]) -> str | None:
        """What is wrong with this template for addresses of *family*, if anything."""
        for name in self.placeholders:
            if name not in PLACEHOLDERS[family]:
                return f"{{{name}}} is not for IPv{family} addresses, which have {_KNOWN[family]}"
        if len(self.of(_WIDEST[family]).text) > MAX_HELO_LENGTH:
            return f"grows longer than {MAX_HELO_LENGTH} characters: no mail server may be called so"
        return None

    def of(self, address: Address) -> HeloName:
        """The name that the server at *address* says. The placeholders have to fit its family."""
        if self.constant is not None:
            return self.constant
        packed = address.packed
        text = self._format.format(*[value(packed) for value in self._values])
        if self._is_trusted:
            return HeloName(text, DomainName.trusted(text.lower()))
        return HeloName.parse(text)

    def __str__(self) -> str:
        return self.text
