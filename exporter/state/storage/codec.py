"""Converts states to text and back: the content of the rows in the database.

Whatever a reader here cannot understand, such as a value of another version, raises `ValueError`: the row is skipped,
and its subject is sampled again.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from json.encoder import encode_basestring_ascii as quoted
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from exporter.checks.addresses import Address
from exporter.checks.dkim import DkimReport
from exporter.checks.dmarc import DmarcReport
from exporter.checks.domain import Hint
from exporter.checks.domain_report import DomainReport
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import HeloNameReport
from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.checks.receivers import ACCEPTED, Receiver, ReceiverResult, ReceiverVerdict
from exporter.checks.report import Report, Target
from exporter.checks.result import CheckName, Finding, Fix, IprevVerdict, Reason, Result
from exporter.checks.spf.compiled import RangeMap
from exporter.checks.spf.domain import SpfDomainReport
from exporter.checks.spf.results import Outcome
from exporter.config.configuration import DomainSettings
from exporter.state.address import AddressState
from exporter.state.domain import DomainState
from exporter.state.helo import HeloState
from exporter.state.journal import pack, unpack
from exporter.state.known import KnownFindings
from exporter.state.store import CompactRow, InternedResult, StateBuilder, Timestamps

P = ParamSpec("P")
T = TypeVar("T")

MAX_BYTES = 1 << 20
"""The longest text of a domain: a record that authorises ten thousand networks fits."""

_MAX_EVIDENCE = 64 << 10
_SAME = 0
"""Stands for a value that equals another one in the text."""


def as_value_error(read: Callable[P, T]) -> Callable[P, T]:
    """Turn every exception that damaged data can cause in *read* into a `ValueError`."""

    def wrapped(*arguments: P.args, **more: P.kwargs) -> T:
        try:
            return read(*arguments, **more)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not what was written: {error}") from error

    return wrapped


def to_text(data: Any) -> str:
    """Write plain data as JSON."""
    return json.dumps(data, separators=(",", ":"))


# Addresses. Half a million of them are written and read, so their format is compact: a pass is its check and subject,
# and equal values are written once.


def address_text(state: AddressState) -> str:
    """Write all of *state* except its address, its evidence and the time of its latest sample."""
    known = list(state.known.values())
    indexes = {one: index for index, one in enumerate(known)}
    latest = state.latest
    data: list[Any] = [
        [helo.text for helo in state.target.helos],
        list(map(finding_data, known)),
        None if latest is None else [_indexed_data(one, indexes) for one in latest.findings],
        None if state.iprev is None else _iprev_data(state.iprev, indexes),
        None if latest is None else _SAME if latest.iprev == state.iprev else _iprev_data(latest.iprev, indexes),
        state.concluded_at,
        state.changed_at,
        state.renamed_at,
        [[_verdict_data(verdict) for verdict in row if verdict.is_conclusive] for row in state.receivers],
    ]
    return to_text(data)


@as_value_error
def address_state(text: str, address: Address, sampled_at: float, now: float) -> AddressState:
    """Read what `address_text` wrote of *address*. Raises `ValueError`.

    No time is later than *now*. If the latest sample was conclusive, its time is *sampled_at* as well.
    """
    helos, known, latest, iprev, latest_iprev, concluded_at, changed_at, renamed_at, receivers = json.loads(text)
    target = Target(address, tuple(map(HeloName.parse, helos)))
    findings = list(map(finding, known))
    concluded = None if iprev is None else _iprev(iprev, findings)
    report = None
    if latest is not None:
        last = concluded if latest_iprev == _SAME else _iprev(latest_iprev, findings)
        if last is None:
            raise ValueError("a latest sample without a verdict")
        report = Report(target, last, tuple([_indexed_finding(it, findings) for it in latest]))
        if report.is_conclusive:
            concluded_at = sampled_at
    return AddressState(
        target,
        latest=report,
        known=_by_slot(findings),
        iprev=concluded,
        sampled_at=min(sampled_at, now),
        concluded_at=min(float(concluded_at), now),
        changed_at=min(float(changed_at), now),
        renamed_at=tuple([min(float(at), now) for at in renamed_at]),
        receivers=tuple([tuple(map(_verdict, row)) for row in receivers]),
    )


def _by_slot(findings: Sequence[Finding]) -> KnownFindings:
    return {(one.check, one.subject): one for one in findings}


def finding_data(finding: Finding) -> list[Any]:
    """Convert a finding to plain data."""
    if finding.result is Result.PASS:
        return [finding.check, finding.subject]
    fix = None
    if finding.fix is not None:
        fix = [finding.fix.advice, finding.fix.zone, finding.fix.records, finding.fix.replaces, finding.fix.warning]
    return [finding.check, finding.subject, finding.result, finding.reason, finding.sentence, fix]


def finding(data: Sequence[Any]) -> Finding:
    """Read the finding that `finding_data` wrote."""
    if len(data) == 2:
        return _pass(*data)
    check, subject, result, reason, sentence, fix = data
    return Finding(CheckName(check), Result(result), str(subject), Reason(reason), str(sentence), _fix(fix))


@lru_cache(4096)
def _pass(check: str, subject: str) -> Finding:
    return Finding(CheckName(check), Result.PASS, subject)


def _fix(data: Sequence[Any] | None) -> Fix | None:
    if data is None:
        return None
    advice, zone, records, replaces, *warning = data
    return Fix(str(advice), str(zone), tuple(map(str, records)), tuple(map(str, replaces)), *map(str, warning))


def _indexed_data(one: Finding, indexes: Mapping[Finding, int]) -> int | list[Any]:
    """A finding, or its index if it is among those of *indexes*."""
    index = indexes.get(one)
    return finding_data(one) if index is None else index


def _indexed_finding(data: Any, findings: Sequence[Finding]) -> Finding:
    return findings[data] if isinstance(data, int) else finding(data)


def _iprev_data(iprev: Iprev, indexes: Mapping[Finding, int]) -> list[Any]:
    """A verdict; a pass is only its names, once if all are confirmed."""
    if iprev.verdict is not IprevVerdict.PASS:
        return [iprev.ptr_names, iprev.confirmed_names, iprev.verdict, _indexed_data(iprev.finding, indexes)]
    return [iprev.ptr_names] if iprev.ptr_names == iprev.confirmed_names else [iprev.ptr_names, iprev.confirmed_names]


def _iprev(data: Sequence[Any], findings: Sequence[Finding]) -> Iprev:
    names = tuple(map(DomainName, data[0]))
    confirmed = tuple(map(DomainName, data[1])) if len(data) > 1 else names
    if len(data) < 4:
        return Iprev(IprevVerdict.PASS, _pass(CheckName.FCRDNS, ""), names, confirmed)
    return Iprev(IprevVerdict(data[2]), _indexed_finding(data[3], findings), names, confirmed)


def _verdict_data(verdict: ReceiverVerdict) -> list[Any]:
    """A conclusive verdict; an accepting one is only its receiver."""
    if verdict.result is ReceiverResult.ACCEPT:
        return [verdict.receiver]
    return [verdict.receiver, verdict.result, verdict.code, verdict.share, verdict.lacks, verdict.sentence]


def _verdict(data: Sequence[Any]) -> ReceiverVerdict:
    if len(data) == 1:
        return _accepts(data[0])
    receiver, result, code, share, lacks, sentence = data
    return ReceiverVerdict(
        Receiver(receiver),
        ReceiverResult(result),
        None if code is None else int(code),
        float(share),
        True,  # noqa: FBT003  # only conclusive verdicts are written
        tuple(map(CheckName, lacks)),
        str(sentence),
    )


@lru_cache(256)
def _accepts(receiver: str) -> ReceiverVerdict:
    return ReceiverVerdict.of(Receiver(receiver), ACCEPTED)


def target_data(target: Target | DomainName) -> list[Any]:
    """Convert the subject of a change to plain data."""
    if isinstance(target, Target):
        return [str(target.address), *[helo.text for helo in target.helos]]
    return ["", target]


def target_of(data: Sequence[Any]) -> Target | DomainName:
    """Read what `target_data` wrote."""
    first, *rest = data
    if first:
        return Target(Address.parse(first), tuple(map(HeloName.parse, rest)))
    return DomainName(rest[0])


# Compact addresses: one template for all of an interned result.

_SLOT = re.compile(r'"\\u0001(\w+)"')
_PTR, _CONFIRMED, _CONCLUDED_AT, _CHANGED_AT = "ptr", "confirmed", "concluded", "changed"


class RowTemplates:
    """Writes the texts of compact addresses from templates, four times as fast as by building their states.

    Half a million of them may have to be written before the process ends. Each text is exactly what `address_text`
    writes. Safe to reuse: only templates are kept between calls.
    """

    def __init__(self) -> None:
        self._templates: dict[tuple[int, int, bool], tuple[InternedResult, str]] = {}

    def text(self, target: Target, row: CompactRow) -> str:
        """Write what `address_text` writes of the state of *target* with the columns *row*."""
        result, ptr_names, confirmed_names, times = row
        is_same = ptr_names == confirmed_names
        key = (id(result), len(target.helos), is_same)
        known = self._templates.get(key)
        if known is None:  # it refers to the result, so that no other one can get the same id
            known = self._templates[key] = (result, _template(target, result, is_same=is_same))
        slots: dict[str, Any] = {f"helo{index}": quoted(helo.text) for index, helo in enumerate(target.helos)}
        slots[_PTR] = ",".join(map(quoted, ptr_names))
        slots[_CONFIRMED] = slots[_PTR] if is_same else ",".join(map(quoted, confirmed_names))
        _, slots[_CONCLUDED_AT], slots[_CHANGED_AT] = times
        return known[1] % slots


def _template(target: Target, result: InternedResult, *, is_same: bool) -> str:
    """The text of a state with *result*, with slots for names and times. No name has a control character."""
    helos = [HeloName(_slot(f"helo{index}"), None) for index in range(len(target.helos))]
    names = (_slot(_PTR),), (_slot(_PTR if is_same else _CONFIRMED),)
    times: Any = Timestamps(0.0, *map(_slot, (_CONCLUDED_AT, _CHANGED_AT)))  # type: ignore[arg-type]  # slots, too
    state = StateBuilder(result).state(Target(target.address, tuple(helos)), names, times)
    return _SLOT.sub(r"%(\1)s", address_text(state).replace("%", "%%"))


def _slot(name: str) -> str:
    return f"\1{name}"


# HELO names and domains: few, so that their format is generic.


def helo_text(state: HeloState) -> str:
    """Write all of *state* except its name and the time of its latest sample."""
    numbers = (state.resolves, state.addresses, state.confirmed_addresses, state.addresses_outside_pool)
    return to_text([to_data(tuple(state.known.values())), to_data(state.latest), numbers])


@as_value_error
def helo_state(text: str, helo: HeloName, sampled_at: float, now: float) -> HeloState:
    """Read what `helo_text` wrote of *helo*. Raises `ValueError`."""
    known, latest, numbers = json.loads(text)
    kind = tuple[bool | None, int | None, int | None, int | None]
    resolves, total, confirmed, outside = from_data(kind, numbers)
    report = from_data(HeloNameReport | None, latest)
    findings = _by_slot(from_data(tuple[Finding, ...], known))
    return HeloState(helo, report, findings, resolves, total, confirmed, outside, min(sampled_at, now))


def domain_text(state: DomainState, max_bytes: int = MAX_BYTES) -> str:
    """Write all of *state* except its name and the settings other than selectors.

    If the text is too long, the evidence is left out, and if that is not enough, the latest report and the SPF report.
    The known findings are always there.
    """
    text = _domain_text(state, pack(state.evidence, _MAX_EVIDENCE), with_latest=True)
    if len(text) > max_bytes:
        text = _domain_text(state, pack({}), with_latest=True)
    return text if len(text) <= max_bytes else _domain_text(state, pack({}), with_latest=False)


def _domain_text(state: DomainState, evidence: str, *, with_latest: bool) -> str:
    latest = state.latest if with_latest else None
    spf = state.spf if with_latest else None
    data: list[Any] = [
        list(state.settings.selectors),
        to_data(latest),
        list(map(to_data, state.known.values())),
        [[*slot, to_data(hints)] for slot, hints in state.hints.items()],
        _SAME if latest is not None and spf == latest.spf else to_data(spf),
        {selector: to_data(key) for selector, key in state.dkim.items()},
        to_data(state.dmarc),
        state.concluded_at,
        state.changed_at,
        evidence,
    ]
    return to_text(data)


@as_value_error
def domain_state(text: str, settings: DomainSettings, sampled_at: float, now: float) -> DomainState:
    """Read what `domain_text` wrote of the domain that has these *settings* now. Raises `ValueError`.

    No time is later than *now*. What is known of selectors that are not configured any more is dropped.
    """
    selectors, latest, known, hints, spf, dkim, dmarc, concluded_at, changed_at, evidence = json.loads(text)
    report = from_data(DomainReport | None, latest)
    groups = from_data(tuple[tuple[Finding, ...], ...], known)
    state = DomainState(
        DomainSettings(settings.name, settings.interval, settings.expect, tuple(map(str, selectors))),
        report,
        {
            question: answer if answer.asked_at <= now else answer._replace(asked_at=now)
            for question, answer in unpack(evidence).items()
        },
        {(group[0].check, group[0].subject): group for group in groups},
        {(CheckName(check), str(subject)): from_data(tuple[Hint, ...], some) for check, subject, some in hints},
        report.spf if spf == _SAME and report is not None else from_data(SpfDomainReport | None, spf),
        {str(selector): from_data(DkimReport, key) for selector, key in dkim.items()},
        from_data(DmarcReport | None, dmarc),
        min(sampled_at, now),
        min(float(concluded_at), now),
        min(float(changed_at), now),
    )
    return state if state.settings == settings else state.reconfigure(settings)


# Any value of declared types: a dataclass or named tuple is the list of its fields. One whose fields differ in another
# version is refused, not misread.


def to_data(value: Any) -> Any:
    """Convert a value to plain data for `json.dumps`. A string may be of any subclass: names, enum members."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [to_data(one) for one in value]
    if isinstance(value, RangeMap):
        outcomes = list(dict.fromkeys(outcome for _, outcome in value.starts))
        indexes = {outcome: index for index, outcome in enumerate(outcomes)}
        return [to_data(tuple(outcomes)), [[low, indexes[outcome]] for low, outcome in value.starts]]
    if is_dataclass(value):
        return [to_data(getattr(value, field.name)) for field in fields(value)]
    return value


