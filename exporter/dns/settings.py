"""What a resolver is told by its operator, as plain values with the defaults of docs/configuration.md."""

import ipaddress
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from exporter.checks.answers import Question
from exporter.checks.names import DomainName

# SECTION exporter.dns.endpoints
# Where a DNS server is, and how it is spoken to.
#
# The rule of this file: an `Endpoint` is canonical at birth, so that two are equal exactly when they name the
# same server
# spoken to in the same way, and its text is fit to be a label value and to be parsed again.

Scheme = Literal["udp", "tls", "https"]

_PORTS: dict[Scheme, int] = {"udp": 53, "tls": 853, "https": 443}
_HOST = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_LOOKS_LIKE_ADDRESS = re.compile(r"[0-9.]+")
_EXPECTED = (
    "write a server as host, host:port or [IPv6 address]:port (UDP, and TCP on truncation), tls://host:853 "
    "or https://host/dns-query"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One DNS server, spoken to in one way.

    *scheme* is "udp" (with TCP where an answer does not fit, RFC 7766), "tls" (RFC 7858) or "https" (RFC 8484).
    *host* is an IP address in its canonical form or a host name in lower case; *path* is the URL's, with its query,
    for "https" alone. *server_name* is what the certificate must be for: *host*, unless ``#name`` says otherwise.
    """

    scheme: Scheme
    host: str
    port: int
    path: str = ""
    server_name: str = ""

    @property
    def is_address(self) -> bool:
        """Whether *host* is an IP address, so that nothing has to be resolved to reach it."""
        return ":" in self.host or _LOOKS_LIKE_ADDRESS.fullmatch(self.host) is not None

    @property
    def url(self) -> str:
        """The URL that DNS over HTTPS posts to."""
        return f"https://{self._authority}{self.path}"

    @property
    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.scheme == "https" and self.port == _PORTS["https"] else f"{host}:{self.port}"

    def __str__(self) -> str:
        match self.scheme:
            case "udp":
                return self._authority
            case "tls":
                other = self.server_name not in {"", self.host}
                return f"tls://{self._authority}#{self.server_name}" if other else f"tls://{self._authority}"
            case _:
                return self.url


def parse_endpoint(text: str) -> Endpoint:
    """Read a server as a person writes it.

    ``host`` and ``host:port`` are UDP, with port 53 where none is given; ``tls://host`` has port 853 and takes
    ``#name`` for a certificate that is for another name than the host (``tls://192.0.2.53#dns.example.org``);
    ``https://host`` has port 443 and the path ``/dns-query``. Raises `ValueError`, saying what would be right.
    """
    if not text or not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        raise ValueError(f"{text!a} is not a DNS server: {_EXPECTED}")
    if text.lower().startswith("tls://"):
        return _parse_tls(text)
    if text.lower().startswith("https://"):
        return _parse_https(text)
    if "://" in text:
        raise ValueError(f"{text!r} has a scheme that is not spoken here: {_EXPECTED}")
    host, port = _parse_authority(text, text, "udp")
    return Endpoint("udp", host, port)


def _parse_tls(text: str) -> Endpoint:
    authority, separator, name = text[len("tls://") :].partition("#")
    host, port = _parse_authority(text, authority, "tls")
    if separator and not _HOST.fullmatch(name.lower()):
        raise ValueError(f"{text!r} has no host name after the #: name what the certificate is for")
    return Endpoint("tls", host, port, server_name=name.lower() or host)


def _parse_https(text: str) -> Endpoint:
    try:
        parts: SplitResult = urlsplit(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a URL: {_EXPECTED}") from None
    if parts.fragment or "#" in text:
        raise ValueError(f"{text!r} has a fragment: a DNS server's URL has none")
    if "{" in text:
        raise ValueError(f"{text!r} is a URI template: write the URL alone, like https://{parts.hostname}/dns-query")
    if "@" in parts.netloc:
        raise ValueError(f"{text.partition('//')[0]}//...@ has a user name: a DNS server's URL has none")
    host, port = _parse_authority(text, parts.netloc, "https")
    path = parts.path if parts.path not in {"", "/"} else "/dns-query"
    if parts.query:
        path = f"{path}?{parts.query}"
    return Endpoint("https", host, port, path, server_name=host)


def _parse_authority(text: str, authority: str, scheme: Scheme) -> tuple[str, int]:
    """Split and check ``host``, ``host:port``, ``[address]`` or ``[address]:port``; *text* is for the message."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not a DNS server: an IPv6 address stands as [2001:db8::53]:53")
        return _ipv6(text, host), _port(text, rest[1:], _PORTS[scheme]) if rest else _PORTS[scheme]
    if authority.count(":") > 1:
        return _ipv6(text, authority), _PORTS[scheme]
    host, colon, port = authority.partition(":")
    return _host(text, host), _port(text, port, _PORTS[scheme]) if colon else _PORTS[scheme]


