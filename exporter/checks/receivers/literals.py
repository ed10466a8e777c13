"""Addresses as they stand in HELO, read as leniently as the receivers' own parsers do.

The rule of this file: no error and no `Address` comes out of it; it only says what a text could be taken for.
"""

import ipaddress


def is_ipv4(text: str) -> bool:
    """Whether it is four decimal numbers up to 255, leading zeros allowed."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in parts)


def is_ipv6(text: str) -> bool:
    """Whether it is an IPv6 address without a zone."""
    if "%" in text:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
