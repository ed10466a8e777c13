"""From what was typed to what is printed.

The rule of this file: what `check` found goes to standard output, and nothing else does; how far it is goes to
standard error, where that is a terminal.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from exporter.cli.check_domain_output import domain_markdown, domain_object, domain_text
from exporter.cli.check_domains import DomainExamined, WantedDomain, domain_subject
from exporter.cli.check_json import documents, name_document
from exporter.cli.check_markdown import markdown, name_markdown, pool_markdown
from exporter.cli.check_names import NameExamined
from exporter.cli.check_outcome import Overall, worst
from exporter.cli.check_pools import (
    NO_EXPANSIONS,
    PoolExamined,
    expansions,
    pool_document,
    pools_of,
    worth_telling,
)
from exporter.cli.check_run import AnyExamined, AnySubject, Examined, examined
from exporter.cli.check_subjects import Wanted, all_subjects, count, depends_on_spf, profiles_of, subject_of
from exporter.cli.check_text import Paper, name_text, one_line, pool_text, text
from exporter.cli.check_trace import trace
from exporter.cli.check_words import summary
from exporter.config.configuration import Configuration
from exporter.config.loader import load
from exporter.config.values import did_you_mean
from exporter.dns.endpoints import Endpoint
from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import ResolverSettings, system_servers

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
