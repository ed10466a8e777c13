"""Does a domain ask for TLS reports, in a way that senders can read (RFC 8460 section 3)?

The rule of this file: one record, and at least one place to send reports to, or there are none.
"""

import re
from dataclasses import dataclass

from exporter.checks.answers import Question
from exporter.checks.check import Check
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, unanswered
from exporter.checks.names import DomainName
from exporter.checks.tags import clip, parse_tags
from exporter.checks.verdicts import Mend, Result
from exporter.checks.zone_lines import txt_line

_CHECK = DomainCheckName.TLS_RPT
_VERSION = re.compile(rb"v=TLSRPTv1[ \t]*;")
_PLACE = re.compile(r"mailto:[^@\s,;]+@[^@\s,;]+|https://[^\s,;/][^\s,;]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TlsRptReport:
    """Where a domain's TLS reports go: *places* are ``mailto:`` and ``https:`` URIs."""

    domain: DomainName
    finding: DomainFinding
    places: tuple[str, ...] = ()
    record: bytes = b""


def tls_rpt(domain: DomainName) -> Check[TlsRptReport]:
    """Judge the record at ``_smtp._tls``.

    Raises `ValueError` for a domain so long that there can be no such name.
    """
    owner = DomainName(f"_smtp._tls.{domain}")
    question = Question(owner, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return TlsRptReport(domain, unanswered(_CHECK, domain, question, answer))
    if answer.chain:
        owner = answer.chain[-1]
    example = txt_line(owner, f"v=TLSRPTv1; rua=mailto:tls-reports@{domain}".encode("ascii"))
    records = [text for text in answer.texts if _VERSION.match(text)]
    lines = tuple([txt_line(owner, record) for record in records])
    if not records:
        sentence = f"{domain} asks for no TLS reports: {owner} has no record that begins with v=TLSRPTv1."
        mend = Mend("Publish a record like the one below, with a mailbox that somebody reads.", owner, (example,))
        return TlsRptReport(domain, _fails(domain, DomainReason.TLS_RPT_MISSING, sentence, mend))
    if len(records) > 1:
        sentence = f"{domain} has {len(records)} TLS reporting records, which counts as none (RFC 8460 section 3)."
        mend = Mend("Leave one of them, and take the others out.", owner, (lines[0],), lines)
        return TlsRptReport(domain, _fails(domain, DomainReason.TLS_RPT_SEVERAL_RECORDS, sentence, mend))
    tags = parse_tags(records[0])
    listed = [place.strip() for place in tags.get("rua").split(",")]
    bad = [place for place in listed if not _PLACE.fullmatch(place)]
    if tags.problem or bad:
        problem = tags.problem or f"its rua= has {clip(bad[0]) or 'nothing'}, where a mailto: or https: URI is wanted"
        sentence = f"The TLS reporting record of {domain} cannot be read: {problem}."
        mend = Mend(
            "Publish a record like the one below, with a mailbox that somebody reads.", owner, (example,), lines
        )
        finding = _fails(domain, DomainReason.TLS_RPT_SYNTAX, sentence, mend)
        return TlsRptReport(domain, finding, record=records[0])
    return TlsRptReport(domain, DomainFinding(_CHECK, Result.PASS, domain), tuple(listed), records[0])


def _fails(domain: DomainName, reason: DomainReason, sentence: str, mend: Mend) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, mend)
