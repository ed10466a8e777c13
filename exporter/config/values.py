"""The types of the values that keys have. Their error messages say what would be right."""

import ipaddress
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from exporter.checks.addresses import Address
from exporter.checks.answers import Question, RRType
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver
from exporter.checks.result import ADDRESS_CHECKS, CheckName
from exporter.config.templates import MAX_HELO_LENGTH, HeloTemplate
from exporter.config.tree import flow
from exporter.dns.settings import Endpoint, parse_endpoint

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_SPELLED = {"d": "days day", "h": "hours hour hrs hr", "m": "minutes minute mins min", "s": "seconds second secs sec"}
_WRITTEN = re.compile("".join(f"(?:(?P<{unit}>[0-9]{{1,9}}){unit}(?![a-z]))?" for unit in _UNITS))


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in whole milliseconds. `str` writes it as `parse` reads it."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read a text like ``1h30m``: whole numbers with the units d, h, m, s and ms, largest first.

        A number without unit is an error: it could be seconds or minutes. Raises `ValueError`.
        """
        if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
            raise ValueError(f"{text} has no unit: write {cls._with_unit(text)}")
        written = _WRITTEN.fullmatch(text)
        if not text or written is None:
            meant = cls._meant_by(text)
            hint = "whole numbers with units, like 500ms, 30s, 5m, 1h30m" if meant is None else meant
            raise ValueError(f"{text!r} is not a duration: write {hint}")
        return cls(sum(int(written[unit] or 0) * size for unit, size in _UNITS.items()))

    @classmethod
    def _with_unit(cls, number: str) -> str:
        """The durations that *number* can mean. More than 60 are seconds: nobody counts hours in minutes."""
        seconds, several = float(number), "" if float(number) == 1 else "s"
        meant = f"{cls(round(seconds * 1000))} for {number} second{several}"
        return meant if seconds > 60 else f"{meant}, or {cls(round(seconds * 60_000))} for {number} minute{several}"

    @classmethod
    def _meant_by(cls, text: str) -> "Duration | None":
        """The duration of a text like ``1.5 hours``, ``5min``, ``2w`` or ``PT5M``, if it is clear."""
        text = text.strip().lower()
        if text.startswith("p"):  # ISO 8601, where an M before the T is a month
            text = re.sub("^p(?=.*t)|^pt?(?!.*m)", "", text).replace("t", "") if text != "p" else ""
        sizes = {word: size for unit, size in _UNITS.items() for word in (unit, *_SPELLED.get(unit, "").split())}
        sizes |= dict.fromkeys(("w", "week", "weeks"), 7 * _UNITS["d"])
        several = re.findall(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]+)", text)
        rest = re.sub(r"[0-9]{1,9}(?:\.[0-9]{1,9})?\s*[a-z]+|[\s,]|\band\b", "", text)
        if not several or rest or any(unit not in sizes for _, unit in several):
            return None
        return cls(round(sum(float(number) * sizes[unit] for number, unit in several)))

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        rest, text = self.milliseconds, ""
        for unit, size in _UNITS.items():
            count, rest = divmod(rest, size)
            text += f"{count}{unit}" if count else ""
        return text or "0s"


def parse_address(text: str) -> Address:
    """Read an address. Raises `ValueError`, which says what to write for a network, a range, a port or a name."""
    try:
        return Address.parse(text)
    except ValueError:
        what = _not_an_address(text)
        if what is None:
            raise
    raise ValueError(f"{text!r} {what}")


def _not_an_address(text: str) -> str | None:
    """What *text* is instead of an address, and what to write; None if that is not clear."""
    if _is_address(text.rstrip(".")):
        return f"has a final dot: write {flow(text.rstrip('.'))}"
    if found := re.fullmatch(r"(?:[a-z]+://)?(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]+)?/?", text):
        address = found[1] or found[2]
        return f"is more than an address: write {flow(address)}" if _is_address(address) else None
    networks = networks_of(text)
    if networks:
        entries = ", ".join(flow({"network": str(network)}) for network in networks)
        return f"is {'a network' if len(networks) == 1 else 'a range'}: write {entries}"
    several = re.split(r"[\s,;]+", text)
    if len(several) > 1 and all(map(_is_address, several)):
        return f"has {len(several)} addresses: write {flow(list(several))}"
    if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9_.-]+", text):
        return "is a name, where an address is needed: write the address that the server sends from, like 192.0.2.10"
    return None


def _is_address(text: str) -> bool:
    try:
        Address.parse(text)
    except ValueError:
        return False
    return True


def networks_of(text: str) -> "list[IPNetwork]":
    """The networks that ``192.0.2.0/24``, ``192.0.2.*`` or ``192.0.2.0-192.0.2.9`` mean; none if that is not clear."""
    first, dash, last = text.replace(" ", "").partition("-")
    try:
        if dash:
            if last.isdigit():
                last = f"{first.rpartition('.')[0]}.{last}"
            low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
            some = list(islice(ipaddress.summarize_address_range(low, high), 9))  # type: ignore[type-var,unused-ignore]
            return [IPNetwork.parse(str(one)) for one in some] if len(some) < 9 else []
        if stars := re.fullmatch(r"((?:[0-9]{1,3}\.){1,3})\*(?:\.\*)*", text):
            known = stars[1].count(".")
            return [IPNetwork.parse(f"{stars[1]}{'.'.join(['0'] * (4 - known))}/{8 * known}")]
        if partial := re.fullmatch(r"([0-9]+(?:\.[0-9]+){1,2})\.?(/[0-9]+)", text):
            text = f"{partial[1]}{'.0' * (3 - partial[1].count('.'))}{partial[2]}"
        if "/" in text:
            network = ipaddress.ip_network(text, strict=False)
            return [IPNetwork(network.network_address.packed, network.prefixlen)]
    except (ValueError, TypeError):
        pass
    return []


class IPNetwork(NamedTuple):
    """A network.

    Attributes:
        packed: The bytes of its first address.
        length: Length of the prefix, in bits.
    """

    packed: bytes
    length: int

    @classmethod
    def parse(cls, text: str) -> "IPNetwork":
        """Read a network in prefix notation. Raises `ValueError`, also for a netmask and for host bits."""
        start, slash, length = text.partition("/")
        if not slash:
            meant = networks_of(text)
            hint = "a network is written like 198.51.100.0/28 or 2001:db8::/120"
            if meant:
                hint = f"write {', '.join(flow({'network': str(one)}) for one in meant)}"
            elif _is_address(text):
                hint += f", one address like {flow({'ip': text})}"
            raise ValueError(f"{text!r} has no prefix length: {hint}")
        address = Address.parse(start)
        bits = len(address.packed) * 8
        if not (length.isascii() and length.isdigit() and str(int(length[:4])) == length and int(length) <= bits):
            meant = networks_of(text)
            hint = f": write {meant[0]}" if meant else ""
            raise ValueError(f"{text!r} has no prefix length from 0 to {bits} after the slash{hint}")
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
        """The first address, as a number."""
        return int.from_bytes(self.packed, "big")

    @property
    def last(self) -> int:
        """The last address, as a number."""
        return self.first + self.size - 1

    @property
    def size(self) -> int:
        """Number of addresses, including the first and the last."""
        return 1 << (len(self.packed) * 8 - self.length)

    def __str__(self) -> str:
        return f"{Address(self.packed)}/{self.length}"


T = TypeVar("T")
C = TypeVar("C", int, Duration)

MAX_TEXT = 1024
UNLIMITED = "unlimited"
_MAX_LABEL = 128
_MAX_LABELS = 16
RESERVED_LABELS = {
    *("alert", "alertname", "check", "dnsbl", "domain", "helo", "instance", "ip", "job", "le", "pool", "prefix"),
    *("quantile", "reason", "receiver", "result", "selector", "severity", "source", "subject", "team"),
}
"""Labels that alerts about a pool, and the families that they join, have anyway."""


class SeriesMode(StrEnum):
    """The key `series`: which addresses of a pool have series of their own."""

    ALL = "all"
    FAILING = "failing"
    """Addresses with a problem."""
    NONE = "none"
    AUTO = "auto"
    """`all` for a small pool, `failing` for a large one."""


class AlertMode(StrEnum):
    """The key `alert`: what alerts about a pool are about. Each includes the ones before it."""

    NONE = "none"
    """Nothing: written as false."""
    SHARE = "share"
    """The share of all addresses that fails."""
    PREFIXES = "prefixes"
    """Whole prefixes that fail."""
    ADDRESSES = "addresses"
    """Single addresses, and a pool in which many of them fail."""
    AUTO = "auto"
    """`prefixes` if rounds draw addresses, else `addresses`."""


class AlertSeverity(StrEnum):
    """The key `severity`: how severe alerts about a pool may be."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


