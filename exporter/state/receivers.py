"""What is held of receivers' verdicts, by the rules of `exporter.state.held`. Pure.

The rule of this file: a verdict only moves on a conclusive prediction, and only for the worse when that was made twice.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from exporter.checks.predictions import Verdicts
from exporter.checks.receivers import Receiver, ReceiverResult, ReceiverVerdict, by_design
from exporter.checks.verdicts import CheckName

Row = tuple[ReceiverVerdict, ...]


class ReceiverOutcome(StrEnum):
    """What a receiver makes of an address, its HELO names taken together; the worst first."""

    REFUSE = "refuse"
    """It refuses at least some of the connections."""
    UNKNOWN = "unknown"
    BY_DESIGN = "by-design"
    """It refuses, and would whatever passes that is expected."""
    ACCEPT = "accept"


def hold_verdicts(held: Verdicts, predicted: Verdicts) -> Verdicts:
    """What is held after *predicted*: the last conclusive verdict of each receiver on each HELO name.

    A receiver without any is left out. Of receivers that are no longer predicted nothing is held.
    """
    if predicted is held or all(verdict.is_conclusive for row in predicted for verdict in row):
        return predicted
    after = tuple([_hold_row(_row(held, place), row) for place, row in enumerate(predicted)])
    return held if after == held else after  # so that who has it can tell by identity that nothing changed


def verdicts_worsen(held: Verdicts, predicted: Verdicts) -> bool:
    """Whether some receiver accepts less than it is held to, so that it must be confirmed."""
    if predicted is held:
        return False
    return any(
        _is_worse(_find(_row(held, place), verdict.receiver), verdict)
        for place, row in enumerate(predicted)
        for verdict in row
    )


def believed_verdicts(held: Verdicts, first: Verdicts, second: Verdicts) -> Verdicts:
    """What to believe where *first* had something worse than what is held, and *second* was made to confirm it."""
    return tuple(
        [
            tuple([_believed(_row(held, place), _row(first, place), verdict) for verdict in row])
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


def _hold_row(held: Row, predicted: Row) -> Row:
    kept = [verdict if verdict.is_conclusive else _find(held, verdict.receiver) for verdict in predicted]
    return tuple([verdict for verdict in kept if verdict is not None])


def _is_worse(held: ReceiverVerdict | None, verdict: ReceiverVerdict) -> bool:
    return verdict.is_conclusive and verdict.share < (1.0 if held is None else held.share)


def _believed(held: Row, first: Row, verdict: ReceiverVerdict) -> ReceiverVerdict:
    known, earlier = _find(held, verdict.receiver), _find(first, verdict.receiver)
    if _is_worse(known, verdict) and (earlier is None or not _is_worse(known, earlier)):
        return replace(verdict, is_conclusive=False)
    return verdict
