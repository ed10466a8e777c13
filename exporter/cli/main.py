"""The command line: flags after the Prometheus family, and one function a command."""

import json
import re
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from exporter import __version__
from exporter.checks.addresses import Address
from exporter.checks.domain import DomainCheckName
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName
from exporter.config.values import Duration
from exporter.dns.settings import Endpoint, parse_endpoint
from exporter.errors import CannotRunError, ConfigError

if TYPE_CHECKING:
    from exporter.config.configuration import Configuration
    from exporter.inventory.shard import Shard
    from exporter.state.journal import ChangeFilter, JournalEntry


# SECTION exporter.cli.check
# `maildns-exporter check`: what is typed, and what is wrong with it.
#
# The rule of this file: it is imported with every command, so it imports nothing that asks or prints. A message
# says
# what would be right.

_MAX_NAME = 512
"""Octets of an SMTP command line (RFC 5321 section 4.5.3.1.4): no server says more after HELO."""


class AddressType(click.ParamType[Address]):
    """One IPv4 or IPv6 address."""

    name = "ip"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read an address, or say what to write instead of it."""
        if isinstance(value, Address):
            return value
        text = str(value)
        try:
            return Address.parse(text.removeprefix("[").removesuffix("]"))
        except ValueError as error:
            self.fail(_not_an_address(text) or str(error), param, ctx)


def _not_an_address(text: str) -> str | None:
    """What the text is instead of an address, if that can be told."""
    if re.fullmatch(r"[0-9A-Fa-f.:]+/[0-9]{1,3}", text):
        return f"{text!a} is a network: check takes one address of it, or a whole configuration with --config.file"
    if re.fullmatch(r"[0-9.]+:[0-9]+", text):
        return f"{text!a} has a port: leave it out"
    if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9_.-]+", text):
        return (
            f"{text!a} is a name: check takes the address that connects, like 192.0.2.10; a HELO name goes "
            "into --helo, and a domain whose own records are to be checked into --domain"
        )
    return None


class HeloType(click.ParamType[HeloName]):
    """What a server says after HELO."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> HeloName:
        """Read anything that a server can say."""
        if isinstance(value, HeloName):
            return value
        text = str(value)
        if len(text) > _MAX_NAME:
            self.fail(f"it is {len(text)} characters long: no server says more than {_MAX_NAME}", param, ctx)
        try:
            return HeloName.parse(text)
        except ValueError as error:
            self.fail(f"{error}: give the name alone, like mail.example.org", param, ctx)


class MailFromType(click.ParamType[str]):
    """The mailbox of MAIL FROM, or its domain."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a mailbox or a domain."""
        text = str(value).removeprefix("<").removesuffix(">")
        if not text:
            self.fail(
                "the empty sender <> has no domain; SPF then judges the HELO name alone, which check does anyway",
                param,
                ctx,
            )
        _, _, domain = text.rpartition("@")
        if not re.fullmatch(r"[!-~]{1,1000}", text) or not re.fullmatch(r"[A-Za-z0-9_.-]+", domain):
            self.fail(
                f"{text[:80]!a} is no mail address, like bounces@example.org, and no domain, like example.org",
                param,
                ctx,
            )
        return text


