"""`check` and HELO names, X: from the name to its addresses, and how much of a pool they are."""

import json
from contextlib import asynccontextmanager
from pathlib import Path

import jsonschema
import pytest

from exporter.cli.examination import Overall
from exporter.demo.server import DemoServer
from exporter.demo.world import World
from exporter.views.documents import percentage
from tests.unit.cli.checking import demo, run

SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
NAME = "out.example.org"

WORLD = """
out.example.org. A 192.0.2.1
out.example.org. A 192.0.2.2
out.example.org. A 198.51.100.1
1.2.0.192.in-addr.arpa. PTR a.example.org.
2.2.0.192.in-addr.arpa. PTR b.example.org.
3.2.0.192.in-addr.arpa. PTR c.example.org.
4.2.0.192.in-addr.arpa. PTR d.example.org.
1.100.51.198.in-addr.arpa. PTR elsewhere.example.org.
a.example.org. A 192.0.2.1
b.example.org. A 192.0.2.2
c.example.org. A 192.0.2.3
d.example.org. A 192.0.2.4
elsewhere.example.org. A 198.51.100.1
example.org. SOA ns1.example.org. noc.example.org. 1 3600 900 604800 10
2.0.192.in-addr.arpa. SOA ns1.example.org. noc.example.org. 1 3600 900 604800 10
"""
POOL = """
resolvers: [{{name: here, servers: ["{server}"], canary: false}}]
pools:
  - name: outbound
    expect: [{expect}]
    helo_names: [{name}]
    addresses: [{{network: 192.0.2.1/32}}, {{network: 192.0.2.2/31}}, {{ip: 192.0.2.4}}]
"""


@asynccontextmanager
async def outbound(folder, *, without=(), expect="fcrdns", name=NAME):
    """A pool of four addresses whose name has two of them and a stranger; its world *without* some of its lines."""
    lines = [line for line in WORLD.splitlines() if line and not line.startswith(tuple(without) or "?")]
    async with DemoServer(World(lines)) as server:
        file = folder / "maildns.yml"
        file.write_text(POOL.format(server=server.address, expect=expect, name=name))

        async def check(*arguments):
            return await run("--config.file", str(file), "check", *arguments)

        yield check


def names_of(text):
    """The objects of HELO names in what was printed as JSON; each is as the schema says."""
    found = json.loads(text)
    for each in found:
        jsonschema.Draft202012Validator(SCHEMA).validate(each)
    return [each for each in found if "ip" not in each]


async def test_a_pools_own_names_are_checked_with_its_addresses(tmp_path):
    """A line for a name that passes: how many of its addresses are confirmed, and what they are of the pool."""
    async with outbound(tmp_path) as check:
        done, array, ticket = await check(), await check("--output", "json"), await check("--output", "markdown")

    assert (done.code, array.code, ticket.code) == (0, 0, 0)
    line = (
        "✓ Reverse check of HELO out.example.org: pass, forward-confirmed: 3 of its 3 addresses; it covers 2 of "
        "the 4 addresses of the pool outbound (50%); outside the pool: 198.51.100.1"
    )
    assert line in done.out.splitlines()
    assert done.out.endswith(
        "4 addresses: 4 pass, 0 fail, 0 unknown.\n1 reverse check of a HELO name: 1 pass, 0 fail, 0 unknown.\n"
    )
    assert "- it covers 2 of the 4 addresses of the pool outbound (50%)" in ticket.out.splitlines()
    (name,) = names_of(array.out)
    assert (name["helo"], name["pool"], name["outcome"]) == (NAME, "outbound", "pass")
    assert name["helo_addresses"] == {
        "complete": True,
        "addresses": ["192.0.2.1", "192.0.2.2", "198.51.100.1"],
        "confirmed": ["192.0.2.1", "192.0.2.2", "198.51.100.1"],
        "unconfirmed": [],
        "unknown": [],
        "unfollowed": [],
        "outside_pool": ["198.51.100.1"],
        "pool_addresses": 4,
        "pool_share": 0.5,
    }


