"""Hostile, broken and odd replies: the work is bounded, and the answer is inconclusive, never wrong."""

import pytest

from exporter.checks.answers import Status
from exporter.checks.names import DomainName
from tests.factories import hosts, names
from tests.integration.misbehaving import Misbehaving
from tests.integration.running import asking_for, longest_callback, resolver_for

pytestmark = pytest.mark.integration

BOUND_SECONDS = 0.05
"""The most processor time of one callback."""
MIN_RECORD_BYTES = 13
"""A pointer, type, class, TTL, length and a byte: so many fit into a message of 65,535 bytes, and no more."""


@pytest.mark.parametrize(
    ("behaviour", "rdtype", "status"),
    [
        ("servfail", "A", Status.SERVFAIL),
        ("refused", "A", Status.REFUSED),
        ("notimp", "A", Status.REFUSED),
        ("formerr-bare", "A", Status.REFUSED),
        ("silent", "A", Status.TIMEOUT),
        ("nxdomain", "A", Status.NXDOMAIN),
        ("nodata", "A", Status.NODATA),
        ("empty", "A", Status.NODATA),
        ("nxdomain-answers", "A", Status.MALFORMED),
        ("cname-16", "A", Status.ANSWER),
        ("cname-17", "A", Status.CHAIN),
        ("cname-self", "A", Status.CHAIN),
        ("cname-loop", "A", Status.CHAIN),
        ("ttl-greatest", "A", Status.ANSWER),
        ("ttl-negative", "A", Status.ANSWER),
        ("truncated", "A", Status.ANSWER),
        ("truncated-always", "A", Status.MALFORMED),
        ("tcp-in-pieces", "A", Status.ANSWER),
        ("tcp-slow", "A", Status.TIMEOUT),
        ("tcp-closes", "A", Status.NETWORK),
        ("tcp-ends-early", "A", Status.NETWORK),
        ("tcp-forged-id", "A", Status.ANSWER),
    ],
)
async def test_the_status_of_each_behaviour(misbehaving, behaviour, rdtype, status):
    """Each behaviour has its status, and none blocks the loop."""
    seconds = 0.3 if status is Status.TIMEOUT else 30
    async with resolver_for(misbehaving.address, timeout_seconds=seconds, attempts=2) as resolver:
        with longest_callback() as longest:
            answer = await resolver.resolve(asking_for(behaviour, rdtype))

        assert answer.status is status
        if status is Status.ANSWER:
            assert answer.addresses == hosts("192.0.2.1").addresses
        assert longest.seconds < BOUND_SECONDS, longest.name
        assert resolver.in_flight == 0


@pytest.mark.parametrize(
    ("behaviour", "rdtype", "readable"),
    [
        ("ancount", "A", False),
        ("pointer-loop", "PTR", False),
        ("pointer-pair", "PTR", False),
        ("pointer-deep", "PTR", True),
        ("pointer-deepest", "PTR", True),
        ("many-names", "PTR", True),
        ("many-texts", "TXT", True),
        ("many-empty-records", "TXT", True),
        ("tcp-empty", "A", False),
        ("hostile-names", "PTR", True),
    ],
)
async def test_hostile_answers_cost_little(misbehaving, behaviour, rdtype, readable):
    """The work is bounded. The answer is inconclusive, or for some behaviours whole."""
    async with resolver_for(misbehaving.address, timeout_seconds=1, attempts=2) as resolver:
        with longest_callback() as longest:
            answer = await resolver.resolve(asking_for(behaviour, rdtype))

        assert longest.seconds < BOUND_SECONDS, longest.name
        assert not answer.is_conclusive or (readable and answer.status is Status.ANSWER)
        assert len(answer.records) <= 65_535 / MIN_RECORD_BYTES
        assert sum(map(len, answer.texts)) <= 65_535


async def test_a_flood_over_tcp_does_not_block(misbehaving):
    """Half a million empty messages on one connection are read in portions, and the reply after them is accepted."""
    async with resolver_for(misbehaving.address, timeout_seconds=300, attempts=1) as resolver:
        with longest_callback() as longest:
            answer = await resolver.resolve(asking_for("tcp-flood"))

    assert answer.addresses == hosts("192.0.2.1").addresses
    assert longest.seconds < BOUND_SECONDS, longest.name


async def test_ttls_are_clamped(misbehaving):
    """A TTL is between 0 and a day."""
    async with resolver_for(misbehaving.address) as resolver:
        answers = [await resolver.resolve(asking_for(it)) for it in ("ttl-greatest", "ttl-negative")]

    assert all(0 <= answer.ttl <= 86_400 for answer in answers)


async def test_hostile_names_come_out_escaped(misbehaving):
    """A PTR name of any bytes is printable ASCII, and can be parsed."""
    async with resolver_for(misbehaving.address) as resolver:
        answer = await resolver.resolve(asking_for("hostile-names", "PTR"))

    assert answer.names == names(
        r"quote\"quote.example.org",
        r"new\010line.example.org",
        r"nul\000nul.example.org",
        r"esc\027[31m.example.org",
        r"</script><script>.example.org",
        r"\255\254\253.example.org",
        r"dot\.dot.example.org",
        r"xn--\195\188.example.org",
        r"back\\slash.example.org",
        r"\032.example.org",
    )
    assert all(name.isascii() and name.isprintable() and DomainName(name) == name for name in answer.names)


async def test_truncation_without_tcp():
    """A truncated reply without TCP is inconclusive: its records are not used."""
    with Misbehaving(tcp=False) as server:
        async with resolver_for(server.address, attempts=2) as resolver:
            answer = await resolver.resolve(asking_for("truncated"))

    assert answer.status is Status.NETWORK
