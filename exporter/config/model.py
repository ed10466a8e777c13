"""The configuration file as a whole: docs/configuration.md in code, with the modules of its entries.

The rule of these files: they know one key at a time, its type, bounds and default. What keys have to do with each other
is in `exporter.config.rules`, what follows from leaving them out in `exporter.config.configuration`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, PlainValidator, Tag

from exporter.checks.addresses import Address
from exporter.checks.dkim import key_name
from exporter.checks.domain import DomainCheckName
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName
from exporter.config.values import (
    AddressText,
    CheckText,
    DomainOrOff,
    Duration,
    DurationText,
    EmptyForNone,
    EndpointText,
    Given,
    HeloNameText,
    HeloTemplateText,
    MailDomainText,
    NetworkText,
    OneOrMore,
    PathText,
    QuestionText,
    RateValue,
    ReceiverText,
    SeriesMode,
    SeriesText,
    Slug,
    SpfDomainText,
    SuffixText,
    between,
    describe,
    duration_between,
    one_of,
    reading,
    up_to,
    wrong,
)
from exporter.dns.settings import CanarySettings, ResolverSettings

# SECTION exporter.config.section
# What every mapping of the configuration file is made of.


class Section(BaseModel):
    """A mapping in the file, all of whose keys are known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


# SECTION exporter.config.address_entries
# The keys of an entry of `addresses`: one address, or a network.

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


# SECTION exporter.config.dnsbl_entries
# The keys of an entry of `dnsbls`: one block list, and how it is asked.

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
    interval: Annotated[DurationText, duration_between("1m", "7d")] = Duration(3_600_000)
    max_queries_per_second: RateValue = 20.0
    families: Annotated[tuple[FamilyText, ...], Given, OneOrMore, up_to(2, least=1)] = tuple(ListFamily)
    codes: Annotated[tuple[tuple[Address, str], ...], PlainValidator(_codes)] = ()


def _with_zone(value: Any) -> Any:
    return {"zone": value} if isinstance(value, str) else value


Dnsbls: TypeAlias = Annotated[
    tuple[Annotated[DnsblEntry, BeforeValidator(_with_zone)], ...], Given, OneOrMore, up_to(64)
]
PoolDnsbls: TypeAlias = Annotated[tuple[ZoneText, ...] | None, Given, OneOrMore, EmptyForNone]


# SECTION exporter.config.sample_entries
# The key `sample` of a pool: whether each address is sampled every round, or some of each prefix.

DEFAULT_NOT_ENUMERABLE_SAMPLES = 8
"""How many addresses drawn at random a round samples of IPv6 ranges that are too big to be listed."""

DEFAULT_PREFIXES: dict[Literal[4, 6], int] = {4: 24, 6: 64}


class SampleEntry(Section):
    """How many addresses of each prefix are sampled in a round, and what a prefix is."""

    per_prefix: Annotated[int, between(1, 256)] = 1
    ipv4_prefix: Annotated[int, between(16, 32)] = DEFAULT_PREFIXES[4]
    ipv6_prefix: Annotated[int, between(32, 128)] = DEFAULT_PREFIXES[6]


def _word(value: object) -> str | bool:
    if value is False or value == "auto":
        return value
    what = f"{value!r}" if isinstance(value, str) else describe(value)
    raise wrong(
        f"is {what}: write auto, false for every address in every round, or a mapping like {{per_prefix: 1}} for some "
        "of each prefix"
    )


def _sample_tag(value: object) -> str:
    return "<sample>" if isinstance(value, dict | SampleEntry) else "<word>"


Sample: TypeAlias = Annotated[
    Annotated[str | bool, PlainValidator(_word), Tag("<word>")] | Annotated[SampleEntry, Tag("<sample>")],
    Discriminator(_sample_tag),
]


Written: TypeAlias = str | bool | SampleEntry


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """What a pool's rounds ask: *mode* "sweep" every address, "prefixes" some of each prefix, "auto" what fits."""

    mode: Literal["auto", "sweep", "prefixes"] = "auto"
    per_prefix: int = 1
    ipv4_prefix: int = DEFAULT_PREFIXES[4]
    ipv6_prefix: int = DEFAULT_PREFIXES[6]

    def length(self, family: Literal[4, 6]) -> int:
        """The length of the prefixes of *family*."""
        return self.ipv4_prefix if family == 4 else self.ipv6_prefix


AUTO = SampleSettings()


def sample_settings(written: Written) -> SampleSettings:
    """What a `sample` key says."""
    if isinstance(written, SampleEntry):
        return SampleSettings("prefixes", written.per_prefix, written.ipv4_prefix, written.ipv6_prefix)
    return AUTO if written == "auto" else SampleSettings("sweep")


