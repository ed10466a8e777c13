"""Worlds of addresses of all kinds: the zones for an authoritative server, and what is to be found out of each.

What is expected is written down by hand, kind by kind; nothing of `exporter.checks` is asked.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.integration.kinds import BROKEN, DOMAIN, ELSEWHERE, KINDS, Site


@dataclass(frozen=True)
class Expected:
    """One address of the world, and what is to be found out of it.

    *reasons* has the reason of each check that does not pass (`fcrdns`, and the HELO checks where *helo* is set);
    checks that are left out pass. *via_recursive* says what a recursive resolver makes of it where that is another
    reason: it reports a looping chain as SERVFAIL.
    """

    kind: str
    address: str
    helo: str
    verdict: str
    reasons: Mapping[str, str]
    via_recursive: Mapping[str, str] = field(default_factory=dict)

    @property
    def recursive_reasons(self) -> Mapping[str, str]:
        """The reasons as they come out behind a recursive resolver."""
        return {**self.reasons, **self.via_recursive}


@dataclass(frozen=True)
class World:
    """Zones (origin to lines; None for a broken one) and what is expected of every address in them."""

    zones: Mapping[str, list[str] | None]
    expected: tuple[Expected, ...]

    @property
    def addresses(self) -> list[str]:
        """Every address, as text."""
        return [one.address for one in self.expected]


def build_world(count: int, kinds: Iterable[str] = KINDS) -> World:
    """Build a world of *count* addresses, of all *kinds* in turn; every third round of them is IPv6."""
    chosen = list(kinds)
    zones: defaultdict[str, list[str]] = defaultdict(list)
    expected = []
    for number in range(count):
        kind = chosen[number % len(chosen)]
        site = Site(number, 6 if number // len(chosen) % 3 == 2 else 4)
        helo, verdict, reasons = KINDS[kind](site)
        for owner, line in site.records:
            zones[_origin(owner)].append(line)
        looping = {check: "servfail" for check, reason in reasons.items() if reason == "chain"}
        expected.append(Expected(kind, str(site.address), helo, verdict, reasons, looping))
    return World({**zones, BROKEN: None}, tuple(expected))


def _origin(owner: str) -> str:
    """Choose the zone that an owner name goes to: one for the domain, one for each reverse tree."""
    for origin in (DOMAIN, ELSEWHERE, "40.in-addr.arpa", "ip6.arpa"):
        if owner.endswith(f"{origin}."):
            return origin
    raise ValueError(f"{owner} is in no zone of the world")
