"""What block lists say of addresses: kept small, and only while the list itself can be believed."""

import pytest

from exporter.checks.check import run_check
from exporter.checks.dnsbl import ListHealth
from exporter.checks.report import Wanted, report
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.config.load import parse
from exporter.inventory.build import build, list_plans
from exporter.state.address import AddressState, health
from exporter.state.blocklists import Blocklists
from tests.factories import World, name, target

ZEN, OTHER = name("zen.example.org"), name("v4.example.org")
TEXT = """
dnsbls: [zen.example.org, {zone: v4.example.org, families: ipv4, codes: {127.0.0.2: SBL}}]
pools:
  - name: a
    addresses: [{network: 192.0.2.0/30}, {ip: "2001:db8::1"}]
  - {name: b, dnsbls: [], addresses: [{ip: 192.0.2.10}]}
"""
LISTED = Finding(CheckName.DNSBL, Result.FAIL, ZEN, Reason.DNSBL_LISTED, "192.0.2.1 is listed.")
CLEAN = Finding(CheckName.DNSBL, Result.PASS, ZEN)
UNKNOWN = Finding(CheckName.DNSBL, Result.UNKNOWN, ZEN, Reason.TIMEOUT, "No answer.")


def adopted(text=TEXT, lists=None):
    """The lists of a configuration, with its pools by name."""
    configuration = parse(text, "test")
    pools = {pool.name: pool for pool in build(configuration)}
    lists = Blocklists() if lists is None else lists
    lists.publish(list_plans(configuration), pools.values())
    return lists, pools


def works(lists, zone=ZEN, *, is_well=True):
    """Let a list pass or fail its test points."""
    for family in (4, 6):
        reason = None if is_well else Reason.DNSBL_BLOCKED
        lists.put_health(ListHealth(zone, family, is_well, reason, "" if is_well else "It refuses to answer us."))


def helo(lists, pool, index):
    """What is said of an address, as result and reason by list."""
    findings = lists.findings(pool, index, pool.targets[index].address)
    return {it.subject: (it.result.value, it.reason and it.reason.value) for it in findings}


def test_one_finding_for_each_list_of_the_pool_that_has_the_family():
    """From the start, so that two samples of an address are each other's like."""
    lists, pools = adopted()
    assert helo(lists, pools["a"], 0) == dict.fromkeys((ZEN, OTHER), ("unknown", "dnsbl-pending"))
    assert helo(lists, pools["a"], 4) == {ZEN: ("unknown", "dnsbl-pending")}
    assert helo(lists, pools["b"], 0) == {}


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        pytest.param(LISTED, ("fail", "dnsbl-listed"), id="listed"),
        pytest.param(CLEAN, ("pass", None), id="not-listed"),
        pytest.param(UNKNOWN, ("unknown", "timeout"), id="unanswered"),
    ],
)
def test_what_a_list_said_is_kept_while_the_list_works(finding, expected):
    """A list that fails its tests says nothing, whatever it said before; and its words are back when it works."""
    lists, pools = adopted()
    (listings,) = [it for it in lists.of(ZEN) if it.pool.name == "a"]
    listings.put(1, finding, 1.0)
    works(lists)
    assert helo(lists, pools["a"], 1)[ZEN] == expected
    works(lists, is_well=False)
    assert helo(lists, pools["a"], 1)[ZEN] == ("unknown", "dnsbl-blocked")
    works(lists)
    assert helo(lists, pools["a"], 1)[ZEN] == expected
    assert listings.is_listed(1) is (finding is LISTED)
    assert helo(lists, pools["a"], 2)[ZEN] == ("unknown", "dnsbl-pending")


def test_a_listing_that_ended_is_forgotten():
    """The latest word counts."""
    lists, pools = adopted()
    works(lists)
    lists.of(ZEN)[0].put(1, LISTED, 1.0)
    lists.of(ZEN)[0].put(1, CLEAN, 1.0)
    assert helo(lists, pools["a"], 1)[ZEN] == ("pass", None)


def test_a_reload_keeps_what_is_known_of_addresses_that_stay():
    """Wherever in the pool they are now; lists that are gone are gone."""
    lists, _ = adopted()
    works(lists)
    lists.of(ZEN)[0].put(1, LISTED, 1.0)
    lists.of(ZEN)[0].put(2, CLEAN, 1.0)
    _, pools = adopted(
        TEXT.replace("{network: 192.0.2.0/30}", "{ip: 192.0.2.0}, {ip: 192.0.2.2}, {ip: 192.0.2.9}"), lists
    )
    assert [helo(lists, pools["a"], index)[ZEN][0] for index in range(3)] == ["unknown", "pass", "unknown"]
    _, pools = adopted(TEXT, lists)
    assert helo(lists, pools["a"], 2)[ZEN] == ("pass", None)
    assert helo(lists, pools["a"], 1)[ZEN] == ("unknown", "dnsbl-pending")
    adopted("pools: [{name: a, addresses: [{ip: 192.0.2.1}]}]", lists)
    assert not lists.healths


RIGHT = World.parse("1.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.1")
PENDING = Finding(CheckName.DNSBL, Result.UNKNOWN, ZEN, Reason.DNSBL_PENDING, "Not asked yet.")


@pytest.mark.parametrize(
    ("listing", "expect", "healthy"),
    [
        pytest.param(LISTED, {"fcrdns", "dnsbl"}, False, id="a-listing-that-is-expected-not-to-be"),
        pytest.param(LISTED, {"fcrdns"}, True, id="a-listing-that-nobody-minds"),
        pytest.param(PENDING, {"fcrdns", "dnsbl"}, True, id="a-list-that-says-nothing-withholds-nothing"),
        pytest.param(PENDING, {"dnsbl"}, None, id="but-nothing-else-is-known-either"),
    ],
)
def test_the_health_of_an_address(listing, expect, healthy):
    """A list may refuse for good: that alone makes nobody's health unknown."""
    found, evidence = run_check(report(target("192.0.2.1"), wanted=Wanted(listings=(listing,))), RIGHT)
    state, _ = AddressState(target("192.0.2.1")).observe(found, evidence, 1.0)
    assert health(state, frozenset(map(CheckName, expect))) is healthy
