"""JSON of what resolvers disagree about.

The rule of this file: as in `exporter.web.documents`.
"""

from exporter.checks.addresses import Address
from exporter.dns.voices import Voice
from exporter.state.disputes import DOMAINS, Dispute, Disputed
from exporter.web.documents import Json, moment, printable


def dispute_document(pool: str, subject: Disputed, dispute: Dispute) -> Json:
    """One address, one HELO name or one domain that resolvers disagree about."""
    failing = dispute.failing
    about: Json = {"pool": pool, "domain": None, "ip": None, "helo": None, "subject": None}
    if pool == DOMAINS:
        about |= {"pool": None, "domain": str(subject), "subject": failing.subject}
    elif isinstance(subject, Address):
        about |= {"ip": str(subject), "helo": failing.subject or None}
    else:
        about |= {"helo": str(subject)}
    return about | {
        "check": failing.check.value,
        "reason": None if failing.reason is None else failing.reason.value,
        "sentence": printable(failing.sentence),
        "failing": _voice(dispute.accuser),
        "passing": _voice(dispute.defender),
        "since": moment(dispute.since),
        "sampled_at": moment(dispute.at),
    }


def _voice(voice: Voice) -> Json:
    return {"resolver": voice.resolver, "server": voice.server or None}
