"""The keys of the configuration file, as docs/configuration.md has them: type, limits and default of each key."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, PlainValidator, Tag

from exporter.checks.addresses import Address
from exporter.checks.dkim import key_name
from exporter.checks.names import DomainName
from exporter.checks.result import ADDRESS_CHECKS, DOMAIN_CHECKS, CheckName
from exporter.config.tree import Path
from exporter.config.values import (
    AddressText,
    AlertMode,
    AlertSeverity,
    AlertValue,
    CheckText,
    DailyValue,
    DomainOrOff,
    Duration,
    DurationText,
    EmptyForNone,
    EndpointText,
    Given,
    HeloNameText,
    HeloTemplateText,
    LabelsValue,
    LabelText,
    MailDomainText,
    NetworkText,
    OneOrMore,
    PathText,
    QuestionText,
    RateValue,
    ReceiverText,
    SeriesMode,
    SeriesText,
    SeverityText,
    ShareValue,
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


class Section(BaseModel):
    """A mapping in the file. Unknown keys are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


HeloTemplates: TypeAlias = Annotated[tuple[HeloTemplateText, ...], Given, OneOrMore, up_to(16, minimum=1)]


def _tag_mappings(section: type[Section], tag: str, other: str) -> Discriminator:
    """Distinguish a mapping from other values of a key."""
    return Discriminator(lambda value: tag if isinstance(value, dict | section) else other)


class AddressEntry(Section):
    """An entry of `addresses`: one address, with the HELO names of its server."""

    ip: AddressText
    helo: HeloTemplates = ()

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return self.ip.family

    @property
    def first(self) -> int:
        """The address as a number: it is a range of one."""
        return int.from_bytes(self.ip.packed, "big")

    @property
    def last(self) -> int:
        """The same as `first`."""
        return self.first


class NetworkEntry(Section):
    """An entry of `addresses`: a network, with the HELO names of its servers."""

    network: NetworkText
    helo: HeloTemplates = ()

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return self.network.family

    @property
    def first(self) -> int:
        """The first address, as a number."""
        return self.network.first

    @property
    def last(self) -> int:
        """The last address, as a number."""
        return self.network.last


AnyEntry: TypeAlias = AddressEntry | NetworkEntry


class ServerEntry(Section):
    """An entry of `addresses`: all addresses of one server, with its HELO names."""

    ip: Annotated[tuple[AddressText, ...], up_to(16, minimum=1)]
    helo: HeloTemplates = ()


def entry_tag(value: object) -> str:
    """Which kind of entry *value* is: the tag of a union."""
    if not isinstance(value, dict):
        return "<network>" if isinstance(value, NetworkEntry) else "<ip>"
    return "<network>" if "network" in value else "<ips>" if isinstance(value.get("ip"), tuple) else "<ip>"


Entry: TypeAlias = Annotated[
    Annotated[AddressEntry, Tag("<ip>")]
    | Annotated[ServerEntry, Tag("<ips>")]
    | Annotated[NetworkEntry, Tag("<network>")],
    Discriminator(entry_tag),
]


def located(entries: Iterable[AddressEntry | ServerEntry | NetworkEntry]) -> Iterator[tuple[Path, AnyEntry]]:
    """Each address and network of *entries*, with the path of its value. A server is an entry for each address."""
    for index, entry in enumerate(entries):
        if isinstance(entry, ServerEntry):
            for number, ip in enumerate(entry.ip):
                yield (index, "ip", number), AddressEntry.model_construct(ip=ip, helo=entry.helo)
        else:
            yield (index, "network" if isinstance(entry, NetworkEntry) else "ip"), entry


MAX_CODES = 256
_MAX_ZONE = 150
"""Characters of a zone. A name has at most 255 bytes, of which an IPv6 address before the zone needs 64."""


