"""Findings, verdicts and targets as plain data, to be written as JSON and read back as they were.

The rule of this file: every reader raises `ValueError` for what no writer here wrote, a word of another version
included: whoever reads a row then does without it, and samples anew.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

from exporter.checks.addresses import Address
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason
from exporter.checks.helo import HeloName
from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.checks.receivers import ACCEPTED, Receiver, ReceiverResult, ReceiverVerdict
from exporter.checks.report import Target
from exporter.checks.verdicts import CheckName, Finding, IprevVerdict, Mend, Reason, Result
from exporter.state.change import AnyFinding

P = ParamSpec("P")
T = TypeVar("T")


def reading(read: Callable[P, T]) -> Callable[P, T]:
    """Turn whatever *read* stumbles over into a `ValueError`."""

    def guarded(*arguments: P.args, **more: P.kwargs) -> T:
        try:
            return read(*arguments, **more)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not what was written: {error}") from error

    return guarded


def finding_data(finding: AnyFinding) -> list[Any]:
    """A finding."""
    if finding.result is Result.PASS:
        return [finding.check, finding.subject]
    mend = finding.mend
    return [
        finding.check,
        finding.subject,
        finding.result,
        finding.reason,
        finding.sentence,
        None if mend is None else [mend.advice, mend.zone, mend.records, mend.replaces],
    ]


def any_finding(data: Sequence[Any]) -> AnyFinding:
    """The finding, about an address or a domain, that `finding_data` wrote."""
    return finding(data) if data[0] in _ADDRESS_CHECKS else _domain_finding(data)


_ADDRESS_CHECKS = frozenset(CheckName)


def finding(data: Sequence[Any]) -> Finding:
    """The finding about an address that `finding_data` wrote."""
    if len(data) == 2:
        return _pass(*data)
    check, subject, result, reason, sentence, mend = data
    return Finding(CheckName(check), Result(result), str(subject), Reason(reason), str(sentence), _mend(mend))


@lru_cache(4096)
def _pass(check: str, subject: str) -> Finding:
    return Finding(CheckName(check), Result.PASS, subject)


def _domain_finding(data: Sequence[Any]) -> DomainFinding:
    if len(data) == 2:
        return DomainFinding(DomainCheckName(data[0]), Result.PASS, str(data[1]))
    check, subject, result, reason, sentence, mend = data
    read = DomainReason(reason) if reason in _DOMAIN_REASONS else Reason(reason)
    return DomainFinding(DomainCheckName(check), Result(result), str(subject), read, str(sentence), _mend(mend))


_DOMAIN_REASONS = frozenset(DomainReason)


def _mend(data: Sequence[Any] | None) -> Mend | None:
    if data is None:
        return None
    advice, zone, records, replaces = data
    return Mend(str(advice), str(zone), tuple(map(str, records)), tuple(map(str, replaces)))


def iprev_data(iprev: Iprev, places: Mapping[Finding, int]) -> list[Any]:
    """A verdict on an address; one that passes is its names. *places* says where findings are that stand elsewhere."""
    if iprev.verdict is IprevVerdict.PASS:
        return (
            [iprev.ptr_names] if iprev.ptr_names == iprev.confirmed_names else [iprev.ptr_names, iprev.confirmed_names]
        )
    return [iprev.ptr_names, iprev.confirmed_names, iprev.verdict, finding_at(iprev.finding, places)]


def finding_at(one: Finding, places: Mapping[Finding, int]) -> int | list[Any]:
    """A finding, or its place among those that stand elsewhere."""
    place = places.get(one)
    return finding_data(one) if place is None else place


def finding_from(data: Any, findings: Sequence[Finding]) -> Finding:
    """What `finding_at` wrote."""
    return findings[data] if isinstance(data, int) else finding(data)


def iprev_of(data: Sequence[Any], findings: Sequence[Finding]) -> Iprev:
    """What `iprev_data` wrote."""
    names = tuple(map(DomainName, data[0]))
    confirmed = tuple(map(DomainName, data[1])) if len(data) > 1 else names
    if len(data) < 4:
        return Iprev(IprevVerdict.PASS, _pass(CheckName.FCRDNS, ""), names, confirmed)
    return Iprev(IprevVerdict(data[2]), finding_from(data[3], findings), names, confirmed)


def verdict_data(verdict: ReceiverVerdict) -> list[Any]:
    """A conclusive verdict of a receiver."""
    if verdict.result is ReceiverResult.ACCEPT:
        return [verdict.receiver]
    return [verdict.receiver, verdict.result, verdict.code, verdict.share, verdict.lacks, verdict.sentence]


def verdict_of(data: Sequence[Any]) -> ReceiverVerdict:
    """What `verdict_data` wrote."""
    if len(data) == 1:
        return _accepts(data[0])
    receiver, result, code, share, lacks, sentence = data
    return ReceiverVerdict(
        Receiver(receiver),
        ReceiverResult(result),
        None if code is None else int(code),
        float(share),
        True,  # noqa: FBT003  # only conclusive verdicts are held
        tuple(map(CheckName, lacks)),
        str(sentence),
    )


@lru_cache(256)
def _accepts(receiver: str) -> ReceiverVerdict:
    return ReceiverVerdict.of(Receiver(receiver), ACCEPTED)


def target_data(target: Target | DomainName) -> list[Any]:
    """What a change is about."""
    if isinstance(target, Target):
        return [str(target.address), *[said.text for said in target.helos]]
    return ["", target]


def target_of(data: Sequence[Any]) -> Target | DomainName:
    """What `target_data` wrote."""
    first, *rest = data
    if first:
        return Target(Address.parse(first), tuple(map(HeloName.parse, rest)))
    return DomainName(rest[0])
