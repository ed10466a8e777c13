"""Mail to a domain, where bounces and reports come back: MX records, MTA-STS, TLS reporting."""

import re
from dataclasses import dataclass

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, failed, passed, unanswered
from exporter.checks.helo import forward_questions
from exporter.checks.names import DomainName
from exporter.checks.result import Fix, some
from exporter.checks.txt_records import clip, parse_tags, txt_line

_MAX_HOSTS = 20


@dataclass(frozen=True, slots=True)
class MxReport:
    """Where a domain takes mail (RFC 5321 section 5.1).

    Attributes:
        domain: The domain.
        finding: The result of the check.
        hosts: By preference; none for a null MX, or if they are not known.
        is_null: Whether the domain says with a null MX that it takes no mail (RFC 7505). That is no fault.
        hints: What could be better.
    """

    domain: DomainName
    finding: DomainFinding
    hosts: tuple[DomainName, ...] = ()
    is_null: bool = False
    hints: tuple[Hint, ...] = ()


def mx(domain: DomainName) -> Check[MxReport]:
    """Check the MX records of *domain*: each host in them must have an address."""
    check = DomainCheckName.MX
    question = Question(domain, "MX")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return MxReport(domain, unanswered(check, domain, question, answer))
    if answer.status is not Status.ANSWER:
        return (yield from _implicit_mx(domain, answer))
    hosts = tuple(dict.fromkeys([it.exchange for it in answer.exchanges]))
    if hosts == (".",):
        return MxReport(domain, passed(check, domain), is_null=True)
    if "." in hosts:
        sentence = f"{domain} has a null MX next to others, so it both takes mail and does not (RFC 7505 section 3)."
        fix = Fix("Remove the null MX, or the others.", domain)
        finding = failed(check, domain, DomainReason.MX_NULL, sentence, fix)
        return MxReport(domain, finding, tuple([host for host in hosts if host != "."]))
    asked = hosts[:_MAX_HOSTS]
    questions = [question for host in asked for question in forward_questions(host)]
    answers = yield questions
    pairs = list(zip(asked, answers[::2], answers[1::2], strict=True))
    gone = [host for host, a, aaaa in pairs if a.status.is_negative and aaaa.status.is_negative]
    hints = tuple(_alias_hints(domain, [host for host, a, aaaa in pairs if a.chain or aaaa.chain]))
    if gone:
        which = f"{_exchanges(gone)} of {domain} {'does' if len(gone) == 1 else 'do'} not resolve"
        fix = Fix("Publish the address of each host, or remove its MX record.", domain)
        sentence = f"{which}: {len(gone)} of {len(hosts)}."
        finding = failed(check, domain, DomainReason.MX_UNRESOLVABLE, sentence, fix)
        return MxReport(domain, finding, hosts, hints=hints)
    resolved = {it.name for it, reply in zip(questions, answers, strict=True) if reply.status is Status.ANSWER}
    for asking, reply in zip(questions, answers, strict=True):
        if not reply.is_conclusive and asking.name not in resolved:
            return MxReport(domain, unanswered(check, domain, asking, reply), hosts, hints=hints)
    return MxReport(domain, passed(check, domain), hosts, hints=hints)


def _implicit_mx(domain: DomainName, answer: Answer) -> Check[MxReport]:
    """Without MX records, mail goes to the address of the domain itself (section 5.1)."""
    check = DomainCheckName.MX
    what = "does not exist" if answer.status is Status.NXDOMAIN else "has no MX record"
    questions = forward_questions(domain)
    answers = yield questions
    advice = "Publish an MX record for its mail; or, if it takes none, the null MX below (RFC 7505)."
    owner = answer.chain[-1] if answer.chain else domain
    fix = Fix(advice, owner, (f"{owner}. MX 0 .",))
    if Status.ANSWER in {reply.status for reply in answers}:
        sentence = f"{domain} {what}, so its mail goes to the host of that name."
        hint = Hint(check, domain, DomainReason.MX_MISSING, sentence, fix)
        return MxReport(domain, passed(check, domain), (domain,), hints=(hint,))
    for question, reply in zip(questions, answers, strict=True):
        if not reply.is_conclusive:
            return MxReport(domain, unanswered(check, domain, question, reply))
    sentence = f"{domain} {what}, and no address either: mail to it, bounces included, goes nowhere."
    return MxReport(domain, failed(check, domain, DomainReason.MX_MISSING, sentence, fix))


