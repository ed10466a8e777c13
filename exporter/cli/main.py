"""The command line: every command with its flags, and the types that read them.

Each command imports this file, so what is slow to import is imported inside the function that needs it.
"""

import ipaddress
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from exporter import __version__
from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName
from exporter.dns.settings import Endpoint, parse_endpoint
from exporter.errors import CannotRunError, ConfigError

if TYPE_CHECKING:
    from exporter.inventory.shard import Shard
    from exporter.state.journal import ChangeFilter, JournalEntry

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_MAX_HELO = 512
"""Bytes of an SMTP command line (RFC 5321 section 4.5.3.1.4); no HELO name can be longer."""

INSTALLED_FILE = Path("/etc/maildns-exporter/maildns.yml")

_PAGE = 1000
"""How many changes are read from the storage at once."""


class Parsed(click.ParamType[T]):
    """The type of an argument that *parse* reads from text; its `ValueError` is the message for the user."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Read *value*, unless click passes one that is already parsed."""
        if type(value) is not str:
            return cast("T", value)
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class LogLevel(click.Choice[str]):
    """The type of `--log.level`: ``warn``, as other exporters have it, is ``warning``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read *value*."""
        return super().convert("warning" if str(value).lower() == "warn" else value, param, ctx)


def default_file() -> Path:
    """The configuration file if none is named: in the current folder, else where the packages and images have it."""
    here = Path("maildns.yml")
    return next((file for file in (here, INSTALLED_FILE) if os.access(file, os.R_OK)), here)


def parse_seconds(text: str) -> float:
    """Read a duration like ``30s``, ``5m`` or ``500ms``."""
    from exporter.config.values import Duration  # pydantic: slow to import

    return Duration.parse(text).seconds


def _parse_address(text: str) -> Address:
    """Read an address, also as a literal of RFC 5321 section 4.1.3, or mapped to IPv6 as logs and sockets show it."""
    inside = re.sub(r"^\[(?:IPv6:)?(.*)\]$", r"\1", text.strip(), flags=re.IGNORECASE)
    try:
        mapped = ipaddress.IPv6Address(inside).ipv4_mapped if inside.lower().startswith("::ffff:") else None
        return Address.parse(inside if mapped is None else str(mapped))
    except ValueError as error:
        raise ValueError(_address_hint(text) or str(error)) from None


def _parse_subject(text: str) -> Address | Path:
    """Read an address, or the path of a configuration."""
    try:
        return _parse_address(text)
    except ValueError:
        if os.path.exists(text) or re.search(r"\.(?:ya?ml|json)$", text):  # noqa: PTH110  # never an error
            return Path(text)
        raise


def _address_hint(text: str) -> str | None:
    """What to write instead of *text*, if it is recognisable as something other than an address."""
    if re.fullmatch(r"[0-9A-Fa-f.:]+/[0-9]{1,3}", text):
        return f"{text!a} is a network: check takes one address of it, or a whole configuration with --config.file"
    if re.fullmatch(r"(?:[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:]+)\.", text):
        return f"{text!a} has a final dot: leave it out"
    if re.fullmatch(r"[0-9.]+:[0-9]+", text):
        return f"{text!a} has a port: leave it out"
    if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9_.-]+", text):
        return (
            f"{text!a} is a name: check takes the address that connects, like 192.0.2.10; use --helo for a HELO name "
            "and --domain for a domain"
        )
    return None


def _parse_helo(text: str) -> HeloName:
    if len(text) > _MAX_HELO:
        raise ValueError(f"it is {len(text)} characters long; the limit is {_MAX_HELO}")
    try:
        return HeloName.received(text)
    except ValueError as error:
        raise ValueError(f"{error}: give the name alone, like mail.example.org") from None