# SECTION exporter.config.profiles
# Profiles: what is expected of the addresses of a pool, for the kinds of pools that there are.
#
# The rule of this file: a profile presets, it forbids nothing. It names checks that every address of such a
# pool passes
# by the design of whoever runs it, so that a failure always means that something broke.

DEFAULT_PROFILE = "default"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named preset of `expect`, `aligned_suffix` and `helo_spf_required`; *reason* says why, for people."""

    name: str
    expect: frozenset[CheckName]
    aligned_suffix: DomainName | None = None
    helo_spf_required: bool = False
    based_on: str | None = None
    reason: str = field(default="", compare=False)


_EVERYTHING = frozenset(CheckName)

BUILT_IN: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            DEFAULT_PROFILE,
            _EVERYTHING - {CheckName.HELO_PTR_MATCH},
            reason="Own servers, whose HELO name need not be a PTR name: no RFC asks for that, and few receivers do.",
        ),
        Profile(
            "dedicated",
            _EVERYTHING,
            reason="Own servers with one name each for everything: the strictest receiver has no reason to refuse.",
        ),
        Profile(
            "google-workspace",
            _EVERYTHING,
            DomainName("google.com"),
            reason="Google's servers say their PTR name in HELO, and both are in google.com.",
        ),
        Profile(
            "microsoft-365",
            frozenset(
                {
                    CheckName.FCRDNS,
                    CheckName.HELO_SYNTAX,
                    CheckName.HELO_RESOLVES,
                    CheckName.HELO_ALIGNED,
                    CheckName.SPF_HELO,
                }
            ),
            DomainName("outbound.protection.outlook.com"),
            helo_spf_required=True,
            reason="Every address is forward-confirmed. A HELO name stands for a region: it has the addresses of some"
            " servers, not of all that say it, and it is no PTR name (KB 3019655): both by design. Each publishes SPF.",
        ),
    )
}
"""The profiles that exist unconfigured. A new check is in the first three at once."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What `expect` says: a whole list, or what to add to a profile's and to remove from it."""

    only: frozenset[CheckName] | None = None
    add: frozenset[CheckName] = frozenset()
    remove: frozenset[CheckName] = frozenset()

    def apply(self, preset: frozenset[CheckName]) -> frozenset[CheckName]:
        """The checks that are expected, given what the profile presets."""
        return (preset if self.only is None else self.only) - self.remove | self.add


# SECTION exporter.config.pool_entries
# The keys of `pools` and `profiles`, each with its type, bounds and default.


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
    interval: Annotated[DurationText, duration_between("10s", "1d")] = Duration(300_000)
    addresses: Annotated[tuple[Entry, ...], Given, up_to(1_000_000, least=1)] = ()
    addresses_file: Annotated[tuple[PathText, ...], Given, OneOrMore, up_to(100, least=1)] = ()
    spf: Annotated[SpfDomainText | None, Given] = None
    sample: Sample = "auto"
    unlisted_samples: Annotated[int, between(0, 256)] = DEFAULT_NOT_ENUMERABLE_SAMPLES
    helo_names: Annotated[tuple[HeloNameText, ...], Given, OneOrMore, up_to(10_000, least=1)] = ()
    expect: Annotated[Expect | None, Given] = None
    aligned_suffix: Annotated[SuffixText | None, Given] = None
    helo_spf_required: Annotated[bool | None, Given] = None
    mail_from_domains: Annotated[tuple[MailDomainText, ...], Given, OneOrMore, up_to(16, least=1)] = ()
    dnsbls: PoolDnsbls = None
    series: SeriesText = SeriesMode.AUTO
    ptr_info: bool = True
    receivers: Receivers = None


# SECTION exporter.config.resolver_entries
# The keys of `resolvers`, each with its type, bounds and default.

_RESOLVER = ResolverSettings()  # the defaults are the DNS layer's own
_CANARY = CanarySettings()


def _time(seconds: float) -> Duration:
    return Duration(round(seconds * 1000))


class CanaryEntry(Section):
    """What a resolver's servers are asked now and then, to know whether they tell the truth."""

    must_resolve: Annotated[tuple[QuestionText, ...], up_to(16)] = _CANARY.must_resolve
    must_not_exist_under: DomainOrOff = _CANARY.must_not_exist_under
    interval: Annotated[DurationText, duration_between("1s", "1h")] = _time(_CANARY.interval_seconds)


def _canary_tag(value: object) -> str:
    return "<off>" if isinstance(value, bool) else "<canary>"


CanaryOrOff: TypeAlias = Annotated[
    Annotated[Literal[False], Tag("<off>")] | Annotated[CanaryEntry, Tag("<canary>")], Discriminator(_canary_tag)
]


