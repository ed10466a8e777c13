"""IP addresses, as mail servers connect from them and as the reverse tree names them."""

import ipaddress
import re
from typing import Literal, NamedTuple, Self

from exporter.checks.names import DomainName

_BYTES = tuple(f"{byte}." for byte in range(256))
_NIBBLES = {byte: f"{byte & 15:x}.{byte >> 4:x}." for byte in range(256)}
_LEADING_ZERO = re.compile(r"(?=.*\b0[0-9])[0-9]{1,4}(?:\.[0-9]{1,4}){3}", re.ASCII)
_new_name = str.__new__  # `DomainName.trusted`, without the call


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

    def __str__(self) -> str:
        """As RFC 5952 writes it."""
        packed = self.packed
        if len(packed) == 4:
            return "%d.%d.%d.%d" % tuple(packed)  # noqa: UP031  # a scrape writes thousands of them
        return str(ipaddress.IPv6Address(packed))
