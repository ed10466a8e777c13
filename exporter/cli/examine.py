"""From what was typed to what is printed.

The rule of this file: what `check` found goes to standard output, and nothing else does; how far it is goes to
standard error, where that is a terminal.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from exporter.checks.answers import Answer
from exporter.checks.helo import HeloName
from exporter.checks.result import Result
from exporter.checks.zone_cut import ZoneCut
from exporter.cli.examination import AnyExamined, AnySubject, Examined, examined
from exporter.cli.sentences import summary
from exporter.cli.subjects import (
    NO_EXPANSIONS,
    DomainExamined,
    NameExamined,
    Overall,
    PoolExamined,
    Wanted,
    WantedDomain,
    all_subjects,
    check_words,
    count,
    coverage_document,
    depends_on_spf,
    domain_evidence,
    domain_headline,
    domain_held_to,
    domain_subject,
    expansions,
    passing_checks,
    pool_document,
    pools_of,
    profiles_of,
    record_lines,
    shown_findings,
    subject_of,
    worst,
    worth_telling,
)
from exporter.cli.text import (
    OVERALL_KINDS,
    Paper,
    escaped,
    evidence_markdown,
    evidence_text,
    fix_markdown,
    fix_text,
    markdown,
    marked,
    name_markdown,
    name_text,
    one_line,
    pool_markdown,
    pool_text,
    text,
    wrapped,
)
from exporter.cli.trace import Delegation, Trace, trace
from exporter.config.configuration import Configuration
from exporter.config.load import load
from exporter.config.values import did_you_mean
from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import Endpoint, ResolverSettings, system_servers
from exporter.views.documents import Json, checked, evidence_document, finding_document, printable, records_of
from exporter.views.domains import findings_document, hint_document, records_document

# SECTION exporter.cli.check_json
# `check --output json`: docs/check.schema.json describes it.
#
# The rule of this file: one object for each address and HELO name, and one for each HELO name of a pool, the
# other way
# round; what the DNS said is printable ASCII.


def documents(one: Examined) -> Iterator[Json]:
    """The objects of one target: one for each of its HELO names, or a single one if it has none."""
    subject, found = one.subject, one.examination
    names: Sequence[HeloName | None] = subject.target.helos or (None,)
    for index, helo in enumerate(names):
        yield checked(
            subject.pool,
            subject.target,
            helo,
            found.report.iprev,
            found.report.findings,
            one.evidence,
            subject.expect,
            receivers=found.receivers[index] if helo is not None else (),
            spf=found.spf[index],
        ) | {
            "profile": subject.profile,
            "outcome": one.overall.name.lower(),
            "generic_names": [
                {"name": hint.name, "rule": hint.rule.value, "sentence": hint.sentence} for hint in found.generic_names
            ],
            "reverse_zone": zone_document(found.reverse.cut),
            "delegating_zone": None if found.reverse.delegating is None else zone_document(found.reverse.delegating),
            "zones": [zone_document(cut) for cut in found.zones.values()],
            "trace": [_trace(traced) for traced in one.traces],
            "helo_addresses": coverage_document(one.names[index]) if index < len(one.names) else None,
        }


def name_document(one: NameExamined) -> Json:
    """The object of one HELO name of a pool."""
    subject, found = one.subject, one.examination
    return {
        "helo": subject.helo.text,
        "pool": subject.pool,
        "profile": subject.profile,
        "outcome": one.overall.name.lower(),
        "checks": [finding_document(finding, subject.expect) for finding in found.report.findings],
        "helo_addresses": coverage_document(one),
        "zones": [zone_document(cut) for cut in found.zones.values()],
        "evidence": evidence_document(one.evidence),
    }


def zone_document(cut: ZoneCut) -> Json:
    """A zone, and who runs it."""
    return {
        "name": cut.name,
        "zone": cut.zone,
        "certain": cut.is_certain,
        "mailbox": cut.mailbox,
        "mname": None if cut.soa is None else cut.soa.mname,
        "rname": None if cut.soa is None else cut.soa.rname,
        "serial": None if cut.soa is None else cut.soa.serial,
        "servers": list(cut.servers),
        "unanswered": None
        if cut.unanswered is None
        else {"name": cut.unanswered[0], "status": cut.unanswered[1].value},
    }


def _trace(traced: Trace) -> Json:
    return {
        "zone": traced.zone,
        "name": traced.question.name,
        "type": traced.question.rdtype,
        "servers": [
            {
                "name": server.name,
                "ip": None if server.address is None else str(server.address),
                "serial": server.serial,
                **_answer(server.answer),
            }
            for server in traced.servers
        ],
        "differences": list(traced.differences),
        "contradictory": traced.is_contradictory,
        "delegation": None if traced.delegation is None else _delegation(traced.delegation),
    }


def _delegation(delegation: Delegation) -> Json:
    return {
        "parent": delegation.parent,
        "servers": [
            {"name": helo.name, "ip": None if helo.address is None else str(helo.address), **_answer(helo.answer)}
            for helo in delegation.servers
        ],
        "names": list(delegation.names),
        "differences": list(delegation.differences),
    }


def _answer(answer: Answer) -> Json:
    return {"status": answer.status.value, "records": records_of(answer), "chain": list(answer.chain)}


# SECTION exporter.cli.check_domain_output
# A domain in the three forms that `check` prints.
#
# The rule of this file: text as in `check_text`, Markdown as in `check_markdown`, JSON as
# docs/check.schema.json has it.


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
        if finding.fix is not None and is_expected:
            yield from fix_text(one, finding.fix)
    if report.hints:
        yield ""
        yield paper.bold("Hints")
    for hint in report.hints:
        yield from marked(paper, "aside", f"{hint.check} ({hint.reason})")
        yield from wrapped(printable(hint.sentence), "    ")
        if hint.fix is not None:
            yield from fix_text(one, hint.fix)
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
        if finding.fix is not None and is_expected:
            yield from fix_markdown(one, finding.fix)
    for hint in report.hints:
        yield f"- hint: {hint.check} ({hint.reason}). {escaped(printable(hint.sentence))}"
        if hint.fix is not None:
            yield from fix_markdown(one, hint.fix)
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


# SECTION exporter.cli.check_main

_QUESTIONS = 8
"""How many questions of one examination are under way together, more or less."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed. *wanted* None means everything in the configuration *file*."""

    wanted: Wanted | WantedDomain | None
    server: Endpoint | None
    output: str
    file: Path
    is_explicit: bool = True
    is_traced: bool = False