class ResolverEntry(Section):
    """One resolver: servers that know the same, and how hard they may be asked."""

    name: Slug
    servers: Annotated[tuple[EndpointText, ...] | None, Given, up_to(255, least=1)] = None
    timeout: Annotated[DurationText, duration_between("10ms", "1m")] = _time(_RESOLVER.timeout_seconds)
    attempts: Annotated[int, between(1, 10)] = _RESOLVER.attempts
    max_queries_per_second: RateValue = _RESOLVER.max_queries_per_second
    max_in_flight: Annotated[int, between(1, 10_000)] = _RESOLVER.max_in_flight
    max_queued: Annotated[int, between(0, 1_000_000)] = _RESOLVER.max_queued
    max_queue_time: Annotated[DurationText, duration_between("0s", "10m")] = _time(_RESOLVER.max_queue_seconds)
    cache_entries: Annotated[int, between(0, 10_000_000)] = _RESOLVER.cache_entries
    random_case: bool = _RESOLVER.random_case
    cookies: bool = _RESOLVER.cookies
    ca_file: Annotated[PathText | None, Given] = None
    canary: CanaryOrOff = CanaryEntry()


# SECTION exporter.config.domain_entries
# The keys of `domains`, each with its type, bounds and default.

MAX_DOMAINS = 1_000
MAX_SELECTORS = 32
EXPECTED = frozenset({DomainCheckName.SPF, DomainCheckName.DKIM, DomainCheckName.DMARC, DomainCheckName.MX})
"""What receivers ask of every domain that sends. MTA-STS and TLS-RPT protect mail that comes in: who wants them adds
them."""

_SELECTOR = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


def parse_selector(text: str) -> str:
    """Read a selector, as RFC 6376 section 3.1 has it, and underscores: some signers use them. Raises `ValueError`."""
    selector = text.lower()
    if "_domainkey" in selector:
        raise ValueError(f"{text!r} is more than the selector: write what comes before `._domainkey`")
    if not _SELECTOR.fullmatch(selector):
        raise ValueError(f"{text!r} is no DKIM selector: write the s= of a signature, like `s1`")
    return selector


DomainCheckText = Annotated[DomainCheckName, one_of(DomainCheckName, "a check of a domain")]
SelectorText = Annotated[str, reading(parse_selector)]


class DomainExpectEdit(Section):
    """Changes to what is expected of a domain unless it says otherwise."""

    add: tuple[DomainCheckText, ...] = ()
    remove: tuple[DomainCheckText, ...] = ()


def _expect_tag_domain_entries(value: object) -> str:
    return "<edit>" if isinstance(value, dict | DomainExpectEdit) else "<list>"


DomainExpect: TypeAlias = Annotated[
    Annotated[tuple[DomainCheckText, ...], Tag("<list>")] | Annotated[DomainExpectEdit, Tag("<edit>")],
    Discriminator(_expect_tag_domain_entries),
]


class DomainEntry(Section):
    """A domain that mail is sent from."""

    name: MailDomainText
    dkim_selectors: Annotated[tuple[SelectorText, ...], OneOrMore, up_to(MAX_SELECTORS)] = ()
    interval: Annotated[DurationText, duration_between("10s", "1d")] = Duration(900_000)
    expect: Annotated[DomainExpect | None, Given] = None

    @property
    def expected(self) -> frozenset[DomainCheckName]:
        """The checks that it has to pass."""
        if isinstance(self.expect, DomainExpectEdit):
            return EXPECTED - frozenset(self.expect.remove) | frozenset(self.expect.add)
        return EXPECTED if self.expect is None else frozenset(self.expect)


def domain_too_long(name: DomainName, selector: str = "") -> str | None:
    """Why *name*, or a key of it under *selector*, cannot have the names that its records need; None if it can."""
    try:
        DomainName(f"_smtp._tls.{name}")
    except ValueError:
        return "is too long: what mail puts before a domain, like `_smtp._tls.`, does not fit before it"
    try:
        key_name(selector or "s", name)
    except ValueError:
        return "is too long: with `._domainkey` and the domain behind it, it is no name"
    return None


# SECTION exporter.config.storage_entries
# The keys of `storage`: where state outlives the process, and for how long.


class StorageEntry(Section):
    """One file, and what is deleted from it: what is older than *retention*, and changes beyond *max_changes*."""

    path: PathText
    retention: Annotated[DurationText, duration_between("1h", "3650d")] = Duration(90 * 86_400_000)
    max_changes: Annotated[int, between(100, 10_000_000)] = 100_000


# SECTION exporter.config.model


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
    for name, info in section.model_fields.items():
        for tags, inner in _inner(info.annotation, ()):
            yield from sections(inner, (*path, name, *tags))


def _inner(annotation: Any, tags: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    """The mappings that a type allows, through lists, unions and their tags."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield tags, annotation
        return
    found = tuple(argument.tag for argument in get_args(annotation) if isinstance(argument, Tag))
    for argument in get_args(annotation):
        yield from _inner(argument, tags + found)
