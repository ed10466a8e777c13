"""The main job, end to end: a thousand addresses of all kinds, Knot, Unbound, the exporter, Prometheus."""

import time

import pytest

from exporter.checks.result import CheckName, Finding, Reason, Result, causes
from tests.integration.kinds import DOMAIN
from tests.integration.servers.knot import Knot
from tests.integration.servers.prometheus import Prometheus, promtool
from tests.integration.servers.unbound import Unbound
from tests.integration.serving import configuration_text, hurried, serving
from tests.integration.world import build_world

pytestmark = [pytest.mark.integration]

ADDRESSES = 1000
EVERY_CHECK = ["fcrdns", "helo-syntax", "helo-resolves", "helo-address-match", "helo-ptr-match", "helo-aligned"]
CONCLUDED = "maildns_last_conclusive_sample_timestamp_seconds"
INCONCLUSIVE = {"timeout", "servfail", "refused", "network", "malformed", "chain"}


def by_address(series, name, *others):
    """Read a family as address to value, or address to the set of these other labels."""
    found = {}
    for labels, value in series.get(name, {}).items():
        named = dict(labels)
        if others:
            found.setdefault(named["ip"], set()).add(tuple(named[other] for other in others))
        else:
            found[named["ip"]] = value
    return found


def wanted(world):
    """What the exposition has to say about each address of the world."""
    match = {one.address: float(one.verdict == "pass") for one in world.expected if one.verdict != "temperror"}
    problems = {one.address: own_problems(one) for one in world.expected}
    return match, {ip: pairs for ip, pairs in problems.items() if pairs}


def own_problems(expected):
    """The check and reason of each failure that does not only follow from another one."""
    findings = [
        Finding(
            CheckName(check),
            Result.PASS if reason is None else Result.UNKNOWN if reason in INCONCLUSIVE else Result.FAIL,
            "" if check == "fcrdns" else expected.helo,
            None if reason is None else Reason(reason),
        )
        for check in EVERY_CHECK
        for reason in (expected.recursive_reasons.get(check),)
    ]
    follow = causes(findings)
    return {
        (one.check.value, one.reason.value)
        for one in findings
        if one.result is Result.FAIL and (one.check, one.subject) not in follow
    }


def helo(series):
    """What the exposition says about each address."""
    return by_address(series, "maildns_fcrdns_match"), by_address(series, "maildns_address_problem", "check", "reason")


def differences(series, match, problems):
    """Where the exposition says otherwise: address, what is wanted, what it says."""
    said_match, said_problems = helo(series)
    return [
        (ip, wanted_, got)
        for wanted_of, said_of in ((match, said_match), (problems, said_problems))
        for ip in wanted_of.keys() | said_of.keys()
        if (wanted_ := wanted_of.get(ip)) != (got := said_of.get(ip))
    ]


def exactly(addresses):
    """Whether a result is about these addresses and no other."""
    return lambda found: {one.labels["ip"] for one in found} == addresses


async def test_a_thousand_addresses_through_an_outage():
    """Every verdict and reason is the expected one; no gauge flips while Unbound is gone; all come back.

    Prometheus scrapes it all along: `maildns_fcrdns_match == 0` is exactly the broken addresses, before and after.
    """
    world = build_world(ADDRESSES)
    entries = [{"ip": one.address, "helo": one.helo} if one.helo else {"ip": one.address} for one in world.expected]
    match, problems = wanted(world)
    broken = {ip for ip, value in match.items() if value == 0}
    assert len(broken) > ADDRESSES / 10

    with Knot(world.zones) as knot, Unbound(knot.port) as unbound:
        text = configuration_text(unbound.address, entries, expect=EVERY_CHECK, aligned_suffix=DOMAIN)
        async with serving(lambda: hurried(text, 6)) as exporter:
            with Prometheus([exporter.address]) as prometheus:
                series = await exporter.wait_for_no(lambda s: differences(s, match, problems))
                assert sum(_results(series, "fcrdns").values()) == ADDRESSES

                await prometheus.wait_for("maildns_fcrdns_match == 0", exactly(broken))

                unbound.stop()
                series = await exporter.wait_for(_none_conclusive, "an outage in which nothing is conclusive")
                assert helo(series) == (match, problems)
                assert _results(series, "fcrdns") == {"pass": 0, "fail": 0, "unknown": ADDRESSES, "not-sampled": 0}
                await prometheus.wait_for(
                    "sum(maildns_fcrdns_conclusive)", lambda found: [one.value for one in found] == [0]
                )

                unbound.start()
                resumed = time.time()
                series = await exporter.wait_for(
                    lambda s: all(at > resumed for at in by_address(s, CONCLUDED).values()), "a verdict on all again"
                )
                assert helo(series) == (match, problems)
                assert sum(series["maildns_result_changes_total"].values()) == 0

                await prometheus.wait_for("maildns_fcrdns_match == 0", exactly(broken))
                flips = prometheus.query("sum(changes(maildns_fcrdns_match[10m]))")
                assert [one.value for one in flips] == [0.0]


async def test_the_exposition_is_what_promtool_wants(world, unbound):
    """`promtool check metrics` finds nothing, in a world with every kind of trouble."""
    entries = [{"ip": one.address, "helo": one.helo} for one in world.expected if one.helo]
    text = configuration_text(unbound.address, entries)
    async with serving(lambda: hurried(text, 6)) as exporter:
        await exporter.wait_for(_rounds_over(1), "the first round")
        _, exposition = await exporter.ask("/metrics")

    checked = promtool("check", "metrics", stdin=exposition)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def _rounds_over(count):
    return lambda series: all(value >= count for value in series["maildns_pool_rounds_total"].values())


def _none_conclusive(series):
    return sum(series["maildns_fcrdns_conclusive"].values()) == 0


def _results(series, check):
    return {
        dict(labels)["result"]: value
        for labels, value in series["maildns_pool_results"].items()
        if ("check", check) in labels
    }
