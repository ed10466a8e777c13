"""Courier with ``BOFHCHECKHELO=1``.

From Courier 1.0: `courier/submit.C` lines 777-870 (`checkmx`), `rfc1035/rfc1035mxlist.c`. It looks for the client among
the mail exchanges of the HELO name first, then among the addresses of the HELO name itself.
"""

from exporter.checks.addresses import Address
from exporter.checks.answers import Question, Status
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.receivers import evidence
from exporter.checks.receivers.evidence import Forward, ForwardMatch
from exporter.checks.receivers.verdicts import ACCEPTED, SmtpReply, refused
from exporter.checks.result import CheckName

_REFUSE, _DEFER = 517, 417


def bofhcheckhelo(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`BOFHCHECKHELO`: the HELO name or one of its mail exchanges must resolve to the client."""
    if helo.text == str(address) or helo.text == f"[{address}]":
        return ACCEPTED
    if helo.name is None or evidence.is_ip(helo.text):
        why = f"the HELO name {helo} is neither {address} nor a name that can be looked up"
        return refused(_REFUSE, why, CheckName.HELO_SYNTAX)
    mx, *forward = yield [Question(helo.name, "MX"), *evidence.forward_questions(address, helo.name)]
    own = evidence.match_both(address, *forward)
    if not mx.is_conclusive:
        return _silent(helo)
    if mx.status is not Status.ANSWER:
        return _evaluate_own(address, helo, own)
    exchanges = [it.exchange for it in mx.exchanges[: evidence.NAME_LIMIT] if it.exchange != "."]
    seen = yield from evidence.match_names_in_both(address, list(dict.fromkeys(exchanges)))
    return _evaluate_exchanges(address, helo, own, list(seen.values()))


def _evaluate_exchanges(address: Address, helo: HeloName, own: ForwardMatch, seen: list[ForwardMatch]) -> SmtpReply:
    if any(each.forward is Forward.CONFIRMS for each in seen):
        return ACCEPTED
    silent = [each for each in seen if each.forward is Forward.SILENT]
    if silent and len(silent) == len(seen):
        return _silent(helo)
    is_known = all(each.is_conclusive for each in seen)
    if not any(each.forward is Forward.DIFFERS for each in seen):
        why = f"the HELO name {helo} has mail exchanges, and none of them has an address"
        return refused(_REFUSE, why, CheckName.HELO_ADDRESS_MATCH).conclusive_if(is_known)
    reply = _evaluate_own(address, helo, own)
    return reply if reply.result is ACCEPTED.result else reply.conclusive_if(is_known and reply.is_conclusive)


def _evaluate_own(address: Address, helo: HeloName, own: ForwardMatch) -> SmtpReply:
    match own.forward:
        case Forward.CONFIRMS:
            return ACCEPTED
        case Forward.SILENT:
            return _silent(helo)
        case Forward.DIFFERS:
            why = f"neither the HELO name {helo} nor its mail exchanges resolve to {address}"
            return refused(_REFUSE, why, CheckName.HELO_ADDRESS_MATCH).conclusive_if(own.is_conclusive)
        case Forward.ABSENT:
            why = f"the HELO name {helo} does not resolve"
            return refused(_REFUSE, why, CheckName.HELO_ADDRESS_MATCH, CheckName.HELO_RESOLVES)


def _silent(helo: HeloName) -> SmtpReply:
    return refused(_DEFER, f"the DNS does not say what the HELO name {helo} resolves to").inconclusive()
