"""What is held of a domain's findings, by the rules of `exporter.state.held`, where a check may have several.

The rule of this file: what is held of a slot are its failures, or one pass. While a part of the slot is unknown, a
failure may come but none may go: the answer that is missing could have been what it rests on. Everything here is pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from exporter.checks.domain import AnyReason, DomainCheckName, DomainFinding
from exporter.checks.verdicts import Reason, Result

Slot = tuple[DomainCheckName, str]
"""What findings are about: the check, and its subject (a DKIM selector, else the domain)."""

Held = Mapping[Slot, tuple[DomainFinding, ...]]
"""The last conclusive findings of each slot that ever had some: one pass, or one failure at least."""


def slots(findings: Sequence[DomainFinding]) -> dict[Slot, tuple[DomainFinding, ...]]:
    """The findings of each slot, in their order."""
    found: dict[Slot, tuple[DomainFinding, ...]] = {}
    for finding in findings:
        slot = (finding.check, finding.subject)
        found[slot] = (*found.get(slot, ()), finding)
    return found


def is_conclusive(findings: Sequence[DomainFinding]) -> bool:
    """Whether the DNS left nothing open about them."""
    return all(finding.result is not Result.UNKNOWN for finding in findings)


def hold(held: Held, findings: Sequence[DomainFinding]) -> tuple[Held, tuple[tuple[DomainFinding, DomainFinding], ...]]:
    """What is held after *findings*, which are to be believed, and what changed: (before, after) for each change.

    The first conclusive findings of a slot are no change.
    """
    after = dict(held)
    changes = []
    for slot, group in slots(findings).items():
        before = held.get(slot, ())
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


def worsens(held: Held, findings: Sequence[DomainFinding]) -> bool:
    """Whether there is a failure that is not held yet, so that it must be confirmed before it is believed."""
    return any(finding.result is Result.FAIL and not _is_held(held, finding) for finding in findings)


def believed(held: Held, first: Sequence[DomainFinding], later: DomainFinding) -> DomainFinding:
    """What to believe of *later*, where *first* had a failure that was not held, and it was asked for to confirm that.

    A failure counts only when it is held already, or its slot failed in both.
    """
    if later.result is not Result.FAIL or _is_held(held, later):
        return later
    if any((one.check, one.subject, one.result) == (later.check, later.subject, later.result) for one in first):
        return later
    return replace(
        later,
        result=Result.UNKNOWN,
        reason=Reason.UNCONFIRMED,
        sentence=f"It failed in one of two lookups in a row, so it is not believed yet: {later.sentence}",
        mend=None,
    )


def _is_held(held: Held, finding: DomainFinding) -> bool:
    return finding.reason in _reasons(held.get((finding.check, finding.subject), ()))


def _reasons(findings: Sequence[DomainFinding]) -> set[AnyReason | None]:
    return {finding.reason for finding in findings}


def _told(findings: Sequence[DomainFinding], others: Sequence[DomainFinding]) -> DomainFinding:
    """The one of them that tells the difference to the others best."""
    return next((finding for finding in findings if finding.reason not in _reasons(others)), findings[0])
