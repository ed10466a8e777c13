"""The findings of block lists, which count only while the list works."""

import pytest

from exporter.checks.check import run_check
from exporter.checks.dnsbl import ListHealth
from exporter.checks.report import AuthenticationSettings, report
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


def published(text=TEXT, lists=None):
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


def findings(lists, pool, index):
    """The result and the reason of each list on an address."""
    found = lists.findings(pool, index, pool.targets[index].address)
    return {it.subject: (it.result.value, it.reason and it.reason.value) for it in found}


def test_one_finding_for_each_list_of_the_pool_that_has_the_family():
    """They are there from the start, so that two samples of an address have the same slots."""
    lists, pools = published()
    assert findings(lists, pools["a"], 0) == dict.fromkeys((ZEN, OTHER), ("unknown", "dnsbl-pending"))
    assert findings(lists, pools["a"], 4) == {ZEN: ("unknown", "dnsbl-pending")}
    assert findings(lists, pools["b"], 0) == {}


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        pytest.param(LISTED, ("fail", "dnsbl-listed"), id="listed"),
        pytest.param(CLEAN, ("pass", None), id="not-listed"),
        pytest.param(UNKNOWN, ("unknown", "timeout"), id="unanswered"),
    ],
)
def test_findings_count_while_the_list_works(finding, expected):
    """While a list fails its test points, its findings are unknown; afterwards they are back."""
    lists, pools = published()
    (listings,) = [it for it in lists.of(ZEN) if it.pool.name == "a"]
    listings.put(1, finding, 1.0)
    works(lists)
    assert findings(lists, pools["a"], 1)[ZEN] == expected
    works(lists, is_well=False)
    assert findings(lists, pools["a"], 1)[ZEN] == ("unknown", "dnsbl-blocked")
    works(lists)
    assert findings(lists, pools["a"], 1)[ZEN] == expected
    assert listings.is_listed(1) is (finding is LISTED)
    assert findings(lists, pools["a"], 2)[ZEN] == ("unknown", "dnsbl-pending")


def test_a_listing_that_ended_is_forgotten():
    """The latest answer counts."""
    lists, pools = published()
    works(lists)
    lists.of(ZEN)[0].put(1, LISTED, 1.0)
    lists.of(ZEN)[0].put(1, CLEAN, 1.0)
    assert findings(lists, pools["a"], 1)[ZEN] == ("pass", None)


def test_a_reload_keeps_the_findings_of_addresses_that_stay():
    """Their index may change. Lists that left the configuration are forgotten."""
    lists, _ = published()
    works(lists)
    lists.of(ZEN)[0].put(1, LISTED, 1.0)
    lists.of(ZEN)[0].put(2, CLEAN, 1.0)
    _, pools = published(
        TEXT.replace("{network: 192.0.2.0/30}", "{ip: 192.0.2.0}, {ip: 192.0.2.2}, {ip: 192.0.2.9}"), lists
    )
    assert [findings(lists, pools["a"], index)[ZEN][0] for index in range(3)] == ["unknown", "pass", "unknown"]
    _, pools = published(TEXT, lists)
    assert findings(lists, pools["a"], 2)[ZEN] == ("pass", None)
    assert findings(lists, pools["a"], 1)[ZEN] == ("unknown", "dnsbl-pending")
    published("pools: [{name: a, addresses: [{ip: 192.0.2.1}]}]", lists)
    assert not lists.healths


RIGHT = World.parse("1.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.1")
PENDING = Finding(CheckName.DNSBL, Result.UNKNOWN, ZEN, Reason.DNSBL_PENDING, "Not asked yet.")


@pytest.mark.parametrize(
    ("listing", "expect", "healthy"),
    [
        pytest.param(LISTED, {"fcrdns", "dnsbl"}, False, id="listed-and-expected-not-to-be"),
        pytest.param(LISTED, {"fcrdns"}, True, id="listed-and-not-expected"),
        pytest.param(PENDING, {"fcrdns", "dnsbl"}, True, id="a-pending-list-does-not-count"),
        pytest.param(PENDING, {"dnsbl"}, None, id="nothing-else-is-known"),
    ],
)
def test_the_health_of_an_address(listing, expect, healthy):
    """A list that never answers does not make the health unknown."""
    found, evidence = run_check(report(target("192.0.2.1"), wanted=AuthenticationSettings(listings=(listing,))), RIGHT)
    state, _ = AddressState(target("192.0.2.1")).observe(found, evidence, 1.0)
    assert health(state, frozenset(map(CheckName, expect))) is healthy
