"""Carries out `check`: finds the subjects, checks them, and prints text, Markdown or JSON.

Standard output has the results and nothing else; the progress bar and notices go to standard error.
"""

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import click

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.zone_cut import ZoneCut
from exporter.cli.examination import (
    AnyChecked,
    CheckedAddress,
    CheckedDomain,
    CheckedName,
    CheckedPool,
    Overall,
    checked,
    worst,
)
from exporter.cli.sentences import drawn_summary, pool_problems, pools_to_report, summary
from exporter.cli.subjects import (
    NO_EXPANSIONS,
    AddressRequest,
    AnyJob,
    DomainRequest,
    address_job,
    all_jobs,
    count_jobs,
    depends_on_spf,
    domain_job,
    expansions,
    pools_of,
    profiles_of,
)
from exporter.cli.text import TextStyle, markdown, one_line, text
from exporter.cli.trace import ServerAnswer, Trace, trace
from exporter.config.configuration import Configuration
from exporter.config.load import load
from exporter.config.values import did_you_mean
from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import Endpoint, ResolverSettings, system_servers
from exporter.views.documents import Json, address_document, evidence_document, findings_document, printable, records_of
from exporter.views.domains import domain_findings_document, hint_document, records_document

_MAX_IN_FULL = 10
"""How many failing addresses of a pool of which some are drawn are explained in full."""

_QUESTIONS = 8
"""About how many questions of one subject are in flight at the same time."""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """The command line of `check`.

    Attributes:
        subject: What to check; None for everything in the configuration.
        server: The DNS server to query; None for those of the configuration.
        output: ``text``, ``json`` or ``markdown``.
        file: The configuration file.
        is_explicit: Whether the user named the file, so that it has to exist.
        is_traced: Whether to query each name server of the reverse zone.
        pool: The only pool of the configuration to check; None for all.
        is_failing: Whether to print only what fails or is unknown.
    """

    subject: AddressRequest | DomainRequest | None
    server: Endpoint | None
    output: str
    file: Path
    is_explicit: bool = True
    is_traced: bool = False
    pool: str | None = None
    is_failing: bool = False


def run(request: CheckRequest) -> int:
    """Check, print, and return the exit code. Raises `ConfigError` for a bad configuration."""
    configuration = load(request.file) if request.is_explicit or request.file.exists() else None
    if isinstance(request.subject, AddressRequest):
        _refuse_unknown_profile(request.subject, configuration)
    elif request.subject is None and configuration is None:
        raise click.UsageError(
            f"give an address, like maildns-exporter check 192.0.2.10, or a configuration with --config.file: there is "
            f"no {request.file} here"
        )
    elif request.pool is not None and configuration is not None:
        known = [pool.name for pool in configuration.pools]
        if request.pool not in known:
            what = f"{request.pool!a} is not a pool of the configuration; {did_you_mean(request.pool, known)}"
            raise click.BadParameter(what, param_hint="'--pool'")
    try:
        return asyncio.run(_run(request, configuration))
    except KeyboardInterrupt:
        return 128 + 2  # what a shell returns after SIGINT; 1 would be a finding


def _refuse_unknown_profile(request: AddressRequest, configuration: Configuration | None) -> None:
    known = profiles_of(configuration)
    if request.profile is not None and request.profile not in known:
        hint = did_you_mean(request.profile, list(known))
        raise click.BadParameter(f"{request.profile!a} is not a profile; {hint}", param_hint="'--profile'")