class ListFamily(StrEnum):
    """An IP version of which a block list has addresses."""

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
        raise wrong("is not a mapping: write what return codes mean, like {127.0.0.2: SBL, 127.0.0.4: XBL}")
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
    """An entry of `dnsbls`: a block list.

    Attributes:
        zone: Domain under which the list has its records.
        interval: Time in which each address is looked up once.
        max_queries_per_second: Limit of the questions to the list.
        max_queries_per_day: Limit of the questions to the list in a day.
        families: IP versions that the list has.
        codes: Return codes and their names.
    """

    zone: ZoneText
    interval: Annotated[DurationText, duration_between("1m", "7d")] = Duration(3_600_000)
    max_queries_per_second: RateValue = 20.0
    max_queries_per_day: DailyValue = 50_000.0
    families: Annotated[tuple[FamilyText, ...], Given, OneOrMore, up_to(2, minimum=1)] = tuple(ListFamily)
    codes: Annotated[tuple[tuple[Address, str], ...], PlainValidator(_codes)] = ()


def _with_zone(value: Any) -> Any:
    return {"zone": value} if isinstance(value, str) else value


Dnsbls: TypeAlias = Annotated[
    tuple[Annotated[DnsblEntry, BeforeValidator(_with_zone)], ...], Given, OneOrMore, up_to(64)
]
PoolDnsbls: TypeAlias = Annotated[tuple[ZoneText, ...] | None, Given, OneOrMore, EmptyForNone]


DEFAULT_NOT_ENUMERABLE_SAMPLES = 8
"""Random addresses that a round samples of IPv6 ranges that are too big to look up every address."""


class SampleEntry(Section):
    """The key `sample` as a mapping: how many addresses of each prefix a round samples, and how long prefixes are."""

    per_prefix: Annotated[int, between(1, 256)] = 1
    ipv4_prefix: Annotated[int, between(16, 32)] = 24
    ipv6_prefix: Annotated[int, between(32, 128)] = 64


def _auto_or_false(value: object) -> str | bool:
    if value is False or value == "auto":
        return value
    what = f"{value!r}" if isinstance(value, str) else describe(value)
    raise wrong(
        f"is {what}: write auto, false for every address in every round, or a mapping like {{per_prefix: 1}} for some "
        "of each prefix"
    )


Sample: TypeAlias = Annotated[
    Annotated[str | bool, PlainValidator(_auto_or_false), Tag("<word>")] | Annotated[SampleEntry, Tag("<sample>")],
    _tag_mappings(SampleEntry, "<sample>", "<word>"),
]


DEFAULT_PROFILE = "default"


@dataclass(frozen=True, slots=True)
class Alerting:
    """What alerts about a pool are about, and what they carry. `PoolEntry` explains the keys.

    Attributes:
        mode: The key `alert`.
        threshold: The key `alert_threshold`; None for the default of the mode.
        severity: The key `severity`.
        team: The key `team`.
        labels: The key `labels`, sorted by name.
    """

    mode: AlertMode = AlertMode.AUTO
    threshold: float | None = None
    severity: AlertSeverity = AlertSeverity.CRITICAL
    team: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """Defaults for the keys of a pool.

    Every address of such a pool passes the expected checks by design, so a failure always means that something broke.

    Attributes:
        name: The profile's name.
        expect: Checks that addresses are expected to pass.
        aligned_suffix: Domain in which PTR and HELO names are expected; None for the domain of each HELO name.
        helo_spf_required: Whether a HELO name without an SPF record fails.
        based_on: Name of the profile that it changes; None if it is built in.
        is_hosted: Whether the addresses are somebody else's: alerts are about the share of them that fails.
        reason: Why it expects that, for people.
    """

    name: str
    expect: frozenset[CheckName]
    aligned_suffix: DomainName | None = None
    helo_spf_required: bool = False
    based_on: str | None = None
    is_hosted: bool = False
    reason: str = field(default="", compare=False)


_EVERYTHING = frozenset(ADDRESS_CHECKS)

BUILT_IN: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            DEFAULT_PROFILE,
            _EVERYTHING - {CheckName.HELO_PTR_MATCH, CheckName.HELO_ALIGNED},
            reason="Own servers, whose HELO name may differ from a provider's PTR name: no RFC forbids that, and Gmail,"
            " Postfix, Exim and Sendmail accept it.",
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
            is_hosted=True,
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
            is_hosted=True,
            reason="Every address is forward-confirmed. A HELO name stands for a region: it has the addresses of some"
            " servers, not of all that say it, and it is no PTR name (KB 3019655): both by design. Each publishes SPF.",
        ),
    )
}
"""The built-in profiles. The first three include every new check."""


