"""Writes the effective configuration as a configuration file, with all defaults and profiles applied."""

import math
from collections.abc import Iterable, Iterator, Mapping

from exporter.checks.result import CheckName
from exporter.config.configuration import Configuration, DomainSettings, PoolSettings
from exporter.config.model import (
    AddressEntry,
    AnyEntry,
    CanaryEntry,
    DnsblEntry,
    Profile,
    ResolverEntry,
    Sample,
    SampleEntry,
    StorageEntry,
)
from exporter.config.tree import Data, flow
from exporter.config.values import UNLIMITED, AlertMode

_WIDTH = 100


def as_data(configuration: Configuration) -> dict[str, Data]:
    """The effective configuration as lists and dictionaries, in the order of the documentation."""
    return _known(
        resolvers=[_resolver(entry) for entry in configuration.resolvers],
        storage=None if configuration.storage is None else _storage(configuration.storage),
        profiles=[_profile(profile) for profile in configuration.profiles] or None,
        pools=[_pool(pool, has_lists=bool(configuration.dnsbls)) for pool in configuration.pools] or None,
        domains=[_domain(domain) for domain in configuration.domains] or None,
        dnsbls=[_dnsbl(entry) for entry in configuration.dnsbls] or None,
    )


def _known(**keys: Data | None) -> dict[str, Data]:
    """The keys that have a value."""
    return {key: value for key, value in keys.items() if value is not None}


def _texts(values: Iterable[object]) -> Data:
    return [str(value) for value in values]


def render(configuration: Configuration) -> str:
    """The effective configuration as YAML, which `exporter.config.load.parse` reads as an equal `Configuration`.

    Keys without a value that is known beforehand are missing: the system's DNS servers, and an `aligned_suffix` that is
    the domain of each HELO name. The configuration has no secrets to hide.
    """
    return "".join(f"{line}\n" for line in _block(as_data(configuration), ""))


class Effective:
    """Renders a configuration and caches the latest text. Thread-safe."""

    def __init__(self) -> None:
        self._latest: tuple[Configuration, str] | None = None

    def __call__(self, configuration: Configuration) -> str:
        """Call `render`. It takes long for thousands of addresses, so call it outside of the event loop."""
        latest = self._latest
        if latest is None or latest[0] is not configuration:
            latest = self._latest = (configuration, render(configuration))
        return latest[1]


def _resolver(entry: ResolverEntry) -> Data:
    return _known(
        name=entry.name,
        servers=None if entry.servers is None else _texts(entry.servers),
        timeout=str(entry.timeout),
        attempts=entry.attempts,
        max_queries_per_second=_rate(entry.max_queries_per_second),
        max_in_flight=entry.max_in_flight,
        max_queued=entry.max_queued,
        max_queue_time=str(entry.max_queue_time),
        cache_entries=entry.cache_entries,
        random_case=entry.random_case,
        cookies=entry.cookies,
        edns=entry.edns,
        ca_file=entry.ca_file,
        canary=_canary(entry.canary) if entry.canary else False,
    )


def _rate(rate: float) -> Data:
    return UNLIMITED if math.isinf(rate) else rate


def _dnsbl(entry: DnsblEntry) -> Data:
    return _known(
        zone=str(entry.zone),
        interval=str(entry.interval),
        max_queries_per_second=_rate(entry.max_queries_per_second),
        max_queries_per_day=_rate(entry.max_queries_per_day),
        families=[family.value for family in entry.families],
        codes={str(code): name for code, name in entry.codes} or None,
    )


def _canary(entry: CanaryEntry) -> Data:
    under = entry.must_not_exist_under
    return {
        "must_resolve": _texts(entry.must_resolve),
        "must_not_exist_under": False if under is None else str(under),
        "interval": str(entry.interval),
    }


def _storage(entry: StorageEntry) -> Data:
    return {"path": entry.path, "retention": str(entry.retention), "max_changes": entry.max_changes}


def _profile(profile: Profile) -> Data:
    return _known(
        name=profile.name,
        based_on=profile.based_on,
        expect=_checks(profile.expect),
        aligned_suffix=profile.aligned_suffix and str(profile.aligned_suffix),
        helo_spf_required=profile.helo_spf_required,
    )


def _pool(pool: PoolSettings, *, has_lists: bool) -> Data:
    return _known(
        name=pool.name,
        profile=pool.profile,
        interval=str(pool.interval),
        expect=_checks(pool.expect),
        aligned_suffix=pool.aligned_suffix and str(pool.aligned_suffix),
        helo_spf_required=pool.helo_spf_required,
        mail_from_domains=_texts(pool.mail_from_domains) or None,
        dnsbls=_texts(pool.dnsbls) if has_lists else None,
        series=pool.series.value,
        ptr_info=pool.ptr_info,
        receivers=[receiver.value for receiver in pool.receivers],
        sample=_sample(pool.sample),
        unlisted_samples=pool.unlisted_samples,
        helo_names=[helo.text.replace("{", "{{").replace("}", "}}") for helo in pool.helo_names] or None,
        alert=pool.alerting.mode is not AlertMode.NONE and pool.alerting.mode.value,
        alert_threshold=pool.alerting.threshold and f"{100 * pool.alerting.threshold:.10g}%",
        severity=pool.alerting.severity.value,
        team=pool.alerting.team,
        labels=dict[str, Data](pool.alerting.labels) or None,
        spf=pool.spf and str(pool.spf),
        addresses_file=list(pool.addresses_files) or None,
        addresses=[_entry(entry) for entry in pool.addresses] or None,
    )


def _domain(domain: DomainSettings) -> Data:
    return {
        "name": str(domain.name),
        "dkim_selectors": list(domain.selectors),
        "interval": str(domain.interval),
        "expect": _checks(domain.expect),
    }


def _sample(sample: Sample) -> Data:
    return sample.model_dump() if isinstance(sample, SampleEntry) else sample


def _entry(entry: AnyEntry) -> Data:
    what: dict[str, Data] = (
        {"ip": str(entry.ip)} if isinstance(entry, AddressEntry) else {"network": str(entry.network)}
    )
    match entry.helo:
        case ():
            return what
        case (one,):
            return what | {"helo": one.text}
        case several:
            return what | {"helo": [template.text for template in several]}


def _checks(expect: Iterable[CheckName]) -> Data:
    return [check.value for check in CheckName if check in set(expect)]


def _block(data: Mapping[str, Data], indent: str) -> Iterator[str]:
    """Write a mapping in block style. Values other than lists of mappings are on one line if they fit."""
    for key, value in data.items():
        text = flow(value)
        fits = key not in _ALWAYS_BLOCK and len(text) + len(indent) < _WIDTH
        if not isinstance(value, list | dict) or not value or fits:
            yield f"{indent}{key}: {text}"
        elif isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _block(value, f"{indent}  ")
        else:
            yield f"{indent}{key}:"
            for item in value:
                yield from _item(item, f"{indent}  ", as_block=key in _SECTIONS)


_SECTIONS = {"resolvers", "profiles", "pools", "domains", "dnsbls"}
_ALWAYS_BLOCK = _SECTIONS | {"addresses"}


def _item(item: Data, indent: str, *, as_block: bool) -> Iterator[str]:
    if not (as_block and isinstance(item, dict)):
        yield f"{indent}- {flow(item)}"
        return
    first, *rest = _block(item, f"{indent}  ")
    yield f"{indent}- {first.lstrip()}"
    yield from rest