def _parse_mail_from(text: str) -> str:
    """Read the mailbox of MAIL FROM, or its domain; "" is the null sender."""
    mailbox = text.strip().removeprefix("<").removesuffix(">")
    if not mailbox:
        return mailbox
    domain = mailbox.rpartition("@")[2]
    if not re.fullmatch(r"[!-~]{1,1000}", mailbox) or not re.fullmatch(r"[A-Za-z0-9_.-]+", domain):
        raise ValueError(
            f"{mailbox[:80]!a} is not a mail address like bounces@example.org, and not a domain like example.org"
        )
    return mailbox


def _parse_domain(text: str) -> DomainName:
    from exporter.config.model import domain_too_long  # pydantic: slow to import
    from exporter.config.values import mail_domain

    name = mail_domain(text)
    what = domain_too_long(name)
    if what is not None:
        raise ValueError(f"it {what}")
    return name


def _parse_selector(text: str) -> str:
    from exporter.config.model import parse_selector  # pydantic: slow to import

    return parse_selector(text)


def _is_path(text: str) -> bool:
    """Whether *text* is a path that needs no escaping: no pattern, no query, no ``..``."""
    segments = [segment for segment in text.split("/") if segment]
    return all(re.fullmatch(r"[A-Za-z0-9._~-]+", segment) and segment.strip(".") for segment in segments)


def _parse_route_prefix(text: str) -> str:
    if not _is_path(text):
        raise ValueError(f"{text!r} is not a path of letters, digits and ._~- like /maildns")
    return text


def parse_external_url(text: str) -> str:
    """Check a URL like ``https://example.org/maildns/``, with which links begin, and return it."""
    try:
        url = urlsplit(text)
        usable = url.scheme in {"http", "https"} and url.hostname and _is_path(url.path)
        usable = usable and not url.query and not url.fragment
    except ValueError:
        usable = None
    if not usable:
        raise ValueError(f"{text!r} is not a URL like https://monitoring.example.org/maildns/")
    return text