class DomainType(click.ParamType[DomainName]):
    """A domain that mail is sent from."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> DomainName:
        """Read a domain as the configuration has it."""
        from exporter.config.model import misfit  # pydantic: slow to import
        from exporter.config.values import mail_domain

        if isinstance(value, DomainName):
            return value
        try:
            name = mail_domain(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        what = misfit(name)
        if what is not None:
            self.fail(f"it {what}", param, ctx)
        return name


class SelectorType(click.ParamType[str]):
    """A DKIM selector."""

    name = "selector"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a selector as the configuration has it."""
        from exporter.config.model import parse_selector  # pydantic: slow to import

        try:
            return parse_selector(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ServerType(click.ParamType[Endpoint]):
    """A DNS server."""

    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Endpoint:
        """Read a server as the configuration has it."""
        if isinstance(value, Endpoint):
            return value
        try:
            return parse_endpoint(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("check")
@click.argument("ip", type=AddressType(), required=False)
@click.option(
    "--helo",
    "helos",
    type=HeloType(),
    multiple=True,
    help="The name that the server gives in HELO or EHLO. May be repeated.",
)
@click.option(
    "--mail-from",
    "mail_from",
    type=MailFromType(),
    help="A sender, or its domain: SPF has to authorise the address for it.",
)
@click.option("--domain", type=DomainType(), help="A domain to check, instead of an address.")
@click.option(
    "--dkim-selector",
    "selectors",
    type=SelectorType(),
    multiple=True,
    help="A selector that signs the domain's mail. May be repeated.",
)
@click.option("--resolver", type=ServerType(), help="The DNS server to ask, instead of the configuration's.")
@click.option(
    "--profile",
    help="What to expect of the address: the name of a profile, instead of what its pool or HELO name implies.",
)
@click.option(
    "--trace",
    "is_traced",
    is_flag=True,
    help="Ask each name server of the reverse zone and of its parent, and compare their answers.",
)
@click.option(
    "--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True, help="The format."
)
@click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration, as in front of the command.",
)
@click.pass_context
def check(
    context: click.Context,
    ip: Address | None,
    helos: tuple[HeloName, ...],
    mail_from: str | None,
    domain: DomainName | None,
    selectors: tuple[str, ...],
    resolver: Endpoint | None,
    profile: str | None,
    output: str,
    config_file: Path | None,
    *,
    is_traced: bool,
) -> None:
    """Check one address or one domain now, and explain the result; with neither, check the whole configuration.

    An address of a configured pool is held to what its pool expects, with the pool's HELO names unless others are
    given. Any other address needs no configuration.

    The exit code is 0 if every expected check passes, 1 if one fails, 4 if too much went unanswered to know, 2 for a
    bad command line or configuration, 3 if it cannot run.
    """
    given = {"--helo": bool(helos), "--mail-from": mail_from, "--profile": profile, "--trace": is_traced}
    if ip is not None and (domain is not None or selectors):
        raise click.UsageError("--domain and --dkim-selector are about a domain: leave the address out")
    if selectors and domain is None:
        raise click.UsageError("--dkim-selector is about one domain: maildns-exporter check --domain example.com ...")
    if ip is None:
        for option, value in given.items():
            if value:
                raise click.UsageError(f"{option} is about one address: maildns-exporter check 192.0.2.10 {option} ...")
    from exporter.cli.examine import Request, run  # asks and prints: slow to import
    from exporter.cli.subjects import Wanted, WantedDomain
    from exporter.config.model import misfit

    path, is_explicit = _configuration_path(context, config_file)
    wanted: Wanted | WantedDomain | None = None
    if ip is not None:
        wanted = Wanted(ip, tuple(dict.fromkeys(helos)), mail_from, profile)
    elif domain is not None:
        for selector in selectors:
            what = misfit(domain, selector)
            if what is not None:
                raise click.BadParameter(f"{selector} {what}", param_hint="'--dkim-selector'")
        wanted = WantedDomain(domain, selectors)
    request = Request(wanted, resolver, output, path, is_explicit=is_explicit, is_traced=is_traced)
    context.exit(run(request))


def _configuration_path(context: click.Context, given: Path | None) -> tuple[Path, bool]:
    """The configuration file, and whether somebody named it: after the command, before it, or not at all."""
    if given is not None:
        return given, True
    parent = context.parent
    before: Path = context.obj or Path("maildns.yml")
    is_named = parent is not None and parent.get_parameter_source("config_file") is not ParameterSource.DEFAULT
    return before, is_named


# SECTION exporter.cli.interval
# A length of time on the command line: written as in the configuration, read as seconds.


class Interval(click.ParamType[float]):
    """``30s``, ``5m``, ``0s``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a duration, or fail with what would be right."""
        if isinstance(value, float):
            return value
        try:
            return Duration.parse(str(value)).seconds
        except ValueError as error:
            self.fail(str(error), param, ctx)


# SECTION exporter.cli.changes
# `maildns-exporter changes`: the journal, read from the storage, beside a running exporter or without one.
#
# The rule of this file: it only reads. What it prints as JSON is what `/api/v1/changes` serves.

T = TypeVar("T")

_PAGE = 1000
_CHECKS = [check.value for check in (*CheckName, *DomainCheckName)]


@click.command()
@click.option("--since", "seconds", type=Interval(), default="1d", show_default=True, help="How far back to look.")
@click.option("--pool", help="Only those of this pool.")
@click.option("--ip", help="Only those of this address.")
@click.option("--domain", help="Only those of this domain.")
@click.option("--check", type=click.Choice(_CHECKS), metavar="NAME", help="Only those of this check, like fcrdns.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration, which says where the storage is.",
)
@click.pass_obj
def changes(
    inherited: Path | None,
    /,
    seconds: float,
    pool: str | None,
    ip: str | None,
    domain: str | None,
    check: str | None,
    output: str,
    config_file: Path | None,
) -> None:
    """Print the conclusive changes that the storage holds, oldest first.

    It can run beside the exporter: it only reads.
    """
    from exporter.checks.addresses import Address
    from exporter.checks.names import DomainName
    from exporter.config.load import load
    from exporter.state.journal import ChangeFilter

    configuration = load(config_file or inherited or Path("maildns.yml"))
    if configuration.storage is None:
        raise click.UsageError("The configuration has no storage, so nothing is kept: see docs/state.md.")
    which = ChangeFilter(
        pool,
        _read("--ip", Address.parse, ip),
        _read("--domain", DomainName, domain),
        check,
        time.time() - seconds,
    )
    _print(_newest_first(Path(configuration.storage.path), which), configuration, output)


def _read(flag: str, parse: Callable[[str], T], text: str | None) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"'{flag}'") from None


