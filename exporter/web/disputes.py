"""JSON of what resolvers disagree about.

The rule of this file: as in `exporter.web.documents`.
"""

from exporter.checks.addresses import Address
from exporter.dns.voices import Voice
from exporter.state.disputes import Dispute, Disputed
from exporter.web.documents import Json, moment


def dispute_document(pool: str, subject: Disputed, dispute: Dispute) -> Json:
    """One address, or one HELO name, that resolvers disagree about."""
    failing = dispute.failing
    return {
        "pool": pool,
        "ip": str(subject) if isinstance(subject, Address) else None,
        "helo": subject if isinstance(subject, str) else failing.subject or None,
        "check": failing.check.value,
        "reason": None if failing.reason is None else failing.reason.value,
        "sentence": failing.sentence,
        "failing": _voice(dispute.accuser),
        "passing": _voice(dispute.defender),
        "since": moment(dispute.since),
        "sampled_at": moment(dispute.at),
    }


def _voice(voice: Voice) -> Json:
    return {"resolver": voice.resolver, "server": voice.server or None}
