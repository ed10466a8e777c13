"""Everything that one sample finds out about one address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question
from exporter.checks.check import Check, Evidence, parallel
from exporter.checks.helo import HeloName, forward_questions, helo
from exporter.checks.iprev import Iprev, follow, judge_only_name
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver, ReceiverVerdict, receivers
from exporter.checks.result import CheckName, Finding, IprevVerdict, Reason, Result
from exporter.checks.spf.compiled import CompiledSpf
from exporter.checks.spf.evaluate import compiled_finding, spf_finding, spf_helo, spf_mailfrom

# SECTION exporter.checks.target
# What is watched: an address, and what it says.


@dataclass(frozen=True, slots=True)
class Target:
    """One outbound address that is watched, with the names that it says in HELO."""

    address: Address
    helos: tuple[HeloName, ...] = ()


# SECTION exporter.checks.predictions
# What receivers would say to a target, sample after sample: judged anew only when the evidence changed.
#
# The rule of this file: a prediction follows from its answers and nothing else. So one whose questions are all
# answered
# as before is the one from before; that is a fraction of the work, and for nearly every sample all there is to
# do.

Verdicts = tuple[tuple[ReceiverVerdict, ...], ...]
"""The verdicts of several receivers, for each HELO name of a target in its order."""

_LEADING = ("PTR", "MX")
"""Types whose records say which names are asked for next."""


class Predicted(NamedTuple):
    """What came out of an earlier sample, and the answers that it rests on, others included."""

    evidence: Evidence
    verdicts: Verdicts

    def is_of(self, target: Target, policies: Sequence[Receiver]) -> bool:
        """Whether these are conclusive verdicts of just these receivers on that target."""
        return len(self.verdicts) == len(target.helos) and all(
            len(row) == len(policies)
            and all(it.is_conclusive and it.receiver is policy for it, policy in zip(row, policies, strict=True))
            for row in self.verdicts
        )


def predictions(target: Target, policies: Sequence[Receiver], before: Predicted | None = None) -> Check[Verdicts]:
    """Predict what each of *policies* says to each HELO name of *target*; *before* is of the same target."""
    if before is not None and before.is_of(target, policies) and (yield from _is_unchanged(before.evidence)):
        return before.verdicts
    return (yield from parallel([receivers(target.address, helo, policies) for helo in target.helos]))


def _is_unchanged(evidence: Evidence) -> Check[bool]:
    """Ask everything again. What depends on an answer that changed is not asked for: nobody wants it any more.

    TXT is no receiver's here: it was asked for by SPF, beside the predictions.
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


# SECTION exporter.checks.authentication
# What an address proves beside its names: SPF of its HELO names and of the domains that it sends for, and block
# lists.
#
# The rule of this file: how many findings there are, and of what, follows from the target and from what is
# wanted of it,
# never from what the DNS says; so that two samples of a target can be compared finding by finding.

Compiled = Callable[[str], CompiledSpf | None]
"""Gives what is known of a domain's record for all addresses at once; None where it has to be evaluated."""