def run(request: Request) -> int:
    """Check, print, and give the exit code. Raises `ConfigError` for a bad configuration."""
    configuration = _configuration(request)
    if isinstance(request.wanted, Wanted):
        _refuse_unknown_profile(request.wanted, configuration)
    elif request.wanted is None and configuration is None:
        raise click.UsageError(
            f"give an address, like maildns-exporter check 192.0.2.10, or a configuration with --config.file: there is "
            f"no {request.file} here"
        )
    try:
        return asyncio.run(_run(request, configuration))
    except KeyboardInterrupt:
        return 128 + 2  # as the shell says of whoever was interrupted: 1 would be a finding


def _configuration(request: Request) -> Configuration | None:
    """The configuration; None where nobody named one and there is none."""
    if not request.is_explicit and not request.file.exists():
        return None
    return load(request.file)


def _refuse_unknown_profile(wanted: Wanted, configuration: Configuration | None) -> None:
    known = profiles_of(configuration)
    if wanted.profile is not None and wanted.profile not in known:
        hint = did_you_mean(wanted.profile, list(known))
        raise click.BadParameter(f"{wanted.profile!a} is not a profile; {hint}", param_hint="'--profile'")


async def _subjects(
    request: Request, configuration: Configuration | None, resolvers: Resolvers, printer: "Printer"
) -> tuple[Iterator[AnySubject], int]:
    """What is to be looked at, and how much that is."""
    wanted = request.wanted
    if isinstance(wanted, WantedDomain):
        return iter([domain_subject(wanted.name, wanted.selectors, configuration)]), 1
    found = NO_EXPANSIONS
    if configuration is not None and (wanted is None or depends_on_spf(wanted, configuration)):
        found = await expansions(configuration, resolvers)
    if wanted is not None:
        for name, one in found.items():
            if not one.is_usable:
                click.echo(f"what the pool {name} has by its SPF record is not known: {one.troubles[0]}", err=True)
        return iter([subject_of(wanted, configuration, found)]), 1
    if configuration is None:
        return iter(()), 0
    pools = pools_of(configuration, found)
    for told in worth_telling(configuration, pools, found):
        printer.add_pool(told)
    return all_subjects(configuration, pools), count(configuration, pools)