def _newest_first(path: Path, which: "ChangeFilter") -> "list[JournalEntry]":
    from exporter.errors import CannotRunError
    from exporter.state.storage.status import StorageError
    from exporter.state.storage.tables import page

    found: list[JournalEntry] = []
    try:
        while some := page(path, _PAGE, found[-1].number if found else None, which):
            found += some
    except StorageError as error:
        raise CannotRunError(str(error)) from None
    return found


def _print(entries: "Iterable[JournalEntry]", configuration: "Configuration", output: str) -> None:
    from exporter.views.documents import change_document

    expect = {pool.name: pool.expect for pool in configuration.pools}
    of_domains = {domain.name: domain.expect for domain in configuration.domains}
    documents = [change_document(entry, expect, of_domains) for entry in reversed(list(entries))]
    if output == "json":
        click.echo(json.dumps(documents, ensure_ascii=True, indent=2))
    elif not documents:
        sys.stderr.write("No changes.\n")
    for document in documents if output == "text" else ():
        about = f"{document['pool']} {document['ip']}" if document["ip"] else document["domain"]
        sides = " -> ".join(_side(document[side]) for side in ("before", "after"))
        subject = f" {document['subject']}" if document["subject"] else ""
        sentence = document["after"]["sentence"]
        click.echo(
            f"{document['time']} {about} {document['check']}{subject}: {sides}{': ' if sentence else ''}{sentence}"
        )


def _side(side: dict[str, str | None]) -> str:
    return f"{side['result']} ({side['reason']})" if side["reason"] else str(side["result"])


# SECTION exporter.cli.route_prefix
# `--web.route-prefix`: what every path begins with here.


def is_path(text: str) -> bool:
    """Whether a text is a path that needs no escaping and means nothing else: no pattern, no query, no way up."""
    parts = [part for part in text.split("/") if part]
    return all(re.fullmatch(r"[A-Za-z0-9._~-]+", part) and part.strip(".") for part in parts)


class RoutePrefix(click.ParamType[str]):
    """``/maildns``, with or without the slashes around it; ``/`` for none."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a path, or fail with what would be right."""
        text = str(value)
        if not is_path(text):
            self.fail(f"{text!r} is no path of letters, digits and ._~- like /maildns", param, ctx)
        return text


# SECTION exporter.cli.external_url
# `--web.external-url`: where people reach the pages. What matters of it is its path, which links begin with.


