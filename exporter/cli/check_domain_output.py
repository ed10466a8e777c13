"""A domain in the three forms that `check` prints.

The rule of this file: text as in `check_text`, Markdown as in `check_markdown`, JSON as docs/check.schema.json has it.
"""

from collections.abc import Iterator

from exporter.checks.verdicts import Result
from exporter.cli.check_domains import (
    DomainExamined,
    check_words,
    domain_evidence,
    domain_headline,
    domain_held_to,
    passing_checks,
    record_lines,
    shown_findings,
)
from exporter.cli.check_json import zone_document
from exporter.cli.check_markdown import escaped, evidence_markdown, mend_markdown
from exporter.cli.check_text import OVERALL_KINDS, Paper, evidence_text, marked, mend_text, wrapped
from exporter.web.documents import Json, evidence_document, printable
from exporter.web.domains import findings_document, hint_document, records_document


def domain_text(one: DomainExamined, paper: Paper) -> Iterator[str]:
    """Everything about one domain, line by line."""
    report = one.examination.report
    yield paper.bold(paper.tint(domain_headline(one), OVERALL_KINDS[one.overall]))
    yield from wrapped(domain_held_to(one))
    if lines := [printable(line) for line in record_lines(report)]:
        yield ""
        yield paper.bold("Records")
    for line in lines:
        yield from marked(paper, "aside", line)
    yield ""
    yield paper.bold("Checks")
    if ok := passing_checks(one):
        yield from marked(paper, "good", f"pass: {', '.join(ok)}")
    for finding, is_expected in shown_findings(one):
        kind = "open" if finding.result is Result.UNKNOWN else "bad" if is_expected else "aside"
        aside = "" if is_expected else ", not expected to pass"
        yield from marked(paper, kind, f"{finding.result}: {check_words(finding)} ({finding.reason}{aside})")
        yield from wrapped(finding.sentence, "    ")
        if finding.mend is not None and is_expected:
            yield from mend_text(one, finding.mend)
    if report.hints:
        yield ""
        yield paper.bold("Hints")
    for hint in report.hints:
        yield from marked(paper, "aside", f"{hint.check} ({hint.reason})")
        yield from wrapped(printable(hint.sentence), "    ")
        if hint.mend is not None:
            yield from mend_text(one, hint.mend)
    yield from evidence_text(domain_evidence(one), one.evidence, paper)


def domain_markdown(one: DomainExamined) -> Iterator[str]:
    """Everything about one domain, line by line."""
    report = one.examination.report
    yield f"### {escaped(domain_headline(one))}"
    yield ""
    yield escaped(domain_held_to(one))
    yield ""
    for line in record_lines(report):
        yield f"- {escaped(printable(line))}"
    yield ""
    yield "**Checks**"
    yield ""
    if ok := passing_checks(one):
        yield f"- pass: {escaped(', '.join(ok))}"
    for finding, is_expected in shown_findings(one):
        word = "not known" if finding.result is Result.UNKNOWN else "**FAIL**" if is_expected else "fail"
        aside = "" if is_expected else ", not expected to pass"
        yield f"- {word}: {escaped(check_words(finding))} ({finding.reason}{aside}). {escaped(finding.sentence)}"
        if finding.mend is not None and is_expected:
            yield from mend_markdown(one, finding.mend)
    for hint in report.hints:
        yield f"- hint: {hint.check} ({hint.reason}). {escaped(printable(hint.sentence))}"
        if hint.mend is not None:
            yield from mend_markdown(one, hint.mend)
    yield ""
    yield from evidence_markdown(domain_evidence(one), one.evidence)


def domain_object(one: DomainExamined) -> Json:
    """The object of one domain."""
    subject, found = one.subject, one.examination
    report = found.report
    keys = zip(subject.selectors, report.dkim, strict=True)
    return {
        "domain": subject.name,
        "outcome": one.overall.name.lower(),
        "checks": findings_document(report.findings, subject.expect),
        "hints": [hint_document(hint) for hint in report.hints],
        **records_document(report.spf, keys, report.dmarc, report),
        "zones": [zone_document(cut) for cut in found.zones.values()],
        "evidence": evidence_document(one.evidence),
    }
