"""Pools from SPF records, and pools that are too big to be looked at address by address, as `check` sees them."""

import json
from contextlib import asynccontextmanager
from pathlib import Path

import jsonschema
import pytest

from exporter.demo.server import DemoServer
from exporter.demo.world import Fault, World
from tests.unit.cli.checking import run

SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
WORLD = """
example.org. SOA ns1.example.org. noc.example.org. 1 3600 900 604800 10
2.0.192.in-addr.arpa. SOA ns1.example.org. noc.example.org. 1 3600 900 604800 10
_spf.example.org. TXT "v=spf1 ip4:192.0.2.0/31 ip6:2001:db8:1::/48 include:_more.example.org -all"
_more.example.org. TXT "v=spf1 ip4:192.0.2.2 ?all"
_open.example.org. TXT "v=spf1 ip4:192.0.2.0/31 exists:%{i}.example.org ip4:192.0.2.8 -all"
_big.example.org. TXT "v=spf1 ip4:10.0.0.0/8 -all"
_none.example.org. TXT "v=spf1 -all"
_bad.example.org. TXT "v=spf1 ip4:192.0.2.0/33 -all"
_silent.example.org. TXT "v=spf1 ip4:192.0.2.0/33 -all"
0.2.0.192.in-addr.arpa. PTR a.example.org.
1.2.0.192.in-addr.arpa. PTR b.example.org.
2.2.0.192.in-addr.arpa. PTR c.example.org.
a.example.org. A 192.0.2.0
b.example.org. A 192.0.2.1
c.example.org. A 192.0.2.2
"""
CONFIGURATION = """
resolvers: [{{name: here, servers: ["{server}"], canary: false, timeout: 200ms, attempts: 1}}]
pools:
- {{name: provider, spf: {spf}, profile: microsoft-365{more}}}
"""


@asynccontextmanager
async def provider(folder, spf="_spf.example.org", more=""):
    """A pool that somebody's SPF record names; gives a way to run a command with its configuration."""
    world = World(WORLD.strip().splitlines(), faults=[("_silent.example.org", Fault.SERVFAIL)])
    async with DemoServer(world) as server:
        file = folder / "maildns.yml"
        file.write_text(CONFIGURATION.format(server=server.address, spf=spf, more=more))

        async def command(*arguments):
            return await run(
                *arguments[:1],
                *([str(file)] if "check-config" in arguments else ["--config.file", str(file)]),
                *arguments[1:],
            )

        yield command


def pool_of(text):
    """The object of the pool, and how many of addresses follow it; each is as the schema says."""
    found = json.loads(text)
    for each in found:
        jsonschema.Draft202012Validator(SCHEMA).validate(each)
    return found[0], len([each for each in found if "ip" in each])


async def test_what_an_spf_record_authorises_is_checked(tmp_path):
    """Its addresses, those of what it includes too; what nobody can list is named."""
    async with provider(tmp_path) as command:
        done = await command("check")
        pool, addresses = pool_of((await command("check", "--output", "json")).out)
        ticket = await command("check", "--output", "markdown")

    line = (
        "pool provider, from the SPF record of _spf.example.org: 3 addresses; too large to enumerate, so left out: "
        "2001:db8:1::/48"
    )
    assert done.out.splitlines()[0] == f"✓ {line}"
    assert done.out.splitlines()[-1] == "3 addresses: 3 pass, 0 fail, 0 unknown."
    assert (done.code, addresses) == (0, 3)
    assert pool == {
        "pool": "provider",
        "spf": "_spf.example.org",
        "addresses": 3,
        "checked": 3,
        "not_enumerable": ["2001:db8:1::/48"],
        "outcome": "pass",
        "problems": [],
    }
    assert ticket.out.startswith("### pool provider, from the SPF record of ")


