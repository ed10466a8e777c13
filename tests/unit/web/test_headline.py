"""The words of the pages: headlines, estimates, sums of addresses."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.result import CheckName
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState
from exporter.views.pools import CheckCounts, estimate, summarise
from exporter.web.pages import Tally, amount, headline, passing
from tests.unit.web.pools import pool

ADDRESSES, DOMAINS, POOLS = "address", "domain", "sampled pool"


@pytest.mark.parametrize(
    ("tallies", "kind", "text", "details"),
    [
        pytest.param([(ADDRESSES, 1, 1, 0, 0)], "good", "The only address is healthy", [], id="one"),
        pytest.param([(ADDRESSES, 2, 2, 0, 0)], "good", "Both addresses are healthy", [], id="two"),
        pytest.param([(ADDRESSES, 24, 24, 0, 0)], "good", "All 24 addresses are healthy", [], id="all"),
        pytest.param(
            [(ADDRESSES, 1, 1, 0, 0), (DOMAINS, 1, 1, 0, 0)],
            "good",
            "The only address and the only domain are healthy",
            [],
            id="one-of-each",
        ),
        pytest.param(
            [(ADDRESSES, 24, 24, 0, 0), (POOLS, 2, 2, 0, 0), (DOMAINS, 3, 3, 0, 0)],
            "good",
            "All 24 addresses, both sampled pools and all 3 domains are healthy",
            [],
            id="three-kinds",
        ),
        pytest.param([(ADDRESSES, 1, 0, 1, 0)], "bad", "The only address needs fixing", [], id="one-failing"),
        pytest.param(
            [(ADDRESSES, 24, 23, 1, 0)], "bad", "1 of 24 addresses needs fixing", [], id="one-of-many-failing"
        ),
        pytest.param([(ADDRESSES, 24, 0, 24, 0)], "bad", "All 24 addresses need fixing", [], id="all-failing"),
        pytest.param(
            [(ADDRESSES, 24, 24, 0, 0), (DOMAINS, 3, 2, 1, 0)],
            "bad",
            "1 of 3 domains needs fixing",
            ["All 24 addresses are healthy."],
            id="a-failing-domain-alone",
        ),
        pytest.param(
            [(ADDRESSES, 24, 23, 1, 0), (DOMAINS, 3, 2, 1, 0)],
            "bad",
            "1 of 24 addresses and 1 of 3 domains need fixing",
            [],
            id="both-failing",
        ),
        pytest.param(
            [(ADDRESSES, 24, 22, 0, 1)],
            "open",
            "22 of 24 addresses are healthy",
            ["1 address is not sampled yet.", "1 address is unknown: the DNS has not answered for it yet."],
            id="some-unknown",
        ),
        pytest.param(
            [(ADDRESSES, 3, 0, 0, 3), (DOMAINS, 1, 0, 0, 1)],
            "open",
            "Nothing is known yet: the first samples are under way",
            [],
            id="nothing-sampled",
        ),
        pytest.param(
            [(ADDRESSES, 3, 0, 0, 0)],
            "open",
            "Nothing is known: the DNS does not answer",
            ["3 addresses are unknown: the DNS has not answered for them yet."],
            id="nothing-answered",
        ),
    ],
)
def test_a_headline_is_a_sentence(tallies, kind, text, details):
    """Nouns and verbs agree, and green is for what is wholly healthy."""
    found = headline([Tally(*one) for one in tallies], is_blind=False)

    assert (found.kind, found.text, list(found.details)) == (kind, text, details)


def test_a_blind_exporter_speaks_of_the_past():
    """While no DNS server can be believed, all is as it was."""
    found = headline([Tally(ADDRESSES, 24, 24, 0, 0)], is_blind=True)

    assert (found.kind, found.text) == ("open", "All 24 addresses were healthy when the DNS last answered")


@st.composite
def tally_values(draw):
    """A noun and counts that add up."""
    healthy, failing, fresh, unknown = (draw(st.integers(0, 3)) for _ in range(4))
    return Tally(
        draw(st.sampled_from([ADDRESSES, DOMAINS, POOLS])), healthy + failing + fresh + unknown, healthy, failing, fresh
    )


@given(st.lists(tally_values().filter(lambda one: one.size), max_size=3), st.booleans())
def test_no_headline_is_greener_than_the_fleet(tallies, is_blind):
    """Red if anything fails; green only if all is healthy, and some DNS server can be believed."""
    found = headline(tallies, is_blind=is_blind)

    assert (found.kind == "bad") == any(one.failing for one in tallies)
    if found.kind == "good":
        assert not is_blind
        assert all(one.healthy == one.size for one in tallies)


@pytest.mark.parametrize(
    ("size", "sampled", "failed", "text"),
    [
        pytest.param(458_752, 6_787, 68, "98.9% confirmed, 98.7 to 99.3%", id="one-percent"),
        pytest.param(458_752, 6_787, 0, "100% confirmed, 99.9 to 100.0%", id="none-found"),
        pytest.param(458_752, 458_752, 64, "99.986% confirmed", id="a-sweep-with-few-failures"),
        pytest.param(458_752, 458_752, 0, "100% confirmed", id="a-sweep-without"),
        pytest.param(10, 10, 5, "50.0% confirmed", id="a-half"),
        pytest.param(10, 10, 10, "0.0% confirmed", id="nothing-passes"),
    ],
)
def test_an_estimate_shows_its_bounds(size, sampled, failed, text):
    """Only what passes wholly is 100%, and only a sample has bounds."""
    assert passing(estimate(size, sampled, failed), " confirmed") == text


@pytest.mark.parametrize(
    ("sampled", "failed", "state"),
    [
        pytest.param(0, 0, "unknown", id="before-the-first-round"),
        pytest.param(6_787, 0, "healthy", id="none-fails"),
        pytest.param(6_787, 68, "healthy", id="about-as-many-as-are-tolerated"),
        pytest.param(6_787, 120, "failing", id="surely-more"),
        pytest.param(20, 1, "healthy", id="too-few-to-be-sure"),
    ],
)
def test_a_sampled_pool_fails_when_it_surely_does(sampled, failed, state):
    """One failing address of half a million, which nobody here can repair, makes no red headline."""
    fresh = summarise(PoolState(pool("198.51.100.0/30", expect=["fcrdns"]), PoolCounters()), 0.0)
    counts = CheckCounts(CheckName.FCRDNS, True, 0, failed, 0, 0, estimate(458_752, sampled, failed))

    assert replace(fresh, is_drawn=True, alert_threshold=0.01, failing=failed, checks=(counts,)).state == state


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "text"),
    [
        pytest.param(0, 0, "0 addresses", id="none"),
        pytest.param(1, 0, "1 address", id="one"),
        pytest.param(32, 1 << 64, "32 addresses and one /64 of IPv6", id="a-network"),
        pytest.param(0, 3 << 64, "3 /64 networks of IPv6", id="networks"),
        pytest.param(0, 1 << 96, "one /32 of IPv6", id="a-provider"),
        pytest.param(0, (1 << 64) + 16, "more than one /64 of IPv6", id="a-network-and-a-rest"),
        pytest.param(0, 16, "16 IPv6 addresses", id="few"),
        pytest.param(0, 1 << 40, "one /88 of IPv6", id="less-than-a-network"),
        pytest.param(0, 1 << 128, "65\N{NARROW NO-BREAK SPACE}536 /16 networks of IPv6", id="everything"),
    ],
)
def test_sums_of_ipv6_addresses_are_prefixes(ipv4, ipv6, text):
    """Nobody reads a number of twenty digits."""
    assert amount({4: ((1, ipv4),) if ipv4 else (), 6: ((1, ipv6),) if ipv6 else ()}) == text