async def _run(request: CheckRequest, configuration: Configuration | None) -> int:
    resolvers = Resolvers(_settings(request, configuration))
    await resolvers.start()
    try:
        at_once = max(1, resolvers.max_in_flight // _QUESTIONS)
        printer = Printer(request.output, is_single=request.subject is not None, is_failing=request.is_failing)
        done = total = 0
        try:
            jobs, total = await _jobs(request, configuration, resolvers, printer)
            async for one in _with_progress(checked(jobs, resolvers, at_once=at_once), total, printer):
                done += 1
                if request.is_traced and isinstance(one, CheckedAddress):
                    printer.add(replace(one, traces=await trace(one.examination.reverse, resolvers)))
                else:
                    printer.add(one)
        except asyncio.CancelledError:  # Ctrl-C
            printer.waits = False
            printer.end()
            click.echo(f"interrupted: {done} of {total} checked" if total else "interrupted", err=True)
            raise
        code = printer.end()
        for server in [server for resolver in resolvers for server in resolver.servers]:
            for workaround in server.workarounds:
                click.echo(f"the DNS server {server.endpoint} {workaround.value}", err=True)
        return code
    finally:
        await resolvers.close()


def _settings(request: CheckRequest, configuration: Configuration | None) -> tuple[ResolverSettings, ...]:
    if request.server is not None:
        return (ResolverSettings(name="command-line", servers=(request.server,)),)
    if configuration is not None:
        return configuration.resolver_settings()
    return (ResolverSettings(servers=system_servers()),)


async def _jobs(
    request: CheckRequest, configuration: Configuration | None, resolvers: Resolvers, printer: "Printer"
) -> tuple[Iterator[AnyJob], int]:
    """The jobs and their number. Prints what is to be reported about pools."""
    subject = request.subject
    if isinstance(subject, DomainRequest):
        return iter([domain_job(subject, configuration)]), 1
    found = NO_EXPANSIONS
    if configuration is not None and (
        _needs_spf(request.pool, configuration) if subject is None else depends_on_spf(subject, configuration)
    ):
        found = await expansions(configuration, resolvers)
    if subject is not None:
        for name, one in found.items():
            if not one.is_usable:
                click.echo(f"the SPF record of pool {name} is unknown: {one.troubles[0]}", err=True)
        job = address_job(subject, configuration, found)
        if subject.mail_from == "" and not job.target.helos:
            raise click.UsageError("the null sender <> has no domain, so SPF uses the HELO name: give it with --helo")
        return iter([job]), 1
    if configuration is None:
        return iter(()), 0
    pools = await asyncio.to_thread(pools_of, configuration, found)
    for pool in pools_to_report(configuration, pools, found):
        if request.pool in (None, pool.pool.name):
            printer.add(pool)
    return all_jobs(configuration, pools, request.pool), count_jobs(configuration, pools, request.pool)


def _needs_spf(name: str | None, configuration: Configuration) -> bool:
    """Whether the addresses to check depend on SPF records: those of other pools have the lowest precedence."""
    return any(pool.spf is not None for pool in configuration.pools if name in (None, pool.name))


async def _with_progress(
    results: AsyncIterator[AnyChecked], total: int, printer: "Printer"
) -> AsyncIterator[AnyChecked]:
    """The same *results*, with a progress bar on a terminal if there are several."""
    with ExitStack() as stack:
        bar = None
        if total > 1 and sys.stderr.isatty():
            bar = stack.enter_context(click.progressbar(length=total, label="checking", file=sys.stderr, show_pos=True))
            printer.waits = sys.stdout.isatty()  # the bar and lines would overwrite each other on one terminal
        async for one in results:
            yield one
            if bar is not None:
                bar.update(1)
    printer.waits = False


class Printer:
    """Prints results as they arrive; while it *waits*, it collects its output.

    With *is_single* one address or domain was requested: it is explained in full even if it passes. With *is_failing*
    what passes is only counted. Text does the same with a pool of which some addresses are drawn, and after some
    failures in full prints a line for each of the others.
    """

    def __init__(self, output: str, *, is_single: bool, is_failing: bool = False) -> None:
        self._output = output
        self._is_single = is_single
        self._style = TextStyle(colour=_has_colours(), unicode=_has_unicode())
        self._counts: defaultdict[type, Counter[Overall]] = defaultdict(Counter)
        self._is_failing = is_failing
        self._drawn: dict[str, tuple[int, Counter[Overall]]] = {}
        self._objects = 0
        self._waiting: list[str] = []
        self._is_array = not is_single
        self.waits = False

    def add(self, one: AnyChecked | CheckedPool) -> None:
        """Print one result."""
        self._counts[type(one)][one.overall] += 1
        is_brief = not one.troubles if isinstance(one, CheckedPool) else one.overall is Overall.PASS
        end = "\n" if self._is_single else "\n\n"
        if isinstance(one, CheckedPool) and one.checked < one.pool.size:
            self._drawn[one.pool.name] = one.pool.size, Counter()
        is_hidden = self._is_failing and not isinstance(one, CheckedPool)
        if isinstance(one, CheckedAddress) and one.job.pool in self._drawn:
            _, counts = self._drawn[one.job.pool]
            counts[one.overall] += 1
            is_hidden = is_hidden or self._output == "text"
            is_brief = is_brief or counts.total() - counts[Overall.PASS] > _MAX_IN_FULL
        if one.overall is Overall.PASS and is_hidden:
            return
        if self._output == "json":
            self._add_json(list(documents(one)))
        elif self._output == "markdown":
            self._print("\n".join(markdown(one, self._style)), end)
        elif is_brief and not self._is_single:
            self._print(one_line(one, self._style))
        else:
            self._print("\n".join(text(one, self._style)), end)

    def end(self) -> int:
        """Print the end of the output, and return the exit code."""
        if self._output == "json":
            if self._is_array:
                self._print("]" if self._objects else "[]")
        elif not self._is_single:
            for name, (size, drawn) in self._drawn.items():
                self._print(drawn_summary(name, size, drawn))
            self._print(summary(self._counts.__getitem__))
        return worst([overall for counts in self._counts.values() for overall in counts]).value

    def _add_json(self, found: list[Json]) -> None:
        self._is_array = self._is_array or len(found) > 1
        for document in found:
            opening = ("[" if not self._objects else ",") if self._is_array else ""
            self._print(opening + json.dumps(document, indent=2, ensure_ascii=True), "" if self._is_array else "\n")
            self._objects += 1

    def _print(self, what: str, end: str = "\n") -> None:
        self._waiting.append(what + end)
        if not self.waits:
            for waiting in self._waiting:
                click.echo(waiting, nl=False, color=self._style.colour)
            self._waiting.clear()


def _has_colours() -> bool:
    """Whether standard output is a terminal with colours: https://no-color.org/."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _has_unicode() -> bool:
    try:
        "├─✓".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def documents(one: AnyChecked | CheckedPool) -> Iterator[Json]:
    """The JSON objects of one result (docs/check.schema.json): for an address one for each of its HELO names."""
    match one:
        case CheckedAddress():
            yield from _address_documents(one)
        case CheckedName():
            yield _name_document(one)
        case CheckedDomain():
            yield _domain_document(one)
        case CheckedPool():
            yield _pool_document(one)


def _address_documents(one: CheckedAddress) -> Iterator[Json]:
    job, found = one.job, one.examination
    names: Sequence[HeloName | None] = job.target.helos or (None,)
    for index, helo in enumerate(names):
        yield address_document(
            job.pool,
            job.target,
            helo,
            found.report.iprev,
            found.report.findings,
            one.evidence,
            job.expect,
            receivers=found.receivers[index] if helo is not None else (),
            spf=found.spf[index],
        ) | {
            "profile": job.profile,
            "outcome": one.overall.name.lower(),
            "generic_names": [
                {"name": hint.name, "rule": hint.rule.value, "sentence": hint.sentence} for hint in found.generic_names
            ],
            "reverse_zone": _zone(found.reverse.cut),
            "delegating_zone": None if found.reverse.delegating is None else _zone(found.reverse.delegating),
            "zones": [_zone(cut) for cut in found.zones.values()],
            "trace": [_trace(traced) for traced in one.traces],
            "helo_addresses": _coverage(one.names[index]) if index < len(one.names) else None,
        }


def _name_document(one: CheckedName) -> Json:
    job, found = one.job, one.examination
    return {
        "helo": printable(job.helo.text),
        "pool": job.pool,
        "profile": job.profile,
        "outcome": one.overall.name.lower(),
        "checks": findings_document(found.report.findings, job.expect, job.helo),
        "helo_addresses": _coverage(one),
        "zones": [_zone(cut) for cut in found.zones.values()],
        "evidence": evidence_document(one.evidence),
    }


def _domain_document(one: CheckedDomain) -> Json:
    job, found = one.job, one.examination
    report = found.report
    keys = zip(job.selectors, report.dkim, strict=True)
    return {
        "domain": job.name,
        "outcome": one.overall.name.lower(),
        "checks": domain_findings_document(report.findings, job.expect),
        "hints": [hint_document(hint) for hint in report.hints],
        **records_document(report.spf, keys, report.dmarc, report),
        "zones": [_zone(cut) for cut in found.zones.values()],
        "evidence": evidence_document(one.evidence),
    }


def _pool_document(one: CheckedPool) -> Json:
    return {
        "pool": one.pool.name,
        "spf": None if one.spf is None else str(one.spf),
        "addresses": one.pool.size,
        "checked": one.checked,
        "not_enumerable": list(one.pool.not_enumerable.texts),
        "outcome": one.overall.name.lower(),
        "problems": [{"reason": trouble.value, "sentence": sentence} for trouble, sentence in pool_problems(one)],
    }


def _coverage(one: CheckedName) -> Json:
    """The addresses of a HELO name by outcome."""
    found, scope = one.examination.report, one.job.scope

    def texts(addresses: Sequence[Address]) -> list[str]:
        return [str(address) for address in addresses]

    return {
        "complete": found.is_complete,
        "addresses": texts(found.addresses),
        "confirmed": texts(found.confirmed),
        "unconfirmed": texts(found.unconfirmed),
        "unknown": texts(found.unknown),
        "not_checked": texts(found.unfollowed),
        "outside_pool": None if scope is None else texts(found.outside),
        "pool_addresses": None if scope is None else scope.size,
        "pool_share": None if scope is None or not scope.size else one.inside / scope.size,
    }


def _zone(cut: ZoneCut) -> Json:
    return {
        "name": cut.name,
        "zone": cut.zone,
        "delegated": cut.is_delegated,
        "conclusive": cut.is_certain,
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
    delegation = traced.delegation
    return {
        "zone": traced.zone,
        "name": traced.question.name,
        "type": traced.question.rdtype,
        "servers": [_server(server) | {"serial": server.serial} for server in traced.servers],
        "differences": list(traced.differences),
        "contradictory": traced.is_contradictory,
        "delegation": None
        if delegation is None
        else {
            "parent": delegation.parent,
            "servers": [_server(server) for server in delegation.servers],
            "names": list(delegation.names),
            "differences": list(delegation.differences),
        },
    }


def _server(server: ServerAnswer) -> Json:
    return {
        "name": server.name,
        "ip": None if server.address is None else str(server.address),
        "status": server.answer.status.value,
        "records": records_of(server.answer),
        "chain": list(server.answer.chain),
    }
