"""Can mail be delivered to a domain (RFC 5321 section 5.1, RFC 7505)? Bounces and reports come back there.

The rule of this file: a domain that says that it takes no mail (a null MX) is right in itself; one that takes it at
hosts that do not exist is not.
"""

import re
from dataclasses import dataclass

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, unanswered
from exporter.checks.helo import forward_questions
from exporter.checks.names import DomainName
from exporter.checks.result import Fix, Result, some
from exporter.checks.txt_records import clip, parse_tags, txt_line

_CHECK = DomainCheckName.MX
_MAX_HOSTS = 20


@dataclass(frozen=True, slots=True)
class MxReport:
    """Where a domain takes mail: *hosts* by preference; none for a null MX, or where nothing is known."""

    domain: DomainName
    finding: DomainFinding
    hosts: tuple[DomainName, ...] = ()
    is_null: bool = False
    hints: tuple[Hint, ...] = ()


def mx(domain: DomainName) -> Check[MxReport]:
    """Judge the MX records of *domain*: every host that they name has to resolve, in one family at least."""
    question = Question(domain, "MX")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return MxReport(domain, unanswered(_CHECK, domain, question, answer))
    if answer.status is not Status.ANSWER:
        return (yield from _implicit(domain, answer))
    hosts = tuple(dict.fromkeys([it.exchange for it in answer.exchanges]))
    if hosts == (".",):
        return MxReport(domain, DomainFinding(_CHECK, Result.PASS, domain), is_null=True)
    if "." in hosts:
        sentence = f"{domain} has a null MX next to others, so it both takes mail and does not (RFC 7505 section 3)."
        finding = _fails(domain, DomainReason.MX_NULL, sentence, Fix("Take the null MX out, or the others.", domain))
        return MxReport(domain, finding, tuple([host for host in hosts if host != "."]))
    asked = hosts[:_MAX_HOSTS]
    questions = [question for host in asked for question in forward_questions(host)]
    answers = yield questions
    pairs = list(zip(asked, answers[::2], answers[1::2], strict=True))
    gone = [host for host, a, aaaa in pairs if a.status.is_negative and aaaa.status.is_negative]
    aliases = [host for host, a, aaaa in pairs if a.chain or aaaa.chain]
    hints = tuple(_hints(domain, aliases))
    if gone:
        what = "does not resolve" if len(gone) == 1 else "do not resolve"
        sentence = f"The mail exchange {some(gone)} of {domain} {what}: {len(gone)} of {len(hosts)}."
        fix = Fix("Publish the address of the host, or take its MX record out.", domain)
        return MxReport(domain, _fails(domain, DomainReason.MX_UNRESOLVABLE, sentence, fix), hosts, hints=hints)
    open_ = [(it, helo) for it, helo in zip(questions, answers, strict=True) if not helo.is_conclusive]
    known = {it.name for it, helo in zip(questions, answers, strict=True) if helo.status is Status.ANSWER}
    for asking, helo in open_:
        if asking.name not in known:
            return MxReport(domain, unanswered(_CHECK, domain, asking, helo), hosts, hints=hints)
    return MxReport(domain, DomainFinding(_CHECK, Result.PASS, domain), hosts, hints=hints)


def _implicit(domain: DomainName, answer: Answer) -> Check[MxReport]:
    """Without MX records, mail goes to the domain's own address (section 5.1)."""
    what = "does not exist" if answer.status is Status.NXDOMAIN else "has no MX record"
    a, aaaa = yield forward_questions(domain)
    advice = "Publish where its mail goes; or, if it takes none, the null MX below (RFC 7505)."
    owner = answer.chain[-1] if answer.chain else domain
    fix = Fix(advice, owner, (f"{owner}. MX 0 .",))
    if Status.ANSWER in {a.status, aaaa.status}:
        sentence = f"{domain} {what}, so its mail goes to the host of that name."
        hint = Hint(_CHECK, domain, DomainReason.MX_MISSING, sentence, fix)
        return MxReport(domain, DomainFinding(_CHECK, Result.PASS, domain), (domain,), hints=(hint,))
    for question, helo in zip(forward_questions(domain), (a, aaaa), strict=True):
        if not helo.is_conclusive:
            return MxReport(domain, unanswered(_CHECK, domain, question, helo))
    sentence = f"{domain} {what}, and no address either: mail to it, bounces included, goes nowhere."
    return MxReport(domain, _fails(domain, DomainReason.MX_MISSING, sentence, fix))


def _fails(domain: DomainName, reason: DomainReason, sentence: str, fix: Fix) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, fix)


def _hints(domain: DomainName, aliases: list[DomainName]) -> list[Hint]:
    if not aliases:
        return []
    sentence = f"The mail exchange {some(aliases)} of {domain} is an alias, which an MX must not name (RFC 2181)."
    return [Hint(_CHECK, domain, DomainReason.MX_ALIAS, sentence, Fix("Name the host itself.", domain))]


# SECTION exporter.checks.mta_sts
# Does a domain announce an MTA-STS policy, and can it be fetched from where it must be (RFC 8461 section 3)?
#
# The rule of this file: it judges the DNS. The policy itself is a file on a web server, which this exporter
# does not ask.

