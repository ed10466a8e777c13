"""EDNS options (RFC 6891): the OPT record that goes with every query, and what comes back in it."""

from struct import Struct
from typing import NamedTuple

from exporter.checks.answers import ExtendedError
from exporter.dns.wire import MAX_UDP_PAYLOAD

_COOKIE, _EXTENDED_ERROR = 10, 15
_OPTION = Struct(">HH")
_CODE = Struct(">H")
_CLIENT_OCTETS = 8
_COOKIE_OCTETS = range(16, 41)  # RFC 7873 section 4, with a server's part
_MAX_ERRORS = 8
_MAX_ERROR_TEXT = 500


class Options(NamedTuple):
    """What the options of a reply say. *cookie* is "" where there is none, None where it breaks RFC 7873."""

    cookie: bytes | None
    errors: tuple[ExtendedError, ...]


def opt_record(cookie: bytes) -> bytes:
    """An OPT record that offers our payload size and, if there is one, carries the cookie."""
    options = cookie_option(cookie) if cookie else b""
    return b"\0\0\x29" + _CODE.pack(MAX_UDP_PAYLOAD) + b"\0\0\0\0" + _CODE.pack(len(options)) + options


def cookie_option(cookie: bytes) -> bytes:
    """The options of a message that has no other than its cookie."""
    return _OPTION.pack(_COOKIE, len(cookie)) + cookie


def read_options(options: bytes) -> Options:
    """Read the options of a reply. Whatever breaks off is left out: none of them is needed to understand an answer."""
    cookie: bytes | None = b""
    errors: list[ExtendedError] = []
    at = 0
    while at + 4 <= len(options):
        code, octets = _OPTION.unpack_from(options, at)
        value = options[at + 4 : at + 4 + octets]
        at += 4 + octets
        if at > len(options):
            break
        if code == _COOKIE:
            cookie = value if octets in _COOKIE_OCTETS or octets == _CLIENT_OCTETS else None
        elif code == _EXTENDED_ERROR and octets >= 2 and len(errors) < _MAX_ERRORS:
            text = value[2 : 2 + _MAX_ERROR_TEXT].rstrip(b"\0").decode("utf-8", "replace")
            errors.append(ExtendedError(_CODE.unpack_from(value)[0], text))
    return Options(cookie, tuple(errors))