class ExpectEdit(Section):
    """The key `expect` as a mapping: changes to what a profile expects."""

    add: tuple[CheckText, ...] = ()
    remove: tuple[CheckText, ...] = ()


Expect: TypeAlias = Annotated[
    Annotated[tuple[CheckText, ...], Tag("<list>")] | Annotated[ExpectEdit, Tag("<edit>")],
    _tag_mappings(ExpectEdit, "<edit>", "<list>"),
]


class ProfileEntry(Section):
    """An entry of `profiles`.

    Attributes:
        name: The profile's name.
        based_on: Name of the profile that it changes.
        expect: Expected checks, or changes to them.
        aligned_suffix: Domain in which PTR and HELO names are expected.
        helo_spf_required: Whether a HELO name without an SPF record fails.
    """

    name: Slug
    based_on: Slug = DEFAULT_PROFILE
    expect: Annotated[Expect | None, Given] = None
    aligned_suffix: Annotated[SuffixText | None, Given] = None
    helo_spf_required: Annotated[bool | None, Given] = None


Receivers: TypeAlias = Annotated[tuple[ReceiverText, ...] | None, Given, OneOrMore, EmptyForNone]


class PoolEntry(Section):
    """An entry of `pools`: a named group of addresses, and the checks that they are expected to pass.

    Attributes:
        name: The pool's name, a label value.
        profile: Name of the profile that gives the defaults.
        interval: Time from the start of one round to the start of the next.
        addresses: Addresses and networks.
        addresses_file: Globs of files with more addresses.
        spf: Domain whose SPF record names more addresses.
        sample: Which addresses a round samples.
        unlisted_samples: Random addresses that a round samples of IPv6 ranges that are too big to look up every one.
        helo_names: HELO names of servers whose addresses are unknown.
        expect: Expected checks, or changes to those of the profile.
        aligned_suffix: Domain in which PTR and HELO names are expected.
        helo_spf_required: Whether a HELO name without an SPF record fails.
        mail_from_domains: Domains that the addresses send mail for.
        dnsbls: Zones of the block lists in which the addresses are looked up; None for all if `dnsbl` is expected.
        series: Which addresses have series of their own.
        ptr_info: Whether PTR names are exported.
        receivers: Receivers whose verdicts are predicted; None for those of the file.
        alert: What alerts about the pool are about.
        alert_threshold: The share of addresses that has to fail for an alert about the whole pool.
        severity: How severe alerts about the pool may be.
        team: Who gets them: a label.
        labels: Further labels.
    """

    name: Slug
    profile: Slug = DEFAULT_PROFILE
    interval: Annotated[DurationText, duration_between("10s", "1d")] = Duration(300_000)
    addresses: Annotated[tuple[Entry, ...], Given, up_to(1_000_000, minimum=1)] = ()
    addresses_file: Annotated[tuple[PathText, ...], Given, OneOrMore, up_to(100, minimum=1)] = ()
    spf: Annotated[SpfDomainText | None, Given] = None
    sample: Sample = "auto"
    unlisted_samples: Annotated[int, between(0, 256)] = DEFAULT_NOT_ENUMERABLE_SAMPLES
    helo_names: Annotated[tuple[HeloNameText, ...], Given, OneOrMore, up_to(10_000, minimum=1)] = ()
    expect: Annotated[Expect | None, Given] = None
    aligned_suffix: Annotated[SuffixText | None, Given] = None
    helo_spf_required: Annotated[bool | None, Given] = None
    mail_from_domains: Annotated[tuple[MailDomainText, ...], Given, OneOrMore, up_to(16, minimum=1)] = ()
    dnsbls: PoolDnsbls = None
    series: SeriesText = SeriesMode.AUTO
    ptr_info: bool = True
    receivers: Receivers = None
    alert: AlertValue = AlertMode.AUTO
    alert_threshold: Annotated[ShareValue | None, Given] = None
    severity: SeverityText = AlertSeverity.CRITICAL
    team: Annotated[LabelText | None, Given] = None
    labels: LabelsValue = ()


