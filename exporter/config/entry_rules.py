"""What holds for entries of addresses, wherever they are written: in the configuration or in a file of their own."""

from collections.abc import Iterable, Iterator, Sequence

from exporter.config.address_entries import AddressEntry, NetworkEntry
from exporter.config.tree import Path

MAX_POOL_ADDRESSES = 1 << 20


def entry_violations(
    path: Path, entries: Sequence[AddressEntry | NetworkEntry]
) -> Iterator[tuple[Path, str, Path | None]]:
    """What is wrong with single *entries* of the list at *path*: where, what, and the other place if there is one."""
    for index, entry in enumerate(entries):
        at = (*path, index)
        if isinstance(entry, NetworkEntry) and not is_listed(entry):
            if entry.family == 4:
                yield (*at, "network"), _too_large(entry), None
            elif entry.helo:
                yield (*at, "network"), _nobody_says(entry), None
        helo_path = (*at, "helo")
        first: dict[str, Path] = {}
        for place, template in enumerate(entry.helo):
            misfit = template.misfit(entry.family)
            if misfit:
                yield (*helo_path, place), misfit, None
        for place, template in enumerate(entry.helo):
            if template.said in first:
                what = "is the same name as {other}: leave one of them out"
                yield (*helo_path, place), what, first[template.said]
            first.setdefault(template.said, (*helo_path, place))


def is_listed(entry: AddressEntry | NetworkEntry) -> bool:
    """Whether its addresses can be looked up one by one. An IPv6 network that cannot is sampled at random."""
    return entry.last - entry.first < MAX_POOL_ADDRESSES


def total_addresses(entries: Iterable[AddressEntry | NetworkEntry]) -> int:
    """How many addresses the entries have together, those that two of them have counted once.

    Networks that are too large by themselves are left out: they were complained of already, or are not listed.
    """
    total, family, end = 0, 0, -1
    for entry in sorted(filter(is_listed, entries), key=lambda entry: (entry.family, entry.first)):
        if entry.family != family:
            family, end = entry.family, -1
        total += max(0, entry.last - max(end, entry.first - 1))
        end = max(end, entry.last)
    return total


def _too_large(entry: NetworkEntry) -> str:
    return (
        f"{entry.network} has {entry.network.size} addresses, and every one would be looked up in turn: a pool has at "
        f"most {MAX_POOL_ADDRESSES}, a /{32 - MAX_POOL_ADDRESSES.bit_length() + 1}; list the networks that really send "
        "mail"
    )


def _nobody_says(entry: NetworkEntry) -> str:
    return (
        f"{entry.network} has 2^{128 - entry.network.length} addresses, too many to look up one by one, so that nobody "
        "is known who says its `helo`: write an `ip` with its `helo` for each address that sends"
    )
