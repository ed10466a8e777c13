"""How an evaluation ends, in one place, so that whoever evaluates says the same of the same.

The rule of this file: an outcome's clause names the term and the record that it is about, never the address.
"""

from collections.abc import Sequence

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.checks.spf.results import Limits, Outcome, SpfResult
from exporter.checks.spf.terms import BadTerm, Mechanism, SpfRecord, parse_record
from exporter.checks.verdicts import Reason

REASONS = {
    SpfResult.PASS: None,
    SpfResult.NEUTRAL: Reason.SPF_NEUTRAL,
    SpfResult.FAIL: Reason.SPF_FAIL,
    SpfResult.SOFTFAIL: Reason.SPF_SOFTFAIL,
}


def no_name(domain: str) -> Outcome:
    """The domain cannot have a record (RFC 7208 section 4.3)."""
    return Outcome(SpfResult.NONE, Reason.SPF_NONE, f"{domain or 'an empty name'} is no qualified domain name")


def only_record(name: DomainName, answer: Answer, records: Sequence[bytes]) -> SpfRecord | Outcome:
    """The one record of *name*, read; or why there is none to evaluate (sections 4.5 and 4.6)."""
    if not records:
        what = "does not exist" if answer.status is Status.NXDOMAIN else "has no SPF record"
        return Outcome(SpfResult.NONE, Reason.SPF_NONE, f"{name} {what}")
    if len(records) > 1:
        why = f"{name} has {len(records)} SPF records, and one is allowed"
        return Outcome(SpfResult.PERMERROR, Reason.SPF_SEVERAL_RECORDS, why)
    read = parse_record(records[0])
    if isinstance(read, BadTerm):
        why = f"the term {clip(read.text)} in the record of {name} {read.why}"
        return Outcome(SpfResult.PERMERROR, Reason.SPF_SYNTAX, why)
    return read


def matched(mechanism: Mechanism, domain: str) -> Outcome:
    """A mechanism matches: its qualifier is the result."""
    why = f"{clip(mechanism.text)} in the record of {domain} matches"
    return Outcome(mechanism.qualifier, REASONS[mechanism.qualifier], why)


def nothing_matches(domain: str) -> Outcome:
    """No mechanism matches, and there is no redirect (section 4.7)."""
    return Outcome(SpfResult.NEUTRAL, Reason.SPF_NEUTRAL, f"nothing in the record of {domain} matches")


def no_target(term: str, domain: str, target: str) -> Outcome:
    """An include or redirect leads to no SPF record (sections 5.2 and 6.1)."""
    why = f"{clip(term)} in the record of {domain} leads to {clip(target)}, which has no SPF record"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_NO_TARGET, why)


def too_many_lookups(term: str, domain: str, limits: Limits) -> Outcome:
    """Section 4.6.4, the limit of terms that ask the DNS."""
    why = f"{clip(term)} in the record of {domain} is DNS lookup {limits.lookups + 1} of {limits.lookups} allowed"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_LOOKUP_LIMIT, why)


def too_many_void_lookups(term: str, domain: str, limits: Limits) -> Outcome:
    """Section 4.6.4, the limit of lookups that find nothing."""
    allowed = limits.void_lookups
    why = f"{clip(term)} in the record of {domain} is lookup {allowed + 1} of {allowed} that may find nothing"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_VOID_LOOKUP_LIMIT, why)


def too_many_exchanges(term: str, domain: str, count: int, limits: Limits) -> Outcome:
    """Section 4.6.4, the limit of MX records of one mechanism."""
    why = f"{clip(term)} in the record of {domain} finds {count} mail exchanges of {limits.exchanges} allowed"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_MX_LIMIT, why)


def unanswered(question: Question, answer: Answer) -> Outcome:
    """The DNS did not say."""
    why = f"the {question} lookup got no answer ({answer.status})"
    return Outcome(SpfResult.TEMPERROR, Reason.of(answer.status), why)


def clip(text: str, limit: int = 80) -> str:
    """A text from a record, short enough for a sentence."""
    return text if len(text) <= limit else f"{text[:limit]}..."
