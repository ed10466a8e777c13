"""Mail to a domain, where bounces and reports come back: MX records, MTA-STS, TLS reporting."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import Hint, beside_cname, failed, passed, unanswered
from exporter.checks.helo import forward_questions
from exporter.checks.host_names import special_use, unusable
from exporter.checks.names import DomainName
from exporter.checks.repair import MTA_STS, TLS_RPT, Dialect, elsewhere, report_uris
from exporter.checks.result import CheckName, Finding, Fix, Reason, some
from exporter.checks.txt_records import clip, copies, parse_tags, txt_line

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
    finding: Finding
    hosts: tuple[DomainName, ...] = ()
    is_null: bool = False
    hints: tuple[Hint, ...] = ()


class _Fault(NamedTuple):
    """Why no mail reaches a mail exchange, as a reason and a clause.

    Attributes:
        host: The mail exchange.
        reason: The kind of fault.
        what: The fault, as a clause.
        meant: What the MX record should name, if that can be guessed.
    """

    host: DomainName
    reason: Reason
    what: str
    meant: DomainName | Address | None = None


def mx(domain: DomainName) -> Check[MxReport]:
    """Check the MX records of *domain*: each host in them must have an address that others can reach."""
    check = CheckName.MX
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
        fix = Fix("Remove the null MX, or the others.", answer.owner(domain))
        finding = failed(check, domain, Reason.MX_NULL, sentence, fix)
        return MxReport(domain, finding, tuple([host for host in hosts if host != "."]))
    # Microsoft asks for such a record to verify a domain. No mail is sent to it while another host answers.
    tokens = [host for host in hosts if host.endswith(".invalid") and len(hosts) > 1]
    asked = [host for host in hosts if host not in tokens][:_MAX_HOSTS]
    questions = [question for host in asked for question in forward_questions(host)]
    answers = yield questions
    triples = list(zip(asked, answers[::2], answers[1::2], strict=True))
    hints = (*_alias_hints(domain, triples), *_token_hints(domain, tokens))
    faults = [_fault(answer.owner(domain), *triple) for triple in triples]
    # The first host with a fault or without an answer decides, so that a lost answer changes no reason.
    for (host, *replies), fault in zip(triples, faults, strict=True):
        if fault is not None:
            finding = yield from _finding(domain, answer, [it for it in faults if it is not None])
            return MxReport(domain, finding, hosts, hints=hints)
        if not any(_is_public(it) for reply in replies for it in reply.addresses):
            question, reply = next(
                it for it in zip(forward_questions(host), replies, strict=True) if not it[1].is_conclusive
            )
            return MxReport(domain, unanswered(check, domain, question, reply), hosts, hints=hints)
    return MxReport(domain, passed(check, domain), hosts, hints=hints)


def _is_public(address: Address) -> bool:
    return not address.special_use


def _fault(owner: DomainName, host: DomainName, a: Answer, aaaa: Answer) -> _Fault | None:
    """Why no mail reaches *host*; None if it may, or while an answer is missing that could change this."""
    if not (a.is_conclusive and aaaa.is_conclusive):
        return None
    addresses = (*a.addresses, *aaaa.addresses)
    if not addresses:
        if (problem := unusable(host, owner)) is not None:
            return _Fault(host, Reason(f"mx-{problem.misuse}"), problem.what, problem.meant)
        reply = a if a.chain else aaaa
        if not reply.chain:
            return _Fault(host, Reason.MX_UNRESOLVABLE, "does not resolve")
        end = reply.owner(host)
        problem = unusable(end, (host, *reply.chain)[-2])
        what = "has no address" if problem is None else problem.what
        return _Fault(host, Reason.MX_DANGLING, f"is a CNAME that leads to {end}, which {what}")
    if clause := special_use(host):
        return _Fault(host, Reason.MX_SPECIAL_USE, clause)
    if not any(map(_is_public, addresses)):
        what = f"resolves to {some(addresses)}, which is {addresses[0].special_use}: no sender elsewhere reaches it"
        return _Fault(host, Reason.MX_NOT_PUBLIC, what)
    return None


def _finding(domain: DomainName, answer: Answer, faults: list[_Fault]) -> Check[Finding]:
    """The finding about the first fault, and the hosts that have the same."""
    reason, host = faults[0].reason, faults[0].host
    same = [fault for fault in faults if fault.reason is reason]
    total = len({it.exchange for it in answer.exchanges})
    owner = answer.owner(domain)
    if reason is Reason.MX_UNRESOLVABLE:
        what = "does not resolve" if len(same) == 1 else "do not resolve"
        sentence = f"{_exchanges([fault.host for fault in same])} of {domain} {what}: {len(same)} of {total}."
        fix = Fix("Publish the address of each host, or remove its MX record.", owner)
        return failed(CheckName.MX, domain, reason, sentence, fix)
    more = f" {len(faults)} of {total} mail exchanges cannot take mail." if total > 1 else ""
    sentence = f"The mail exchange {host} of {domain} {faults[0].what}.{more}"
    meant = faults[0].meant
    wrong = tuple([f"{owner}. MX {it.preference} {it.exchange}." for it in answer.exchanges if it.exchange == host])
    if isinstance(meant, Address) and _is_public(meant):
        name, is_new = yield from _name_for(owner, meant)
        if name is not None:
            advice = "Publish an MX record with a name, as below, in place of the address."
            added = (f"{name}. {meant.rdtype} {meant}",) if is_new else ()
            return failed(CheckName.MX, domain, reason, sentence, _renaming(advice, owner, wrong, name, *added))
    if isinstance(meant, DomainName):
        advice = f"End the name in the MX record with a dot, so that it stays {meant}"
        return failed(CheckName.MX, domain, reason, sentence, _renaming(f"{advice}:", owner, wrong, meant))
    if reason is Reason.MX_DANGLING:
        advice = f"Have the address published where the CNAME of {host} leads, or name another host in the MX record."
    else:
        advice = (
            "Name the mail server of the domain in the MX record. If the domain takes no mail, a null MX, MX 0 ., in "
            "place of all others says so (RFC 7505)."
        )
    return failed(CheckName.MX, domain, reason, sentence, Fix(advice, owner))


def _renaming(advice: str, owner: DomainName, wrong: tuple[str, ...], name: DomainName, *added: str) -> Fix:
    """Replace the host in MX records."""
    right = [f"{line.rpartition(' ')[0]} {name}." for line in wrong]
    return Fix(advice, owner, (*right, *added), wrong)


def _name_for(owner: DomainName, address: Address) -> Check[tuple[DomainName | None, bool]]:
    """A usual name for a mail server, and whether it is new: one that has the address, or else one that is free."""
    try:
        names = [DomainName(f"{label}.{owner}") for label in ("mail", "mx", "mx1")]
    except ValueError:
        return None, False
    answers = yield [Question(name, address.rdtype) for name in names]
    found = dict(zip(names, answers, strict=True))
    for name, answer in found.items():
        if address in answer.records and not answer.chain:
            return name, False
    free = [name for name, answer in found.items() if answer.status is Status.NXDOMAIN and not answer.chain]
    return (free[0], True) if free else (None, False)


def _implicit_mx(domain: DomainName, answer: Answer) -> Check[MxReport]:
    """Without MX records, mail goes to the address of the domain itself (section 5.1)."""
    check = CheckName.MX
    what = "does not exist" if answer.status is Status.NXDOMAIN else "has no MX record"
    questions = forward_questions(domain)
    answers = yield questions
    advice = "Publish an MX record that names its mail server. Only if it takes no mail, publish a null MX, MX 0 ."
    if answer.chain:
        what = f"is a CNAME that leads to {answer.owner(domain)}, which {what}"
        advice = f"Replace the CNAME by address records, because nothing else may stand beside it. {advice}"
    fix = Fix(f"{advice} (RFC 7505).", domain)
    addresses = [address for reply in answers for address in reply.addresses]
    if any(map(_is_public, addresses)):
        sentence = f"{domain} {what}, so its mail goes to the host of that name."
        hint = Hint(check, domain, Reason.MX_MISSING, sentence, fix)
        return MxReport(domain, passed(check, domain), (domain,), hints=(hint,))
    for question, reply in zip(questions, answers, strict=True):
        if not reply.is_conclusive:
            return MxReport(domain, unanswered(check, domain, question, reply))
    if addresses:
        nowhere = f"so its mail goes to {some(addresses)}, which is {addresses[0].special_use}"
        sentence = f"{domain} {what}, {nowhere}: no sender elsewhere reaches it."
        return MxReport(domain, failed(check, domain, Reason.MX_NOT_PUBLIC, sentence, fix), (domain,))
    sentence = f"{domain} {what}, and no address either: mail to it, bounces included, goes nowhere."
    return MxReport(domain, failed(check, domain, Reason.MX_MISSING, sentence, fix))


def _alias_hints(domain: DomainName, triples: list[tuple[DomainName, Answer, Answer]]) -> list[Hint]:
    aliases = [host for host, a, aaaa in triples if (a.chain or aaaa.chain) and (a.records or aaaa.records)]
    if not aliases:
        return []
    what = "is an alias" if len(aliases) == 1 else "are aliases"
    sentence = f"{_exchanges(aliases)} of {domain} {what}, which an MX record must not name (RFC 2181)."
    fix = Fix("Name the host itself in the MX record.", domain)
    return [Hint(CheckName.MX, domain, Reason.MX_ALIAS, sentence, fix)]


def _token_hints(domain: DomainName, tokens: list[DomainName]) -> list[Hint]:
    if not tokens:
        return []
    sentence = (
        f"{_exchanges(tokens)} of {domain} {'is' if len(tokens) == 1 else 'are'} in .invalid, so no mail goes there. "
        "Microsoft uses such a record to verify a domain."
    )
    fix = Fix("Remove the record once the domain is verified.", domain)
    return [Hint(CheckName.MX, domain, Reason.MX_SPECIAL_USE, sentence, fix)]


def _exchanges(hosts: list[DomainName]) -> str:
    return f"The mail exchange{'s' if len(hosts) > 1 else ''} {some(hosts)}"


class _Kind(NamedTuple):
    """A kind of TXT record that says something about mail to a domain.

    Attributes:
        check: Its check.
        what: Its name in sentences.
        rfc: The section that says which records count.
        version: How a record has to begin for senders to read it.
        dialect: How it is written.
        repaired: Makes one record of what several, or broken ones, say.
        missing: The reason if there is no record that counts.
        several: The reason if there are several.
        dangling: The reason if a CNAME leads to no record.
    """

    check: CheckName
    what: str
    rfc: str
    version: re.Pattern[bytes]
    dialect: Dialect
    repaired: Callable[[DomainName, Sequence[bytes]], bytes]
    missing: Reason
    several: Reason
    dangling: Reason


def _one_record(kind: _Kind, domain: DomainName, asked: DomainName) -> Check[tuple[DomainName, bytes | Finding]]:
    """The one record of a kind, b"" for none, or why there is no single one; with its owner."""
    question = Question(asked, "TXT")
    answer, cname = yield [question, Question(asked, "CNAME")]
    if not answer.is_conclusive:
        return asked, unanswered(kind.check, domain, question, answer)
    owner = answer.owner(asked)
    for finding in beside_cname(kind.check, domain, asked, answer, cname):
        return owner, finding
    if answer.chain and answer.status is not Status.ANSWER:
        what = "does not exist" if answer.status is Status.NXDOMAIN else "has no TXT record"
        sentence = f"{domain} has no {kind.what} record: {asked} is a CNAME that leads to {owner}, which {what}."
        fix = Fix(f"Have the record published at {owner}, or correct the CNAME, or remove it.", asked)
        return owner, failed(kind.check, domain, kind.dangling, sentence, fix)
    records = [text for text in answer.texts if kind.version.match(text)]
    if len(records) > 1:
        what = f"{len(records)} {kind.what} records, so senders ignore all of them ({kind.rfc})"
        sentence = f"{domain} has {what}{copies(records)}."
        lines = tuple([txt_line(owner, record) for record in records])
        line = txt_line(owner, kind.repaired(domain, records))
        fix = Fix("Publish one record, as below, in place of all of them.", owner, (line,), lines)
        return owner, failed(kind.check, domain, kind.several, sentence, fix)
    if records:
        return owner, records[0]
    found = [(owner, kind.dialect.first_meant(answer.texts))]
    if found[0][1] is None:
        answers = yield from elsewhere([f"{asked}.{domain}", domain])
        found = [(name, kind.dialect.first_meant(it.texts, versioned=True)) for name, it in answers if not it.chain]
    for found_at, meant in found:
        if meant is not None:
            why = f"its record is at {found_at}, where no sender looks" if found_at != owner else ""
            why = why or f"senders ignore the record at {owner}, because {meant.why}"
            sentence = f"{domain} has no {kind.what} record that counts: {why}: {meant.quoted}."
            line = txt_line(owner, kind.repaired(domain, [meant.text]))
            advice = "Publish it as below, repaired." if found_at == owner else f"Move it to {owner}, as below."
            fix = Fix(advice, owner, (line,), (txt_line(found_at, meant.text),))
            return owner, failed(kind.check, domain, kind.missing, sentence, fix)
    return owner, b""


_ID = re.compile("[A-Za-z0-9]{1,32}")


def _one_policy(_: DomainName, texts: Sequence[bytes]) -> bytes:
    """One MTA-STS record: of several identifiers the last, which is the newest if they are times."""
    pairs = _pairs(MTA_STS, texts)
    ids = [re.sub("[^A-Za-z0-9]", "", value)[:32] for name, value in pairs if name == "id"]
    newest = max(ids, key=lambda it: (len(it), it), default="") or "1"
    return MTA_STS.text([("id", newest), *[pair for pair in pairs if pair[0] != "id"]]) + b";"


def _pairs(dialect: Dialect, texts: Sequence[bytes]) -> list[tuple[str, str]]:
    """The tags of several records, each once."""
    read = [meant for text in texts if (meant := dialect.meant(text)) is not None]
    return list(dict.fromkeys([pair for meant in read for pair in meant.pairs]))


_STS = _Kind(
    CheckName.MTA_STS,
    "MTA-STS",
    "RFC 8461 section 3.1",
    re.compile(rb"v=STSv1[ \t]*;"),
    MTA_STS,
    _one_policy,
    Reason.MTA_STS_MISSING,
    Reason.MTA_STS_SEVERAL_RECORDS,
    Reason.MTA_STS_DANGLING,
)


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
    finding: Finding
    policy_id: str = ""
    record: bytes = b""


def mta_sts(domain: DomainName) -> Check[MtaStsReport]:
    """Check the record at ``_mta-sts``, and whether the host of the policy resolves (RFC 8461 section 3).

    The policy itself is a file on a web server, which is not asked. Raises `ValueError` if the name would be too long.
    """
    check = CheckName.MTA_STS
    owner = DomainName(f"_mta-sts.{domain}")
    owner, record = yield from _one_record(_STS, domain, owner)
    if isinstance(record, Finding):
        return MtaStsReport(domain, record)
    if not record:
        sentence = f"{domain} announces no MTA-STS policy: {owner} has no record that begins with v=STSv1."
        advice = "Serve a policy first, then announce it with a record like the one below."
        fix = Fix(advice, owner, (txt_line(owner, b"v=STSv1; id=1;"),))
        return MtaStsReport(domain, failed(check, domain, Reason.MTA_STS_MISSING, sentence, fix))
    tags = parse_tags(record, extensions=True)
    if tags.problem or not _ID.fullmatch(tags.get("id")):
        problem = tags.problem or "its id= is not 1 to 32 letters and digits"
        sentence = f"The MTA-STS record of {domain} cannot be read: {problem}."
        line = txt_line(owner, _one_policy(domain, [record]))
        fix = Fix("Publish it as below, repaired.", owner, (line,), (txt_line(owner, record),))
        finding = failed(check, domain, Reason.MTA_STS_SYNTAX, sentence, fix)
        return MtaStsReport(domain, finding, record=record)
    finding = yield from _policy_host(domain)
    return MtaStsReport(domain, finding, tags.get("id"), record)


def _policy_host(domain: DomainName) -> Check[Finding]:
    check = CheckName.MTA_STS
    host = DomainName(f"mta-sts.{domain}")
    questions = forward_questions(host)
    answers = yield questions
    if Status.ANSWER in {answer.status for answer in answers}:
        return passed(check, domain)
    for question, answer in zip(questions, answers, strict=True):
        if not answer.is_conclusive:
            return unanswered(check, domain, question, answer)
    chained = next((answer for answer in answers if answer.chain), None)
    if chained is not None:
        end = chained.owner(host)
        sentence = (
            f"The MTA-STS policy of {domain} cannot be fetched: its host {host} is a CNAME that leads to {end}, which "
            "has no address."
        )
        fix = Fix(f"Have the address published at {end}, or point the CNAME at the web server of the policy.", host)
        return failed(check, domain, Reason.MTA_STS_DANGLING, sentence, fix)
    sentence = f"The MTA-STS policy of {domain} cannot be fetched: its host {host} does not resolve."
    fix = Fix("Publish the address of its web server.", host)
    return failed(check, domain, Reason.MTA_STS_NO_HOST, sentence, fix)


_REPORT_URI = re.compile(r"mailto:(?!//)[^@\s,;]+@[^@\s,;]+|https://[^\s,;/][^\s,;]*", re.IGNORECASE)


def _one_request(domain: DomainName, texts: Sequence[bytes]) -> bytes:
    """One TLS reporting record, with the URIs of all; without any, that of a mailbox that can be made."""
    pairs = _pairs(TLS_RPT, texts)
    uris = report_uris(",".join([value for name, value in pairs if name == "rua"]))
    usable = [uri for uri in uris if _REPORT_URI.fullmatch(uri)] or [f"mailto:tls-reports@{domain}"]
    return TLS_RPT.text([("rua", ",".join(usable)), *[pair for pair in pairs if pair[0] != "rua"]])


_RPT = _Kind(
    CheckName.TLS_RPT,
    "TLS reporting",
    "RFC 8460 section 3",
    re.compile(rb"v=TLSRPTv1[ \t]*;"),
    TLS_RPT,
    _one_request,
    Reason.TLS_RPT_MISSING,
    Reason.TLS_RPT_SEVERAL_RECORDS,
    Reason.TLS_RPT_DANGLING,
)


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
    finding: Finding
    uris: tuple[str, ...] = ()
    record: bytes = b""


def tls_rpt(domain: DomainName) -> Check[TlsRptReport]:
    """Check the record at ``_smtp._tls`` (RFC 8460 section 3). Raises `ValueError` if the name would be too long."""
    check = CheckName.TLS_RPT
    owner = DomainName(f"_smtp._tls.{domain}")
    owner, record = yield from _one_record(_RPT, domain, owner)
    if isinstance(record, Finding):
        return TlsRptReport(domain, record)
    if not record:
        sentence = f"{domain} asks for no TLS reports: {owner} has no record that begins with v=TLSRPTv1."
        advice = "Publish a record like the one below, with a mailbox that somebody reads."
        fix = Fix(advice, owner, (txt_line(owner, _one_request(domain, [])),))
        return TlsRptReport(domain, failed(check, domain, Reason.TLS_RPT_MISSING, sentence, fix))
    tags = parse_tags(record, extensions=True)
    requests = [value for name, value in tags.pairs if name == "rua"]  # there may be several (RFC 8460 section 3)
    names = [name for name, _ in tags.pairs if name != "rua"]
    problem = next((f"{clip(it)} is no tag of the form name=value" for it in tags.strays), "")
    if len(set(names)) < len(names):
        problem = problem or tags.problem
    uris = [uri.strip() for value in requests or [""] for uri in value.split(",")]
    bad = [uri for uri in uris if not _REPORT_URI.fullmatch(uri)]
    if problem or bad:
        problem = problem or f"its rua= has {clip(bad[0]) or 'nothing'}, where a mailto: or https: URI is wanted"
        sentence = f"The TLS reporting record of {domain} cannot be read: {problem}."
        line = txt_line(owner, _one_request(domain, [record]))
        left_out = [uri for uri in report_uris(",".join(uris)) if not _REPORT_URI.fullmatch(uri)]
        without = f", without {clip(some(left_out))}, which is no such URI" if left_out else ""
        fix = Fix(f"Publish it as below{without}.", owner, (line,), (txt_line(owner, record),))
        finding = failed(check, domain, Reason.TLS_RPT_SYNTAX, sentence, fix)
        return TlsRptReport(domain, finding, record=record)
    return TlsRptReport(domain, passed(check, domain), tuple(uris), record)