def _ipv6(text: str, host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise ValueError(f"{text!r} has no IPv6 address where one should be: write it as [2001:db8::53]:53") from None


def _host(text: str, host: str) -> str:
    lowered = host.lower().removesuffix(".")
    if _LOOKS_LIKE_ADDRESS.fullmatch(lowered):
        try:
            return str(ipaddress.IPv4Address(lowered))
        except ValueError:
            raise ValueError(f"{text!r} has no IPv4 address where one should be, like 192.0.2.53") from None
    if not _HOST.fullmatch(lowered):
        raise ValueError(f"{text!r} has no host where one should be: {_EXPECTED}")
    return lowered


def _port(text: str, port: str, default: int) -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no port between 1 and 65535 after the colon: leave it out for {default}")
    return int(port)


# SECTION exporter.dns.settings

_LIBC_DEFAULT = Endpoint("udp", "127.0.0.1", 53)  # what resolv.conf(5) promises where no server is named


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """What is asked of each server, every *interval_seconds*, to know whether it tells the truth.

    Each of *must_resolve* has to be answered with records: "no such record" is a contradiction. A random name under
    *must_not_exist_under* (RFC 6761 section 6.4 promises that nothing is) must not: an answer is a contradiction.
    An empty tuple or None leaves that half out. No answer at all contradicts nothing.
    """

    must_resolve: tuple[Question, ...] = (Question(DomainName("."), "NS"),)
    must_not_exist_under: DomainName | None = field(default_factory=lambda: DomainName("invalid"))
    interval_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not self.interval_seconds > 0:
            raise ValueError("the canary's interval must be more than 0 seconds")


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """How one resolver asks.

    *timeout_seconds* is for each query; *attempts* is how many queries one question may take, over all *servers*.
    *max_queries_per_second* (`math.inf` for no limit) and *max_in_flight* bound what its servers are asked;
    what goes beyond waits, at most *max_queued* questions for at most *max_queue_seconds*, and is then unanswered.
    *cache_entries* bounds the cache, which then takes up at most 250 octets an entry; 0 turns it off.
    *canary* None turns the canary off. *random_case* is 0x20, *cookies* is RFC 7873; both yield to servers that
    cannot have them. *ca_file* is a PEM file of the authorities to trust for TLS instead of the system's.
    *recursion_desired* is false where the servers are authoritative, and should say what they know themselves.
    """

    name: str = "system"
    servers: tuple[Endpoint, ...] = (_LIBC_DEFAULT,)
    timeout_seconds: float = 2.0
    attempts: int = 3
    max_queries_per_second: float = 500.0
    max_in_flight: int = 256
    cache_entries: int = 100_000
    canary: CanarySettings | None = field(default_factory=CanarySettings)
    max_queued: int = 10_000
    max_queue_seconds: float = 30.0
    random_case: bool = True
    cookies: bool = True
    ca_file: Path | None = None
    recursion_desired: bool = True

    def __post_init__(self) -> None:
        if not 0 < len(self.servers) <= 255:  # a cache entry remembers its server in one octet
            raise ValueError(f"resolver {self.name!r} needs between 1 and 255 servers")
        if not (0 < self.timeout_seconds < math.inf and 0 <= self.max_queue_seconds < math.inf):
            raise ValueError(f"resolver {self.name!r} needs a timeout that is more than 0 seconds and ends")
        if not (self.attempts >= 1 and self.max_queries_per_second > 0 and self.max_in_flight >= 1):
            raise ValueError(
                f"resolver {self.name!r} needs attempts, a rate and a number in flight that are at least 1"
            )
        if self.cache_entries < 0 or self.max_queued < 0:
            raise ValueError(f"resolver {self.name!r} cannot have a cache or a queue of less than nothing")


def system_servers(path: str | Path = "/etc/resolv.conf") -> tuple[Endpoint, ...]:
    """The servers that the system's resolver uses, in its order; the local host where none is named, as in libc.

    A line that names no address is passed over, as libc does.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return (_LIBC_DEFAULT,)
    servers: dict[Endpoint, None] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", host, *_]:
                try:
                    endpoint = parse_endpoint(f"[{host}]" if ":" in host else host)
                except ValueError:
                    continue
                if endpoint.is_address:
                    servers[endpoint] = None
            case _:
                pass
    return tuple(servers) or (_LIBC_DEFAULT,)