def from_data(kind: Any, data: Any) -> Any:
    """Read the value of the type *kind* that `to_data` converted."""
    return _reader(kind)(data)


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _one_of([_reader(one) for one in arguments])
    if origin is tuple and arguments[-1] is ...:
        reader = _reader(arguments[0])
        return lambda data: tuple(map(reader, _exactly(list, data)))
    if origin is tuple:
        return _record(lambda *values: values, [_reader(one) for one in arguments])
    if kind is RangeMap:
        return _range_map
    if kind is bytes:
        return lambda data: _exactly(str, data).encode("latin-1")
    if kind is DomainName or (isinstance(kind, type) and issubclass(kind, Enum)):
        return lambda data: kind(_exactly(str, data))
    if kind in {str, int, float, bool, NoneType}:
        return lambda data: _exactly(kind, data)
    hints = get_type_hints(kind)
    names = kind._fields if issubclass(kind, tuple) else [field.name for field in fields(kind)]
    return _record(kind, [_reader(hints[name]) for name in names])


def _exactly(kind: type[T], data: Any) -> T:
    if type(data) is not kind:
        raise ValueError(f"{data!r} is not of type {kind.__name__}")
    return data


def _one_of(readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        for reader in readers:
            try:
                return reader(data)
            except (TypeError, ValueError):
                continue
        raise ValueError(f"{data!r} is of no type that is allowed here")

    return read


def _record(kind: Callable[..., Any], readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda data: kind(*[reader(one) for reader, one in zip(readers, _exactly(list, data), strict=True)])


def _range_map(data: Any) -> RangeMap:
    outcomes, starts = data
    known = _reader(tuple[Outcome | None, ...])(outcomes)
    return RangeMap([(_exactly(int, low), low, known[_exactly(int, index)]) for low, index in starts])
