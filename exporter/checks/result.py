"""The words in which every check gives its verdict: results, check names, reasons, findings.

The rule of this file: each set is closed, and its values are label values and JSON values as they stand here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.checks.answers import Status


class IprevVerdict(StrEnum):
    """The four results of RFC 8601 section 2.7.3, which rules out a fifth ("none")."""

    PASS = "pass"  # noqa: S105  # not a password
    """A PTR name resolves back to the address."""
    FAIL = "fail"
    """PTR names exist, and none of them resolves back."""
    TEMPERROR = "temperror"
    """The DNS did not answer; nothing is known to be wrong with the address."""
    PERMERROR = "permerror"
    """No PTR record is published for the address."""


class Result(StrEnum):
    """What any check comes to."""

    PASS = "pass"  # noqa: S105  # not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    """The DNS did not say enough to know."""


class CheckName(StrEnum):
    """Every check of an address, as `expect`, labels and JSON name it."""

    FCRDNS = "fcrdns"
    HELO_SYNTAX = "helo-syntax"
    HELO_RESOLVES = "helo-resolves"
    HELO_ADDRESS_MATCH = "helo-address-match"
    HELO_PTR_MATCH = "helo-ptr-match"
    HELO_ALIGNED = "helo-aligned"
    SPF_HELO = "spf-helo"
    SPF_MAILFROM = "spf-mailfrom"
    DNSBL = "dnsbl"


OTHER_SUBJECTS = frozenset({CheckName.SPF_MAILFROM, CheckName.DNSBL})
"""Checks whose subject is no HELO name: a domain, or a list."""


class Reason(StrEnum):
    """Why a result is not a pass. Of a fail: what is published wrongly; of an unknown: what the DNS did instead."""

    PTR_NXDOMAIN = "ptr-nxdomain"
    PTR_NODATA = "ptr-nodata"
    FORWARD_NXDOMAIN = "forward-nxdomain"
    FORWARD_NODATA = "forward-nodata"
    FORWARD_MISMATCH = "forward-mismatch"
    HELO_SYNTAX = "helo-syntax"
    HELO_UNQUALIFIED = "helo-unqualified"
    HELO_LITERAL = "helo-literal"
    HELO_NXDOMAIN = "helo-nxdomain"
    HELO_NODATA = "helo-nodata"
    HELO_MISMATCH = "helo-mismatch"
    HELO_NOT_PTR = "helo-not-ptr"
    HELO_NOT_ALIGNED = "helo-not-aligned"
    SPF_NONE = "spf-none"
    SPF_NEUTRAL = "spf-neutral"
    SPF_SOFTFAIL = "spf-softfail"
    SPF_FAIL = "spf-fail"
    SPF_SYNTAX = "spf-syntax"
    SPF_SEVERAL_RECORDS = "spf-several-records"
    SPF_NO_TARGET = "spf-no-target"
    """An ``include`` or ``redirect`` leads to a name without an SPF record (RFC 7208 sections 5.2 and 6.1)."""
    SPF_LOOKUP_LIMIT = "spf-lookup-limit"
    SPF_VOID_LOOKUP_LIMIT = "spf-void-lookup-limit"
    SPF_MX_LIMIT = "spf-mx-limit"
    DNSBL_LISTED = "dnsbl-listed"

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    NETWORK = "network"
    TLS = "tls"
    MALFORMED = "malformed"
    CHAIN = "chain"
    CANARY = "canary"
    DNSBL_BLOCKED = "dnsbl-blocked"
    """The list answered 127.255.255.x: it refuses to tell us."""
    DNSBL_UNTRUSTED = "dnsbl-untrusted"
    """The list, or a resolver in between, answers as no list does: its test points fail, or it is outside 127/8."""
    DNSBL_PENDING = "dnsbl-pending"
    """The list has not been asked yet: it has its own pace."""
    UNCONFIRMED = "unconfirmed"
    """It failed, and passed or went unanswered when it was asked again: not believed."""
    DISAGREEMENT = "disagreement"
    """One resolver says that it fails, another that it passes: neither is believed."""

    @classmethod
    def of(cls, status: Status) -> "Reason":
        """The reason that an inconclusive answer gives."""
        return cls(status.value)


@dataclass(frozen=True, slots=True)
class Fix:
    """What would turn a failure into a pass.

    *advice* is one sentence; *zone* is the zone, or the name to start from, in which to publish; *records* are lines
    in zone-file format, owner names absolute, which, once published, make the check pass. *replaces* are the lines
    that have to go for them: a second SPF or DMARC record next to the first would make matters worse.
    """

    advice: str
    zone: str = ""
    records: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.advice, *self.records])


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one address, and of *subject* where it is about more than the address.

    *subject* is the configured HELO name, domain or list; "" for none. A pass has no *reason*; if it has a *sentence*,
    that is a remark. Else *sentence* says, for a person, what is wrong and what was expected; *fix* what to do about a
    fail.
    """

    check: CheckName
    result: Result
    subject: str = ""
    reason: Reason | None = None
    sentence: str = ""
    fix: Fix | None = None

    def __post_init__(self) -> None:
        if (self.result is Result.PASS) != (self.reason is None):
            raise ValueError(f"{self.check}: a {self.result} cannot have the reason {self.reason}")


def some(things: Sequence[object], limit: int = 3) -> str:
    """The first few of *things* for a sentence, and how many more there are."""
    shown = ", ".join(map(str, things[:limit]))
    return f"{shown} and {len(things) - limit} more" if len(things) > limit else shown
