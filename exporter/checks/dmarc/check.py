"""Is a domain's DMARC sound (RFC 9989)? A record is found, can be read, and reports may go where it sends them.

The rule of this file: what receivers have to ignore or treat as ``p=none`` is not sound, though nothing breaks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.checks.answers import Question, Status
from exporter.checks.check import Check, parallel
from exporter.checks.dmarc.hints import dmarc_hints, rewritten
from exporter.checks.dmarc.record import Policy, destination, dmarc_records
from exporter.checks.dmarc.walk import Found, Walk, record_name, tree_walk
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, unanswered
from exporter.checks.names import DomainName
from exporter.checks.tags import clip
from exporter.checks.verdicts import Mend, Result, some
from exporter.checks.zone_lines import txt_line

_CHECK = DomainCheckName.DMARC
_MAX_DESTINATIONS = 10


@dataclass(frozen=True, slots=True)
class Destination:
    """A host that reports are to go to. *is_authorised*: it agrees, or need not; None while that is not known."""

    host: DomainName
    is_authorised: bool | None


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """What a domain's DMARC came to.

    *record_domain* is where the record that counts was found: the domain, or one above it. *policy* is what it asks
    for mail of this domain, *subdomain_policy* and *nonexistent_policy* for mail of names below it; None without a
    record that counts. With *is_testing* (``t=y``), receivers apply the next weaker one: *effective_policy*.
    """

    domain: DomainName
    findings: tuple[DomainFinding, ...]
    hints: tuple[Hint, ...] = ()
    record: bytes = b""
    record_domain: DomainName | None = None
    organizational_domain: DomainName | None = None
    policy: Policy | None = None
    subdomain_policy: Policy | None = None
    nonexistent_policy: Policy | None = None
    is_testing: bool = False
    destinations: tuple[Destination, ...] = ()

    @property
    def effective_policy(self) -> Policy | None:
        """What receivers apply: in test mode, one level below the policy (section 4.7)."""
        if self.policy is None or not self.is_testing:
            return self.policy
        return list(Policy)[max(self.policy.strength - 1, 0)]


def dmarc(domain: DomainName) -> Check[DmarcReport]:
    """Judge what receivers find for mail from *domain*."""
    walk = yield from tree_walk(domain)
    if walk.applied is None:
        return DmarcReport(domain, (_nothing_applies(domain, walk),), organizational_domain=walk.organizational)
    found = walk.applied
    record = found.record
    exists = True
    if found.domain != domain and record.np is not None:
        question = Question(domain, "MX")
        (answer,) = yield [question]
        if not answer.is_conclusive:
            return DmarcReport(domain, (unanswered(_CHECK, domain, question, answer),), record=record.text)
        exists = answer.status is not Status.NXDOMAIN
    report = _report(domain, walk, found, exists=exists)
    if not record.is_applied:
        return replace(report, policy=None, subdomain_policy=None, nonexistent_policy=None)
    destinations, findings = yield from _destinations(walk, found)
    return replace(
        report,
        findings=tuple([it for it in (*report.findings, *findings) if it.result is not Result.PASS])
        or (DomainFinding(_CHECK, Result.PASS, domain),),
        destinations=destinations,
    )


def _report(domain: DomainName, walk: Walk, found: Found, *, exists: bool) -> DmarcReport:
    record = found.record
    inherited = record.subdomains if exists else record.nonexistent
    findings = list(_several(domain, walk))
    if record.bad_policies or (record.p is None and not record.rua):
        findings.append(_bad_policy(domain, found))
    return DmarcReport(
        domain,
        tuple(findings) or (DomainFinding(_CHECK, Result.PASS, domain),),
        tuple(dmarc_hints(domain, found)),
        record.text,
        found.domain,
        walk.organizational,
        record.own if found.domain == domain else inherited,
        record.subdomains,
        record.nonexistent,
        record.testing,
    )


def _fails(domain: str, reason: DomainReason, sentence: str, mend: Mend) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, mend)


def _nothing_applies(domain: DomainName, walk: Walk) -> DomainFinding:
    several = list(_several(domain, walk))
    if several:
        return several[0]
    if walk.missing is not None:
        return unanswered(_CHECK, domain, *walk.missing)
    owner = record_name(domain) or domain
    line = txt_line(owner, b"v=DMARC1; p=none")
    advice = "Publish a policy record: the one below changes nothing yet, and reports can be asked for with rua=."
    texts = walk.answers[0][1].texts if walk.answers else ()
    alike = [text for text in texts if b"dmarc1" in text.lower()]
    if alike:
        sentence = (
            f"The DMARC record of {domain} is ignored, because it does not begin with v=DMARC1, spelled so: "
            f"{clip(alike[0].decode('ascii', 'backslashreplace'))}."
        )
        mend = Mend(advice, owner, (line,), tuple([txt_line(owner, text) for text in alike]))
        return _fails(domain, DomainReason.DMARC_SYNTAX, sentence, mend)
    sentence = f"{domain} has no DMARC policy record, and no domain above it has one that applies."
    return _fails(domain, DomainReason.DMARC_MISSING, sentence, Mend(advice, owner, (line,)))


def _several(domain: DomainName, walk: Walk) -> Iterable[DomainFinding]:
    """Several records at the domain itself: all are discarded (section 4.10), whatever is found above."""
    for question, answer in walk.answers[:1]:
        records = dmarc_records(answer.texts)
        if len(records) > 1:
            sentence = f"{domain} has {len(records)} DMARC policy records, so receivers discard all of them."
            lines = tuple([txt_line(question.name, record.text) for record in records])
            mend = Mend("Leave one of them, and take the others out.", question.name, (lines[0],), lines)
            yield _fails(domain, DomainReason.DMARC_SEVERAL_RECORDS, sentence, mend)


def _bad_policy(domain: DomainName, found: Found) -> DomainFinding:
    record = found.record
    what = clip(some(record.bad_policies)) if record.bad_policies else "no p="
    then = "treat it as p=none" if record.is_applied else "do not apply it at all"
    sentence = f"The DMARC record of {found.domain} has {what}, so receivers {then} (RFC 9989 section 4.10.1)."
    bad = {it.partition("=")[0] for it in record.bad_policies}
    mend = rewritten(
        "Publish the policy that is meant: none, quarantine or reject; below, none.",
        found,
        {**dict.fromkeys(bad), **({"p": "none"} if record.p is None else {})},
    )
    return _fails(domain, DomainReason.DMARC_POLICY, sentence, mend)


def _destinations(walk: Walk, found: Found) -> Check[tuple[tuple[Destination, ...], list[DomainFinding]]]:
    """Whether every host that reports are to go to agrees (RFC 9990 section 4)."""
    uris = [*found.record.rua, *found.record.ruf]
    hosts = [host for uri in uris if (host := destination(uri)) is not None]
    chosen = sorted(set(hosts))[:_MAX_DESTINATIONS]
    judged = yield from parallel([_destination(walk, found, host) for host in chosen])
    return tuple([it for it, _ in judged]), [finding for _, finding in judged if finding is not None]


def _destination(walk: Walk, found: Found, host: DomainName) -> Check[tuple[Destination, DomainFinding | None]]:
    organizational = found.domain if walk.organizational is None else walk.organizational
    if host == found.domain:
        return Destination(host, is_authorised=True), None
    if host.is_under(organizational):
        theirs = yield from tree_walk(host)
        if theirs.missing is not None and walk.missing is None:
            return Destination(host, None), unanswered(_CHECK, walk.start, *theirs.missing)
        if theirs.organizational == organizational:
            return Destination(host, is_authorised=True), None
    try:
        owner = DomainName(f"{found.domain}._report._dmarc.{host}")
    except ValueError:
        return Destination(host, is_authorised=False), None
    question = Question(owner, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return Destination(host, None), unanswered(_CHECK, walk.start, question, answer)
    if dmarc_records(answer.texts):
        return Destination(host, is_authorised=True), None
    if walk.missing is not None:  # without the organizational domain, it is open whether the host is a stranger
        return Destination(host, None), unanswered(_CHECK, walk.start, *walk.missing)
    sentence = f"DMARC reports of {found.domain} do not arrive at {host}: it does not say that it wants them."
    line = txt_line(owner, b"v=DMARC1")
    mend = Mend(f"Have whoever runs {host} publish the record below.", owner, (line,))
    finding = _fails(walk.start, DomainReason.DMARC_REPORTS_UNAUTHORISED, sentence, mend)
    return Destination(host, is_authorised=False), finding
