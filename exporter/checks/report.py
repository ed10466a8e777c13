"""Everything that one sample finds out about one address."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from exporter.checks.answers import Question
from exporter.checks.authentication import Wanted, authentication
from exporter.checks.check import Check, parallel
from exporter.checks.helo import forward_questions, helo
from exporter.checks.iprev import Iprev, follow, judge_only_name
from exporter.checks.names import DomainName
from exporter.checks.predictions import Predicted, Verdicts, predictions
from exporter.checks.receivers import Receiver
from exporter.checks.target import Target
from exporter.checks.verdicts import Finding, IprevVerdict

__all__ = ["Report", "Target", "report"]


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