@pytest.mark.parametrize(("expect", "code"), [("fcrdns", 1), ("helo-syntax", 0)])
async def test_a_stranger_that_is_not_confirmed_is_a_finding_where_that_is_expected(tmp_path, expect, code):
    """The exit code follows what the pool expects; the fix is that of the address, with its zone."""
    async with outbound(tmp_path, without=["1.100.51.198"], expect=expect) as check:
        done, array = await check(), await check("--output", "json")
        ticket = await check("--output", "markdown")

    assert (done.code, array.code, ticket.code) == (code, code, code)
    (name,) = names_of(array.out)
    assert name["helo_addresses"]["unconfirmed"] == ["198.51.100.1"]
    assert [it["result"] for it in name["checks"]] == ["pass", "pass", "fail"]
    assert "not forward-confirmed: 198.51.100.1" in done.out
    if code:
        assert "Reverse check of HELO out.example.org: FAIL (fcrdns)\n" in done.out
        assert "1.100.51.198.in-addr.arpa. PTR " in done.out
        assert "### Reverse check of HELO out.example.org: FAIL (fcrdns)\n" in ticket.out
        assert "1 reverse check of a HELO name: 0 pass, 1 fail, 0 unknown." in ticket.out


async def test_a_name_without_addresses_is_a_finding(tmp_path):
    """A pool whose name does not resolve fails what it expects of names, though no address says it."""
    async with outbound(tmp_path, expect="fcrdns, helo-resolves", name="gone.example.org") as check:
        done = await check()

    assert done.code == 1
    assert "Reverse check of HELO gone.example.org: FAIL (helo-resolves, fcrdns)" in done.out
    assert "it has no addresses" in done.out


async def test_of_one_address_the_name_is_told_and_not_held_against_it(tmp_path):
    """What other addresses of its HELO name come to is no verdict on the address that was asked for."""
    async with outbound(tmp_path, without=["1.100.51.198"]) as check:
        done = await check("192.0.2.1", "--helo", NAME)
        one = json.loads((await check("192.0.2.1", "--helo", NAME, "--output", "json")).out)
        ticket = await check("192.0.2.1", "--helo", NAME, "--output", "markdown")

    assert done.code == 0
    assert "Reverse check of HELO out.example.org\n" in done.out
    assert "  · not forward-confirmed: 198.51.100.1\n" in done.out
    assert "**Reverse check of HELO out.example.org**" in ticket.out
    jsonschema.Draft202012Validator(SCHEMA).validate(one)
    assert (one["outcome"], one["helo_addresses"]["pool_share"]) == ("pass", 0.5)


async def test_without_a_pool_nothing_is_outside_of_it(tmp_path):
    """The name's addresses are done all the same: as many as the KB's name has."""
    kb = "na01-bn1-obe.outbound.protection.outlook.com"
    async with demo(tmp_path) as here:
        one = json.loads((await here.check_ad_hoc("157.56.110.65", "--helo", kb, "--output", "json")).out)
        nameless = json.loads((await here.check_ad_hoc("157.56.110.65", "--output", "json")).out)

    covered = one["helo_addresses"]
    assert len(covered["confirmed"]) == len(covered["addresses"]) == 10
    assert (covered["outside_pool"], covered["pool_addresses"], covered["pool_share"]) == (None, None, None)
    assert nameless["helo_addresses"] is None


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 10, "0%"),
        (0, 0, "0%"),
        (1, 458_752, "under 1%"),
        (1, 3, "33%"),
        (999, 1000, "over 99%"),
        (10, 10, "100%"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_all(part, whole, words):
    """Under 1% is not 0%, and over 99% is not 100%."""
    assert percentage(part, whole) == words


def test_exit_codes():
    """They are those of docs/cli.md."""
    assert [(one.name, one.value) for one in Overall] == [("PASS", 0), ("FINDING", 1), ("INCONCLUSIVE", 4)]
