"""IP addresses, as mail servers connect from them and as the reverse tree names them."""

import ipaddress
import re
from typing import Literal, NamedTuple, Self

from exporter.checks.names import DomainName

_BYTES = tuple(f"{byte}." for byte in range(256))
_NIBBLES = {byte: f"{byte & 15:x}.{byte >> 4:x}." for byte in range(256)}
_LEADING_ZERO = re.compile(r"(?=.*\b0[0-9])[0-9]{1,4}(?:\.[0-9]{1,4}){3}", re.ASCII)
_new_name = str.__new__  # `DomainName.trusted`, without the call


_SPECIAL_USE = {
    "unspecified": "0.0.0.0/8 ::/128",
    "a loopback address": "127.0.0.0/8 ::1/128",
    "private (RFC 1918)": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
    "private (RFC 4193)": "fc00::/7",
    "shared by a carrier's NAT (RFC 6598)": "100.64.0.0/10",
    "link-local": "169.254.0.0/16 fe80::/10 fec0::/10",
    "multicast": "224.0.0.0/4 ff00::/8",
    "for benchmarks (RFC 2544, RFC 5180)": "198.18.0.0/15 2001:2::/48",
    "reserved (RFC 6890)": "192.0.0.0/24 240.0.0.0/4 ::ffff:0:0/96 64:ff9b:1::/48 100::/64",
}
"""Addresses that nobody reaches over the Internet (RFC 6890), without those for documentation."""
_NOT_PUBLIC = [(ipaddress.ip_network(one), what) for what, some in _SPECIAL_USE.items() for one in some.split()]
_FIRST_BYTES = {4: {0, 10, 100, 127, 169, 172, 192, 198, *range(224, 256)}, 16: {0, 1, 32, *range(252, 256)}}
"""With what they begin, by the length of an address: most others need no comparison."""


class Address(NamedTuple):
    """An IPv4 or IPv6 address: *packed* is its 4 or 16 bytes in network order, the RDATA of its A or AAAA record."""

    packed: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address as a person writes it.

        Raises `ValueError`, which says what would be right, for leading zeros (some programs read them as octal), a
        zone ID, or an IPv4-mapped IPv6 address (such a server connects over IPv4).
        """
        if "%" in text:
            raise ValueError(f"{text!r} has a zone ID: an address that sends mail has none")
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            has_zeros = _LEADING_ZERO.fullmatch(text)
            hint = ": write its numbers without leading zeros" if has_zeros else ", like 192.0.2.10 or 2001:db8::10"
            raise ValueError(f"{text!r} is not an IPv4 or IPv6 address{hint}") from None
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if mapped is not None:
            raise ValueError(f"{text!r} is an IPv4-mapped address: write it as {mapped}")
        return cls(address.packed)

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return 4 if len(self.packed) == 4 else 6

    @property
    def rdtype(self) -> Literal["A", "AAAA"]:
        """The type of an address record of this family."""
        return "A" if len(self.packed) == 4 else "AAAA"

    @property
    def reverse_name(self) -> DomainName:
        """The reverse-map name (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
        packed = self.packed
        if len(packed) == 4:
            first, second, third, fourth = packed
            text = f"{_BYTES[fourth]}{_BYTES[third]}{_BYTES[second]}{_BYTES[first]}in-addr.arpa"
            return _new_name(DomainName, text)
        return DomainName.trusted("".join([_NIBBLES[byte] for byte in reversed(packed)]) + "ip6.arpa")

    @property
    def special_use(self) -> str:
        """Why no host elsewhere can see or reach it, as ``private (RFC 1918)``; "" for any other address."""
        if self.packed[0] not in _FIRST_BYTES[len(self.packed)]:
            return ""
        address = ipaddress.ip_address(self.packed)
        return next((what for network, what in _NOT_PUBLIC if address in network), "")

    def __str__(self) -> str:
        """As RFC 5952 writes it."""
        packed = self.packed
        if len(packed) == 4:
            return "%d.%d.%d.%d" % tuple(packed)  # noqa: UP031  # a scrape writes thousands of them
        return str(ipaddress.IPv6Address(packed))
