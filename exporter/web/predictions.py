"""What receivers would say, as far as the evidence of a sample tells.

The rule of this file: it asks nothing. A receiver that looks at something which the sample did not ask for is left out,
rather than shown with a guess; one whose question went unanswered is shown, for a mail server would not know either.
"""

from collections.abc import Sequence

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Evidence, judge
from exporter.checks.helo import HeloName
from exporter.checks.receivers import DEFAULT_RECEIVERS, ReceiverVerdict, receivers
from exporter.state.address import AddressState

_NOT_ASKED = Answer(Status.TIMEOUT)


def predicted(state: AddressState) -> list[tuple[HeloName, Sequence[ReceiverVerdict]]]:
    """The verdicts on each HELO name of a sampled address.

    They are those of the sample or, where its pool predicts none, what follows from the evidence all the same.
    """
    said = state.target.helos
    if state.latest is not None and len(state.latest.receivers) == len(said):
        return list(zip(said, state.latest.receivers, strict=True))
    return [(name, predict(state.target.address, name, state.evidence)) for name in said]


def predict(address: Address, said: HeloName, evidence: Evidence) -> list[ReceiverVerdict]:
    """The verdicts that follow from *evidence*, in the order of the receivers."""
    missing: set[Question] = set()

    def answer(question: Question) -> Answer:
        known = evidence.get(question)
        if known is None:
            missing.add(question)
            return _NOT_ASKED
        return known

    verdicts: list[ReceiverVerdict] = []
    for receiver in DEFAULT_RECEIVERS:
        missing.clear()
        (verdict,), _ = judge(receivers(address, said, [receiver]), answer)
        if verdict.is_conclusive or not missing:
            verdicts.append(verdict)
    return verdicts