@pytest.mark.parametrize(
    ("spf", "reasons", "code", "sentence"),
    [
        (
            "_open",
            ["not-enumerable"],
            0,
            "Not every address that _open.example.org authorises can be enumerated, because",
        ),
        ("_nowhere", ["no-record"], 1, "_nowhere.example.org has no SPF record: publish one, or write under `spf`"),
        ("_none", ["no-addresses"], 1, "The record of _none.example.org authorises no address: write under `spf`"),
        ("_bad", ["permerror"], 1, "The record of _bad.example.org has a permanent error;"),
        ("_big", ["too-many-addresses"], 1, "The record of _big.example.org authorises more than 1048576 addresses:"),
        ("_silent", ["unanswered"], 4, "The DNS did not answer for all of _silent.example.org, so the addresses of"),
    ],
)
async def test_what_is_wrong_with_a_record_is_said(tmp_path, spf, reasons, code, sentence):
    """With the exit code that it deserves, and what would be right."""
    async with provider(tmp_path, f"{spf}.example.org") as command:
        done = await command("check")
        array = await command("check", "--output", "json")
        looked = await command("check-config", "--expand-spf")
    pool, _ = pool_of(array.out)

    assert (done.code, array.code, looked.code) == (code, code, 0)
    assert [one["reason"] for one in pool["problems"]] == reasons
    assert sentence in " ".join(done.out.split())
    assert pool["problems"][0]["sentence"].startswith(sentence)
    assert sentence in looked.err


async def test_an_address_is_held_to_the_pool_whose_record_authorises_it(tmp_path):
    """One of an IPv6 range that nobody can list, too; any other is in no pool."""
    async with provider(tmp_path) as command:
        listed = json.loads((await command("check", "192.0.2.2", "--output", "json")).out)
        not_enumerable = json.loads((await command("check", "2001:db8:1::7", "--output", "json")).out)
        stranger = json.loads((await command("check", "192.0.2.77", "--output", "json")).out)

    assert [one["pool"] for one in (listed, not_enumerable, stranger)] == ["provider", "provider", None]
    assert listed["profile"] == "microsoft-365"


async def test_where_the_record_is_not_answered_it_is_not_known_whether_the_address_is_in_the_pool(tmp_path):
    """That is said aside; the address is looked at all the same."""
    async with provider(tmp_path, "_silent.example.org") as command:
        done = await command("check", "192.0.2.2")
    assert done.err == "the SPF record of pool provider is unknown: unanswered\n"
    assert done.out.startswith("192.0.2.2, no HELO name: pass")


async def test_of_a_big_pool_one_address_of_each_prefix_is_looked_at(tmp_path):
    """The same ones each time, and it is said how many there are."""
    async with provider(tmp_path, more=", sample: {ipv4_prefix: 31}") as command:
        first, again = [await command("check") for _ in range(2)]
        pool, addresses = pool_of((await command("check", "--output", "json")).out)
    assert "3 addresses, of which 2 are checked, drawn from each prefix as in a round;" in first.out
    assert first.out == again.out
    assert (pool["addresses"], pool["checked"], addresses) == (3, 2, 2)


async def test_checking_a_configuration_asks_nobody_unless_it_is_told_to(tmp_path):
    """Without the flag it says what it does not know; with it, what the record comes to, and warns of that as well."""
    async with provider(tmp_path, more=", interval: 10s") as command:
        alone = await command("check-config")
        asked = await command("check-config", "--expand-spf")
    file = tmp_path / "maildns.yml"

    assert (alone.code, asked.code) == (0, 0)
    assert alone.out == asked.out
    assert alone.err == (
        f"{file}: warning: what the SPF record of _spf.example.org authorises is not known without asking the DNS, so "
        "the pool provider counts without it: check-config --expand-spf asks\n"
    )
    helo, warning = asked.err.splitlines()
    assert helo == (
        f"{file}: pool provider, from the SPF record of _spf.example.org: 3 addresses; too big to look up, so left "
        "out: 2001:db8:1::/48"
    )
    assert warning == (
        f"{file}: warning: nobody could look up every address of provider in 2001:db8:1::/48: watching are those with "
        "an entry of their own, here or in a file, and a round draws 8 of the others at random"
    )
