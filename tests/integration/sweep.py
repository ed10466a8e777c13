"""The world that is swept by benchmarks: plain addresses, each with a PTR name of its own, 1% mismatches, 0.5% without.

It is generated, never held, so that 131,072 addresses cost no more than their zone files.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address

from tests.integration.kinds import DOMAIN

FIRST = IPv4Address("40.92.0.0")  # a public /15; only a server on loopback is asked about it
ALL = 131_072
STRANGER = "192.0.2.99"
MISMATCH_EVERY = 100
NO_PTR_EVERY = 200


def zones(count: int) -> dict[str, Iterator[str]]:
    """Generate the zones of performance.md's world: plain addresses, 1% mismatches, 0.5% without PTR."""
    return {"40.in-addr.arpa": _ptr(count), DOMAIN: _forward(count)}


def addresses(count: int) -> Iterator[str]:
    """Generate the addresses of that world."""
    return (str(FIRST + number) for number in range(count))


def verdict(number: int) -> str:
    """Say what is expected of that world's address number *number*."""
    if number % NO_PTR_EVERY == 7:
        return "permerror"
    return "fail" if number % MISMATCH_EVERY == 3 else "pass"


def _ptr(count: int) -> Iterator[str]:
    for number in range(count):
        if verdict(number) != "permerror":
            yield f"{(FIRST + number).reverse_pointer}. PTR mail-{number:06x}.{DOMAIN}."


def _forward(count: int) -> Iterator[str]:
    for number in range(count):
        if verdict(number) != "permerror":
            address = STRANGER if verdict(number) == "fail" else FIRST + number
            yield f"mail-{number:06x}.{DOMAIN}. A {address}"
