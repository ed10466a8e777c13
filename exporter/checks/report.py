"""Everything that one sample finds out about one address."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question
from exporter.checks.check import Check, Evidence, parallel
from exporter.checks.helo import HeloName, forward_questions, helo
from exporter.checks.host_names import special_use
from exporter.checks.iprev import Iprev, ServerName, evaluate_single_name, follow
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver, ReceiverVerdict, receivers
from exporter.checks.result import CheckName, Finding, IprevVerdict, Reason, Result
from exporter.checks.spf.compiled import CompiledSpf
from exporter.checks.spf.evaluate import compiled_finding, spf_finding, spf_helo, spf_mailfrom

_new = tuple.__new__  # builds a NamedTuple in a third of the time

Verdicts = tuple[tuple[ReceiverVerdict, ...], ...]
"""The verdicts of several receivers for each HELO name of a target, in the order of the names."""

Compiled = Callable[[str], CompiledSpf | None]
"""Looks up the compiled SPF record of a domain; None if there is none, so that the record has to be evaluated."""


@dataclass(frozen=True, slots=True)
class Target:
    """One outbound address that is watched, with the names that it uses in HELO."""

    address: Address
    helos: tuple[HeloName, ...] = ()


class Report(NamedTuple):
    """The result of one sample of one target.

    Attributes:
        target: The target.
        iprev: Whether the address is forward-confirmed.
        findings: One for each check and subject, in a fixed order: `fcrdns`, five for each HELO name, then those of
            `authentication`.
        receivers: The predictions for each HELO name; empty if none were wanted.
    """

    target: Target
    iprev: Iprev
    findings: tuple[Finding, ...]
    receivers: Verdicts = ()

    @property
    def is_conclusive(self) -> bool:
        """Whether it is known if the address is forward-confirmed."""
        return self.iprev.verdict is not IprevVerdict.TEMPERROR


class Predicted(NamedTuple):
    """The predictions of an earlier sample, and all its answers."""

    evidence: Evidence
    verdicts: Verdicts

    def matches(self, target: Target, policies: Sequence[Receiver]) -> bool:
        """Whether these are conclusive verdicts of exactly these receivers on that target."""
        return len(self.verdicts) == len(target.helos) and all(
            len(row) == len(policies)
            and all(it.is_conclusive and it.receiver is policy for it, policy in zip(row, policies, strict=True))
            for row in self.verdicts
        )


@dataclass(frozen=True, slots=True)
class AuthenticationSettings:
    """Which SPF results and block list results belong to the report of a target.

    Attributes:
        helo_spf_required: Whether a HELO name without an SPF record fails.
        mail_from: The domains that the address sends for.
        compiled: Looks up compiled SPF records.
        listings: The last findings of the block lists, each of which is asked at its own rate.
    """

    helo_spf_required: bool = False
    mail_from: tuple[DomainName, ...] = ()
    compiled: Compiled = lambda domain: None  # noqa: ARG005
    listings: tuple[Finding, ...] = ()


DEFAULT_AUTHENTICATION = AuthenticationSettings()
"""Only SPF of the HELO names, none of which needs a record."""


def report(
    target: Target,
    *,
    suffix: DomainName | None = None,
    policies: Sequence[Receiver] = (),
    before: Predicted | None = None,
    wanted: AuthenticationSettings | None = None,
) -> Check[Report]:
    """Run every check on *target*; *suffix* is the domain in which PTR and HELO names are expected.

    *policies* are the receivers to predict, *before* the earlier predictions for this target. *wanted* adds SPF and
    block lists. All parts run in parallel, so a sample waits for no more answers in a row than its longest part.
    """
    predicts = bool(policies and target.helos)
    authenticates = wanted is not None and bool(target.helos or wanted.mail_from or wanted.listings)
    basic = _target_report(target, suffix) if target.helos else _address_report(target)
    if not (predicts or authenticates):
        return basic
    return _combined_report(
        basic,
        predictions(target, policies, before) if predicts else None,
        authentication(target, wanted) if wanted is not None and authenticates else None,
    )


def _combined_report(
    basic: Check[Report], predict: Check[Verdicts] | None, authenticate: Check[tuple[Finding, ...]] | None
) -> Check[Report]:
    checks: list[Check[Any]] = [check for check in (basic, predict, authenticate) if check is not None]
    found, *others = yield from parallel(checks)
    more = others.pop() if authenticate is not None else ()
    return Report(found.target, found.iprev, found.findings + more, others[0] if predict is not None else ())


def _target_report(target: Target, suffix: DomainName | None) -> Check[Report]:
    """Run `iprev` and the HELO checks.

    The first step asks every question that does not depend on an answer. The HELO checks yield some of them again, and
    are sent the answers that are already there.
    """
    address = target.address
    names = [helo_name.name for helo_name in target.helos if helo_name.name is not None]
    ptr, *forward = yield [
        Question(address.reverse_name, "PTR"),
        *[question for name in names for question in forward_questions(name)],
    ]
    own = forward[0::2] if address.family == 4 else forward[1::2]
    verdict = yield from follow(address, ptr, server=_server(address, dict(zip(names, own, strict=True))))
    findings = [verdict.finding]
    for helo_name in target.helos:
        findings += yield from helo(address, helo_name, ptr, suffix=suffix, confirmed=verdict.confirmed_names)
    fix = verdict.finding.fix
    if fix is not None and fix.replaces:  # others that publish the same record would add it beside the wrong one
        alike = [it.fix is not None and it.fix.records == fix.records for it in findings]
        findings = [replace(it, fix=fix) if is_same else it for it, is_same in zip(findings, alike, strict=True)]
    return Report(target, verdict, tuple(findings))


def _server(address: Address, forward: Mapping[DomainName, Answer]) -> ServerName | None:
    """The HELO name that a PTR record can point at: one that resolves to the address, or else the first."""
    fit = [name for name in forward if name.is_hostname and name.is_qualified and not special_use(name)]
    usable = [ServerName(name, forward[name]) for name in fit]
    return next((it for it in usable if address in it.forward.records), usable[0] if usable else None)


def _address_report(target: Target) -> Check[Report]:
    """Run `iprev` on an address without HELO names. Fast, for networks of 100,000 such addresses."""
    address = target.address
    (ptr,) = yield [_new(Question, (address.reverse_name, "PTR"))]
    names = ptr.names
    if len(names) == 1:
        (forward,) = yield [_new(Question, (names[0], address.rdtype))]
        verdict = evaluate_single_name(address, ptr, names, forward)
        if verdict.finding.reason is Reason.PTR_MISSING_DOT:
            verdict = yield from follow(address, ptr)  # looks up the name that was meant
    else:
        verdict = yield from follow(address, ptr)
    return _new(Report, (target, verdict, (verdict.finding,), ()))


_LEADING = ("PTR", "MX")
"""Types whose records decide which names are asked for next."""


def predictions(target: Target, policies: Sequence[Receiver], before: Predicted | None = None) -> Check[Verdicts]:
    """Predict the verdict of each of *policies* on each HELO name of *target*.

    A prediction depends on its answers alone, so the one of *before* is reused if no answer has changed.
    """
    if before is not None and before.matches(target, policies) and (yield from _is_unchanged(before.evidence)):
        return before.verdicts
    return (yield from parallel([receivers(target.address, helo, policies) for helo in target.helos]))


def _is_unchanged(evidence: Evidence) -> Check[bool]:
    """Ask every question again, first those whose answers lead to others.

    TXT records do not matter: SPF asked for them, not a receiver.
    """
    leading = [question for question in evidence if question.rdtype in _LEADING]
    answers = yield leading
    if not _are_same(evidence, leading, answers):
        return False
    others = [question for question in evidence if question.rdtype not in _LEADING and question.rdtype != "TXT"]
    answers = yield others
    return _are_same(evidence, others, answers)


def _are_same(evidence: Evidence, questions: Sequence[Question], answers: Sequence[Answer]) -> bool:
    for question, answer in zip(questions, answers, strict=True):
        known = evidence[question]
        if known.status is not answer.status or known.records != answer.records or known.chain != answer.chain:
            return False
    return True


def authentication(target: Target, wanted: AuthenticationSettings) -> Check[tuple[Finding, ...]]:
    """Check SPF: `spf-helo` for each HELO name, `spf-mailfrom` for each domain; then add the listings.

    The number of findings and their subjects never depend on the DNS, so two samples can be compared finding by
    finding. Domains are checked with the first HELO name, for records with the macro ``%{h}``.
    """
    text = target.helos[0].text if target.helos else ""
    checks = [_helo_spf(target.address, helo, wanted) for helo in target.helos]
    checks += [_mailfrom_spf(target.address, domain, text, wanted) for domain in wanted.mail_from]
    return (yield from parallel(checks)) + wanted.listings


def _helo_spf(address: Address, helo: HeloName, wanted: AuthenticationSettings) -> Check[Finding]:
    check = CheckName.SPF_HELO
    finding = _compiled_spf(check, address, helo.text, wanted)
    if finding is None:
        finding = spf_finding(check, address, (yield from spf_helo(address, helo)))
    if finding.reason is Reason.SPF_NONE and not wanted.helo_spf_required:
        return _without_record(helo.text)
    return finding


def _mailfrom_spf(address: Address, domain: DomainName, helo: str, wanted: AuthenticationSettings) -> Check[Finding]:
    check = CheckName.SPF_MAILFROM
    finding = _compiled_spf(check, address, domain, wanted)
    return finding or spf_finding(check, address, (yield from spf_mailfrom(address, domain, helo=helo)))


def _compiled_spf(check: CheckName, address: Address, domain: str, wanted: AuthenticationSettings) -> Finding | None:
    compiled = wanted.compiled(domain)
    return None if compiled is None else compiled_finding(check, address, compiled)


@lru_cache(maxsize=4096)
def _without_record(helo: str) -> Finding:
    """A pass with a remark: a HELO name needs no SPF record (RFC 7208 section 8.1), and no receiver refuses for it."""
    remark = f"{helo} has no SPF record. For a HELO name none is needed."
    return Finding(CheckName.SPF_HELO, Result.PASS, helo, sentence=remark)


def spf_passes(finding: Finding) -> bool | None:
    """Whether SPF authorises the address; None for a HELO name without a record, which needs none."""
    if finding.result is Result.PASS:
        return None if finding.sentence else True
    return False
