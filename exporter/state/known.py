"""The last conclusive findings and receiver verdicts of a subject, and the rules by which new ones replace them. Pure.

An unknown finding replaces nothing. A failure counts only when two samples have it, with the same reason.
"""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from exporter.checks.receivers import Receiver, ReceiverResult, ReceiverVerdict, by_design
from exporter.checks.report import Verdicts
from exporter.checks.result import CheckName, Finding, Reason, Result, Slot

KnownFindings = Mapping[Slot, Finding]
"""The last conclusive finding of each slot; a slot that never had one is missing."""


def update_known(
    known: KnownFindings, findings: Sequence[Finding]
) -> tuple[KnownFindings, tuple[tuple[Finding, Finding], ...]]:
    """Return what is known after *findings*, and a pair (before, after) for each change.

    The first conclusive finding of a slot is not a change. Slots without a finding are dropped.
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


Failure = tuple[CheckName, str, Reason | None]
"""The check, subject and reason of a failing finding: two failures are the same if these are."""


def failures(findings: Iterable[Finding]) -> set[Failure]:
    """The failures among *findings*."""
    return {(it.check, it.subject, it.reason) for it in findings if it.result is Result.FAIL}


def worsens(known: Iterable[Finding], findings: Iterable[Finding]) -> bool:
    """Whether one of *findings* is a failure that is not *known* yet, so that another sample must confirm it.

    A known failure with another reason counts as well: the old problem may have been fixed.
    """
    found = failures(findings)
    return bool(found) and not found <= failures(known)


def confirmed(finding: Finding, seen: Container[Failure]) -> Finding:
    """*finding*, or an unknown one if it is a failure that is not among *seen*: those known or seen by others."""
    if finding.result is not Result.FAIL or (finding.check, finding.subject, finding.reason) in seen:
        return finding
    return replace(
        finding,
        result=Result.UNKNOWN,
        reason=Reason.UNCONFIRMED,
        sentence=f"It failed in one of two lookups in a row, so it is not believed yet: {finding.sentence}",
        fix=None,
    )


# Domains: a slot may have several findings.

KnownDomain = Mapping[Slot, tuple[Finding, ...]]
"""The last conclusive findings of each slot that ever had some: one pass, or at least one failure."""


def slots(findings: Sequence[Finding]) -> dict[Slot, tuple[Finding, ...]]:
    """Group *findings* by slot, in their order."""
    found: dict[Slot, tuple[Finding, ...]] = {}
    for finding in findings:
        slot = (finding.check, finding.subject)
        found[slot] = (*found.get(slot, ()), finding)
    return found


def is_conclusive(findings: Sequence[Finding]) -> bool:
    """Whether none of *findings* is unknown."""
    return all(finding.result is not Result.UNKNOWN for finding in findings)


def update_known_domain(
    known: KnownDomain, findings: Sequence[Finding]
) -> tuple[KnownDomain, tuple[tuple[Finding, Finding], ...]]:
    """Return what is known after *findings*, and a pair (before, after) for each change.

    The first conclusive findings of a slot are not a change. While a part of a slot is unknown, failures are added but
    none is removed: the missing answer could be what the failure rests on.
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
            changes.append((_different(before, after[slot]), _different(after[slot], before)))
    return after, tuple(changes)


def _reasons(findings: Sequence[Finding]) -> set[Reason | None]:
    return {finding.reason for finding in findings}


def _different(findings: Sequence[Finding], others: Sequence[Finding]) -> Finding:
    """The first of *findings* whose reason *others* do not have, else the first."""
    return next((finding for finding in findings if finding.reason not in _reasons(others)), findings[0])


# Receivers: the same rules for their verdicts. A verdict is worse if it accepts a smaller share of connections.

Row = tuple[ReceiverVerdict, ...]


class ReceiverOutcome(StrEnum):
    """How a receiver treats an address, over all its HELO names; the worst first."""

    REFUSE = "refuse"
    """It refuses at least some of the connections."""
    UNKNOWN = "unknown"
    BY_DESIGN = "by-design"
    """It refuses, and would even if every expected check passed."""
    ACCEPT = "accept"
    NOT_SAMPLED = "not-sampled"
    """Nobody asked the DNS about the address yet."""


def update_verdicts(known: Verdicts, predicted: Verdicts) -> Verdicts:
    """Return the last conclusive verdict of each receiver on each HELO name, after *predicted*.

    A receiver that never had one is left out, and so is one that is not in *predicted*.
    """
    if predicted is known or all(verdict.is_conclusive for row in predicted for verdict in row):
        return predicted
    after = tuple([_update_row(_row(known, index), row) for index, row in enumerate(predicted)])
    return known if after == known else after  # the same object, so that callers can compare with `is`


def verdicts_worsen(known: Verdicts, predicted: Verdicts) -> bool:
    """Whether a receiver accepts a smaller share than before, so that a second prediction must confirm it."""
    if predicted is known:
        return False
    return any(
        _is_worse(_find(_row(known, index), verdict.receiver), verdict)
        for index, row in enumerate(predicted)
        for verdict in row
    )


def confirmed_verdicts(known: Verdicts, first: Verdicts, second: Verdicts) -> Verdicts:
    """Return the verdicts to record where *first* had one that is worse than the known, and *second* followed."""
    return tuple(
        [
            tuple([_confirmed_verdict(_row(known, index), _row(first, index), verdict) for verdict in row])
            for index, row in enumerate(second)
        ]
    )


def tally(
    verdicts: Verdicts, policies: Iterable[Receiver], expect: Collection[CheckName]
) -> Counter[tuple[Receiver, ReceiverOutcome]]:
    """Count the outcome of one address for each of *policies*; an unknown outcome is not counted."""
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


def _row(verdicts: Verdicts, index: int) -> Row:
    return verdicts[index] if index < len(verdicts) else ()


def _find(row: Sequence[ReceiverVerdict], receiver: Receiver) -> ReceiverVerdict | None:
    return next((verdict for verdict in row if verdict.receiver is receiver), None)


def _update_row(known: Row, predicted: Row) -> Row:
    kept = [verdict if verdict.is_conclusive else _find(known, verdict.receiver) for verdict in predicted]
    return tuple([verdict for verdict in kept if verdict is not None])


def _is_worse(known: ReceiverVerdict | None, verdict: ReceiverVerdict) -> bool:
    return verdict.is_conclusive and verdict.share < (1.0 if known is None else known.share)


def _confirmed_verdict(row: Row, first: Row, verdict: ReceiverVerdict) -> ReceiverVerdict:
    known, earlier = _find(row, verdict.receiver), _find(first, verdict.receiver)
    if _is_worse(known, verdict) and (earlier is None or not _is_worse(known, earlier)):
        return replace(verdict, is_conclusive=False)
    return verdict
