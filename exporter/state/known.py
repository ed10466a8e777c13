"""What is held of findings: the last conclusive one of each check and subject, and when a new one is believed.

The rule of this file: a value only moves on a conclusive finding, and only for the worse when the failure was seen
twice. What the DNS leaves open moves nothing. Everything here is a pure function.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from exporter.checks.domain import AnyReason, DomainCheckName, DomainFinding
from exporter.checks.receivers import Receiver, ReceiverResult, ReceiverVerdict, by_design
from exporter.checks.report import Verdicts
from exporter.checks.result import CheckName, Finding, Reason, Result

Slot = tuple[CheckName, str]
"""What a finding is about: the check, and its subject (a HELO name, or "")."""

KnownFindings = Mapping[Slot, Finding]
"""The last conclusive finding of each slot that ever had one."""


def update_known(
    known: KnownFindings, findings: Sequence[Finding]
) -> tuple[KnownFindings, tuple[tuple[Finding, Finding], ...]]:
    """What is held after *findings*, which are to be confirmed_findings, and what changed: (before, after) for each change.

    The first conclusive finding of a slot is no change. What is not judged any more is not held either.
    """
    after: dict[Slot, Finding] = {}
    changes = []
    for finding in findings:
        slot = (finding.check, finding.subject)
        before = known.get(slot)
        if finding.result is Result.UNKNOWN:
            if before is not None:
                after[slot] = before
            continue
        if before is not None and (before.result, before.reason) != (finding.result, finding.reason):
            changes.append((before, finding))
        after[slot] = finding
    return after, tuple(changes)


def worsens(known: KnownFindings, findings: Sequence[Finding]) -> bool:
    """Whether there is a failure that is not held yet, so that it must be confirmed before it is believed.

    One that fails for another reason than what is held is such a failure too: what was wrong may have been fixed.
    """
    return any(finding.result is Result.FAIL and not _is_held(known, finding) for finding in findings)


def confirmed_findings(
    known: KnownFindings, first: Sequence[Finding], second: Sequence[Finding]
) -> tuple[Finding, ...]:
    """What to believe where *first* had a failure that was not held, and *second*, its like, was asked to confirm it.

    The second ones count, for they are newer; but a failure counts only when it is held already or both have it.
    """
    return tuple(
        [
            _unconfirmed(later)
            if later.result is Result.FAIL and earlier.result is not Result.FAIL and not _is_held(known, later)
            else later
            for earlier, later in zip(first, second, strict=True)
        ]
    )


def merged(several: Sequence[Sequence[Finding]]) -> tuple[Finding, ...]:
    """One finding for each slot of several samples that are each other's like: a failure if any of them has one."""
    return tuple(
        [next((it for it in like if it.result is Result.FAIL), like[-1]) for like in zip(*several, strict=True)]
    )


def _is_held(known: KnownFindings, finding: Finding) -> bool:
    before = known.get((finding.check, finding.subject))
    return before is not None and (before.result, before.reason) == (finding.result, finding.reason)


def _unconfirmed(finding: Finding) -> Finding:
    return Finding(
        finding.check,
        Result.UNKNOWN,
        finding.subject,
        Reason.UNCONFIRMED,
        f"It failed in one of two lookups in a row, so it is not believed yet: {finding.sentence}",
    )


# SECTION exporter.state.domain_held
# What is held of a domain's findings, by the rules of `exporter.state.held`, where a check may have several.
#
# The rule of this file: what is held of a slot are its failures, or one pass. While a part of the slot is
# unknown, a
# failure may come but none may go: the answer that is missing could have been what it rests on. Everything here
# is pure.

DomainSlot = tuple[DomainCheckName, str]
"""What findings are about: the check, and its subject (a DKIM selector, else the domain)."""

KnownDomain = Mapping[DomainSlot, tuple[DomainFinding, ...]]
"""The last conclusive findings of each slot that ever had some: one pass, or one failure at least."""


def slots(findings: Sequence[DomainFinding]) -> dict[DomainSlot, tuple[DomainFinding, ...]]:
    """The findings of each slot, in their order."""
    found: dict[DomainSlot, tuple[DomainFinding, ...]] = {}
    for finding in findings:
        slot = (finding.check, finding.subject)
        found[slot] = (*found.get(slot, ()), finding)
    return found


def is_conclusive(findings: Sequence[DomainFinding]) -> bool:
    """Whether the DNS left nothing open about them."""
    return all(finding.result is not Result.UNKNOWN for finding in findings)


def update_known_domain(
    known: KnownDomain, findings: Sequence[DomainFinding]
) -> tuple[KnownDomain, tuple[tuple[DomainFinding, DomainFinding], ...]]:
    """What is held after *findings*, which are to be confirmed_findings, and what changed: (before, after) for each change.

    The first conclusive findings of a slot are no change.
    """
    after = dict(known)
    changes = []
    for slot, group in slots(findings).items():
        before = known.get(slot, ())
        failures = tuple([finding for finding in group if finding.result is Result.FAIL])
        if is_conclusive(group):
            after[slot] = failures or group[:1]
        elif failures:
            kept = [one for one in before if one.result is Result.FAIL and one.reason not in _reasons(failures)]
            after[slot] = (*failures, *kept)
        else:
            continue
        if before and _reasons(before) != _reasons(after[slot]):
            changes.append((_told(before, after[slot]), _told(after[slot], before)))
    return after, tuple(changes)


