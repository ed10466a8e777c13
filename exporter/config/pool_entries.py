"""The keys of `pools` and `profiles`, each with its type, bounds and default."""

from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag

from exporter.config.address_entries import Entry
from exporter.config.dnsbl_entries import PoolDnsbls
from exporter.config.durations import Duration
from exporter.config.profiles import DEFAULT_PROFILE, Expectation
from exporter.config.sample_entries import DEFAULT_UNLISTED_SAMPLES, Sample
from exporter.config.section import Section
from exporter.config.values import (
    CheckText,
    DurationText,
    EmptyForNone,
    Given,
    HeloNameText,
    MailDomainText,
    OneOrMore,
    PathText,
    ReceiverText,
    SeriesMode,
    SeriesText,
    Slug,
    SpfDomainText,
    SuffixText,
    between,
    lasting,
    up_to,
)


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
    helo_spf_required: Annotated[bool | None, Given] = None


Receivers: TypeAlias = Annotated[tuple[ReceiverText, ...] | None, Given, OneOrMore, EmptyForNone]


class PoolEntry(Section):
    """A named group of addresses, and what is expected of them."""

    name: Slug
    profile: Slug = DEFAULT_PROFILE
    interval: Annotated[DurationText, lasting("10s", "1d")] = Duration(300_000)
    addresses: Annotated[tuple[Entry, ...], Given, up_to(1_000_000, least=1)] = ()
    addresses_file: Annotated[tuple[PathText, ...], Given, OneOrMore, up_to(100, least=1)] = ()
    spf: Annotated[SpfDomainText | None, Given] = None
    sample: Sample = "auto"
    unlisted_samples: Annotated[int, between(0, 256)] = DEFAULT_UNLISTED_SAMPLES
    helo_names: Annotated[tuple[HeloNameText, ...], Given, OneOrMore, up_to(10_000, least=1)] = ()
    expect: Annotated[Expect | None, Given] = None
    aligned_suffix: Annotated[SuffixText | None, Given] = None
    helo_spf_required: Annotated[bool | None, Given] = None
    mail_from_domains: Annotated[tuple[MailDomainText, ...], Given, OneOrMore, up_to(16, least=1)] = ()
    dnsbls: PoolDnsbls = None
    series: SeriesText = SeriesMode.AUTO
    ptr_info: bool = True
    receivers: Receivers = None
