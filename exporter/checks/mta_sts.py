"""Does a domain announce an MTA-STS policy, and can it be fetched from where it must be (RFC 8461 section 3)?

The rule of this file: it judges the DNS. The policy itself is a file on a web server, which this exporter does not ask.
"""

import re
from dataclasses import dataclass

from exporter.checks.answers import Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, unanswered
from exporter.checks.helo import forward_questions
from exporter.checks.names import DomainName
from exporter.checks.tags import parse_tags
from exporter.checks.verdicts import Mend, Result
from exporter.checks.zone_lines import txt_line

_CHECK = DomainCheckName.MTA_STS
_ID = re.compile("[A-Za-z0-9]{1,32}")
_VERSION = re.compile(rb"v=STSv1[ \t]*;")  # section 3.1: what begins with anything else is discarded


@dataclass(frozen=True, slots=True)
class MtaStsReport:
    """What a domain announces: *policy_id* changes with the policy; "" where there is none that counts."""

    domain: DomainName
    finding: DomainFinding
    policy_id: str = ""
    record: bytes = b""


def mta_sts(domain: DomainName) -> Check[MtaStsReport]:
    """Judge the record at ``_mta-sts`` and the host that serves the policy.

    Raises `ValueError` for a domain so long that there can be no such name.
    """
    owner = DomainName(f"_mta-sts.{domain}")
    question = Question(owner, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return MtaStsReport(domain, unanswered(_CHECK, domain, question, answer))
    if answer.chain:
        owner = answer.chain[-1]
    records = [text for text in answer.texts if _VERSION.match(text)]
    if not records:
        sentence = f"{domain} announces no MTA-STS policy: {owner} has no record that begins with v=STSv1."
        advice = "Serve a policy first, then announce it with a record like the one below."
        mend = Mend(advice, owner, (txt_line(owner, b"v=STSv1; id=1;"),))
        return MtaStsReport(domain, _fails(domain, DomainReason.MTA_STS_MISSING, sentence, mend))
    if len(records) > 1:
        sentence = f"{domain} has {len(records)} MTA-STS records, which counts as none (RFC 8461 section 3.1)."
        lines = tuple([txt_line(owner, record) for record in records])
        mend = Mend("Leave one of them, and take the others out.", owner, (lines[0],), lines)
        return MtaStsReport(domain, _fails(domain, DomainReason.MTA_STS_SEVERAL_RECORDS, sentence, mend))
    tags = parse_tags(records[0])
    if tags.problem or not _ID.fullmatch(tags.get("id")):
        problem = tags.problem or "its id= is not 1 to 32 letters and digits"
        sentence = f"The MTA-STS record of {domain} cannot be read: {problem}."
        lines = (txt_line(owner, records[0]),)
        mend = Mend("Publish the record below.", owner, (txt_line(owner, b"v=STSv1; id=1;"),), lines)
        return MtaStsReport(domain, _fails(domain, DomainReason.MTA_STS_SYNTAX, sentence, mend), record=records[0])
    finding = yield from _host(domain)
    return MtaStsReport(domain, finding, tags.get("id"), records[0])


def _host(domain: DomainName) -> Check[DomainFinding]:
    host = DomainName(f"mta-sts.{domain}")
    questions = forward_questions(host)
    answers = yield questions
    if Status.ANSWER in {answer.status for answer in answers}:
        return DomainFinding(_CHECK, Result.PASS, domain)
    for question, answer in zip(questions, answers, strict=True):
        if not answer.is_conclusive:
            return unanswered(_CHECK, domain, question, answer)
    sentence = f"The MTA-STS policy of {domain} cannot be fetched: its host {host} does not resolve."
    return _fails(domain, DomainReason.MTA_STS_NO_HOST, sentence, Mend("Publish the address of its web server.", host))


def _fails(domain: DomainName, reason: DomainReason, sentence: str, mend: Mend) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, mend)
