"""What receivers would say to a target, sample after sample: judged anew only when the evidence changed.

The rule of this file: a prediction follows from its answers and nothing else. So one whose questions are all answered
as before is the one from before; that is a fraction of the work, and for nearly every sample all there is to do.
"""

from collections.abc import Sequence
from typing import NamedTuple

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Check, Evidence, parallel
from exporter.checks.receivers import Receiver, ReceiverVerdict, receivers
from exporter.checks.target import Target

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
    return (yield from parallel([receivers(target.address, said, policies) for said in target.helos]))


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
