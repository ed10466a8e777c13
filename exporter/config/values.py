"""The types of the values that keys take: each reads what YAML gives and says what would be right.

The rule of this file: a value type raises `PydanticCustomError` with a whole sentence part ("is ...: write ..."); where
pydantic's own types do, `exporter.config.explain` finds the words.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from exporter.checks.addresses import Address
from exporter.checks.answers import Question, RRType
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver
from exporter.checks.result import CheckName
from exporter.config.templates import MAX_HELO_LENGTH, HeloTemplate
from exporter.dns.settings import Endpoint, parse_endpoint

# SECTION exporter.config.durations
# Lengths of time, as an operator writes them: ``30s``, ``5m``, ``1h30m``.
#
# The rule of this file: a number without its unit is no duration, since nobody can tell seconds from minutes by
# looking.

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_WRITTEN = re.compile("".join(f"(?:(?P<{unit}>[0-9]{{1,9}}){unit}(?![a-z]))?" for unit in _UNITS))


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in whole milliseconds; as text it is what `parse` reads."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read whole numbers with the units d, h, m, s and ms, largest first, each at most once.

        Raises `ValueError` with what would be right.
        """
        if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
            raise ValueError(f"{text} has no unit: write {text}s for seconds, or {text}m for minutes")
        written = _WRITTEN.fullmatch(text)
        if not text or written is None:
            raise ValueError(f"{text!r} is not a duration: write whole numbers with units, like 500ms, 30s, 5m, 1h30m")
        return cls(sum(int(written[unit] or 0) * size for unit, size in _UNITS.items()))

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        rest, text = self.milliseconds, ""
        for unit, size in _UNITS.items():
            count, rest = divmod(rest, size)
            text += f"{count}{unit}" if count else ""
        return text or "0s"


# SECTION exporter.config.networks
# Networks of addresses, as an operator or an SPF record writes them.


def parse_address(text: str) -> Address:
    """Read an address where a network is as often meant. Raises `ValueError` like `Address.parse`."""
    if "/" in text:
        try:
            network = IPNetwork.parse(text)
        except ValueError:
            pass
        else:
            raise ValueError(f"{text!r} is a network: write {{network: {network}}}")
    return Address.parse(text)


class IPNetwork(NamedTuple):
    """A prefix: the octets of its first address, and its length in bits. Every address in it counts, ends included."""

    packed: bytes
    length: int

    @classmethod
    def parse(cls, text: str) -> "IPNetwork":
        """Read a network in prefix notation.

        Raises `ValueError`, saying what would be right, for a missing length, a netmask, host bits, and all that
        `Address.parse` refuses in an address.
        """
        start, slash, length = text.partition("/")
        if not slash:
            raise ValueError(
                f"{text!r} has no prefix length: a network is written like 198.51.100.0/28 or 2001:db8::/120"
            )
        address = Address.parse(start)
        bits = len(address.packed) * 8
        if not (length.isascii() and length.isdigit() and str(int(length[:4])) == length and int(length) <= bits):
            raise ValueError(f"{text!r} has no prefix length from 0 to {bits} after the slash")
        network = ipaddress.ip_network((address.packed, int(length)), strict=False)
        if network.network_address.packed != address.packed:
            raise ValueError(
                f"{text!r} has host bits set: the network is {network}, the address alone is {address}/{bits}"
            )
        return cls(address.packed, int(length))

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return 4 if len(self.packed) == 4 else 6

    @property
    def first(self) -> int:
        """Its lowest address, as a number."""
        return int.from_bytes(self.packed, "big")

    @property
    def last(self) -> int:
        """Its highest address, as a number."""
        return self.first + self.size - 1

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return 1 << (len(self.packed) * 8 - self.length)

    def __str__(self) -> str:
        return f"{Address(self.packed)}/{self.length}"


# SECTION exporter.config.values

T = TypeVar("T")

MAX_TEXT = 1024
UNLIMITED = "unlimited"


class SeriesMode(StrEnum):
    """Which addresses of a pool have series of their own."""

    ALL = "all"
    FAILING = "failing"
    """Only those with a problem."""
    NONE = "none"
    AUTO = "auto"
    """All in a small pool, the failing ones in a large one."""


def wrong(what: str) -> PydanticCustomError:
    """An error whose message is *what*."""
    return PydanticCustomError("maildns", "{what}", {"what": what})


