"""The findings and hints of the checks of a domain. A hint names what could be better; it changes no result."""

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.checks.answers import Answer, Question, nothing, why_unanswered
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, unknown


@dataclass(frozen=True, slots=True)
class Hint:
    """Something that works but could be better.

    Attributes:
        check: The check that saw it.
        subject: As that of a finding.
        reason: The kind of hint.
        sentence: What could be better, for a person.
        fix: How to make it better.
    """

    check: CheckName
    subject: str
    reason: Reason
    sentence: str
    fix: Fix | None = None


def passed(check: CheckName, subject: str) -> Finding:
    """The finding of a check without a fault."""
    return Finding(check, Result.PASS, subject)


def failed(check: CheckName, subject: str, reason: Reason, sentence: str, fix: Fix) -> Finding:
    """The finding of a fault."""
    return Finding(check, Result.FAIL, subject, reason, sentence, fix)


def unanswered(check: CheckName, subject: str, question: Question, answer: Answer) -> Finding:
    """The finding of a lookup without an answer."""
    why = why_unanswered(question.name, answer)
    sentence = f"The {question} lookup got no answer ({why}): {nothing(answer)} is known to be wrong."
    return unknown(check, subject, Reason.of(answer.status), sentence)


def beside_cname(check: CheckName, subject: str, owner: DomainName, txt: Answer, cname: Answer) -> Iterator[Finding]:
    """The finding that *owner* has, or may have, both a CNAME and TXT records, from the answers to both questions.

    A resolver that follows the CNAME gives *txt* a chain, and does not see the records beside it.
    """
    if txt.chain or not txt.texts or cname.status.is_negative:
        return
    if not cname.is_conclusive:
        yield unanswered(check, subject, Question(owner, "CNAME"), cname)
        return
    target = cname.names[0]
    sentence = (
        f"{owner} has a CNAME, to {target}, and a TXT record beside it (RFC 1034 section 3.6.2): some receivers see "
        f"the records of {target}, and others this one."
    )
    line = f"{owner}. CNAME {target}."
    fix = Fix("Remove the CNAME, as below, or else the TXT record beside it.", owner, replaces=(line,))
    yield failed(check, subject, Reason.TXT_BESIDE_CNAME, sentence, fix)
