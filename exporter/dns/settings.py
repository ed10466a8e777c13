"""Settings of a resolver, with the defaults of docs/configuration.md, and the addresses of DNS servers."""

import ipaddress
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from exporter.checks.answers import Question
from exporter.checks.names import DomainName

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
    """One DNS server and its protocol, in canonical form: its text is a label value and can be parsed again.

    Attributes:
        scheme: "udp" (TCP for truncated answers, RFC 7766), "tls" (RFC 7858) or "https" (RFC 8484).
        host: An IP address in canonical form, link-local ones with their scope (fe80::53%eth0), or a host name in
            lower case.
        port: The port.
        path: Path and query of the URL; only for "https".
        server_name: The name that the certificate must have: *host* without its scope, or what follows ``#``.
    """

    scheme: Scheme
    host: str
    port: int
    path: str = ""
    server_name: str = ""

    @property
    def is_address(self) -> bool:
        """Whether *host* is an IP address, and need not be resolved."""
        return ":" in self.host or _LOOKS_LIKE_ADDRESS.fullmatch(self.host) is not None

    @property
    def url(self) -> str:
        """The URL for DNS over HTTPS."""
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
                other = self.server_name not in {"", _without_scope(self.host)}
                return f"tls://{self._authority}#{self.server_name}" if other else f"tls://{self._authority}"
            case _:
                return self.url


def parse_endpoint(text: str) -> Endpoint:
    """Parse a server from a configuration file or a command line.

    ``host`` and ``host:port`` use UDP, by default on port 53. ``tls://host`` has port 853, and accepts ``#name`` if the
    certificate has another name than the host (``tls://192.0.2.53#dns.example.org``). ``https://host`` has port 443 and
    the path ``/dns-query``. Raises `ValueError` with a hint how to write it.
    """
    if not text or not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        raise ValueError(f"{text!a} is not a DNS server: {_EXPECTED}")
    if text.lower().startswith("tls://"):
        return _parse_tls(text)
    if text.lower().startswith("https://"):
        return _parse_https(text)
    if "://" in text:
        raise ValueError(f"{text!r} has an unknown scheme: {_EXPECTED}")
    host, port = _parse_authority(text, text, "udp")
    return Endpoint("udp", host, port)


def _without_scope(host: str) -> str:
    """The host as certificates have it: a scope means something on this machine only."""
    return host.partition("%")[0]


def _parse_tls(text: str) -> Endpoint:
    authority, separator, name = text[len("tls://") :].partition("#")
    host, port = _parse_authority(text, authority, "tls")
    if separator and not _HOST.fullmatch(name.lower()):
        raise ValueError(f"{text!r} needs the name of the certificate after the #")
    return Endpoint("tls", host, port, server_name=name.lower() or _without_scope(host))