class ExternalUrl(click.ParamType[str]):
    """``https://example.org/maildns/``, read as its path: ``/maildns``."""

    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a URL, or fail with what would be right."""
        text = str(value)
        try:
            parts = urlsplit(text)
            usable = parts.scheme in {"http", "https"} and parts.hostname and is_path(parts.path)
            usable = usable and not parts.query and not parts.fragment
        except ValueError:
            usable = None
        if not usable:
            self.fail(f"{text!r} is no URL like https://monitoring.example.org/maildns/", param, ctx)
        return parts.path


# SECTION exporter.cli.listen
# `--web.listen-address`: where to serve.


class ListenAddress(click.ParamType[tuple[str | None, int]]):
    """``host:port``, ``[IPv6]:port`` or ``:port`` (every interface), read as (host or None, port)."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str | None, int]:
        """Read one address, or fail with what would be right."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:]+)\]|([^:\[\]]*)):([0-9]{1,5})", str(value))
        if match is not None and int(match[3]) > 65535:
            self.fail(f"{value!r} has the port {match[3]}: 65535 is the highest", param, ctx)
        if match is None:
            self.fail(
                f"{value!r} is not an address to listen on, like :10047, 127.0.0.1:10047 or [::1]:10047", param, ctx
            )
        return match[1] or match[2] or None, int(match[3])


# SECTION exporter.cli.shards
# `--shard.index` and `--shard.count`: which part of everything this exporter watches.
#
# The rule of this file: a pod of a StatefulSet knows its number by its host name, but not how many there are;
# so the
# count is told (the chart sets `MAILDNS_SHARD_COUNT`), and only then the host name is read.

OPTIONS = (
    click.option(
        "--shard.index",
        "shard_index",
        type=int,
        envvar="MAILDNS_SHARD_INDEX",
        help="Which shard this is, counted from 0. If there are several, the default is the number at the end of the "
        "host name, as in the pods of a StatefulSet.",
    ),
    click.option(
        "--shard.count",
        "shard_count",
        type=int,
        envvar="MAILDNS_SHARD_COUNT",
        default=1,
        show_default=True,
        help="How many exporters share the addresses, HELO names and domains.",
    ),
)
"""Both flags; each can be given as an environment variable too."""


def sharded(function: Any) -> Any:
    """Add the flags to a command."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def shard_of(index: int | None, count: int, host: str | None = None) -> "Shard":
    """The shard that the flags, or else the host's name, say. Raises `click.UsageError`."""
    from exporter.inventory.shard import Shard  # `--help` can do without

    if index is None:
        index = 0 if count == 1 else _ordinal(socket.gethostname() if host is None else host)
    try:
        return Shard(index, count)
    except ValueError as error:
        raise click.UsageError(f"{error} (--shard.index, --shard.count)") from None


def _ordinal(host: str) -> int:
    found = re.fullmatch(r"[^.]*-(\d{1,9})(?:\..*)?", host)
    if found is None:
        raise click.UsageError(
            f"--shard.count needs a --shard.index: the host name {host!a} does not end in a number, as those of a "
            "StatefulSet do (maildns-exporter-0)"
        )
    return int(found[1])


# SECTION exporter.cli.commands

_LEVELS = ("debug", "info", "warning", "error")