def domain_worsens(known: KnownDomain, findings: Sequence[DomainFinding]) -> bool:
    """Whether there is a failure that is not held yet, so that it must be confirmed before it is believed."""
    return any(finding.result is Result.FAIL and not _is_known_domain(known, finding) for finding in findings)


def confirmed_domain(known: KnownDomain, first: Sequence[DomainFinding], later: DomainFinding) -> DomainFinding:
    """What to believe of *later*, where *first* had a failure that was not held, and it was asked for to confirm that.

    A failure counts only when it is held already, or its slot failed in both.
    """
    if later.result is not Result.FAIL or _is_known_domain(known, later):
        return later
    if any((one.check, one.subject, one.result) == (later.check, later.subject, later.result) for one in first):
        return later
    return replace(
        later,
        result=Result.UNKNOWN,
        reason=Reason.UNCONFIRMED,
        sentence=f"It failed in one of two lookups in a row, so it is not believed yet: {later.sentence}",
        fix=None,
    )


def _is_known_domain(known: KnownDomain, finding: DomainFinding) -> bool:
    return finding.reason in _reasons(known.get((finding.check, finding.subject), ()))


def _reasons(findings: Sequence[DomainFinding]) -> set[AnyReason | None]:
    return {finding.reason for finding in findings}


def _told(findings: Sequence[DomainFinding], others: Sequence[DomainFinding]) -> DomainFinding:
    """The one of them that tells the difference to the others best."""
    return next((finding for finding in findings if finding.reason not in _reasons(others)), findings[0])


# SECTION exporter.state.receivers
# What is held of receivers' verdicts, by the rules of `exporter.state.held`. Pure.
#
# The rule of this file: a verdict only moves on a conclusive prediction, and only for the worse when that was
# made twice.

Row = tuple[ReceiverVerdict, ...]


class ReceiverOutcome(StrEnum):
    """What a receiver makes of an address, its HELO names taken together; the worst first."""

    REFUSE = "refuse"
    """It refuses at least some of the connections."""
    UNKNOWN = "unknown"
    BY_DESIGN = "by-design"
    """It refuses, and would whatever passes that is expected."""
    ACCEPT = "accept"


def update_verdicts(known: Verdicts, predicted: Verdicts) -> Verdicts:
    """What is held after *predicted*: the last conclusive verdict of each receiver on each HELO name.

    A receiver without any is left out. Of receivers that are no longer predicted nothing is held.
    """
    if predicted is known or all(verdict.is_conclusive for row in predicted for verdict in row):
        return predicted
    after = tuple([_hold_row(_row(known, place), row) for place, row in enumerate(predicted)])
    return known if after == known else after  # so that who has it can tell by identity that nothing changed


def verdicts_worsen(known: Verdicts, predicted: Verdicts) -> bool:
    """Whether some receiver accepts less than it is held to, so that it must be confirmed."""
    if predicted is known:
        return False
    return any(
        _is_worse(_find(_row(known, place), verdict.receiver), verdict)
        for place, row in enumerate(predicted)
        for verdict in row
    )


def confirmed_verdicts(known: Verdicts, first: Verdicts, second: Verdicts) -> Verdicts:
    """What to believe where *first* had something worse than what is held, and *second* was made to confirm it."""
    return tuple(
        [
            tuple([_believed(_row(known, place), _row(first, place), verdict) for verdict in row])
            for place, row in enumerate(second)
        ]
    )


def tally(
    verdicts: Verdicts, policies: Iterable[Receiver], expect: Collection[CheckName]
) -> Counter[tuple[Receiver, ReceiverOutcome]]:
    """What each of *policies* makes of one address; an unknown one is not counted."""
    found: Counter[tuple[Receiver, ReceiverOutcome]] = Counter()
    if verdicts:
        for receiver in policies:
            outcomes = {_outcome(_find(row, receiver), expect) for row in verdicts}
            worst = next(outcome for outcome in ReceiverOutcome if outcome in outcomes)
            if worst is not ReceiverOutcome.UNKNOWN:
                found[receiver, worst] = 1
    return found


def _outcome(verdict: ReceiverVerdict | None, expect: Collection[CheckName]) -> ReceiverOutcome:
    if verdict is None:
        return ReceiverOutcome.UNKNOWN
    if verdict.result is ReceiverResult.ACCEPT:
        return ReceiverOutcome.ACCEPT
    return ReceiverOutcome.BY_DESIGN if by_design(verdict, expect) else ReceiverOutcome.REFUSE


def _row(verdicts: Verdicts, place: int) -> Row:
    return verdicts[place] if place < len(verdicts) else ()


def _find(row: Sequence[ReceiverVerdict], receiver: Receiver) -> ReceiverVerdict | None:
    return next((verdict for verdict in row if verdict.receiver is receiver), None)


def _hold_row(known: Row, predicted: Row) -> Row:
    kept = [verdict if verdict.is_conclusive else _find(known, verdict.receiver) for verdict in predicted]
    return tuple([verdict for verdict in kept if verdict is not None])


def _is_worse(known: ReceiverVerdict | None, verdict: ReceiverVerdict) -> bool:
    return verdict.is_conclusive and verdict.share < (1.0 if known is None else known.share)


def _believed(held: Row, first: Row, verdict: ReceiverVerdict) -> ReceiverVerdict:
    known, earlier = _find(held, verdict.receiver), _find(first, verdict.receiver)
    if _is_worse(known, verdict) and (earlier is None or not _is_worse(known, earlier)):
        return replace(verdict, is_conclusive=False)
    return verdict
