"""What a check returns: results, check names, reasons, findings.

The values of the enums are label values and JSON values, which never change.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

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
    """The result of any check."""

    PASS = "pass"  # noqa: S105  # not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    """The answers of the DNS do not suffice to decide."""


class CheckName(StrEnum):
    """Every check of an address, then every check of a domain, as written in `expect`, labels and JSON."""

    FCRDNS = "fcrdns"
    HELO_SYNTAX = "helo-syntax"
    HELO_RESOLVES = "helo-resolves"
    HELO_ADDRESS_MATCH = "helo-address-match"
    HELO_PTR_MATCH = "helo-ptr-match"
    HELO_ALIGNED = "helo-aligned"
    SPF_HELO = "spf-helo"
    SPF_MAILFROM = "spf-mailfrom"
    DNSBL = "dnsbl"

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MX = "mx"
    MTA_STS = "mta-sts"
    TLS_RPT = "tls-rpt"


DOMAIN_CHECKS = (CheckName.SPF, CheckName.DKIM, CheckName.DMARC, CheckName.MX, CheckName.MTA_STS, CheckName.TLS_RPT)
ADDRESS_CHECKS = tuple([check for check in CheckName if check not in DOMAIN_CHECKS])
EVERY_CHECK = frozenset(CheckName)

OTHER_SUBJECTS = frozenset({CheckName.SPF_MAILFROM, CheckName.DNSBL})
"""Checks whose subject is not a HELO name, but a domain or a block list."""


class Reason(StrEnum):
    """Why a result is not a pass, or what a hint is about.

    A failure names what is published wrongly, an unknown why there is no answer. Checks of addresses come first, then
    those of domains, which use the reasons of SPF too.
    """

    PTR_NXDOMAIN = "ptr-nxdomain"
    PTR_NODATA = "ptr-nodata"
    PTR_MISSING_DOT = "ptr-missing-dot"
    PTR_ADDRESS = "ptr-address"
    PTR_SPECIAL_USE = "ptr-special-use"
    PTR_SYNTAX = "ptr-syntax"
    ADDRESS_NOT_PUBLIC = "address-not-public"
    FORWARD_NXDOMAIN = "forward-nxdomain"
    FORWARD_NODATA = "forward-nodata"
    FORWARD_MISMATCH = "forward-mismatch"
    HELO_SYNTAX = "helo-syntax"
    HELO_UNQUALIFIED = "helo-unqualified"
    HELO_LITERAL = "helo-literal"
    HELO_SPECIAL_USE = "helo-special-use"
    HELO_DANGLING = "helo-dangling"
    """The HELO name is a CNAME to a name that does not exist, or has no address."""
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

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"
    DNSSEC_BOGUS = "dnssec-bogus"
    REFUSED = "refused"
    NETWORK = "network"
    TLS = "tls"
    MALFORMED = "malformed"
    CHAIN = "chain"
    CANARY = "canary"
    LOCAL_DATA = "local-data"
    """A resolver answered from its own data, such as a hosts file."""
    DNSBL_BLOCKED = "dnsbl-blocked"
    """The list answered 127.255.255.x: it refuses our queries."""
    DNSBL_UNTRUSTED = "dnsbl-untrusted"
    """The test points of the list fail, or its answer is outside 127/8: a resolver in between may rewrite answers."""
    DNSBL_PENDING = "dnsbl-pending"
    """The list has not been asked yet: each list has its own rate."""
    UNCONFIRMED = "unconfirmed"
    """The check failed, but did not fail again when it was repeated."""
    DISAGREEMENT = "disagreement"
    """The check fails through one resolver and passes through another: neither result counts."""

    @classmethod
    def of(cls, status: Status) -> "Reason":
        """The reason that stands for an inconclusive status."""
        return cls(status.value)


class RecordChange(NamedTuple):
    """The lines of a fix to publish and to remove at one name, *owner*."""

    owner: str
    records: tuple[str, ...]
    replaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """What turns a failure into a pass.

    Attributes:
        advice: One sentence.
        zone: Where to publish: the zone, or a name in it.
        records: Lines to publish, in zone-file format with absolute owner names. With them the check passes.
        replaces: Lines to remove: a second SPF or DMARC record beside the first would make matters worse.
        warning: What to know before publishing the records; "" for nothing.
    """

    advice: str
    zone: str = ""
    records: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    warning: str = ""

    @property
    def changes(self) -> tuple[RecordChange, ...]:
        """Its lines by owner name: each name may be in another zone."""
        by_owner: dict[str, tuple[list[str], list[str]]] = {}
        for index, lines in enumerate((self.records, self.replaces)):
            for line in lines:
                by_owner.setdefault(line.split(None, 1)[0].removesuffix("."), ([], []))[index].append(line)
        return tuple([RecordChange(owner, tuple(new), tuple(old)) for owner, (new, old) in by_owner.items()])

    def __str__(self) -> str:
        return "\n".join([self.advice, *self.records])


SIGN_AGAIN = Fix(
    "Have the operator of the zone sign it again and keep its signatures fresh, or have the DS records above it match "
    "its keys. Until then, receivers behind validating resolvers get no answer either. Publish nothing else."
)
"""What to do about a zone that fails DNSSEC validation. No record of it is known to be wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found out about one address, HELO name or domain.

    Attributes:
        check: The check.
        result: Its result.
        subject: Of an address: the HELO name, domain or block list that the check is about as well; "" for none.
            Of a domain: the domain itself, or a selector or a host of it.
        reason: Why the result is not a pass; None for a pass.
        sentence: What is wrong and what was expected, for a person; for a pass, a remark or "".
        fix: What to do about a fail, or about a zone that fails DNSSEC validation.
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


