"""What an SPF outcome means for the operator of one address: a finding, and what to publish.

The rule of this file: only a pass is a pass, and what the DNS did not say is unknown.
"""

from exporter.checks.addresses import Address
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.spf.compiled import CompiledSpf
from exporter.checks.spf.evaluate import spf
from exporter.checks.spf.mends import authorising
from exporter.checks.spf.results import LIMITS, Limits, Outcome, SpfResult, SpfVerdict
from exporter.checks.verdicts import CheckName, Finding, Mend, Reason, Result

_ELSEWHERE = (Reason.SPF_NO_TARGET, Reason.SPF_LOOKUP_LIMIT, Reason.SPF_VOID_LOOKUP_LIMIT, Reason.SPF_MX_LIMIT)
"""What naming the address gets around, and what still has to be put right."""


def spf_helo(address: Address, said: HeloName, *, limits: Limits = LIMITS) -> Check[SpfVerdict]:
    """Evaluate the HELO identity (RFC 7208 section 2.3); a name that is no domain name has the result none."""
    return (yield from spf(address, "helo", said.text, helo=said.text, limits=limits))


def spf_mailfrom(address: Address, mail_from: str, *, helo: str = "", limits: Limits = LIMITS) -> Check[SpfVerdict]:
    """Evaluate the MAIL FROM identity (section 2.4); *mail_from* is a mailbox, or a domain for its postmaster."""
    _, at, domain = mail_from.rpartition("@")
    return (yield from spf(address, "mailfrom", domain, sender=mail_from if at else "", helo=helo, limits=limits))


def spf_finding(check: CheckName, address: Address, verdict: SpfVerdict) -> Finding:
    """The finding of one evaluation; its subject is the domain."""
    if verdict.doubt is not None and verdict.result is not SpfResult.TEMPERROR:
        sentence = (
            f"SPF of {verdict.domain} for {address} is {verdict.result} if its ptr term does not match, "
            f"but the PTR names got no answer ({verdict.doubt})."
        )
        return Finding(check, Result.UNKNOWN, verdict.domain, Reason.of(verdict.doubt), sentence)
    return _finding(check, address, verdict.domain, verdict.outcome, verdict.owner, verdict.records)


def compiled_finding(check: CheckName, address: Address, compiled: CompiledSpf) -> Finding | None:
    """The same finding, from a compiled record; None where the address has to be evaluated."""
    outcome = compiled.outcome(address)
    if outcome is None:
        return None
    return _finding(check, address, compiled.domain, outcome, compiled.owner, compiled.records)


def _finding(
    check: CheckName, address: Address, domain: str, outcome: Outcome, owner: str, records: tuple[bytes, ...]
) -> Finding:
    result, reason, why = outcome
    if result is SpfResult.PASS:
        return Finding(check, Result.PASS, domain)
    sentence = f"SPF of {domain} for {address} is {result}, not pass: {why}."
    if result is SpfResult.TEMPERROR:
        return Finding(check, Result.UNKNOWN, domain, reason, sentence)
    if not owner:
        mend = Mend("Make the server use a qualified domain name, for which an SPF record can be published.")
        return Finding(check, Result.FAIL, domain, reason, sentence, mend)
    advice = ""
    if reason in _ELSEWHERE:
        advice = "Put right what is wrong with the record; naming the address first, as below, helps it meanwhile."
    mend = authorising(address, owner, records, advice=advice)
    return Finding(check, Result.FAIL, domain, reason, sentence, mend)
