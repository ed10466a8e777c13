"""The command line: flags after the Prometheus family, and one function a command."""

from pathlib import Path
from typing import Any

import click

from exporter import __version__
from exporter.cli.changes import changes
from exporter.cli.check import check
from exporter.cli.external_url import ExternalUrl
from exporter.cli.interval import Interval
from exporter.cli.listen import ListenAddress
from exporter.cli.route_prefix import RoutePrefix
from exporter.cli.shards import shard_of, sharded

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
    from exporter.config.loader import load

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
    from exporter.config.loader import load
    from exporter.inventory.notices import notices

    configuration = load(file, **how)
    click.echo(render(configuration), nl=False)
    found = None
    if expands:
        from exporter.cli.check_pools import expanded_now, spf_notices  # asks: slow to import

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