def unknown(check: CheckName, subject: str, reason: Reason | None, sentence: str) -> Finding:
    """The finding of a check that could not be decided."""
    fix = SIGN_AGAIN if reason is Reason.DNSSEC_BOGUS else None
    return Finding(check, Result.UNKNOWN, subject, reason, sentence, fix)


Slot = tuple[CheckName, str]
"""A check and its subject."""

_OF_NO_PTR = frozenset({Reason.HELO_NOT_PTR, Reason.HELO_NOT_ALIGNED})
_OF_ADDRESS: dict[Reason | None, frozenset[Reason]] = {
    Reason.PTR_NXDOMAIN: frozenset({Reason.PTR_NXDOMAIN}),
    Reason.PTR_NODATA: frozenset({Reason.PTR_NODATA}),
    Reason.PTR_MISSING_DOT: _OF_NO_PTR,
    Reason.PTR_ADDRESS: _OF_NO_PTR,
    Reason.PTR_SPECIAL_USE: _OF_NO_PTR,
    Reason.PTR_SYNTAX: _OF_NO_PTR,
    Reason.ADDRESS_NOT_PUBLIC: _OF_NO_PTR
    | {Reason.PTR_NXDOMAIN, Reason.PTR_NODATA, Reason.HELO_MISMATCH, Reason.HELO_NODATA}
    | {Reason.SPF_NEUTRAL, Reason.SPF_SOFTFAIL, Reason.SPF_FAIL},
}
"""What else fails because `fcrdns` of an address fails: the PTR record that one check misses, the others miss, too."""

_OF_PTR_NAME: dict[Reason | None, frozenset[Reason]] = {
    Reason.FORWARD_NXDOMAIN: frozenset({Reason.HELO_NXDOMAIN, Reason.HELO_DANGLING}),
    Reason.FORWARD_NODATA: frozenset({Reason.HELO_NODATA, Reason.HELO_DANGLING}),
    Reason.FORWARD_MISMATCH: frozenset({Reason.HELO_MISMATCH}),
}
"""The same for a HELO name that is a PTR name: both lack the same address record."""

_OF_HELO_NAME = frozenset(ADDRESS_CHECKS) - {CheckName.HELO_SYNTAX, *OTHER_SUBJECTS}


def causes(findings: Iterable[Finding], expect: Container[object] = EVERY_CHECK) -> dict[Slot, Finding]:
    """For each failure that only follows from another one, that other one: what heals it heals both.

    *findings* are those of one address or HELO name. The cause of an expected failure is an expected one, so that one
    of them always counts. A cause has no cause itself.
    """
    known = {(finding.check, finding.subject): finding for finding in findings}
    found = {}
    for slot, finding in known.items():
        above = finding if finding.result is Result.FAIL else None
        while above is not None and (above := _cause(above, known)) is not None:
            if above.check in expect or finding.check not in expect:
                found[slot] = above
    return found


def _cause(finding: Finding, known: Mapping[Slot, Finding]) -> Finding | None:
    """The failure that *finding*, a failure, directly follows from; None for none."""
    check, subject, reason = finding.check, finding.subject, finding.reason

    def failure(other: CheckName, about: str) -> Finding | None:
        found = known.get((other, about))
        return found if found is not finding and found is not None and found.result is Result.FAIL else None

    address = failure(CheckName.FCRDNS, "")
    if address is not None:
        if reason in _OF_ADDRESS.get(address.reason, ()):
            return address
        ptr_match = known.get((CheckName.HELO_PTR_MATCH, subject))
        is_ptr_name = ptr_match is not None and ptr_match.result is Result.PASS
        if is_ptr_name and reason in _OF_PTR_NAME.get(address.reason, ()):
            return address
    if check in _OF_HELO_NAME and (syntax := failure(CheckName.HELO_SYNTAX, subject)) is not None:
        return syntax
    resolves = failure(CheckName.HELO_RESOLVES, subject)
    if resolves is not None:
        is_spf = check is CheckName.SPF_HELO
        if check in {CheckName.HELO_ADDRESS_MATCH, CheckName.FCRDNS}:
            return resolves
        if is_spf and (reason, resolves.reason) == (Reason.SPF_NONE, Reason.HELO_NXDOMAIN):
            return resolves
    sender = failure(CheckName.SPF_MAILFROM, subject)
    return sender if check is CheckName.SPF_HELO and sender is not None and sender.reason is reason else None


def some(things: Sequence[object], limit: int = 3) -> str:
    """Name the first few of *things* in a sentence, and count the others."""
    shown = ", ".join(map(str, things[:limit]))
    return f"{shown} and {len(things) - limit} more" if len(things) > limit else shown