def _parse_https(text: str) -> Endpoint:
    try:
        url: SplitResult = urlsplit(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a URL: {_EXPECTED}") from None
    if url.fragment or "#" in text:
        raise ValueError(f"{text!r} has a fragment: a DNS server's URL has none")
    if "{" in text:
        raise ValueError(f"{text!r} is a URI template: write the URL alone, like https://{url.hostname}/dns-query")
    if "@" in url.netloc:
        raise ValueError(f"{text.partition('//')[0]}//...@ has a user name: a DNS server's URL has none")
    host, port = _parse_authority(text, url.netloc, "https")
    path = url.path if url.path not in {"", "/"} else "/dns-query"
    if url.query:
        path = f"{path}?{url.query}"
    return Endpoint("https", host, port, path, server_name=_without_scope(host))


def _parse_authority(text: str, authority: str, scheme: Scheme) -> tuple[str, int]:
    """Parse ``host``, ``host:port``, ``[address]`` or ``[address]:port``. *text* is for error messages."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not a DNS server: write an IPv6 address as [2001:db8::53]:53")
        return _ipv6(text, host), _port(text, rest[1:], _PORTS[scheme]) if rest else _PORTS[scheme]
    if authority.count(":") > 1:
        return _ipv6(text, authority), _PORTS[scheme]
    host, colon, port = authority.partition(":")
    return _host(text, host), _port(text, port, _PORTS[scheme]) if colon else _PORTS[scheme]


def _ipv6(text: str, host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise ValueError(f"{text!r} does not have a valid IPv6 address: write it as [2001:db8::53]:53") from None


def _host(text: str, host: str) -> str:
    lowered = host.lower().removesuffix(".")
    if _LOOKS_LIKE_ADDRESS.fullmatch(lowered):
        try:
            return str(ipaddress.IPv4Address(lowered))
        except ValueError:
            raise ValueError(f"{text!r} does not have a valid IPv4 address, like 192.0.2.53") from None
    if not _HOST.fullmatch(lowered):
        raise ValueError(f"{text!r} does not have a valid host: {_EXPECTED}")
    return lowered


def _port(text: str, port: str, default: int) -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no port between 1 and 65535 after the colon: leave it out for {default}")
    return int(port)


_LIBC_DEFAULT = Endpoint("udp", "127.0.0.1", 53)  # the default of resolv.conf(5)


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """The questions that show whether a server gives right answers.

    A wrong answer is a contradiction, no answer is none.

    Attributes:
        must_resolve: Questions that have records; may be empty.
        must_not_exist_under: The parent of a random name that does not exist (RFC 6761 section 6.4), or None.
        interval_seconds: The time between two checks.
    """

    must_resolve: tuple[Question, ...] = (Question(DomainName("."), "NS"),)
    must_not_exist_under: DomainName | None = field(default_factory=lambda: DomainName("invalid"))
    interval_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not self.interval_seconds > 0:
            raise ValueError("the canary's interval must be more than 0 seconds")


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """The settings of one resolver.

    Attributes:
        name: The value of the label `resolver`.
        servers: Its servers, in order of preference.
        timeout_seconds: How long to wait for the reply to a query.
        attempts: How many queries a question may take, over all servers.
        max_queries_per_second: The limit of the rate, with retries and canaries; `math.inf` for none.
        max_in_flight: The most questions in flight.
        cache_entries: The size of the cache, of at most 250 bytes per entry; 0 turns it off.
        canary: The canary, None for none.
        max_queued: The most questions in the queue.
        max_queue_seconds: The longest wait in the queue. After it, a question is not answered.
        random_case: Whether to use 0x20 with servers that support it.
        cookies: Whether to use DNS cookies (RFC 7873) with servers that support them.
        edns: Whether to use EDNS (RFC 6891) with servers that support it; cookies need it.
        ca_file: A PEM file with the CAs to trust for TLS, instead of the system's.
        recursion_desired: False for authoritative servers, which should answer from their own zones.
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
    edns: bool = True
    ca_file: Path | None = None
    recursion_desired: bool = True

    def __post_init__(self) -> None:
        if not 0 < len(self.servers) <= 255:  # a cache entry has one byte for the server
            raise ValueError(f"resolver {self.name!r} needs between 1 and 255 servers")
        if not (0 < self.timeout_seconds < math.inf and 0 <= self.max_queue_seconds < math.inf):
            raise ValueError(f"resolver {self.name!r} needs a timeout of more than 0 seconds, and a finite one")
        if not (self.attempts >= 1 and self.max_queries_per_second > 0 and self.max_in_flight >= 1):
            raise ValueError(
                f"resolver {self.name!r} needs at least 1 attempt, a rate above 0, and at least 1 question in flight"
            )
        if self.cache_entries < 0 or self.max_queued < 0:
            raise ValueError(f"resolver {self.name!r} cannot have a cache or a queue of negative size")


def system_servers(path: str | Path = "/etc/resolv.conf") -> tuple[Endpoint, ...]:
    """The servers of the system's resolver, in its order; the local host if there is none, as in libc.

    Lines without an address are skipped, as libc does.
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
