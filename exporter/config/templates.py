"""HELO names with placeholders: one template for a network whose servers have names made of their addresses."""

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
"""RFC 5321 section 4.5.3.1.2: a domain has at most 255 bytes."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")

Placeholder = Callable[[bytes], object]


def _group(index: int) -> Placeholder:
    return lambda packed: f"{int.from_bytes(packed[index * 2 : index * 2 + 2], 'big'):x}"


def _dashed(packed: bytes) -> str:
    """The address as one label. IPv6 is not compressed: a label must not end in a hyphen, as 2001:db8:: would."""
    return "-".join(map(str, packed)) if len(packed) == 4 else packed.hex("-", 2)


_BOTH: dict[str, Placeholder] = {"ip_dashed": _dashed, "ip_hex": bytes.hex}
PLACEHOLDERS: dict[Literal[4, 6], dict[str, Placeholder]] = {
    4: {"octet1": itemgetter(0), "octet2": itemgetter(1), "octet3": itemgetter(2), "octet4": itemgetter(3)} | _BOTH,
    6: {f"group{index + 1}": _group(index) for index in range(8)} | _BOTH,
}
"""Placeholders by IP version. One that both versions have means the same in both."""

_KNOWN = {
    4: "{octet1} to {octet4}, {ip_dashed} and {ip_hex}",
    6: "{group1} to {group8}, {ip_dashed} and {ip_hex}",
}
_WIDEST = {4: Address(b"\xff" * 4), 6: Address(b"\xff" * 16)}


@dataclass(frozen=True, slots=True)
class HeloTemplate:
    """A HELO name with placeholders for parts of the address. Two are equal if their texts are.

    Attributes:
        text: The template as written. A brace that starts no placeholder is doubled.
        placeholders: Names of its placeholders.
        constant: The name, if there are no placeholders.
    """

    text: str
    placeholders: tuple[str, ...] = field(compare=False)
    constant: HeloName | None = field(compare=False)
    _format: str = field(compare=False, repr=False)
    _values: tuple[Placeholder, ...] = field(compare=False, repr=False)
    _is_trusted: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "HeloTemplate":
        """Read a template. Raises `ValueError` for an unknown placeholder, and for text that HELO cannot carry."""
        if "{" not in text and "}" not in text:
            return cls(text, (), HeloName.parse(text), text, ())
        try:
            fields = list(string.Formatter().parse(text))
        except ValueError:
            raise ValueError(f"{text!r} has a single brace: write {{{{ or }}}} for a brace") from None
        literal = "".join(before for before, *_ in fields)
        names = tuple(name for _, name, _, _ in fields if name is not None)
        for _, name, spec, conversion in fields:
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
                for before, name, _, _ in fields
            ),
            _values=tuple(PLACEHOLDERS[4].get(name) or PLACEHOLDERS[6][name] for name in names),
        )
        # A letter that no address has rules out an address literal. If the longest name is canonical, all names are.
        if re.search("[G-Zg-z]", literal) and all(map(template._is_canonical, PLACEHOLDERS)):
            return replace(template, _is_trusted=True)
        return template

    def _is_canonical(self, family: Literal[4, 6]) -> bool:
        """Whether its longest name for *family* is a canonical domain name but for case, or there is none."""
        if not all(name in PLACEHOLDERS[family] for name in self.placeholders):
            return True
        text = self.of(_WIDEST[family]).text
        try:
            return _NAME.fullmatch(text) is not None and DomainName(text) == text.lower()
        except ValueError:
            return False

    @property
    def helo(self) -> str:
        """A text that is equal for two templates with the same name in the DNS."""
        return str(self.constant.name or self.text) if self.constant else self.text

    def misfit(self, family: Literal[4, 6]) -> str | None:
        """What is wrong with this template for addresses of *family*; None if it fits."""
        for name in self.placeholders:
            if name not in PLACEHOLDERS[family]:
                return f"{{{name}}} is not for IPv{family} addresses, which have {_KNOWN[family]}"
        if len(self.of(_WIDEST[family]).text) > MAX_HELO_LENGTH:
            return f"grows longer than {MAX_HELO_LENGTH} characters: a HELO name cannot be longer"
        return None

    def of(self, address: Address) -> HeloName:
        """The HELO name of the server at *address*. `misfit` must be None for its family."""
        if self.constant is not None:
            return self.constant
        packed = address.packed
        text = self._format.format(*[value(packed) for value in self._values])
        if self._is_trusted:
            return HeloName(text, DomainName.trusted(text.lower()))
        return HeloName.parse(text)

    def __str__(self) -> str:
        return self.text