_RESOLVER = ResolverSettings()  # the defaults of the DNS engine
_CANARY = CanarySettings()


def _duration(seconds: float) -> Duration:
    return Duration(round(seconds * 1000))


class CanaryEntry(Section):
    """The key `canary`: questions with known answers, which show whether a resolver's servers are honest."""

    must_resolve: Annotated[tuple[QuestionText, ...], up_to(16)] = _CANARY.must_resolve
    must_not_exist_under: DomainOrOff = _CANARY.must_not_exist_under
    interval: Annotated[DurationText, duration_between("1s", "1h")] = _duration(_CANARY.interval_seconds)


def _canary_tag(value: object) -> str:
    return "<off>" if isinstance(value, bool) else "<canary>"


CanaryOrOff: TypeAlias = Annotated[
    Annotated[Literal[False], Tag("<off>")] | Annotated[CanaryEntry, Tag("<canary>")], Discriminator(_canary_tag)
]


class ResolverEntry(Section):
    """An entry of `resolvers`: DNS servers with the same view of the DNS, and how they are asked.

    Attributes:
        name: The resolver's name, a label value.
        servers: Addresses of the servers; None for those of the system.
        timeout: Time to wait for an answer, for each attempt.
        attempts: How often a question is asked before it fails.
        max_queries_per_second: Limit of the questions.
        max_in_flight: Limit of the questions that wait for an answer.
        max_queued: Limit of the questions that wait to be sent.
        max_queue_time: Time that a question may wait to be sent.
        cache_entries: Limit of the answers in the cache.
        random_case: Whether names are sent in random case (0x20), against forged answers.
        cookies: Whether DNS cookies are sent (RFC 7873).
        edns: Whether queries use EDNS (RFC 6891), which cookies need.
        ca_file: File of CA certificates for DNS over TLS and HTTPS; None for those of the system.
        canary: Questions with known answers; false for none.
    """

    name: Slug
    servers: Annotated[tuple[EndpointText, ...] | None, Given, up_to(255, minimum=1)] = None
    timeout: Annotated[DurationText, duration_between("10ms", "1m")] = _duration(_RESOLVER.timeout_seconds)
    attempts: Annotated[int, between(1, 10)] = _RESOLVER.attempts
    max_queries_per_second: RateValue = _RESOLVER.max_queries_per_second
    max_in_flight: Annotated[int, between(1, 10_000)] = _RESOLVER.max_in_flight
    max_queued: Annotated[int, between(0, 1_000_000)] = _RESOLVER.max_queued
    max_queue_time: Annotated[DurationText, duration_between("0s", "10m")] = _duration(_RESOLVER.max_queue_seconds)
    cache_entries: Annotated[int, between(0, 10_000_000)] = _RESOLVER.cache_entries
    random_case: bool = _RESOLVER.random_case
    cookies: bool = _RESOLVER.cookies
    edns: bool = _RESOLVER.edns
    ca_file: Annotated[PathText | None, Given] = None
    canary: CanaryOrOff = CanaryEntry()


MAX_DOMAINS = 1_000
MAX_SELECTORS = 32
EXPECTED = frozenset({CheckName.SPF, CheckName.DKIM, CheckName.DMARC, CheckName.MX})
"""Checks that receivers of mail make. MTA-STS and TLS-RPT protect incoming mail, so they are not in it."""

_SELECTOR = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


def parse_selector(text: str) -> str:
    """Read a selector (RFC 6376 section 3.1). Allows underscores, as some signers use them. Raises `ValueError`."""
    selector = text.lower()
    if "_domainkey" in selector:
        raise ValueError(f"{text!r} is more than the selector: write what comes before `._domainkey`")
    if not _SELECTOR.fullmatch(selector):
        hint = selector.rstrip(".") if _SELECTOR.fullmatch(selector.rstrip(".")) else "the s= of a signature, like `s1`"
        raise ValueError(f"{text!r} is not a DKIM selector: write {hint}")
    return selector