async def _run(request: Request, configuration: Configuration | None) -> int:
    resolvers = Resolvers(_settings(request, configuration))
    await resolvers.start()
    try:
        at_once = max(1, resolvers.max_in_flight // _QUESTIONS)
        printer = Printer(request.output, is_single=request.wanted is not None)
        subjects, total = await _subjects(request, configuration, resolvers, printer)
        outcomes = examined(subjects, resolvers, at_once=at_once)
        async for one in _watched(outcomes, total, printer):
            if isinstance(one, DomainExamined):
                printer.add_domain(one)
            elif isinstance(one, NameExamined):
                printer.add_name(one)
            else:
                traces = await trace(one.examination.reverse, resolvers) if request.is_traced else ()
                printer.add(replace(one, traces=traces))
        return printer.end()
    finally:
        await resolvers.close()


def _settings(request: Request, configuration: Configuration | None) -> tuple[ResolverSettings, ...]:
    if request.server is not None:
        return (ResolverSettings(name="command-line", servers=(request.server,)),)
    if configuration is not None:
        return configuration.resolver_settings()
    return (ResolverSettings(servers=system_servers()),)


async def _watched(outcomes: AsyncIterator[AnyExamined], total: int, printer: "Printer") -> AsyncIterator[AnyExamined]:
    """The same, with a progress bar where somebody waits for many."""
    with ExitStack() as stack:
        bar = None
        if total > 1 and sys.stderr.isatty():
            bar = stack.enter_context(click.progressbar(length=total, label="checking", file=sys.stderr, show_pos=True))
            printer.waits = sys.stdout.isatty()  # a bar and lines on one terminal would write over each other
        async for one in outcomes:
            yield one
            if bar is not None:
                bar.update(1)
    printer.waits = False


class Printer:
    """Prints outcomes as they come. *is_single* says that one address or domain was asked for: then all is told of it.

    While it *waits*, it keeps what it has to print.
    """

    def __init__(self, output: str, *, is_single: bool) -> None:
        self._output = output
        self._is_single = is_single
        self._paper = Paper(colour=_has_colours(), unicode=_has_unicode())
        self._counts: dict[Overall, int] = {}
        self._name_counts: dict[Overall, int] = {}
        self._domain_counts: dict[Overall, int] = {}
        self._pool_outcomes: list[Overall] = []
        self._objects = 0
        self._kept: list[str] = []
        self._is_array = not is_single
        self.waits = False

    def add(self, one: Examined) -> None:
        """Print one outcome."""
        self._counts[one.overall] = self._counts.get(one.overall, 0) + 1
        match self._output:
            case "json":
                self._add_json(list(documents(one)))
            case "markdown":
                self._print("\n".join(markdown(one, self._paper)) + ("" if self._is_single else "\n"))
            case _ if one.overall is Overall.PASS and not self._is_single:
                self._print(one_line(one, self._paper))
            case _:
                self._print("\n".join(text(one, self._paper)) + ("" if self._is_single else "\n"))

    def add_pool(self, one: PoolExamined) -> None:
        """Print what there is to say of a pool as a whole."""
        self._pool_outcomes.append(one.overall)
        match self._output:
            case "json":
                self._add_json([pool_document(one)])
            case "markdown":
                self._print("\n".join(pool_markdown(one)) + "\n")
            case _:
                self._print("\n".join(pool_text(one, self._paper)) + ("\n" if one.troubles else ""))

    def add_name(self, one: NameExamined) -> None:
        """Print one HELO name of a pool."""
        self._name_counts[one.overall] = self._name_counts.get(one.overall, 0) + 1
        match self._output:
            case "json":
                self._add_json([name_document(one)])
            case "markdown":
                self._print("\n".join(name_markdown(one)) + "\n")
            case _ if one.overall is Overall.PASS:
                self._print(one_line(one, self._paper))
            case _:
                self._print("\n".join(name_text(one, self._paper)) + "\n")

    def add_domain(self, one: DomainExamined) -> None:
        """Print one domain."""
        self._domain_counts[one.overall] = self._domain_counts.get(one.overall, 0) + 1
        after = "" if self._is_single else "\n"
        match self._output:
            case "json":
                self._add_json([domain_object(one)])
            case "markdown":
                self._print("\n".join(domain_markdown(one)) + after)
            case _ if one.overall is Overall.PASS and not self._is_single:
                self._print(one_line(one, self._paper))
            case _:
                self._print("\n".join(domain_text(one, self._paper)) + after)

    def end(self) -> int:
        """Print what belongs at the end; the exit code."""
        if self._output == "json":
            if self._is_array:
                self._print("]" if self._objects else "[]")
        elif not self._is_single:
            self._print(summary(self._counts, self._name_counts, self._domain_counts))
        return worst([*self._pool_outcomes, *self._counts, *self._name_counts, *self._domain_counts]).value

    def _add_json(self, found: list[dict[str, Any]]) -> None:
        self._is_array = self._is_array or len(found) > 1
        for document in found:
            opening = ("[" if not self._objects else ",") if self._is_array else ""
            self._print(opening + _dump(document), end="" if self._is_array else "\n")
            self._objects += 1

    def _print(self, what: str, end: str = "\n") -> None:
        self._kept.append(what + end)
        if not self.waits:
            for kept in self._kept:
                click.echo(kept, nl=False, color=self._paper.colour)
            self._kept.clear()


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=True)


def _has_colours() -> bool:
    """Whether standard output shows colours, and is asked to: https://no-color.org/."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _has_unicode() -> bool:
    try:
        "├─✓".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
