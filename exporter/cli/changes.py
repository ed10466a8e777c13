"""`maildns-exporter changes`: the journal, read from the storage, beside a running exporter or without one.

The rule of this file: it only reads. What it prints as JSON is what `/api/v1/changes` serves.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from exporter.checks.domain import DomainCheckName
from exporter.checks.verdicts import CheckName
from exporter.cli.interval import Interval

if TYPE_CHECKING:
    from exporter.config.configuration import Configuration
    from exporter.state.journal import Entry, Which

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
    from exporter.config.loader import load
    from exporter.state.journal import Which

    configuration = load(config_file or inherited or Path("maildns.yml"))
    if configuration.storage is None:
        raise click.UsageError("The configuration has no storage, so nothing is kept: see docs/state.md.")
    which = Which(
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


def _newest_first(path: Path, which: "Which") -> "list[Entry]":
    from exporter.errors import CannotRunError
    from exporter.state.storage.history import page
    from exporter.state.storage.status import StorageError

    found: list[Entry] = []
    try:
        while some := page(path, _PAGE, found[-1].number if found else None, which):
            found += some
    except StorageError as error:
        raise CannotRunError(str(error)) from None
    return found


def _print(entries: "Iterable[Entry]", configuration: "Configuration", output: str) -> None:
    from exporter.web.documents import change_document

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
