"""The configuration file as a whole: docs/configuration.md in code, with the modules of its entries.

The rule of these files: they know one key at a time, its type, bounds and default. What keys have to do with each other
is in `exporter.config.rules`, what follows from leaving them out in `exporter.config.configuration`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import Tag

from exporter.config.dnsbl_entries import Dnsbls
from exporter.config.domain_entries import MAX_DOMAINS, DomainEntry
from exporter.config.pool_entries import PoolEntry, ProfileEntry, Receivers
from exporter.config.resolver_entries import ResolverEntry
from exporter.config.section import Section
from exporter.config.storage_entries import StorageEntry
from exporter.config.values import Given, up_to


class Document(Section):
    """The file as a whole."""

    resolvers: Annotated[tuple[ResolverEntry, ...], up_to(16, least=1)] = ()
    storage: Annotated[StorageEntry | None, Given] = None
    profiles: Annotated[tuple[ProfileEntry, ...], up_to(100)] = ()
    receivers: Receivers = None
    pools: Annotated[tuple[PoolEntry, ...], up_to(1_000, least=1)] = ()
    domains: Annotated[tuple[DomainEntry, ...], up_to(MAX_DOMAINS)] = ()
    dnsbls: Dnsbls = ()


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
