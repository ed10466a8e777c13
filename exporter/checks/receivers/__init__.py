"""What would receivers say? Predictions of what real mail servers do with an address and its HELO name.

The rule of this folder: a prediction is what the server would really do, on the evidence at hand. In an outage that
may be a refusal; it is then marked as inconclusive, and must not overwrite what was known before.
"""

from collections.abc import Sequence

from exporter.checks.addresses import Address
from exporter.checks.check import Check, parallel
from exporter.checks.helo import HeloName
from exporter.checks.receivers.policies import DEFAULT_RECEIVERS, POLICIES, Policy
from exporter.checks.receivers.verdicts import ACCEPTED, Receiver, ReceiverResult, ReceiverVerdict, by_design

__all__ = [
    "ACCEPTED",
    "DEFAULT_RECEIVERS",
    "POLICIES",
    "Policy",
    "Receiver",
    "ReceiverResult",
    "ReceiverVerdict",
    "by_design",
    "receivers",
]


_ACCEPTS = {receiver: ReceiverVerdict.of(receiver, ACCEPTED) for receiver in Receiver}


def receivers(
    address: Address, said: HeloName, policies: Sequence[Receiver] = DEFAULT_RECEIVERS
) -> Check[tuple[ReceiverVerdict, ...]]:
    """Predict what each of *policies* says to *address* with this HELO name: one verdict a policy, in their order.

    Only what these policies look at is asked for. The verdicts do not depend on the order of records.
    """
    return (yield from parallel([_verdict(receiver, address, said) for receiver in policies]))


def _verdict(receiver: Receiver, address: Address, said: HeloName) -> Check[ReceiverVerdict]:
    outcome = yield from POLICIES[receiver].rule(address, said)
    return _ACCEPTS[receiver] if outcome is ACCEPTED else ReceiverVerdict.of(receiver, outcome)