DomainCheckText = Annotated[CheckName, one_of(DOMAIN_CHECKS, "a check of a domain")]
SelectorText = Annotated[str, reading(parse_selector)]


class DomainExpectEdit(Section):
    """The key `expect` of a domain as a mapping: changes to the checks that are expected by default."""

    add: tuple[DomainCheckText, ...] = ()
    remove: tuple[DomainCheckText, ...] = ()


DomainExpect: TypeAlias = Annotated[
    Annotated[tuple[DomainCheckText, ...], Tag("<list>")] | Annotated[DomainExpectEdit, Tag("<edit>")],
    _tag_mappings(DomainExpectEdit, "<edit>", "<list>"),
]


class DomainEntry(Section):
    """An entry of `domains`: a domain that sends mail.

    Attributes:
        name: The domain.
        dkim_selectors: Selectors of its DKIM keys.
        interval: Time from one sample to the next.
        expect: Expected checks, or changes to the default ones.
    """

    name: MailDomainText
    dkim_selectors: Annotated[tuple[SelectorText, ...], OneOrMore, up_to(MAX_SELECTORS)] = ()
    interval: Annotated[DurationText, duration_between("10s", "1d")] = Duration(300_000)
    expect: Annotated[DomainExpect | None, Given] = None


def expected(
    expect: tuple[CheckName, ...] | ExpectEdit | DomainExpectEdit | None, preset: frozenset[CheckName]
) -> frozenset[CheckName]:
    """The checks to pass: a complete list, or changes to *preset*; None if the key is missing."""
    if isinstance(expect, ExpectEdit | DomainExpectEdit):
        return preset - set(expect.remove) | set(expect.add)
    return preset if expect is None else frozenset(expect)


def domain_too_long(name: DomainName, selector: str = "") -> str | None:
    """What is wrong if the names of its records would be too long, with that of the key of *selector*, or None."""
    try:
        DomainName(f"_smtp._tls.{name}")
    except ValueError:
        return "is too long: the names of its records, with prefixes like `_smtp._tls.`, exceed the limit of a name"
    try:
        key_name(selector or "s", name)
    except ValueError:
        return "is too long: together with `._domainkey` and the domain it exceeds the limit of a name"
    return None


class StorageEntry(Section):
    """The key `storage`: the file that keeps the state, and when old results and changes are deleted from it."""

    path: PathText
    retention: Annotated[DurationText, duration_between("1h", "3650d")] = Duration(90 * 86_400_000)
    max_changes: Annotated[int, between(100, 10_000_000)] = 100_000


class Document(Section):
    """The whole file.

    Attributes:
        resolvers: DNS resolvers; the system's if there is none.
        storage: The file that keeps the state; None for no storage.
        profiles: Profiles of the operator.
        receivers: Receivers whose verdicts are predicted for pools without `receivers`.
        pools: Groups of addresses.
        domains: Domains that send mail.
        dnsbls: Block lists.
    """

    resolvers: Annotated[tuple[ResolverEntry, ...], up_to(16, minimum=1)] = ()
    storage: Annotated[StorageEntry | None, Given] = None
    profiles: Annotated[tuple[ProfileEntry, ...], up_to(100)] = ()
    receivers: Receivers = None
    pools: Annotated[tuple[PoolEntry, ...], up_to(1_000, minimum=1)] = ()
    domains: Annotated[tuple[DomainEntry, ...], up_to(MAX_DOMAINS)] = ()
    dnsbls: Dnsbls = ()


def sections(
    section: type[Section] = Document, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    """Every kind of mapping in the file: its model, and its path, without list indexes and with the tags of unions."""
    yield path, section
    for name, info in section.model_fields.items():
        for tags, inner in _inner(info.annotation, ()):
            yield from sections(inner, (*path, name, *tags))


def _inner(annotation: Any, tags: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    """The mappings inside of a type: in lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield tags, annotation
        return
    found = tuple(argument.tag for argument in get_args(annotation) if isinstance(argument, Tag))
    for argument in get_args(annotation):
        yield from _inner(argument, tags + found)
