"""What a resolver is told by its operator, as plain values with the defaults of docs/configuration.md."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from exporter.checks.answers import Question
from exporter.checks.names import DomainName
from exporter.dns.endpoints import Endpoint, parse_endpoint

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
