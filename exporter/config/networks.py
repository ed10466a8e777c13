"""Networks of addresses, as an operator or an SPF record writes them."""

import ipaddress
from typing import Literal, NamedTuple

from exporter.checks.addresses import Address


def parse_address(text: str) -> Address:
    """Read an address where a network is as often meant. Raises `ValueError` like `Address.parse`."""
    if "/" in text:
        try:
            network = Network.parse(text)
        except ValueError:
            pass
        else:
            raise ValueError(f"{text!r} is a network: write {{network: {network}}}")
    return Address.parse(text)


class Network(NamedTuple):
    """A prefix: the octets of its first address, and its length in bits. Every address in it counts, ends included."""

    packed: bytes
    length: int

    @classmethod
    def parse(cls, text: str) -> "Network":
        """Read a network in prefix notation.

        Raises `ValueError`, saying what would be right, for a missing length, a netmask, host bits, and all that
        `Address.parse` refuses in an address.
        """
        start, slash, length = text.partition("/")
        if not slash:
            raise ValueError(
                f"{text!r} has no prefix length: a network is written like 198.51.100.0/28 or 2001:db8::/120"
            )
        address = Address.parse(start)
        bits = len(address.packed) * 8
        if not (length.isascii() and length.isdigit() and str(int(length[:4])) == length and int(length) <= bits):
            raise ValueError(f"{text!r} has no prefix length from 0 to {bits} after the slash")
        network = ipaddress.ip_network((address.packed, int(length)), strict=False)
        if network.network_address.packed != address.packed:
            raise ValueError(
                f"{text!r} has host bits set: the network is {network}, the address alone is {address}/{bits}"
            )
        return cls(address.packed, int(length))

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return 4 if len(self.packed) == 4 else 6

    @property
    def first(self) -> int:
        """Its lowest address, as a number."""
        return int.from_bytes(self.packed, "big")

    @property
    def last(self) -> int:
        """Its highest address, as a number."""
        return self.first + self.size - 1

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return 1 << (len(self.packed) * 8 - self.length)

    def __str__(self) -> str:
        return f"{Address(self.packed)}/{self.length}"