_config_file = click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    default=Path("maildns.yml"),
    show_default=True,
    help="The configuration file.",
)
_LOGGING = (
    click.option("--log.level", "log_level", type=click.Choice(_LEVELS), default="info", show_default=True),
    click.option(
        "--log.format", "log_format", type=click.Choice(["logfmt", "json"]), default="logfmt", show_default=True
    ),
)
_SERVING = (
    click.option(
        "--web.listen-address",
        "listen",
        type=ListenAddress(),
        multiple=True,
        default=[":10047"],
        show_default=True,
        help="The address to listen on, as host:port or :port. May be repeated.",
    ),
    click.option(
        "--web.config.file",
        "web_config",
        type=click.Path(path_type=Path),
        help="TLS, passwords and headers, in the format of exporter-toolkit.",
    ),
    click.option(
        "--web.external-url",
        "external_path",
        type=ExternalUrl(),
        help="The URL under which the exporter is reached, if a reverse proxy changes it.",
    ),
    click.option(
        "--web.route-prefix",
        "route_prefix",
        type=RoutePrefix(),
        help="The prefix of every path. By default the path of --web.external-url.",
    ),
    click.option(
        "--web.enable-lifecycle",
        "enable_lifecycle",
        is_flag=True,
        help="Allow reloading the configuration by POST to /-/reload.",
    ),
    click.option(
        "--web.max-requests",
        "max_requests",
        type=click.IntRange(1, 10_000),
        default=40,
        show_default=True,
        help="How many requests are served at once; any more get a 503.",
    ),
    click.option(
        "--probe.timeout-offset",
        "probe_offset_seconds",
        type=Interval(),
        default="500ms",
        show_default=True,
        help="What /probe subtracts from the scraper's timeout, to answer in time.",
    ),
    *_LOGGING,
)


def _serving(function: Any) -> Any:
    """Add the flags that `serve` and `demo` share."""
    for option in reversed(_SERVING):
        function = option(function)
    return function


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="maildns-exporter")
@_config_file
@click.option("--config.check", "config_check", is_flag=True, help="Check the configuration and exit.")
@click.option(
    "--config.auto-reload-interval",
    "reload_seconds",
    type=Interval(),
    default="0s",
    show_default=True,
    help="How often to check whether the configuration file has changed, and reload it if so; 0s means never.",
)
@sharded
@_serving
@click.pass_context
def cli(
    context: click.Context,
    /,
    config_file: Path,
    *,
    config_check: bool,
    reload_seconds: float,
    shard_index: int | None,
    shard_count: int,
    **serving: Any,
) -> None:
    """Watch the DNS behind outbound mail: forward-confirmed reverse DNS and HELO names, for Prometheus.

    Without a command it serves metrics and pages, as exporters do.
    """
    if context.invoked_subcommand is not None:
        context.obj = config_file
        return
    if config_check:
        _print_effective(config_file)
        return
    from exporter.cli.serve import serve
    from exporter.config.load import load

    shard = shard_of(shard_index, shard_count)
    serve(lambda: load(config_file), file=config_file, reload_seconds=reload_seconds, shard=shard, **serving)


cli.add_command(changes)
cli.add_command(check)


@cli.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--expand-spf",
    "expands",
    is_flag=True,
    help="Ask the DNS what the SPF records of pools authorise, and count those too. Otherwise nothing is asked.",
)
def check_config(file: Path, *, expands: bool) -> None:
    """Print every problem in FILE or, if there is none, the effective configuration with all defaults."""
    hint = "give the path of a configuration file: maildns-exporter check-config FILE"
    _print_effective(file, expands=expands, if_missing=hint)


def _print_effective(file: Path, *, expands: bool = False, **how: str) -> None:
    from exporter.config.effective import render
    from exporter.config.load import load
    from exporter.inventory.notices import notices

    configuration = load(file, **how)
    click.echo(render(configuration), nl=False)
    found = None
    if expands:
        from exporter.cli.subjects import expanded_now, spf_notices  # asks: slow to import

        found = expanded_now(configuration)
        for notice in spf_notices(configuration, found):
            click.echo(f"{file}: {notice}", err=True)
    for notice in notices(configuration, found):
        click.echo(f"{file}: warning: {notice}", err=True)


@cli.command()
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 1000),
    default=1.0,
    show_default=True,
    help="How many times faster than real time the demo runs.",
)
@_serving
def demo(speed: float, **serving: Any) -> None:
    """Serve a small world of good and broken mail servers from an embedded DNS: no network is needed."""
    from exporter.cli.demo import serve_demo

    serve_demo(speed, **serving)


def main() -> None:
    """Run the command line; the console script `maildns-exporter`, and ``python -m exporter``."""
    try:
        cli.main(prog_name="maildns-exporter")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except CannotRunError as error:
        sys.stderr.write(f"maildns-exporter: {error}\n")
        sys.exit(3)
