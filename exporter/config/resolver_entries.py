"""The keys of `resolvers`, each with its type, bounds and default."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Tag

from exporter.config.durations import Duration
from exporter.config.section import Section
from exporter.config.values import (
    DomainOrOff,
    DurationText,
    EndpointText,
    Given,
    PathText,
    QuestionText,
    RateValue,
    Slug,
    between,
    lasting,
    up_to,
)
from exporter.dns.settings import CanarySettings, ResolverSettings

_RESOLVER = ResolverSettings()  # the defaults are the DNS layer's own
_CANARY = CanarySettings()


def _time(seconds: float) -> Duration:
    return Duration(round(seconds * 1000))


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
