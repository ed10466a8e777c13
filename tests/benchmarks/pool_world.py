"""The world of the pool benchmark: the six networks that Microsoft 365 sends from, 458,752 addresses, some broken.

It is generated, not stored, and knows for each address what the exporter must find.
"""

from collections.abc import Iterator
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network

NETWORKS = tuple(
    map(
        IPv4Network,
        ["40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/15", "52.102.0.0/16", "52.103.0.0/17", "104.47.0.0/17"],
    )
)
SIZE = sum(network.num_addresses for network in NETWORKS)
DOMAIN = "outbound.example.test"
STRANGER = "192.0.2.99"

BROKEN_PREFIXES = {
    IPv4Network("40.92.7.0/24"): "ptr-nxdomain",
    IPv4Network("52.101.200.0/24"): "forward-mismatch",
    IPv4Network("104.47.50.0/24"): "forward-nxdomain",
}
_REASONS = tuple(BROKEN_PREFIXES.values())
_BROKEN_OF_10000 = 100
_SITES = ("bn1", "sn1", "dm6", "mw2", "by5", "co1", "am6", "db8")


def addresses(networks: tuple[IPv4Network, ...] = NETWORKS) -> Iterator[IPv4Address]:
    """Every address, in order."""
    for network in networks:
        first = int(network.network_address)
        for value in range(first, first + network.num_addresses):
            yield IPv4Address(value)


def reason(address: IPv4Address) -> str | None:
    """Why it is not forward-confirmed; None if it is."""
    for network, why in BROKEN_PREFIXES.items():
        if address in network:
            return why
    drawn = _drawn(address)
    return _REASONS[drawn % 3] if drawn % 10_000 < _BROKEN_OF_10000 else None


def name(address: IPv4Address) -> str:
    """Its PTR name: a site, and a number that neighbours do not share a beginning of, as Microsoft's names are."""
    drawn = _drawn(address)
    return f"mail-{_SITES[drawn % 8]}{drawn // 8 % 1_000_000:06d}{int(address):x}.{DOMAIN}."


def zones(networks: tuple[IPv4Network, ...] = NETWORKS) -> dict[str, Iterator[str]]:
    """Generate the zones of *networks*: one forward zone, and a reverse zone for each /8."""
    first = sorted({str(network.network_address).partition(".")[0] for network in networks})
    return {DOMAIN: _forward(networks)} | {f"{number}.in-addr.arpa": _reverse(networks, number) for number in first}


def _reverse(networks: tuple[IPv4Network, ...], number: str) -> Iterator[str]:
    for address in addresses(tuple(one for one in networks if str(one).startswith(f"{number}."))):
        if reason(address) != "ptr-nxdomain":
            yield f"{address.reverse_pointer}. PTR {name(address)}"


def _forward(networks: tuple[IPv4Network, ...]) -> Iterator[str]:
    for address in addresses(networks):
        why = reason(address)
        if why is None:
            yield f"{name(address)} A {address}"
        elif why == "forward-mismatch":
            yield f"{name(address)} A {STRANGER}"


def _drawn(address: IPv4Address) -> int:
    return int.from_bytes(blake2b(address.packed, digest_size=8).digest(), "big")