def wrong(what: str) -> PydanticCustomError:
    """A validation error with *what* as its message: a part of a sentence, like "is empty: give a value"."""
    return PydanticCustomError("maildns", "{what}", {"what": what})


def describe(value: object) -> str:
    """The kind of a value from YAML, for a message."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    kinds: dict[type, str] = {str: "text", tuple: "a list", dict: "a mapping"}
    return kinds[type(value)]


_SYNONYMS = {
    "addresses": "address ip ips hosts networks servers targets",
    "addresses_file": "file files",
    "attempts": "retries tries",
    "dkim_selectors": "dkim selector selectors",
    "dnsbls": "blacklists blocklists rbl rbls dnsbl",
    "domains": "domain",
    "fcrdns": "ptr rdns iprev reverse",
    "google-workspace": "google gsuite gmail",
    "helo": "ehlo fqdn host hostname name banner",
    "interval": "every period refresh",
    "ip": "address addr host hosts ipv4 ipv6 ips server",
    "microsoft-365": "microsoft o365 m365 office365 office-365 outlook exchange-online",
    "name": "domain id label title",
    "network": "cidr net networks prefix range subnet",
    "resolvers": "dns nameserver nameservers servers",
    "path": "database db file filename",
    "servers": "address addresses ip nameserver nameservers server",
    "zone": "name domain host",
}
"""Other words that people write for a known one."""


def meant_by(word: str, known: list[str]) -> str | None:
    """The one of *known* that *word* is another word for, or a misspelling of."""
    from difflib import get_close_matches  # slow to import

    word = word.lower().replace("_", "-")
    synonym = next((name for name in known if word in _SYNONYMS.get(name, "").split()), None)
    close = get_close_matches(word, [name.replace("_", "-") for name in known], 1, 0.7)
    return synonym or next((name for name in known if close and name.replace("_", "-") == close[0]), None)


def did_you_mean(word: str, known: list[str]) -> str:
    """End a message about a *word* that is not one of *known*: with the one that it means, or with all of them."""
    meant = meant_by(word, known)
    return f"did you mean `{meant}`?" if meant else known_are(known)


def known_are(known: list[str]) -> str:
    """End a message with all that is *known*."""
    return f"known are {', '.join(f'`{name}`' for name in known)}"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        hint = f": write {flow(value[0])}" if len(value) == 1 and isinstance(value[0], str) else ""
        raise wrong(f"is a list, where one value is needed{hint}")
    if not isinstance(value, str):
        quote = ": quote it" if isinstance(value, int | float) and not isinstance(value, bool) else ""
        raise wrong(f"is {describe(value)}, where text is needed{quote}")
    if not value:
        raise wrong("is empty: give a value")
    if len(value) > MAX_TEXT:
        raise wrong(f"is {len(value)} characters long: at most {MAX_TEXT} are possible")
    return value


def _read(parse: Callable[[str], T]) -> Callable[[object], T]:
    """A validator that gives text to *parse*. The message of its `ValueError` is that of the problem."""

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
            f"{text!r} is not a valid name: names are label values, of 1 to 63 letters, digits, dots, hyphens and "
            "underscores, the first a letter or digit"
        )
    return text


def _domain(text: str, role: str) -> DomainName:
    name = DomainName(text)
    if not (name.is_hostname and name.is_qualified):
        host = urlsplit(text).hostname if "://" in text else None
        raise ValueError(f"{text!r} is not a domain {role}{f': write {host}' if host else ', like example.com'}")
    return name


def _suffix(text: str) -> DomainName:
    return _domain(text, "in which servers can have names")


def mail_domain(text: str) -> DomainName:
    """Read a domain that sends mail. Raises `ValueError`."""
    if "@" in text:
        raise ValueError(f"{text!r} is a mailbox, where its domain is needed: write {text.rpartition('@')[2]!r}")
    return _domain(text, "that mail can come from")


def _spf_domain(text: str) -> DomainName:
    """Read the name of an SPF record. Unlike a host name it may have underscores: `_spf.google.com`."""
    found = re.match(r"v=spf1(?:\s|$)", text.lower())
    if found:
        raise ValueError(f"{text[:60]!r} is a record: write the domain that publishes it, like _spf.google.com")
    if inner := re.fullmatch(r"(?:include:|redirect=|\+include:)(\S+)", text.lower()):
        raise ValueError(f"{text!r} is a term of a record: write {inner[1]}")
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
        raise ValueError(f"{{{template.placeholders[0]}}} has no address here: placeholders are for `addresses`")
    return template.constant


def _helo_template(text: str) -> HeloTemplate:
    template = HeloTemplate.parse(text)
    if template.constant is not None:
        _helo_name(text)
    return template


_RRTYPES: dict[str, RRType] = {one: one for one in get_args(RRType)}


def _question(text: str) -> Question:
    name, *rest = text.split() or [""]
    rdtype = _RRTYPES.get(rest[0].upper() if rest else "A")
    if len(rest) > 1 or rdtype is None:
        raise ValueError(
            f"{text!r} is not a question: write a name and a type ({', '.join(_RRTYPES)}), like 'example.com A'"
        )
    return Question(DomainName(name), rdtype)


def _limit(minimum: float, maximum: int) -> PlainValidator:
    def validate(value: object) -> float:
        if value == UNLIMITED:
            return math.inf
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong(f"is {describe(value)}, where a number or `{UNLIMITED}` is needed")
        if not minimum <= value <= maximum:
            raise wrong(f"is {value}: it has to be from {minimum:g} to {maximum}, or `{UNLIMITED}`")
        return float(value)

    return PlainValidator(validate)


def _alert(value: object) -> AlertMode:
    if value is False:
        return AlertMode.NONE
    modes = [mode.value for mode in AlertMode if mode is not AlertMode.NONE]
    if value is True:
        raise wrong(
            f"is true: write what alerts are about, {', '.join(modes)}, or leave the key out for {AlertMode.AUTO}"
        )
    if value not in modes:
        what = repr(value) if isinstance(value, str) else describe(value)
        raise wrong(f"is {what}: write {', '.join(modes)}, or false for no alerts about the pool")
    return AlertMode(str(value))


def _share(value: object) -> float:
    share: object = value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?%", value):
        share = round(float(value[:-1]) / 100, 8)
    meant = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,4})?|100)\s*(?:%|percent)?", str(value))
    if meant and float(meant[1]) > 1 and share is value:
        raise wrong(f"is {value}: write {meant[1]}% for {meant[1]} of 100 addresses")
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise wrong(f"is {describe(value)}, where a share of the pool is needed, like 2% or 0.02")
    if not 0.0001 <= share <= 1:
        raise wrong(f"is {value}: it has to be from 0.01% to 100%")
    return float(share)


def _label_text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_LABEL or not value.isprintable():
        what = repr(value) if isinstance(value, str) else describe(value)
        raise wrong(f"is {what}, where a text of 1 to {_MAX_LABEL} printable characters is needed")
    return value


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise wrong(f"is {describe(value)}, where a mapping is needed, like {{service: newsletters}}")
    if len(value) > _MAX_LABELS:
        raise wrong(f"has {len(value)} labels: at most {_MAX_LABELS} are possible")
    for name, text in value.items():
        if name in RESERVED_LABELS:
            raise wrong(f"has the label {name!r}, which alerts use for something else")
        if not re.fullmatch(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            raise wrong(
                f"has the label {name!r}: a label has letters, digits and underscores, and begins with no digit"
            )
        if not isinstance(text, str) or not 0 < len(text) <= _MAX_LABEL or not text.isprintable():
            raise wrong(f"has a label {name} that is no text of 1 to {_MAX_LABEL} printable characters: {text!r}")
    return tuple(sorted(value.items()))


def _domain_or_off(value: object) -> DomainName | None:
    if value is False:
        return None
    if value is True:
        raise wrong("is true: leave the key out for the default, or write false to turn it off")
    name = _read(DomainName)(value)
    if not name.is_hostname:
        raise wrong(f"{value!r} is not a domain")
    return name


def _between(minimum: C, maximum: C) -> AfterValidator:
    def validate(value: C) -> C:
        if not minimum <= value <= maximum:
            raise wrong(f"is {value}: it has to be from {minimum} to {maximum}")
        return value

    return AfterValidator(validate)


def between(minimum: int, maximum: int) -> AfterValidator:
    """Limits of a whole number."""
    return _between(minimum, maximum)


def duration_between(minimum: str, maximum: str) -> AfterValidator:
    """Limits of a duration."""
    return _between(Duration.parse(minimum), Duration.parse(maximum))


def _as_list(value: object) -> object:
    if isinstance(value, str) and len(several := re.split(r"[,;]\s+|\s+[,;]\s*", value)) > 1:
        raise wrong(f"has several values in one text: write {flow([*several])}")
    return (value,) if isinstance(value, str) else value


def up_to(maximum: int, minimum: int = 0) -> BeforeValidator:
    """Limits of the length of a list."""

    def validate(value: object) -> object:
        if isinstance(value, tuple) and len(value) < minimum:
            raise wrong("is an empty list: give at least one, or leave the key out")
        if isinstance(value, tuple) and len(value) > maximum:
            raise wrong(f"has {len(value)} items: at most {maximum} are possible")
        return value

    return BeforeValidator(validate)


def _given(value: object) -> object:
    if value is None:
        raise wrong("is empty: give a value, or leave the key out")
    return value


Given = BeforeValidator(_given)
"""For optional keys: a key without a value is a mistake."""


def _empty_for_none(value: object) -> object:
    if isinstance(value, bool):
        raise wrong(f"is {describe(value)}: write [] for none, or name them")
    return value


EmptyForNone = BeforeValidator(_empty_for_none)
"""For lists that people may try to turn off with `false`."""
OneOrMore = BeforeValidator(_as_list)
"""For lists in which a single item needs no brackets."""


def reading(parse: Callable[[str], Any]) -> PlainValidator:
    """For values that *parse* reads from text. The message of its `ValueError` is that of the problem."""
    return PlainValidator(_read(parse))


def one_of(values: Collection[StrEnum], noun: str) -> PlainValidator:
    """For members of an enum, or some of them. *noun* is what each of them is, like "a check"."""

    def validate(value: object) -> StrEnum:
        text = str(value).lower() if isinstance(value, bool) else _text(value)
        found = next((value for value in values if value == text), None)
        if found is None:
            raise wrong(f"{text!r} is not {noun}; {did_you_mean(text, [value.value for value in values])}")
        return found

    return PlainValidator(validate)


Slug = Annotated[str, reading(_slug)]
AddressText = Annotated[Address, reading(parse_address)]
NetworkText = Annotated[IPNetwork, reading(IPNetwork.parse)]
HeloNameText = Annotated[HeloName, reading(_helo_name)]
HeloTemplateText = Annotated[HeloTemplate, reading(_helo_template)]
SuffixText = Annotated[DomainName, reading(_suffix)]
SpfDomainText = Annotated[DomainName, reading(_spf_domain)]
MailDomainText = Annotated[DomainName, reading(mail_domain)]
EndpointText = Annotated[Endpoint, reading(parse_endpoint)]
QuestionText = Annotated[Question, reading(_question)]
CheckText = Annotated[CheckName, one_of(ADDRESS_CHECKS, "a check")]
ReceiverText = Annotated[Receiver, one_of(Receiver, "a receiver")]
AlertValue = Annotated[AlertMode, PlainValidator(_alert)]
SeverityText = Annotated[AlertSeverity, one_of(AlertSeverity, "a severity")]
ShareValue = Annotated[float, PlainValidator(_share)]
LabelText = Annotated[str, PlainValidator(_label_text)]
LabelsValue = Annotated[tuple[tuple[str, str], ...], PlainValidator(_labels)]
SeriesText = Annotated[SeriesMode, one_of(SeriesMode, "a choice of series")]
RateValue = Annotated[float, _limit(0.1, 1_000_000)]
DailyValue = Annotated[float, _limit(100, 1_000_000_000)]
DomainOrOff = Annotated[DomainName | None, PlainValidator(_domain_or_off)]
PathText = Annotated[str, PlainValidator(_text)]


def _duration(value: object) -> Duration:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return _read(Duration.parse)(value)


DurationText = Annotated[Duration, PlainValidator(_duration)]
