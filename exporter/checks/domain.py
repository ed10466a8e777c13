"""What a check of a domain returns: check names, reasons, findings, hints.

The values of the enums are label values and JSON values, which never change. A fault is a finding. A hint says what
works but could be better, and changes no result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from exporter.checks.answers import Answer, Question
from exporter.checks.names import DomainName
from exporter.checks.result import Fix, Reason, Result


class DomainCheckName(StrEnum):
    """Every check of a domain, as written in labels and JSON."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MX = "mx"
    MTA_STS = "mta-sts"
    TLS_RPT = "tls-rpt"


class DomainReason(StrEnum):
    """Why a check of a domain is not a pass, or what a hint is about. SPF also uses members of `Reason`."""

    SPF_LOOP = "spf-loop"
    SPF_PASSES_ALL = "spf-passes-all"
    SPF_NEUTRAL_ALL = "spf-neutral-all"
    SPF_PTR = "spf-ptr"
    SPF_UNREACHABLE = "spf-unreachable"
    SPF_UNKNOWN_MODIFIER = "spf-unknown-modifier"
    SPF_TAKEOVER = "spf-takeover"

    DKIM_MISSING = "dkim-missing"
    DKIM_DANGLING = "dkim-dangling"
    DKIM_SEVERAL_RECORDS = "dkim-several-records"
    DKIM_SYNTAX = "dkim-syntax"
    DKIM_REVOKED = "dkim-revoked"
    DKIM_KEY_TYPE = "dkim-key-type"
    DKIM_KEY_UNREADABLE = "dkim-key-unreadable"
    DKIM_KEY_WEAK = "dkim-key-weak"
    DKIM_KEY_SHORT = "dkim-key-short"
    DKIM_NOT_FOR_EMAIL = "dkim-not-for-email"
    DKIM_TESTING = "dkim-testing"
    DKIM_NO_SHA256 = "dkim-no-sha256"

    DMARC_MISSING = "dmarc-missing"
    DMARC_DANGLING = "dmarc-dangling"
    DMARC_SEVERAL_RECORDS = "dmarc-several-records"
    DMARC_SYNTAX = "dmarc-syntax"
    DMARC_POLICY = "dmarc-policy"
    DMARC_REPORTS_UNAUTHORISED = "dmarc-reports-unauthorised"
    DMARC_MONITORING = "dmarc-monitoring"
    DMARC_TESTING = "dmarc-testing"
    DMARC_WEAKER_SUBDOMAINS = "dmarc-weaker-subdomains"
    DMARC_HISTORIC_TAG = "dmarc-historic-tag"
    DMARC_BAD_TAG = "dmarc-bad-tag"
    DMARC_NO_REPORTS = "dmarc-no-reports"

    TXT_BESIDE_CNAME = "txt-beside-cname"
    """A name has both a TXT record and a CNAME, which excludes all others (RFC 1034 section 3.6.2)."""

    MX_MISSING = "mx-missing"
    MX_NULL = "mx-null"
    MX_UNRESOLVABLE = "mx-unresolvable"
    MX_DANGLING = "mx-dangling"
    MX_MISSING_DOT = "mx-missing-dot"
    MX_ADDRESS = "mx-address"
    MX_SPECIAL_USE = "mx-special-use"
    MX_SYNTAX = "mx-syntax"
    MX_NOT_PUBLIC = "mx-not-public"
    MX_ALIAS = "mx-alias"
    MTA_STS_MISSING = "mta-sts-missing"
    MTA_STS_SEVERAL_RECORDS = "mta-sts-several-records"
    MTA_STS_SYNTAX = "mta-sts-syntax"
    MTA_STS_NO_HOST = "mta-sts-no-host"
    MTA_STS_DANGLING = "mta-sts-dangling"
    TLS_RPT_MISSING = "tls-rpt-missing"
    TLS_RPT_DANGLING = "tls-rpt-dangling"
    TLS_RPT_SEVERAL_RECORDS = "tls-rpt-several-records"
    TLS_RPT_SYNTAX = "tls-rpt-syntax"


AnyReason = Reason | DomainReason


@dataclass(frozen=True, slots=True)
class DomainFinding:
    """What one check found out about one domain.

    Attributes:
        check: The check.
        result: Its result.
        subject: The domain itself, or a selector or a host of it.
        reason: Why the result is not a pass; None for a pass.
        sentence: What is wrong and what was expected, for a person; "" for a pass.
        fix: What to do about a fail.
    """

    check: DomainCheckName
    result: Result
    subject: str
    reason: AnyReason | None = None
    sentence: str = ""
    fix: Fix | None = None

    def __post_init__(self) -> None:
        if (self.result is Result.PASS) != (self.reason is None):
            raise ValueError(f"{self.check}: a {self.result} cannot have the reason {self.reason}")


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

    check: DomainCheckName
    subject: str
    reason: DomainReason
    sentence: str
    fix: Fix | None = None


def passed(check: DomainCheckName, subject: str) -> DomainFinding:
    """The finding of a check without a fault."""
    return DomainFinding(check, Result.PASS, subject)


def failed(check: DomainCheckName, subject: str, reason: AnyReason, sentence: str, fix: Fix) -> DomainFinding:
    """The finding of a fault."""
    return DomainFinding(check, Result.FAIL, subject, reason, sentence, fix)


def unanswered(check: DomainCheckName, subject: str, question: Question, answer: Answer) -> DomainFinding:
    """The finding of a lookup without an answer."""
    sentence = f"The {question} lookup got no answer ({answer.status}): nothing is known to be wrong."
    return DomainFinding(check, Result.UNKNOWN, subject, Reason.of(answer.status), sentence)


def beside_cname(
    check: DomainCheckName, subject: str, owner: DomainName, txt: Answer, cname: Answer
) -> Iterator[DomainFinding]:
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
    yield failed(check, subject, DomainReason.TXT_BESIDE_CNAME, sentence, fix)