def _never(domain: str) -> None:  # noqa: ARG001  # what `Compiled` says
    return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be found out about one target beside its names.

    *helo_spf_required* says whether a HELO name without any SPF record fails. *mail_from* are the domains that the
    address sends for. *listings* are what block lists are known to say of it, which is asked at their own pace.
    """

    helo_spf_required: bool = False
    mail_from: tuple[DomainName, ...] = ()
    compiled: Compiled = _never
    listings: tuple[Finding, ...] = ()


NOTHING_MORE = Wanted()
"""SPF of the HELO names, which needs no record."""


def authentication(target: Target, wanted: Wanted) -> Check[tuple[Finding, ...]]:
    """Judge *target*: `spf-helo` for each HELO name, `spf-mailfrom` for each domain, then the listings.

    Domains are judged with the first HELO name, for records that look at it (the macro ``%{h}``).
    """
    helo = target.helos[0].text if target.helos else ""
    checks = [_of_helo(target.address, said, wanted) for said in target.helos]
    checks += [_of_domain(target.address, domain, helo, wanted) for domain in wanted.mail_from]
    return (yield from parallel(checks)) + wanted.listings


def _of_helo(address: Address, helo: HeloName, wanted: Wanted) -> Check[Finding]:
    check = CheckName.SPF_HELO
    finding = _at_hand(check, address, helo.text, wanted)
    if finding is None:
        finding = spf_finding(check, address, (yield from spf_helo(address, helo)))
    if finding.reason is Reason.SPF_NONE and not wanted.helo_spf_required:
        return without_record(helo.text)
    return finding


def _of_domain(address: Address, domain: DomainName, helo: str, wanted: Wanted) -> Check[Finding]:
    check = CheckName.SPF_MAILFROM
    finding = _at_hand(check, address, domain, wanted)
    return finding or spf_finding(check, address, (yield from spf_mailfrom(address, domain, helo=helo)))


def _at_hand(check: CheckName, address: Address, domain: str, wanted: Wanted) -> Finding | None:
    compiled = wanted.compiled(domain)
    return None if compiled is None else compiled_finding(check, address, compiled)


@lru_cache(maxsize=4096)
def without_record(helo: str) -> Finding:
    """The finding of a HELO name that publishes no SPF record, and needs none: a pass, with a remark.

    RFC 7208 section 8.1: the result none says nothing about the client, and no receiver refuses for it.
    """
    remark = f"{helo} has no SPF record. For a HELO name none is needed."
    return Finding(CheckName.SPF_HELO, Result.PASS, helo, sentence=remark)


def spf_passes(finding: Finding) -> bool | None:
    """Whether SPF authorises the address, by a finding that is held; None where nothing is published, nor needed."""
    if finding.result is Result.PASS:
        return None if finding.sentence else True
    return False


# SECTION exporter.checks.report

_new = tuple.__new__  # builds a NamedTuple in a third of the time


class Report(NamedTuple):
    """What one sample of one target came to.

    *findings* holds one finding for each check and subject, in a fixed order: `fcrdns`, then five for each HELO name,
    then those of `exporter.checks.authentication`.
    *receivers* has what the receivers that were asked for would say to each HELO name; empty if nothing was predicted.
    """

    target: Target
    iprev: Iprev
    findings: tuple[Finding, ...]
    receivers: Verdicts = ()

    @property
    def is_conclusive(self) -> bool:
        """Whether it is known if the address is forward-confirmed."""
        return self.iprev.verdict is not IprevVerdict.TEMPERROR


def report(
    target: Target,
    *,
    suffix: DomainName | None = None,
    policies: Sequence[Receiver] = (),
    before: Predicted | None = None,
    wanted: Wanted | None = None,
) -> Check[Report]:
    """Run every check on *target*; *suffix* is the domain in which PTR and HELO names are expected.

    *wanted* is what is to be found out beside its names; None for nothing. *policies* are the receivers whose verdicts
    are wanted too, *before* is what was predicted for the same target. All of it is done side by side, so that a sample
    waits for no more answers in a row than its longest part.
    """
    predicts = bool(policies and target.helos)
    authenticates = wanted is not None and bool(target.helos or wanted.mail_from or wanted.listings)
    judged = _judge(target, suffix) if target.helos else _judge_address(target)
    if not (predicts or authenticates):
        return judged
    return _side_by_side(
        judged,
        predictions(target, policies, before) if predicts else None,
        authentication(target, wanted) if wanted is not None and authenticates else None,
    )


def _side_by_side(
    judge: Check[Report], predict: Check[Verdicts] | None, authenticate: Check[tuple[Finding, ...]] | None
) -> Check[Report]:
    """The findings, and what else was wanted."""
    parts: list[Check[Any]] = [part for part in (judge, predict, authenticate) if part is not None]
    judged, *others = yield from parallel(parts)
    more = others.pop() if authenticate is not None else ()
    return Report(judged.target, judged.iprev, judged.findings + more, others[0] if predict is not None else ())


def _judge(target: Target, suffix: DomainName | None) -> Check[Report]:
    """The findings alone.

    The first step asks for everything that no other answer has to be waited for. The HELO checks then ask for their
    part of it again, each on its own, and are sent the answers that are already there.
    """
    address = target.address
    names = [said.name for said in target.helos if said.name is not None]
    ptr, *_ = yield [
        Question(address.reverse_name, "PTR"),
        *[question for name in names for question in forward_questions(name)],
    ]
    host_names = [said.host_name for said in target.helos if said.host_name is not None]
    verdict = yield from follow(address, ptr, server_name=host_names[0] if host_names else None)
    findings = [verdict.finding]
    for said in target.helos:
        findings += yield from helo(address, said, ptr, suffix=suffix)
    return Report(target, verdict, tuple(findings))


def _judge_address(target: Target) -> Check[Report]:
    """The finding of an address that has no HELO names: one of a network that is swept, which may have 100,000."""
    address = target.address
    (ptr,) = yield [_new(Question, (address.reverse_name, "PTR"))]
    names = ptr.names
    if len(names) == 1:
        (forward,) = yield [_new(Question, (names[0], address.rdtype))]
        verdict = judge_only_name(address, ptr, names, forward)
    else:
        verdict = yield from follow(address, ptr)
    return _new(Report, (target, verdict, (verdict.finding,), ()))
