"""The keys of the configuration file, each with its type, bounds and default: docs/configuration.md in code.

The rule of this file: it knows one key at a time. What keys have to do with each other is in `exporter.config.rules`,
what follows from leaving them out in `exporter.config.configuration`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

from exporter.config.durations import Duration
from exporter.config.profiles import DEFAULT_PROFILE, Expectation
from exporter.config.values import (
    AddressText,
    CheckText,
    DomainOrOff,
    DurationText,
    EmptyForNone,
    EndpointText,
    Given,
    HeloNameText,
    HeloTemplateText,
    NetworkText,
    OneOrMore,
    PathText,
    QuestionText,
    RateValue,
    ReceiverText,
    SeriesMode,
    SeriesText,
    Slug,
    SuffixText,
    between,
    lasting,
    up_to,
)
from exporter.dns.settings import CanarySettings, ResolverSettings

_RESOLVER = ResolverSettings()  # the defaults are the DNS layer's own
_CANARY = CanarySettings()


def _time(seconds: float) -> Duration:
    return Duration(round(seconds * 1000))


class Section(BaseModel):
    """A mapping in the file, all of whose keys are known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class CanaryEntry(Section):
    """What a resolver's servers are asked now and then, to know whether they tell the truth."""

    must_resolve: Annotated[tuple[QuestionText, ...], up_to(16)] = _CANARY.must_resolve
    must_not_exist_under: DomainOrOff = _CANARY.must_not_exist_under
    interval: Annotated[DurationText, lasting("1s", "1h")] = _time(_CANARY.interval_seconds)


def _canary_tag(value: object) -> str:
    return "<off>" if isinstance(value, bool) else "<canary>"


CanaryOrOff: TypeAlias = Annotated[
    Annotated[Literal[False], Tag("<off>")] | Annotated[CanaryEntry, Tag("<canary>")], Discriminator(_canary_tag)
]


class ResolverEntry(Section):
    """One resolver: servers that know the same, and how hard they may be asked."""

    name: Slug
    servers: Annotated[tuple[EndpointText, ...] | None, Given, up_to(255, least=1)] = None
    timeout: Annotated[DurationText, lasting("10ms", "1m")] = _time(_RESOLVER.timeout_seconds)
    attempts: Annotated[int, between(1, 10)] = _RESOLVER.attempts
    max_queries_per_second: RateValue = _RESOLVER.max_queries_per_second
    max_in_flight: Annotated[int, between(1, 10_000)] = _RESOLVER.max_in_flight
    max_queued: Annotated[int, between(0, 1_000_000)] = _RESOLVER.max_queued
    max_queue_time: Annotated[DurationText, lasting("0s", "10m")] = _time(_RESOLVER.max_queue_seconds)
    cache_entries: Annotated[int, between(0, 10_000_000)] = _RESOLVER.cache_entries
    random_case: bool = _RESOLVER.random_case
    cookies: bool = _RESOLVER.cookies
    ca_file: Annotated[PathText | None, Given] = None
    canary: CanaryOrOff = CanaryEntry()


class ExpectEdit(Section):
    """Changes to what a profile expects."""

    add: tuple[CheckText, ...] = ()
    remove: tuple[CheckText, ...] = ()


def _expect_tag(value: object) -> str:
    return "<edit>" if isinstance(value, dict | ExpectEdit) else "<list>"


Expect: TypeAlias = Annotated[
    Annotated[tuple[CheckText, ...], Tag("<list>")] | Annotated[ExpectEdit, Tag("<edit>")], Discriminator(_expect_tag)
]


def expectation(written: tuple[CheckText, ...] | ExpectEdit | None) -> Expectation:
    """What an `expect` key says, or says by being left out."""
    if isinstance(written, ExpectEdit):
        return Expectation(add=frozenset(written.add), remove=frozenset(written.remove))
    return Expectation(only=None if written is None else frozenset(written))


class ProfileEntry(Section):
    """A profile of the operator's own."""

    name: Slug
    based_on: Slug = DEFAULT_PROFILE
    expect: Annotated[Expect | None, Given] = None
    aligned_suffix: Annotated[SuffixText | None, Given] = None


HeloTemplates: TypeAlias = Annotated[tuple[HeloTemplateText, ...], Given, OneOrMore, up_to(16, least=1)]


class AddressEntry(Section):
    """One address, with the names that its server says in HELO."""

    ip: AddressText
    helo: HeloTemplates = ()

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return self.ip.family

    @property
    def first(self) -> int:
        """The address, as a number."""
        return int.from_bytes(self.ip.packed, "big")

    @property
    def last(self) -> int:
        """The same: an address is a range of one."""
        return self.first


class NetworkEntry(Section):
    """All addresses of a network, with the names that its servers say in HELO."""

    network: NetworkText
    helo: HeloTemplates = ()

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return self.network.family

    @property
    def first(self) -> int:
        """Its lowest address, as a number."""
        return self.network.first

    @property
    def last(self) -> int:
        """Its highest address, as a number."""
        return self.network.last


def _entry_tag(value: object) -> str:
    is_network = "network" in value if isinstance(value, dict) else isinstance(value, NetworkEntry)
    return "<network>" if is_network else "<ip>"


Entry: TypeAlias = Annotated[
    Annotated[AddressEntry, Tag("<ip>")] | Annotated[NetworkEntry, Tag("<network>")], Discriminator(_entry_tag)
]


Receivers: TypeAlias = Annotated[tuple[ReceiverText, ...] | None, Given, OneOrMore, EmptyForNone]


class PoolEntry(Section):
    """A named group of addresses, and what is expected of them."""

    name: Slug
    profile: Slug = DEFAULT_PROFILE
    interval: Annotated[DurationText, lasting("10s", "1d")] = Duration(300_000)
    addresses: Annotated[tuple[Entry, ...], Given, up_to(1_000_000, least=1)] = ()
    helo_names: Annotated[tuple[HeloNameText, ...], Given, OneOrMore, up_to(10_000, least=1)] = ()
    expect: Annotated[Expect | None, Given] = None
    aligned_suffix: Annotated[SuffixText | None, Given] = None
    series: SeriesText = SeriesMode.AUTO
    ptr_info: bool = True
    receivers: Receivers = None


class Document(Section):
    """The file as a whole."""

    resolvers: Annotated[tuple[ResolverEntry, ...], up_to(16, least=1)] = ()
    profiles: Annotated[tuple[ProfileEntry, ...], up_to(100)] = ()
    receivers: Receivers = None
    pools: Annotated[tuple[PoolEntry, ...], up_to(1_000, least=1)]


def sections(
    section: type[Section] = Document, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    """Every mapping that the file can have: its path, list indexes left out, union tags included, and its model."""
    yield path, section
    for name, field in section.model_fields.items():
        for tags, inner in _inner(field.annotation, ()):
            yield from sections(inner, (*path, name, *tags))


def _inner(annotation: Any, tags: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    """The mappings that a type allows, through lists, unions and their tags."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield tags, annotation
        return
    found = tuple(argument.tag for argument in get_args(annotation) if isinstance(argument, Tag))
    for argument in get_args(annotation):
        yield from _inner(argument, tags + found)
