"""`--shard.index` and `--shard.count`: which part of everything this exporter watches.

The rule of this file: a pod of a StatefulSet knows its number by its host name, but not how many there are; so the
count is told (the chart sets `MAILDNS_SHARD_COUNT`), and only then the host name is read.
"""

import re
import socket
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from exporter.inventory.shard import Shard

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
