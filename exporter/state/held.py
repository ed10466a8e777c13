"""What is held of findings: the last conclusive one of each check and subject, and when a new one is believed.

The rule of this file: a value only moves on a conclusive finding, and only for the worse when the failure was seen
twice. What the DNS leaves open moves nothing. Everything here is a pure function.
"""

from collections.abc import Mapping, Sequence

from exporter.checks.verdicts import CheckName, Finding, Reason, Result

Slot = tuple[CheckName, str]
"""What a finding is about: the check, and its subject (a HELO name, or "")."""

Held = Mapping[Slot, Finding]
"""The last conclusive finding of each slot that ever had one."""


def hold(held: Held, findings: Sequence[Finding]) -> tuple[Held, tuple[tuple[Finding, Finding], ...]]:
    """What is held after *findings*, which are to be believed, and what changed: (before, after) for each change.

    The first conclusive finding of a slot is no change. What is not judged any more is not held either.
    """
    after: dict[Slot, Finding] = {}
    changes = []
    for finding in findings:
        slot = (finding.check, finding.subject)
        before = held.get(slot)
        if finding.result is Result.UNKNOWN:
            if before is not None:
                after[slot] = before
            continue
        if before is not None and (before.result, before.reason) != (finding.result, finding.reason):
            changes.append((before, finding))
        after[slot] = finding
    return after, tuple(changes)


def worsens(held: Held, findings: Sequence[Finding]) -> bool:
    """Whether there is a failure that is not held yet, so that it must be confirmed before it is believed.

    One that fails for another reason than what is held is such a failure too: what was wrong may have been mended.
    """
    return any(finding.result is Result.FAIL and not _is_held(held, finding) for finding in findings)


def believed(held: Held, first: Sequence[Finding], second: Sequence[Finding]) -> tuple[Finding, ...]:
    """What to believe where *first* had a failure that was not held, and *second*, its like, was asked to confirm it.

    The second ones count, for they are newer; but a failure counts only when it is held already or both have it.
    """
    return tuple(
        [
            _unconfirmed(later)
            if later.result is Result.FAIL and earlier.result is not Result.FAIL and not _is_held(held, later)
            else later
            for earlier, later in zip(first, second, strict=True)
        ]
    )


def gathered(several: Sequence[Sequence[Finding]]) -> tuple[Finding, ...]:
    """One finding for each slot of several samples that are each other's like: a failure if any of them has one."""
    return tuple(
        [next((it for it in like if it.result is Result.FAIL), like[-1]) for like in zip(*several, strict=True)]
    )


def _is_held(held: Held, finding: Finding) -> bool:
    before = held.get((finding.check, finding.subject))
    return before is not None and (before.result, before.reason) == (finding.result, finding.reason)


def _unconfirmed(finding: Finding) -> Finding:
    return Finding(
        finding.check,
        Result.UNKNOWN,
        finding.subject,
        Reason.UNCONFIRMED,
        f"It failed in one of two lookups in a row, so it is not believed yet: {finding.sentence}",
    )
