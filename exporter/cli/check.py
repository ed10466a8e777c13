"""`maildns-exporter check`: what is typed, and what is wrong with it.

The rule of this file: it is imported with every command, so it imports nothing that asks or prints. A message says
what would be right.
"""

import re
from pathlib import Path

import click
from click.core import ParameterSource

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.dns.endpoints import Endpoint, parse_endpoint

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
        from exporter.config.domain_entries import misfit  # pydantic: slow to import
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
        from exporter.config.domain_entries import parse_selector  # pydantic: slow to import

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
    from exporter.cli.check_domains import WantedDomain
    from exporter.cli.check_main import Request, run  # asks and prints: slow to import
    from exporter.cli.check_subjects import Wanted
    from exporter.config.domain_entries import misfit

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
