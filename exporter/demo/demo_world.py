"""The demo world: a few mail pools as operators have them, with every way in which theirs can go wrong.

The rule of this file: what is published is in ``world.zone`` and ``domains.zone``, what must come out of it in
``scenarios.txt`` and ``domains.txt``; here is how servers misbehave, what changes when, and nothing else.
"""

import functools
import time
from collections.abc import Callable
from pathlib import Path

from exporter.demo.world import Episode, Fault, FaultAt, World
from exporter.demo.zone import RecordSet, parse_records

FAULTS: tuple[FaultAt, ...] = (
    ("17.2.0.192.in-addr.arpa", Fault.TRUNCATED),
    ("mail8.example.org", Fault.TRUNCATED),
    ("mail9.example.org", Fault.SERVFAIL, "AAAA"),
    ("129.100.51.198.in-addr.arpa", Fault.SERVFAIL),
    ("130.100.51.198.in-addr.arpa", Fault.REFUSED),
    ("131.100.51.198.in-addr.arpa", Fault.SILENT),
    ("relay5.oldco.example.net", Fault.SERVFAIL),
    ("silent6.oldco.example.net", Fault.SILENT),
    ("silent7.oldco.example.net", Fault.SILENT),
    ("delegated.oldco.example.net", Fault.SERVFAIL),
    ("silent.example", Fault.SERVFAIL),
    ("sender12.campaigns.example.org", Fault.SERVFAIL, "TXT"),
)

_GROWN = '_spf.provider.example. 30 TXT "v=spf1 ip4:203.0.113.240/28 ip6:2001:db8:c::/48 exists:%{i}._spf.%{d2} ~all"'

EPISODES = (
    Episode(
        "the PTR name of 192.0.2.21 flaps",
        every=40,
        begins=20,
        ends=40,
        published=("21.2.0.192.in-addr.arpa. 5 PTR relay-b.example.org.",),
    ),
    Episode(
        "the PTR record of 192.0.2.20 is lost",
        every=600,
        begins=90,
        ends=240,
        withdrawn=(("20.2.0.192.in-addr.arpa", "PTR"),),
    ),
    Episode(
        "the DKIM key of rotating.example is lost",
        every=600,
        begins=90,
        ends=240,
        withdrawn=(("s1._domainkey.rotating.example", "TXT"),),
    ),
    Episode(
        "the servers of 198.51.100.192/26's reverse zone fall silent",
        every=300,
        begins=180,
        ends=240,
        faults=(("192-255.100.51.198.in-addr.arpa", Fault.SILENT),),
    ),
    Episode(
        "the A record of alerts.example.org is moved",
        every=600,
        begins=300,
        ends=420,
        published=("alerts.example.org. 30 A 192.0.2.99",),
    ),
    Episode(
        "provider.example sends from twice as many addresses",
        every=2400,
        begins=420,
        ends=1500,
        published=(_GROWN,),
    ),
)


def demo_world(*, clock: Callable[[], float] = time.monotonic, speed: float = 1.0) -> World:
    """Make the world, as it is at its first moment. A *speed* of 0 keeps it there."""
    return World(published=_published(), faults=FAULTS, episodes=EPISODES, clock=clock, speed=speed)


@functools.cache
def _published() -> tuple[RecordSet, ...]:
    """What the zone files say, read once: tests make a thousand worlds of it, and no world changes a set."""
    paths = [Path(__file__).with_name(name) for name in ("world.zone", "domains.zone")]
    lines = [line for path in paths for line in path.read_text(encoding="ascii").splitlines()]
    return tuple(parse_records(lines, source=" and ".join([path.name for path in paths])))
