"""The words in which checks of a domain give their verdicts: check names, reasons, findings, hints.

The rule of this file: each set is closed, and its values are label values and JSON values as they stand here. What is
wrong is a finding; what is right but could be better is a hint, and changes no verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.checks.answers import Answer, Question
from exporter.checks.result import Fix, Reason, Result


class DomainCheckName(StrEnum):
    """Every check of a domain, as labels and JSON name it."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MX = "mx"
    MTA_STS = "mta-sts"
    TLS_RPT = "tls-rpt"


class DomainReason(StrEnum):
    """Why a domain's check is not a pass, or what a hint is about; SPF shares more of them in `Reason`."""

    SPF_LOOP = "spf-loop"
    SPF_PASSES_ALL = "spf-passes-all"
    SPF_NEUTRAL_ALL = "spf-neutral-all"
    SPF_PTR = "spf-ptr"
    SPF_UNREACHABLE = "spf-unreachable"

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

    MX_MISSING = "mx-missing"
    MX_NULL = "mx-null"
    MX_UNRESOLVABLE = "mx-unresolvable"
    MX_ALIAS = "mx-alias"
    MTA_STS_MISSING = "mta-sts-missing"
    MTA_STS_SEVERAL_RECORDS = "mta-sts-several-records"
    MTA_STS_SYNTAX = "mta-sts-syntax"
    MTA_STS_NO_HOST = "mta-sts-no-host"
    TLS_RPT_MISSING = "tls-rpt-missing"
    TLS_RPT_SEVERAL_RECORDS = "tls-rpt-several-records"
    TLS_RPT_SYNTAX = "tls-rpt-syntax"


AnyReason = Reason | DomainReason


@dataclass(frozen=True, slots=True)
class DomainFinding:
    """What a check says of a domain, or of *subject* in it: a selector, a host, the domain itself.

    A pass has neither *reason* nor *sentence*. *fix* says what to publish about a fail.
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
    """Something that works and could be better; *fix* is how."""

    check: DomainCheckName
    subject: str
    reason: DomainReason
    sentence: str
    fix: Fix | None = None


def unanswered(check: DomainCheckName, subject: str, question: Question, answer: Answer) -> DomainFinding:
    """The finding of a lookup that got no answer."""
    sentence = f"The {question} lookup got no answer ({answer.status}): nothing is known to be wrong."
    return DomainFinding(check, Result.UNKNOWN, subject, Reason.of(answer.status), sentence)


def overall(findings: Sequence[DomainFinding]) -> Result:
    """What findings come to together: one fail is a fail, and failing that, one unknown is unknown."""
    results = {finding.result for finding in findings}
    if Result.FAIL in results:
        return Result.FAIL
    return Result.UNKNOWN if Result.UNKNOWN in results else Result.PASS
