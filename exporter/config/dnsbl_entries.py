"""The keys of an entry of `dnsbls`: one block list, and how it is asked."""

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, PlainValidator

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.config.durations import Duration
from exporter.config.section import Section
from exporter.config.values import (
    DurationText,
    EmptyForNone,
    Given,
    OneOrMore,
    RateValue,
    lasting,
    one_of,
    reading,
    up_to,
    wrong,
)

MAX_CODES = 256
_MAX_ZONE = 150
"""Characters of a zone: an IPv6 address takes up 64 octets before it, and a name has 255."""


class ListFamily(StrEnum):
    """A family of addresses that a list has."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @property
    def version(self) -> Literal[4, 6]:
        """The IP version."""
        return 4 if self is ListFamily.IPV4 else 6


def _zone(text: str) -> DomainName:
    name = DomainName(text)
    if not (name.is_hostname and name.is_qualified) or len(name) > _MAX_ZONE:
        raise ValueError(f"{text!r} is not the zone of a block list, like zen.example.org")
    return name


def _codes(value: object) -> tuple[tuple[Address, str], ...]:
    if not isinstance(value, dict):
        raise wrong("is no mapping: write what return codes mean, like {127.0.0.2: SBL, 127.0.0.4: XBL}")
    if len(value) > MAX_CODES:
        raise wrong(f"has {len(value)} codes: at most {MAX_CODES} are possible")
    return tuple([(_code(str(written)), _code_name(written, name)) for written, name in value.items()])


def _code(written: str) -> Address:
    try:
        code = Address.parse(written)
    except ValueError:
        code = Address(bytes(4))
    if code.family != 4 or code.packed[0] != 127:
        raise wrong(f"has the code {written!r}: codes are addresses in 127.0.0.0/8, like 127.0.0.2")
    return code


def _code_name(written: object, name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 64 or not (name.isascii() and name.isprintable()):
        raise wrong(f"calls {written} {name!r}: a name is a text of 1 to 64 printable ASCII characters")
    return name


ZoneText = Annotated[DomainName, reading(_zone)]
FamilyText = Annotated[ListFamily, one_of(ListFamily, "a family of addresses")]


class DnsblEntry(Section):
    """One block list."""

    zone: ZoneText
    interval: Annotated[DurationText, lasting("1m", "7d")] = Duration(3_600_000)
    max_queries_per_second: RateValue = 20.0
    families: Annotated[tuple[FamilyText, ...], Given, OneOrMore, up_to(2, least=1)] = tuple(ListFamily)
    codes: Annotated[tuple[tuple[Address, str], ...], PlainValidator(_codes)] = ()


def _with_zone(value: Any) -> Any:
    return {"zone": value} if isinstance(value, str) else value


Dnsbls: TypeAlias = Annotated[
    tuple[Annotated[DnsblEntry, BeforeValidator(_with_zone)], ...], Given, OneOrMore, up_to(64)
]
PoolDnsbls: TypeAlias = Annotated[tuple[ZoneText, ...] | None, Given, OneOrMore, EmptyForNone]