def _parse_listen_address(text: str) -> tuple[str | None, int]:
    """Read ``host:port``, ``[IPv6]:port`` or ``:port`` (all interfaces) as (host or None, port)."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:]+)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if match is None:
        raise ValueError(f"{text!r} is not an address to listen on, like :10047, 127.0.0.1:10047 or [::1]:10047")
    if int(match[3]) > 65535:
        raise ValueError(f"{text!r} has the port {match[3]}: 65535 is the highest")
    return match[1] or match[2] or None, int(match[3])


def _with(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Add *options* to a command, in this order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_SHARD = (
    click.option(
        "--shard.index",
        "shard_index",
        type=int,
        envvar="MAILDNS_SHARD_INDEX",
        help="Which shard this is, counted from 0. With several shards, the default is the number at the end of the "
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
_SERVING = (
    click.option(
        "--web.listen-address",
        "listen",
        type=Parsed("host:port", _parse_listen_address),
        multiple=True,
        default=[":10047"],
        show_default=True,
        help="The address to listen on, as host:port or :port. May be repeated.",
    ),
    click.option(
        "--web.config.file",
        "web_config",
        type=click.Path(path_type=Path),
        help="The file with TLS, passwords and headers, in the format of exporter-toolkit.",
    ),
    click.option(
        "--web.external-url",
        "external_url",
        type=Parsed("url", parse_external_url),
        help="The URL at which people reach the exporter: behind a reverse proxy, and for links in alerts.",
    ),
    click.option(
        "--web.grafana-url",
        "grafana_url",
        type=Parsed("url", parse_external_url),
        help="The URL of the Grafana that has the dashboards, for links in alerts.",
    ),
    click.option(
        "--web.route-prefix",
        "route_prefix",
        type=Parsed("path", _parse_route_prefix),
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
        help="How many requests are served at once; more get a 503.",
    ),
    click.option(
        "--probe.timeout-offset",
        "probe_offset_seconds",
        type=Parsed("duration", parse_seconds),
        default="500ms",
        show_default=True,
        help="What /probe subtracts from the scrape timeout, to answer in time.",
    ),
    click.option(
        "--log.level",
        "log_level",
        type=LogLevel(["debug", "info", "warning", "error"], case_sensitive=False),
        default="info",
        show_default=True,
        help="The lowest level that is logged.",
    ),
    click.option(
        "--log.format",
        "log_format",
        type=click.Choice(["logfmt", "json"]),
        default="logfmt",
        show_default=True,
        help="The format of the log.",
    ),
)
"""The flags that serving and the demo share."""

_own_config_file = click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    help=f"The configuration file; by default maildns.yml, or else {INSTALLED_FILE}.",
)
"""The flag of a command, which takes precedence over the one before the command."""

_RELOADING = (
    click.option("--config.check", "config_check", is_flag=True, help="Check the configuration and exit."),
    click.option(
        "--config.auto-reload-interval",
        "reload_seconds",
        type=Parsed("duration", parse_seconds),
        default="0s",
        show_default=True,
        help="How often to check whether the configuration file has changed, and reload it if so; 0s means never.",
    ),
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="maildns-exporter")
@_with(_own_config_file, *_RELOADING, *_SHARD, *_SERVING)
@click.pass_context
def cli(context: click.Context, /, config_file: Path | None, **flags: Any) -> None:
    """Monitor the DNS behind outbound mail: forward-confirmed reverse DNS and HELO names, for Prometheus.

    Without a command it serves metrics and pages, as exporters do.
    """
    context.obj = config_file
    if context.invoked_subcommand is None:
        _serve(config_file, **flags)


@cli.command("serve")
@_with(_own_config_file, *_RELOADING, *_SHARD, *_SERVING)
@click.pass_context
def serve_command(context: click.Context, /, config_file: Path | None, **flags: Any) -> None:
    """Serve metrics and pages: the same as without a command. Flags may stand before it, too."""
    above = cast("click.Context", context.parent)
    for name, value in above.params.items():
        is_default = context.get_parameter_source(name) is ParameterSource.DEFAULT
        if name in flags and is_default and above.get_parameter_source(name) is not ParameterSource.DEFAULT:
            flags[name] = value
    _serve(config_file or context.obj, **flags)


def _serve(
    config_file: Path | None,
    *,
    config_check: bool,
    reload_seconds: float,
    shard_index: int | None,
    shard_count: int,
    **serving: Any,
) -> None:
    file = config_file or default_file()
    if config_check:
        _print_effective(file)
        return
    from exporter.cli.serve import serve
    from exporter.config.load import load

    shard = shard_of(shard_index, shard_count)
    serve(lambda: load(file), file=file, reload_seconds=reload_seconds, shard=shard, **serving)


def shard_of(index: int | None, count: int, host: str | None = None) -> "Shard":
    """The shard of the flags; without an index, the number at the end of the host name. Raises `click.UsageError`.

    A pod of a StatefulSet has its number in its host name but does not know how many pods there are.
    """
    from exporter.inventory.shard import Shard  # not needed for `--help`

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


@cli.command()
@click.argument("about", metavar="[IP|FILE]", type=Parsed("ip", _parse_subject), required=False)
@click.option(
    "--helo",
    "helos",
    type=Parsed("name", _parse_helo),
    multiple=True,
    help="The name that the server gives in HELO or EHLO. May be repeated.",
)
@click.option(
    "--mail-from",
    "mail_from",
    type=Parsed("address", _parse_mail_from),
    help="A sender or its domain, for which SPF has to authorise the address. <> is the null sender of bounces.",
)
@click.option("--domain", type=Parsed("name", _parse_domain), help="A domain to check, instead of an address.")
@click.option(
    "--dkim-selector",
    "selectors",
    type=Parsed("selector", _parse_selector),
    multiple=True,
    help="A DKIM selector of the domain. May be repeated.",
)
@click.option(
    "--resolver",
    type=Parsed("host:port", parse_endpoint),
    help="The DNS server to query, instead of those of the configuration.",
)
@click.option("--pool", help="Only this pool of the configuration.")
@click.option("--failing", "is_failing", is_flag=True, help="Print only what fails or is unknown.")
@click.option("--profile", help="The profile to check the address against, instead of that of its pool or HELO name.")
@click.option(
    "--trace",
    "is_traced",
    is_flag=True,
    help="Query each name server of the reverse zone and of its parent zone, and compare their answers.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="The output format.",
)
@_own_config_file
@click.pass_context
def check(
    context: click.Context,
    about: Address | Path | None,
    helos: tuple[HeloName, ...],
    mail_from: str | None,
    domain: DomainName | None,
    selectors: tuple[str, ...],
    resolver: Endpoint | None,
    pool: str | None,
    profile: str | None,
    output: str,
    config_file: Path | None,
    *,
    is_failing: bool,
    is_traced: bool,
) -> None:
    """Check one address or one domain now, and explain the result; without either, check the whole configuration.

    A FILE is the configuration, as with --config.file.

    An address of a configured pool is checked against what its pool expects, with the pool's HELO names unless --helo
    gives others. Any other address needs no configuration.

    The exit code is 0 if every expected check passes, 1 if one fails, 4 if too many questions are unanswered, 2 if the
    command line or configuration is wrong, and 3 if it cannot run.
    """
    ip = about if isinstance(about, Address) else None
    if isinstance(about, Path):
        if config_file is not None:
            raise click.UsageError("FILE and --config.file are the same: give one of them")
        config_file = about
    if pool is not None and (ip is not None or domain is not None):
        raise click.UsageError("--pool is about the whole configuration: leave the address or domain out")
    given = {"--helo": bool(helos), "--mail-from": mail_from is not None, "--profile": profile, "--trace": is_traced}
    if ip is not None and (domain is not None or selectors):
        raise click.UsageError("--domain and --dkim-selector are about a domain: leave the address out")
    if selectors and domain is None:
        raise click.UsageError("--dkim-selector is about one domain: maildns-exporter check --domain example.com ...")
    if ip is None:
        for option, value in given.items():
            if value:
                raise click.UsageError(f"{option} is about one address: maildns-exporter check 192.0.2.10 {option} ...")
    from exporter.cli.examine import CheckRequest, run  # queries and prints: slow to import
    from exporter.cli.subjects import AddressRequest, DomainRequest
    from exporter.config.model import domain_too_long

    subject: AddressRequest | DomainRequest | None = None
    if ip is not None:
        subject = AddressRequest(ip, tuple(dict.fromkeys(helos)), mail_from, profile)
    elif domain is not None:
        for selector in selectors:
            what = domain_too_long(domain, selector)
            if what is not None:
                raise click.BadParameter(f"{selector} {what}", param_hint="'--dkim-selector'")
        subject = DomainRequest(domain, selectors)
    named = config_file or context.obj
    file, is_explicit = named or default_file(), named is not None
    context.exit(run(CheckRequest(subject, resolver, output, file, is_explicit, is_traced, pool, is_failing)))


@cli.command()
@click.option(
    "--since",
    "seconds",
    type=Parsed("duration", parse_seconds),
    default="1d",
    show_default=True,
    help="How far back to look.",
)
@click.option("--pool", help="Only changes of this pool.")
@click.option("--ip", type=Parsed("ip", _parse_address), help="Only changes of this address.")
@click.option("--domain", type=Parsed("name", DomainName), help="Only changes of this domain.")
@click.option(
    "--check",
    type=click.Choice([check.value for check in CheckName]),
    metavar="NAME",
    help="Only changes of this check, like fcrdns.",
)
@click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The output format."
)
@_own_config_file
@click.pass_obj
def changes(
    inherited: Path | None,
    /,
    seconds: float,
    pool: str | None,
    ip: Address | None,
    domain: DomainName | None,
    check: str | None,
    output: str,
    config_file: Path | None,
) -> None:
    """Print the conclusive changes in the storage, oldest first.

    The command only reads, so it can run while the exporter runs.
    """
    from exporter.config.load import load
    from exporter.state.journal import ChangeFilter
    from exporter.views.documents import change_document

    configuration = load(config_file or inherited or default_file())
    if configuration.storage is None:
        raise click.UsageError("The configuration has no storage, so no changes are kept: see docs/state.md.")
    which = ChangeFilter(pool, ip, domain, check, time.time() - seconds)
    entries = _newest_first(Path(configuration.storage.path), which)
    expect = {pool.name: pool.expect for pool in configuration.pools}
    of_domains = {domain.name: domain.expect for domain in configuration.domains}
    documents = [change_document(entry, expect, of_domains) for entry in reversed(entries)]
    if output == "json":
        click.echo(json.dumps(documents, ensure_ascii=True, indent=2))
        return
    if not documents:
        sys.stderr.write("No changes.\n")
    for document in documents:
        about = f"{document['pool']} {document['ip']}" if document["ip"] else document["domain"]
        sides = " -> ".join(_side(document[side]) for side in ("before", "after"))
        subject = f" {document['subject']}" if document["subject"] else ""
        sentence = f": {document['after']['sentence']}" if document["after"]["sentence"] else ""
        click.echo(f"{document['time']} {about} {document['check']}{subject}: {sides}{sentence}")


def _newest_first(path: Path, which: "ChangeFilter") -> "list[JournalEntry]":
    from exporter.state.storage.status import StorageError
    from exporter.state.storage.tables import page

    found: list[JournalEntry] = []
    try:
        while some := page(path, _PAGE, found[-1].number if found else None, which):
            found += some
    except StorageError as error:
        raise CannotRunError(str(error)) from None
    return found


def _side(side: dict[str, str | None]) -> str:
    return f"{side['result']} ({side['reason']})" if side["reason"] else str(side["result"])


@cli.command("check-config")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@_own_config_file
@click.option(
    "--expand-spf",
    "expands",
    is_flag=True,
    help="Look up the addresses that the SPF records of pools authorise, and count them too. Without this flag there "
    "are no DNS queries.",
)
@click.pass_obj
def check_config(inherited: Path | None, file: Path | None, config_file: Path | None, *, expands: bool) -> None:
    """Print every problem in FILE or, if there is none, the effective configuration with all defaults.

    Warnings and a summary go to standard error.
    """
    if file is not None and config_file is not None:
        raise click.UsageError("FILE and --config.file are the same: give one of them")
    hint = "give the path of a configuration file: maildns-exporter check-config FILE"
    _print_effective(file or config_file or inherited or default_file(), expands=expands, if_missing=hint)


def _print_effective(file: Path, *, expands: bool = False, **how: str) -> None:
    from exporter.config.effective import render
    from exporter.config.load import load
    from exporter.inventory.notices import described

    configuration = load(file, **how)
    click.echo(render(configuration), nl=False)
    found = None
    if expands:
        from exporter.cli.sentences import spf_notices  # queries: slow to import
        from exporter.cli.subjects import expanded_now

        found = expanded_now(configuration)
        for notice in spf_notices(configuration, found):
            click.echo(f"{file}: {notice}", err=True)
    warnings, queries, summary = described(configuration, found)
    for warning in warnings:
        click.echo(f"{file}: warning: {warning}", err=True)
    for line in queries:
        click.echo(f"{file}: {line}", err=True)
    click.echo(f"OK: {summary}", err=True)


@cli.command()
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 1000),
    default=1.0,
    show_default=True,
    help="How many times faster than real time the demo runs.",
)
@_with(*_SERVING)
def demo(speed: float, **serving: Any) -> None:
    """Serve a demo world of good and broken mail servers, without network."""
    from exporter.cli.demo import serve_demo

    serve_demo(speed, **serving)


def main() -> None:
    """Run the command line: the entry point of `maildns-exporter` and of ``python -m exporter``."""
    try:
        cli.main(prog_name="maildns-exporter")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except CannotRunError as error:
        sys.stderr.write(f"maildns-exporter: {error}\n")
        sys.exit(3)
