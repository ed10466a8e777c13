"""Can mail be delivered to a domain (RFC 5321 section 5.1, RFC 7505)? Bounces and reports come back there.

The rule of this file: a domain that says that it takes no mail (a null MX) is right in itself; one that takes it at
hosts that do not exist is not.
"""

from dataclasses import dataclass

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, unanswered
from exporter.checks.helo import forward_questions
from exporter.checks.names import DomainName
from exporter.checks.verdicts import Mend, Result, some

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
        finding = _fails(domain, DomainReason.MX_NULL, sentence, Mend("Take the null MX out, or the others.", domain))
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
        mend = Mend("Publish the address of the host, or take its MX record out.", domain)
        return MxReport(domain, _fails(domain, DomainReason.MX_UNRESOLVABLE, sentence, mend), hosts, hints=hints)
    open_ = [(it, said) for it, said in zip(questions, answers, strict=True) if not said.is_conclusive]
    known = {it.name for it, said in zip(questions, answers, strict=True) if said.status is Status.ANSWER}
    for asking, said in open_:
        if asking.name not in known:
            return MxReport(domain, unanswered(_CHECK, domain, asking, said), hosts, hints=hints)
    return MxReport(domain, DomainFinding(_CHECK, Result.PASS, domain), hosts, hints=hints)


def _implicit(domain: DomainName, answer: Answer) -> Check[MxReport]:
    """Without MX records, mail goes to the domain's own address (section 5.1)."""
    what = "does not exist" if answer.status is Status.NXDOMAIN else "has no MX record"
    a, aaaa = yield forward_questions(domain)
    advice = "Publish where its mail goes; or, if it takes none, the null MX below (RFC 7505)."
    owner = answer.chain[-1] if answer.chain else domain
    mend = Mend(advice, owner, (f"{owner}. MX 0 .",))
    if Status.ANSWER in {a.status, aaaa.status}:
        sentence = f"{domain} {what}, so its mail goes to the host of that name."
        hint = Hint(_CHECK, domain, DomainReason.MX_MISSING, sentence, mend)
        return MxReport(domain, DomainFinding(_CHECK, Result.PASS, domain), (domain,), hints=(hint,))
    for question, said in zip(forward_questions(domain), (a, aaaa), strict=True):
        if not said.is_conclusive:
            return MxReport(domain, unanswered(_CHECK, domain, question, said))
    sentence = f"{domain} {what}, and no address either: mail to it, bounces included, goes nowhere."
    return MxReport(domain, _fails(domain, DomainReason.MX_MISSING, sentence, mend))


def _fails(domain: DomainName, reason: DomainReason, sentence: str, mend: Mend) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, mend)


def _hints(domain: DomainName, aliases: list[DomainName]) -> list[Hint]:
    if not aliases:
        return []
    sentence = f"The mail exchange {some(aliases)} of {domain} is an alias, which an MX must not name (RFC 2181)."
    return [Hint(_CHECK, domain, DomainReason.MX_ALIAS, sentence, Mend("Name the host itself.", domain))]