def describe(value: object) -> str:
    """What kind of value YAML gave, for a message."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    kinds: dict[type, str] = {str: "text", tuple: "a list", dict: "a mapping"}
    return kinds[type(value)]


def did_you_mean(word: str, known: list[str]) -> str:
    """The end of a message about a *word* that is not among the *known* ones."""
    from difflib import get_close_matches  # only a mistake needs it

    close = get_close_matches(word.lower().replace("_", "-"), [name.replace("_", "-") for name in known], 1, 0.7)
    meant = next((name for name in known if close and name.replace("_", "-") == close[0]), None)
    return f"did you mean `{meant}`?" if meant else f"known are {', '.join(f'`{name}`' for name in known)}"


def _text(value: object) -> str:
    if not isinstance(value, str):
        quote = ": quote it" if isinstance(value, int | float) else ""
        raise wrong(f"is {describe(value)}, where text is wanted{quote}")
    if not value:
        raise wrong("is empty: give a value")
    if len(value) > MAX_TEXT:
        raise wrong(f"is {len(value)} characters long: at most {MAX_TEXT} are possible")
    return value


def _read(parse: Callable[[str], T]) -> Callable[[object], T]:
    """A validator for what *parse* reads from text; its `ValueError` is the message."""

    def validate(value: object) -> T:
        text = _text(value)
        try:
            return parse(text)
        except ValueError as error:
            raise wrong(str(error)) from None

    return validate


def _slug(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", text):
        raise ValueError(
            f"{text!r} is no name for this: names are label values, of 1 to 63 letters, digits, dots, hyphens and "
            "underscores, the first a letter or digit"
        )
    return text


def _suffix(text: str) -> DomainName:
    name = DomainName(text)
    if not (name.is_hostname and name.is_qualified):
        raise ValueError(f"{text!r} is not a domain in which servers can have names, like example.com")
    return name


def mail_domain(text: str) -> DomainName:
    """A domain that mail is sent from. Raises `ValueError`, saying what would be right."""
    if "@" in text:
        raise ValueError(f"{text!r} is a mailbox, where its domain is wanted: write {text.rpartition('@')[2]!r}")
    name = DomainName(text)
    if not (name.is_hostname and name.is_qualified):
        raise ValueError(f"{text!r} is not a domain that mail can come from, like example.com")
    return name


def _spf_domain(text: str) -> DomainName:
    """A domain with an SPF record: no server need have the name, so that `_spf.google.com` is one."""
    name = DomainName(text)
    if not (DomainName(text.replace("_", "x")).is_hostname and name.is_qualified):
        raise ValueError(
            f"{text!r} is not a domain that can have an SPF record, like spf.protection.outlook.com or _spf.google.com"
        )
    return name


def _helo_name(text: str) -> HeloName:
    if len(text) > MAX_HELO_LENGTH:
        raise ValueError(f"is {len(text)} characters long: a HELO name has at most {MAX_HELO_LENGTH}")
    template = HeloTemplate.parse(text)
    if template.constant is None:
        raise ValueError(
            f"{{{template.placeholders[0]}}} has no address to stand for here: placeholders are for `addresses`"
        )
    return template.constant


def _helo_template(text: str) -> HeloTemplate:
    template = HeloTemplate.parse(text)
    if template.constant is not None:
        _helo_name(text)
    return template


def _choice(words: type[StrEnum], noun: str) -> Callable[[str], Any]:
    def parse(text: str) -> StrEnum:
        try:
            return words(text)
        except ValueError:
            raise ValueError(f"{text!r} is not {noun}; {did_you_mean(text, [word.value for word in words])}") from None

    return parse


_RRTYPES: dict[str, RRType] = {
    "A": "A",
    "AAAA": "AAAA",
    "CNAME": "CNAME",
    "MX": "MX",
    "NS": "NS",
    "PTR": "PTR",
    "SOA": "SOA",
    "TXT": "TXT",
}


def _question(text: str) -> Question:
    name, *rest = text.split() or [""]
    rdtype = _RRTYPES.get(rest[0].upper() if rest else "A")
    if len(rest) > 1 or rdtype is None:
        raise ValueError(
            f"{text!r} is not a question: write a name and a type ({', '.join(_RRTYPES)}), like 'example.com A'"
        )
    return Question(DomainName(name), rdtype)


def _rate(value: object) -> float:
    if value == UNLIMITED:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"is {describe(value)}, where a number or `{UNLIMITED}` is wanted")
    if not 0.1 <= value <= 1_000_000:
        raise wrong(f"is {value}: it has to be from 0.1 to 1000000, or `{UNLIMITED}`")
    return float(value)


def _domain_or_off(value: object) -> DomainName | None:
    if value is False:
        return None
    if value is True:
        raise wrong("is true: leave the key out for the default, or write false to turn it off")
    name = _read(DomainName)(value)
    if not name.is_hostname:
        raise wrong(f"{value!r} is not a domain")
    return name


def duration_between(least: str, most: str) -> AfterValidator:
    """Bounds for a duration."""
    low, high = Duration.parse(least), Duration.parse(most)

    def validate(value: Duration) -> Duration:
        if not low <= value <= high:
            raise wrong(f"is {value}: it has to be from {low} to {high}")
        return value

    return AfterValidator(validate)


def between(least: int, most: int) -> AfterValidator:
    """Bounds for a whole number."""

    def validate(value: int) -> int:
        if not least <= value <= most:
            raise wrong(f"is {value}: it has to be from {least} to {most}")
        return value

    return AfterValidator(validate)


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def up_to(most: int, least: int = 0) -> BeforeValidator:
    """Bounds for the length of a list."""

    def validate(value: object) -> object:
        if isinstance(value, tuple) and len(value) < least:
            raise wrong("is an empty list: give at least one, or leave the key out")
        if isinstance(value, tuple) and len(value) > most:
            raise wrong(f"has {len(value)} items: at most {most} are possible")
        return value

    return BeforeValidator(validate)


def _given(value: object) -> object:
    if value is None:
        raise wrong("is empty: give a value, or leave the key out")
    return value


Given = BeforeValidator(_given)
"""For keys that may be left out: an empty value is still a mistake."""


def _empty_for_none(value: object) -> object:
    if isinstance(value, bool):
        raise wrong(f"is {describe(value)}: write [] for none, or name them")
    return value


EmptyForNone = BeforeValidator(_empty_for_none)
"""For lists that people may want to switch off."""
OneOrMore = BeforeValidator(_as_list)
"""For lists that may be written without brackets where there is one."""


def reading(parse: Callable[[str], Any]) -> PlainValidator:
    """The type of what *parse* reads from text; its `ValueError` is the message."""
    return PlainValidator(_read(parse))


def one_of(words: type[StrEnum], noun: str) -> PlainValidator:
    """The type of one of *words*, each of which is *noun*."""
    return reading(_choice(words, noun))


Slug = Annotated[str, PlainValidator(_read(_slug))]
AddressText = Annotated[Address, PlainValidator(_read(parse_address))]
NetworkText = Annotated[IPNetwork, PlainValidator(_read(IPNetwork.parse))]
HeloNameText = Annotated[HeloName, PlainValidator(_read(_helo_name))]
HeloTemplateText = Annotated[HeloTemplate, PlainValidator(_read(_helo_template))]
SuffixText = Annotated[DomainName, PlainValidator(_read(_suffix))]
SpfDomainText = Annotated[DomainName, PlainValidator(_read(_spf_domain))]
MailDomainText = Annotated[DomainName, PlainValidator(_read(mail_domain))]
EndpointText = Annotated[Endpoint, PlainValidator(_read(parse_endpoint))]
QuestionText = Annotated[Question, PlainValidator(_read(_question))]
CheckText = Annotated[CheckName, PlainValidator(_read(_choice(CheckName, "a check")))]
ReceiverText = Annotated[Receiver, PlainValidator(_read(_choice(Receiver, "a receiver")))]
SeriesText = Annotated[SeriesMode, PlainValidator(_read(_choice(SeriesMode, "a choice of series")))]
RateValue = Annotated[float, PlainValidator(_rate)]
DomainOrOff = Annotated[DomainName | None, PlainValidator(_domain_or_off)]
PathText = Annotated[str, PlainValidator(_text)]


def _duration(value: object) -> Duration:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise wrong(f"is the plain number {value}: write its unit, like {value}s for seconds or {value}m for minutes")
    return _read(Duration.parse)(value)


DurationText = Annotated[Duration, PlainValidator(_duration)]