def _alias_hints(domain: DomainName, aliases: list[DomainName]) -> list[Hint]:
    if not aliases:
        return []
    what = "is an alias" if len(aliases) == 1 else "are aliases"
    sentence = f"{_exchanges(aliases)} of {domain} {what}, which an MX record must not name (RFC 2181)."
    fix = Fix("Name the host itself in the MX record.", domain)
    return [Hint(DomainCheckName.MX, domain, DomainReason.MX_ALIAS, sentence, fix)]


def _exchanges(hosts: list[DomainName]) -> str:
    return f"The mail exchange{'s' if len(hosts) > 1 else ''} {some(hosts)}"


_SEVERAL = {
    DomainCheckName.MTA_STS: (DomainReason.MTA_STS_SEVERAL_RECORDS, "MTA-STS", "RFC 8461 section 3.1"),
    DomainCheckName.TLS_RPT: (DomainReason.TLS_RPT_SEVERAL_RECORDS, "TLS reporting", "RFC 8460 section 3"),
}


def _one_record(
    check: DomainCheckName, domain: DomainName, owner: DomainName, version: re.Pattern[bytes]
) -> Check[tuple[DomainName, bytes | DomainFinding]]:
    """The one TXT record that begins with *version*, b"" for none, or why there is no single one; with its owner."""
    question = Question(owner, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return owner, unanswered(check, domain, question, answer)
    owner = answer.chain[-1] if answer.chain else owner
    records = [text for text in answer.texts if version.match(text)]
    if len(records) <= 1:
        return owner, records[0] if records else b""
    reason, kind, rfc = _SEVERAL[check]
    sentence = f"{domain} has {len(records)} {kind} records, so senders ignore all of them ({rfc})."
    lines = tuple([txt_line(owner, record) for record in records])
    fix = Fix("Keep one of them, and remove the others.", owner, (lines[0],), lines)
    return owner, failed(check, domain, reason, sentence, fix)


_ID = re.compile("[A-Za-z0-9]{1,32}")
_MTA_STS_VERSION = re.compile(rb"v=STSv1[ \t]*;")  # RFC 8461 section 3.1: other records are discarded


@dataclass(frozen=True, slots=True)
class MtaStsReport:
    """The MTA-STS policy that a domain announces.

    Attributes:
        domain: The domain.
        finding: The result of the check.
        policy_id: Changes with the policy; "" if no valid record announces one.
        record: The record; b"" if there is not exactly one.
    """

    domain: DomainName
    finding: DomainFinding
    policy_id: str = ""
    record: bytes = b""


def mta_sts(domain: DomainName) -> Check[MtaStsReport]:
    """Check the record at ``_mta-sts``, and whether the host of the policy resolves (RFC 8461 section 3).

    The policy itself is a file on a web server, which is not asked. Raises `ValueError` if the name would be too long.
    """
    check = DomainCheckName.MTA_STS
    owner = DomainName(f"_mta-sts.{domain}")
    owner, record = yield from _one_record(check, domain, owner, _MTA_STS_VERSION)
    if isinstance(record, DomainFinding):
        return MtaStsReport(domain, record)
    example = (txt_line(owner, b"v=STSv1; id=1;"),)
    if not record:
        sentence = f"{domain} announces no MTA-STS policy: {owner} has no record that begins with v=STSv1."
        fix = Fix("Serve a policy first, then announce it with a record like the one below.", owner, example)
        return MtaStsReport(domain, failed(check, domain, DomainReason.MTA_STS_MISSING, sentence, fix))
    tags = parse_tags(record)
    if tags.problem or not _ID.fullmatch(tags.get("id")):
        problem = tags.problem or "its id= is not 1 to 32 letters and digits"
        sentence = f"The MTA-STS record of {domain} cannot be read: {problem}."
        fix = Fix("Publish the record below.", owner, example, (txt_line(owner, record),))
        finding = failed(check, domain, DomainReason.MTA_STS_SYNTAX, sentence, fix)
        return MtaStsReport(domain, finding, record=record)
    finding = yield from _policy_host(domain)
    return MtaStsReport(domain, finding, tags.get("id"), record)


def _policy_host(domain: DomainName) -> Check[DomainFinding]:
    check = DomainCheckName.MTA_STS
    host = DomainName(f"mta-sts.{domain}")
    questions = forward_questions(host)
    answers = yield questions
    if Status.ANSWER in {answer.status for answer in answers}:
        return passed(check, domain)
    for question, answer in zip(questions, answers, strict=True):
        if not answer.is_conclusive:
            return unanswered(check, domain, question, answer)
    sentence = f"The MTA-STS policy of {domain} cannot be fetched: its host {host} does not resolve."
    fix = Fix("Publish the address of its web server.", host)
    return failed(check, domain, DomainReason.MTA_STS_NO_HOST, sentence, fix)


_TLS_RPT_VERSION = re.compile(rb"v=TLSRPTv1[ \t]*;")
_REPORT_URI = re.compile(r"mailto:[^@\s,;]+@[^@\s,;]+|https://[^\s,;/][^\s,;]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TlsRptReport:
    """Where the TLS reports of a domain go.

    Attributes:
        domain: The domain.
        finding: The result of the check.
        uris: ``mailto:`` and ``https:`` URIs.
        record: The record; b"" if there is not exactly one.
    """

    domain: DomainName
    finding: DomainFinding
    uris: tuple[str, ...] = ()
    record: bytes = b""


def tls_rpt(domain: DomainName) -> Check[TlsRptReport]:
    """Check the record at ``_smtp._tls`` (RFC 8460 section 3). Raises `ValueError` if the name would be too long."""
    check = DomainCheckName.TLS_RPT
    owner = DomainName(f"_smtp._tls.{domain}")
    owner, record = yield from _one_record(check, domain, owner, _TLS_RPT_VERSION)
    if isinstance(record, DomainFinding):
        return TlsRptReport(domain, record)
    advice = "Publish a record like the one below, with a mailbox that somebody reads."
    example = (txt_line(owner, f"v=TLSRPTv1; rua=mailto:tls-reports@{domain}".encode("ascii")),)
    if not record:
        sentence = f"{domain} asks for no TLS reports: {owner} has no record that begins with v=TLSRPTv1."
        fix = Fix(advice, owner, example)
        return TlsRptReport(domain, failed(check, domain, DomainReason.TLS_RPT_MISSING, sentence, fix))
    tags = parse_tags(record)
    uris = [uri.strip() for uri in tags.get("rua").split(",")]
    bad = [uri for uri in uris if not _REPORT_URI.fullmatch(uri)]
    if tags.problem or bad:
        problem = tags.problem or f"its rua= has {clip(bad[0]) or 'nothing'}, where a mailto: or https: URI is wanted"
        sentence = f"The TLS reporting record of {domain} cannot be read: {problem}."
        fix = Fix(advice, owner, example, (txt_line(owner, record),))
        finding = failed(check, domain, DomainReason.TLS_RPT_SYNTAX, sentence, fix)
        return TlsRptReport(domain, finding, record=record)
    return TlsRptReport(domain, passed(check, domain), tuple(uris), record)
