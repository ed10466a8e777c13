"""A domain: what is to be looked at, what came out, and the words and keys for it.

The rule of this file: a domain of the configuration is held to what that expects of it, whoever asks; any other one to
what is usual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Evidence
from exporter.checks.domain import DomainCheckName, DomainFinding
from exporter.checks.domain_examination import DomainExamination
from exporter.checks.domain_report import DomainReport
from exporter.checks.names import DomainName
from exporter.checks.verdicts import Result
from exporter.cli.check_outcome import Overall
from exporter.config.configuration import Configuration
from exporter.config.domain_entries import EXPECTED
from exporter.web.documents import printable


@dataclass(frozen=True, slots=True)
class DomainSubject:
    """One domain, and what is expected of it."""

    name: DomainName
    selectors: tuple[str, ...] = ()
    expect: frozenset[DomainCheckName] = EXPECTED
    is_configured: bool = False


@dataclass(frozen=True, slots=True)
class DomainExamined:
    """A domain, what came out for it, and every answer that this rests on."""

    subject: DomainSubject
    examination: DomainExamination
    evidence: Evidence

    @property
    def overall(self) -> Overall:
        """Whether everything that is expected of it is so."""
        return Overall.of(finding.result for finding in self._expected)

    def failing(self, result: Result = Result.FAIL) -> list[str]:
        """The expected checks that come to *result*, each once; of a DKIM key with its selector."""
        return list(dict.fromkeys(check_words(finding) for finding in self._expected if finding.result is result))

    @property
    def _expected(self) -> list[DomainFinding]:
        return [finding for finding in self.examination.report.findings if finding.check in self.subject.expect]


@dataclass(frozen=True, slots=True)
class WantedDomain:
    """What was typed."""

    name: DomainName
    selectors: tuple[str, ...] = ()


def domain_subject(
    name: DomainName, selectors: Sequence[str] = (), configuration: Configuration | None = None
) -> DomainSubject:
    """The domain that somebody typed, with its own selectors unless others are given."""
    known = [one for one in domain_subjects(configuration) if one.name == name]
    subject = known[0] if known else DomainSubject(name)
    return replace(subject, selectors=tuple(dict.fromkeys(selectors))) if selectors else subject


def domain_subjects(configuration: Configuration | None) -> list[DomainSubject]:
    """The domains of *configuration*."""
    domains = configuration.domains if configuration is not None else ()
    return [DomainSubject(one.name, one.selectors, one.expect, is_configured=True) for one in domains]


def check_words(finding: DomainFinding) -> str:
    """The check, and the selector that it is about."""
    return f"{finding.check} {finding.subject}" if finding.check is DomainCheckName.DKIM else finding.check.value


def domain_headline(one: DomainExamined) -> str:
    """The outcome in one line."""
    match one.overall:
        case Overall.PASS:
            said = f"pass ({', '.join([check for check in DomainCheckName if check in one.subject.expect]) or 'none'})"
        case Overall.FINDING:
            said = f"FAIL ({', '.join(one.failing())})"
        case _:
            said = f"not known ({', '.join(one.failing(Result.UNKNOWN))})"
    return f"{one.subject.name}: {said}"


def domain_held_to(one: DomainExamined) -> str:
    """What was expected of it, and why."""
    checks = ", ".join([check for check in DomainCheckName if check in one.subject.expect]) or "nothing"
    if one.subject.is_configured:
        return f"Held to what the configuration expects of it: {checks}."
    return f"In no configuration, so held to what is usual: {checks}."


def record_lines(report: DomainReport) -> Iterator[str]:
    """What is published, a line for each record that there is."""
    spf = report.spf
    if spf.records:
        yield (
            f"spf: {spf.lookups} of {spf.limits.lookups} lookups, {spf.void_lookups} of {spf.limits.void_lookups} that "
            f"find nothing; {spf.authorised4:,} IPv4 and {_shown(spf.authorised6)} IPv6 addresses pass"
        )
        if spf.compiled.open_terms:
            yield f"spf: of others only an evaluation can tell: {', '.join(map(str, spf.compiled.open_terms))}"
    for key in report.dkim:
        if key.key_type:
            bits = f", {key.bits} bits" if key.bits else ""
            yield f"dkim {key.finding.subject}: {key.key_type}{bits}" + ", revoked" * key.is_revoked
    if report.dmarc.policy is not None:
        testing = f" (in test mode, so {report.dmarc.effective_policy})" if report.dmarc.is_testing else ""
        below = f", subdomains {report.dmarc.subdomain_policy}" if report.dmarc.subdomain_policy is not None else ""
        yield f"dmarc: {report.dmarc.policy}{testing}{below}, from {report.dmarc.record_domain}"
    if report.mx.is_null:
        yield "mx: takes no mail"
    elif report.mx.hosts:
        yield f"mx: {', '.join(report.mx.hosts)}"


def domain_evidence(one: DomainExamined) -> list[tuple[Question, Answer]]:
    """The answers that a person wants to see: of the walk to a zone cut, only its end."""
    zones = {cut.zone for cut in one.examination.zones.values()}
    return [
        (question, answer)
        for question, answer in one.evidence.items()
        if question.rdtype not in ("SOA", "NS") or answer.errors or question.name in zones
    ]


def passing_checks(one: DomainExamined) -> list[str]:
    """The checks that pass."""
    return [check_words(it) for it in one.examination.report.findings if it.result is Result.PASS]


def shown_findings(one: DomainExamined) -> list[tuple[DomainFinding, bool]]:
    """What does not pass, each with whether it is expected to: those first, fails before unknowns."""
    expect = one.subject.expect
    wrong = [it for it in one.examination.report.findings if it.result is not Result.PASS]
    wrong.sort(key=lambda it: (it.check not in expect, it.result is Result.UNKNOWN))
    return [(replace(it, sentence=printable(it.sentence)), it.check in expect) for it in wrong]


def _shown(count: int) -> str:
    return f"{count:,}" if count < 1 << 40 else f"2^{count.bit_length() - 1} or more"