_CHECK_MTA_STS = DomainCheckName.MTA_STS
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
        return MtaStsReport(domain, unanswered(_CHECK_MTA_STS, domain, question, answer))
    if answer.chain:
        owner = answer.chain[-1]
    records = [text for text in answer.texts if _VERSION.match(text)]
    if not records:
        sentence = f"{domain} announces no MTA-STS policy: {owner} has no record that begins with v=STSv1."
        advice = "Serve a policy first, then announce it with a record like the one below."
        fix = Fix(advice, owner, (txt_line(owner, b"v=STSv1; id=1;"),))
        return MtaStsReport(domain, _fails_mta_sts(domain, DomainReason.MTA_STS_MISSING, sentence, fix))
    if len(records) > 1:
        sentence = f"{domain} has {len(records)} MTA-STS records, which counts as none (RFC 8461 section 3.1)."
        lines = tuple([txt_line(owner, record) for record in records])
        fix = Fix("Leave one of them, and take the others out.", owner, (lines[0],), lines)
        return MtaStsReport(domain, _fails_mta_sts(domain, DomainReason.MTA_STS_SEVERAL_RECORDS, sentence, fix))
    tags = parse_tags(records[0])
    if tags.problem or not _ID.fullmatch(tags.get("id")):
        problem = tags.problem or "its id= is not 1 to 32 letters and digits"
        sentence = f"The MTA-STS record of {domain} cannot be read: {problem}."
        lines = (txt_line(owner, records[0]),)
        fix = Fix("Publish the record below.", owner, (txt_line(owner, b"v=STSv1; id=1;"),), lines)
        return MtaStsReport(
            domain, _fails_mta_sts(domain, DomainReason.MTA_STS_SYNTAX, sentence, fix), record=records[0]
        )
    finding = yield from _host(domain)
    return MtaStsReport(domain, finding, tags.get("id"), records[0])


def _host(domain: DomainName) -> Check[DomainFinding]:
    host = DomainName(f"mta-sts.{domain}")
    questions = forward_questions(host)
    answers = yield questions
    if Status.ANSWER in {answer.status for answer in answers}:
        return DomainFinding(_CHECK_MTA_STS, Result.PASS, domain)
    for question, answer in zip(questions, answers, strict=True):
        if not answer.is_conclusive:
            return unanswered(_CHECK_MTA_STS, domain, question, answer)
    sentence = f"The MTA-STS policy of {domain} cannot be fetched: its host {host} does not resolve."
    return _fails_mta_sts(
        domain, DomainReason.MTA_STS_NO_HOST, sentence, Fix("Publish the address of its web server.", host)
    )


def _fails_mta_sts(domain: DomainName, reason: DomainReason, sentence: str, fix: Fix) -> DomainFinding:
    return DomainFinding(_CHECK_MTA_STS, Result.FAIL, domain, reason, sentence, fix)


# SECTION exporter.checks.tls_rpt
# Does a domain ask for TLS reports, in a way that senders can read (RFC 8460 section 3)?
#
# The rule of this file: one record, and at least one place to send reports to, or there are none.

_CHECK_TLS_RPT = DomainCheckName.TLS_RPT
_VERSION_TLS_RPT = re.compile(rb"v=TLSRPTv1[ \t]*;")
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
        return TlsRptReport(domain, unanswered(_CHECK_TLS_RPT, domain, question, answer))
    if answer.chain:
        owner = answer.chain[-1]
    example = txt_line(owner, f"v=TLSRPTv1; rua=mailto:tls-reports@{domain}".encode("ascii"))
    records = [text for text in answer.texts if _VERSION_TLS_RPT.match(text)]
    lines = tuple([txt_line(owner, record) for record in records])
    if not records:
        sentence = f"{domain} asks for no TLS reports: {owner} has no record that begins with v=TLSRPTv1."
        fix = Fix("Publish a record like the one below, with a mailbox that somebody reads.", owner, (example,))
        return TlsRptReport(domain, _fails_tls_rpt(domain, DomainReason.TLS_RPT_MISSING, sentence, fix))
    if len(records) > 1:
        sentence = f"{domain} has {len(records)} TLS reporting records, which counts as none (RFC 8460 section 3)."
        fix = Fix("Leave one of them, and take the others out.", owner, (lines[0],), lines)
        return TlsRptReport(domain, _fails_tls_rpt(domain, DomainReason.TLS_RPT_SEVERAL_RECORDS, sentence, fix))
    tags = parse_tags(records[0])
    listed = [place.strip() for place in tags.get("rua").split(",")]
    bad = [place for place in listed if not _PLACE.fullmatch(place)]
    if tags.problem or bad:
        problem = tags.problem or f"its rua= has {clip(bad[0]) or 'nothing'}, where a mailto: or https: URI is wanted"
        sentence = f"The TLS reporting record of {domain} cannot be read: {problem}."
        fix = Fix("Publish a record like the one below, with a mailbox that somebody reads.", owner, (example,), lines)
        finding = _fails_tls_rpt(domain, DomainReason.TLS_RPT_SYNTAX, sentence, fix)
        return TlsRptReport(domain, finding, record=records[0])
    return TlsRptReport(domain, DomainFinding(_CHECK_TLS_RPT, Result.PASS, domain), tuple(listed), records[0])


def _fails_tls_rpt(domain: DomainName, reason: DomainReason, sentence: str, fix: Fix) -> DomainFinding:
    return DomainFinding(_CHECK_TLS_RPT, Result.FAIL, domain, reason, sentence, fix)
