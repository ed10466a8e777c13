"""What `check` can look at: domains, HELO names, and pools from SPF records or too large for a full sweep."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import jsonschema
import pytest

from exporter.cli.examination import Overall
from exporter.demo.server import DemoServer
from exporter.demo.world import Fault, World, load_domain_scenarios
from tests.unit.cli.checking import demo, run

SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
DOMAINS = [it for it in load_domain_scenarios() if not it.at]


@pytest.mark.slow
async def test_every_domain_of_the_demo_in_every_format(tmp_path):
    """The exit code follows the expectations; JSON is valid; text and Markdown show what fails and why."""
    async with demo(tmp_path) as world:
        for scenario in DOMAINS:
            arguments = ("--domain", scenario.domain)
            finished = await world.check(*arguments)
            found = await world.check(*arguments, "--output", "json")
            ticket = await world.check(*arguments, "--output", "markdown")
            code = 0 if not scenario.faults else 4 if scenario.domain == "silent.example" else 1

            assert (finished.code, found.code, ticket.code) == (code, code, code), scenario.what
            document = json.loads(found.out)
            jsonschema.Draft202012Validator(SCHEMA).validate(document)
            faults = {(it["check"], it["reason"]) for it in document["checks"] if it["expected"] and it["reason"]}
            assert faults == {(check, reason) for check, _, reason in scenario.faults}
            for _, selector, reason in scenario.faults | scenario.hints:
                assert f"({reason})" in finished.out
                assert reason in ticket.out
                assert selector in finished.out


async def test_configured_domains_are_checked_after_the_addresses(tmp_path):
    """One line for a pass, an explanation for a failure, and a summary; one finding decides the exit code."""
    file = tmp_path / "maildns.yml"
    async with demo(tmp_path) as world:
        resolvers = f'resolvers: [{{name: here, servers: ["{world.server.address}"], canary: false}}]\n'
        file.write_text(
            f"{resolvers}domains: [{{name: right.example, dkim_selectors: [s1]}}, {{name: no-spf.example}}]\n"
        )
        finished = await run("--config.file", str(file), "check")
        array = await run("--config.file", str(file), "check", "--output", "json")

    assert (finished.code, array.code) == (1, 1)
    assert "✓ right.example: pass (spf, dkim, dmarc, mx)\n" in finished.out
    assert "no-spf.example: FAIL (spf)\n" in finished.out
    assert finished.out.endswith("2 domains: 1 pass, 1 fail, 0 unknown.\n")
    assert [one["domain"] for one in json.loads(array.out)] == ["right.example", "no-spf.example"]


async def test_an_unconfigured_domain_is_checked_against_the_default_expectations(tmp_path):
    """With the selectors of the command line; the fix has a line to copy, its zone, and the line to remove."""
    async with demo(tmp_path) as world:
        finished = await world.check_ad_hoc("--domain", "two-spf.example", "--dkim-selector", "s1")

    assert finished.code == 1
    assert (
        "two-spf.example: FAIL (spf, dkim s1)\nNot in the configuration, so checked against the default expectations"
        in finished.out
    )
    assert (
        "    In the zone two-spf.example, operated by hostmaster@right.example:\n        two-spf.example. TXT"
        in finished.out
    )
    assert "    in place of:\n" in finished.out


async def test_a_fix_that_only_removes_a_record(tmp_path):
    """One of two DKIM keys has to be removed: there is no line to publish, and no empty Markdown block."""
    async with demo(tmp_path) as world:
        keys = ("--domain", "keys.example", "--dkim-selector", "several")
        finished = await world.check_ad_hoc(*keys)
        ticket = await world.check_ad_hoc(*keys, "--output", "markdown")

    assert (
        "operated by hostmaster@right.example:\n    remove:\n        several._domainkey.keys.example. TXT"
        in finished.out
    )
    assert "@right.example:\n\n  remove:\n\n  ```text\n  several._domainkey" in ticket.out
    assert "```text\n  ```" not in ticket.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["192.0.2.1", "--domain", "example.org"], "leave the address out", id="address-and-domain"),
        pytest.param(["--dkim-selector", "s1"], "--dkim-selector is about one domain", id="selector-alone"),
        pytest.param(["--domain", "a@example.org"], "is a mailbox", id="mailbox"),
        pytest.param(["--domain", "example"], "not a domain", id="no-domain"),
        pytest.param(
            ["--domain", "example.org", "--dkim-selector", "s1._domainkey"], "write what comes before", id="key"
        ),
        pytest.param(["--domain", "example.org", "--dkim-selector", ".".join(["x" * 60] * 4)], "too long", id="long"),
        pytest.param(["--domain", "example.org", "--helo", "mail"], "--helo is about one address", id="helo"),
    ],
)
async def test_contradicting_arguments_are_refused(arguments, message):
    """Exit code 2, and what would be right."""
    finished = await run("check", *arguments)

    assert finished.code == 2
    assert message in finished.err


SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
NAME = "out.example.org"

NAME_WORLD = """
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
    """A pool of four addresses; its HELO name has two of them and another one. *without* removes lines of the zone."""
    lines = [line for line in NAME_WORLD.splitlines() if line and not line.startswith(tuple(without) or "?")]
    async with DemoServer(World(lines)) as server:
        file = folder / "maildns.yml"
        file.write_text(POOL.format(server=server.address, expect=expect, name=name))

        async def check(*arguments):
            return await run("--config.file", str(file), "check", *arguments)

        yield check


def names_of(text):
    """The objects of HELO names in JSON output, validated against the schema."""
    found = json.loads(text)
    for each in found:
        jsonschema.Draft202012Validator(SCHEMA).validate(each)
    return [each for each in found if "ip" not in each]


async def test_a_pools_own_names_are_checked_with_its_addresses(tmp_path):
    """A passing name has one line: how many of its addresses are confirmed, and which share of the pool they are."""
    async with outbound(tmp_path) as check:
        finished, array, ticket = await check(), await check("--output", "json"), await check("--output", "markdown")

    assert (finished.code, array.code, ticket.code) == (0, 0, 0)
    line = (
        "✓ Reverse check of HELO out.example.org: pass, forward-confirmed: 3 of its 3 addresses; it covers 2 of "
        "the 4 addresses of the pool outbound (50%); outside the pool: 198.51.100.1"
    )
    assert line in finished.out.splitlines()
    assert finished.out.endswith(
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
        "not_checked": [],
        "outside_pool": ["198.51.100.1"],
        "pool_addresses": 4,
        "pool_share": 0.5,
    }


@pytest.mark.parametrize(("expect", "code"), [("fcrdns", 1), ("helo-syntax", 0)])
async def test_an_unconfirmed_address_outside_the_pool_is_a_finding_if_fcrdns_is_expected(tmp_path, expect, code):
    """The exit code follows what the pool expects; the fix is for the address, with its zone."""
    async with outbound(tmp_path, without=["1.100.51.198"], expect=expect) as check:
        finished, array = await check(), await check("--output", "json")
        ticket = await check("--output", "markdown")

    assert (finished.code, array.code, ticket.code) == (code, code, code)
    (name,) = names_of(array.out)
    assert name["helo_addresses"]["unconfirmed"] == ["198.51.100.1"]
    assert [it["result"] for it in name["checks"]] == ["pass", "pass", "fail"]
    assert "not forward-confirmed: 198.51.100.1" in finished.out
    if code:
        assert "Reverse check of HELO out.example.org: FAIL (fcrdns)\n" in finished.out
        assert "1.100.51.198.in-addr.arpa. PTR " in finished.out
        assert "### Reverse check of HELO out.example.org: FAIL (fcrdns)\n" in ticket.out
        assert "1 reverse check of a HELO name: 0 pass, 1 fail, 0 unknown." in ticket.out


async def test_a_name_without_addresses_is_a_finding(tmp_path):
    """A pool's own name has to resolve, even if no address uses it in HELO."""
    async with outbound(tmp_path, expect="fcrdns, helo-resolves", name="gone.example.org") as check:
        finished = await check()

    assert finished.code == 1
    assert "Reverse check of HELO gone.example.org: FAIL (helo-resolves)" in finished.out
    assert "it has no addresses" in finished.out


async def test_the_reverse_check_does_not_change_the_outcome_of_an_address(tmp_path):
    """The results of other addresses of its HELO name are shown, but do not count."""
    async with outbound(tmp_path, without=["1.100.51.198"]) as check:
        finished = await check("192.0.2.1", "--helo", NAME)
        one = json.loads((await check("192.0.2.1", "--helo", NAME, "--output", "json")).out)
        ticket = await check("192.0.2.1", "--helo", NAME, "--output", "markdown")

    assert finished.code == 0
    assert "Reverse check of HELO out.example.org\n" in finished.out
    assert "  · not forward-confirmed: 198.51.100.1\n" in finished.out
    assert "**Reverse check of HELO out.example.org**" in ticket.out
    jsonschema.Draft202012Validator(SCHEMA).validate(one)
    assert (one["outcome"], one["helo_addresses"]["pool_share"]) == ("pass", 0.5)


async def test_the_reverse_check_without_a_pool(tmp_path):
    """All addresses of the name are checked, and none is outside a pool."""
    kb = "na01-bn1-obe.outbound.protection.outlook.com"
    async with demo(tmp_path) as here:
        one = json.loads((await here.check_ad_hoc("157.56.110.65", "--helo", kb, "--output", "json")).out)
        nameless = json.loads((await here.check_ad_hoc("157.56.110.65", "--output", "json")).out)

    covered = one["helo_addresses"]
    assert len(covered["confirmed"]) == len(covered["addresses"]) == 10
    assert (covered["outside_pool"], covered["pool_addresses"], covered["pool_share"]) == (None, None, None)
    assert nameless["helo_addresses"] is None


def test_exit_codes():
    """They are those in docs/cli.md."""
    assert [(one.name, one.value) for one in Overall] == [("PASS", 0), ("FINDING", 1), ("INCONCLUSIVE", 4)]


SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
SPF_WORLD = """
example.org. SOA ns1.example.org. noc.example.org. 1 3600 900 604800 10
2.0.192.in-addr.arpa. SOA ns1.example.org. noc.example.org. 1 3600 900 604800 10
_spf.example.org. TXT "v=spf1 ip4:192.0.2.0/31 ip6:2001:db8:1::/48 include:_more.example.org -all"
_more.example.org. TXT "v=spf1 ip4:192.0.2.2 ?all"
_open.example.org. TXT "v=spf1 ip4:192.0.2.0/31 exists:%{i}.example.org ip4:192.0.2.8 -all"
_big.example.org. TXT "v=spf1 ip4:10.0.0.0/8 -all"
_large.example.org. TXT "v=spf1 ip4:198.51.0.0/19 -all"
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
    """A pool from an SPF record; yields a function that runs a command with its configuration."""
    world = World(SPF_WORLD.strip().splitlines(), faults=[("_silent.example.org", Fault.SERVFAIL)])
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
    """The object of the pool and the number of addresses after it, validated against the schema."""
    found = json.loads(text)
    for each in found:
        jsonschema.Draft202012Validator(SCHEMA).validate(each)
    return found[0], len([each for each in found if "ip" in each])


async def test_what_an_spf_record_authorises_is_checked(tmp_path):
    """Its addresses and those of its includes; ranges that cannot be enumerated are named."""
    async with provider(tmp_path) as command:
        finished = await command("check")
        pool, addresses = pool_of((await command("check", "--output", "json")).out)
        ticket = await command("check", "--output", "markdown")

    line = (
        "pool provider, from the SPF record of _spf.example.org: 3 addresses; too large to enumerate, so left out: "
        "2001:db8:1::/48"
    )
    assert finished.out.splitlines()[0] == f"✓ {line}"
    assert finished.out.splitlines()[-1] == "3 addresses: 3 pass, 0 fail, 0 unknown."
    assert (finished.code, addresses) == (0, 3)
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
async def test_problems_of_an_spf_record(tmp_path, spf, reasons, code, sentence):
    """Each problem has its exit code, and a sentence with what would be right."""
    async with provider(tmp_path, f"{spf}.example.org") as command:
        finished = await command("check")
        array = await command("check", "--output", "json")
        looked = await command("check-config", "--expand-spf")
    pool, _ = pool_of(array.out)

    assert (finished.code, array.code, looked.code) == (code, code, 0)
    assert [one["reason"] for one in pool["problems"]] == reasons
    assert sentence in " ".join(finished.out.split())
    assert pool["problems"][0]["sentence"].startswith(sentence)
    assert sentence in looked.err


async def test_an_address_belongs_to_the_pool_whose_spf_record_authorises_it(tmp_path):
    """So does one in a range that cannot be enumerated; any other address is in no pool."""
    async with provider(tmp_path) as command:
        listed = json.loads((await command("check", "192.0.2.2", "--output", "json")).out)
        not_enumerable = json.loads((await command("check", "2001:db8:1::7", "--output", "json")).out)
        stranger = json.loads((await command("check", "192.0.2.77", "--output", "json")).out)

    assert [one["pool"] for one in (listed, not_enumerable, stranger)] == ["provider", "provider", None]
    assert listed["profile"] == "microsoft-365"


async def test_an_unanswered_spf_record_leaves_the_pool_of_an_address_unknown(tmp_path):
    """Standard error has a notice; the address is checked anyway."""
    async with provider(tmp_path, "_silent.example.org") as command:
        finished = await command("check", "192.0.2.2")
    assert finished.err == "the SPF record of pool provider is unknown: unanswered\n"
    assert finished.out.startswith("192.0.2.2, no HELO name: pass")


async def test_one_address_of_each_prefix_of_a_large_pool_is_checked(tmp_path):
    """They are the same each time, and the output has both numbers."""
    async with provider(tmp_path, more=", sample: {ipv4_prefix: 31}") as command:
        first, again = [await command("check") for _ in range(2)]
        pool, addresses = pool_of((await command("check", "--output", "json")).out)
    assert "3 addresses, of which 2 are checked, drawn from each prefix as in a round;" in first.out
    assert first.out == again.out
    assert (pool["addresses"], pool["checked"], addresses) == (3, 2, 2)


async def test_a_pool_too_large_to_check_each_address_is_drawn_from(tmp_path):
    """Ten failures are explained, the others get a line, and a pass none; JSON has each."""
    async with provider(tmp_path, "_large.example.org", ", interval: 1d") as command:
        finished = await command("check", "--pool", "provider")
        pool, addresses = pool_of((await command("check", "--output", "json")).out)
    assert (pool["addresses"], pool["checked"], addresses) == (8192, 32, 32)
    assert finished.out.count("\nEvidence, ") == 10
    assert finished.out.count("no HELO name: FAIL (fcrdns)\n") == 32
    assert finished.out.splitlines()[-2:] == [
        "pool provider: 32 of 8,192 addresses checked: 0 pass, 32 fail, 0 unknown (100%).",
        "32 addresses: 0 pass, 32 fail, 0 unknown.",
    ]


TWO_POOLS = """
resolvers: [{{name: here, servers: ["{server}"], canary: false, timeout: 1m, attempts: 1}}]
pools:
- {{name: good, profile: microsoft-365, addresses: [{{ip: 192.0.2.0}}, {{ip: 192.0.2.1}}]}}
- {{name: bad, profile: microsoft-365, addresses: [{{ip: 192.0.2.2}}, {{ip: 192.0.2.3}}]}}
domains: [{{name: example.org}}]
"""


async def test_one_pool_or_what_fails(tmp_path):
    """`--pool` leaves out other pools and the domains, `--failing` what passes; the summary counts all."""
    async with DemoServer(World(SPF_WORLD.strip().splitlines())) as server:
        (tmp_path / "maildns.yml").write_text(TWO_POOLS.format(server=server.address))
        good, bad, nothing = [
            await run("check", str(tmp_path / "maildns.yml"), *more)
            for more in (["--pool=good"], ["--pool=bad", "--failing"], ["--pool=good", "--failing"])
        ]
        some = json.loads((await run("check", str(tmp_path / "maildns.yml"), "--failing", "--output=json")).out)
    assert (good.code, good.out.count("\n")) == (0, 3)
    assert good.out.endswith("\n2 addresses: 2 pass, 0 fail, 0 unknown.\n")
    assert bad.code == 1
    assert bad.out.startswith("192.0.2.3, no HELO name: FAIL (fcrdns)\n")
    assert bad.out.endswith("\n2 addresses: 1 pass, 1 fail, 0 unknown.\n")
    assert nothing.out == "2 addresses: 2 pass, 0 fail, 0 unknown.\n"
    assert [one.get("ip") or one["domain"] for one in some] == ["192.0.2.3", "example.org"]


@pytest.mark.slow
@pytest.mark.parametrize("output", ["text", "json"])
async def test_ctrl_c_prints_what_was_found(tmp_path, output):
    """The last server does not answer. The output is complete, and there is no traceback."""
    world = World(SPF_WORLD.strip().splitlines(), faults=[("2.2.0.192.in-addr.arpa", Fault.SILENT)])
    async with DemoServer(world) as server:
        file = tmp_path / "maildns.yml"
        file.write_text(TWO_POOLS.format(server=server.address))
        arguments = ["-m", "exporter", "check", str(file), "--output", output]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's job ignores it
        )
        first = await process.stdout.readuntil(b"192.0.2.1")
        process.send_signal(signal.SIGINT)
        rest, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (130, "interrupted: 2 of 5 checked\n")
    if output == "json":
        assert [one["ip"] for one in json.loads(first + rest)] == ["192.0.2.0", "192.0.2.1"]
    else:
        assert rest.decode().endswith("\n2 addresses: 2 pass, 0 fail, 0 unknown.\n")


async def test_check_config_queries_the_dns_only_with_expand_spf(tmp_path):
    """Without the flag a warning names what is unknown; with it, the record is looked up and has its own warnings."""
    async with provider(tmp_path, more=", interval: 10s") as command:
        alone = await command("check-config")
        asked = await command("check-config", "--expand-spf")
    file = tmp_path / "maildns.yml"

    assert (alone.code, asked.code) == (0, 0)
    assert alone.out == asked.out
    assert alone.err == (
        f"{file}: warning: the pool provider is counted without the addresses of the SPF record of _spf.example.org, "
        "which only the DNS knows: add --expand-spf to check-config to ask it\nOK: 1 pool, 0 queries a day\n"
    )
    headline, warning, _ = asked.err.splitlines()
    assert headline == (
        f"{file}: pool provider, from the SPF record of _spf.example.org: 3 addresses; too large to enumerate, so "
        "left out: 2001:db8:1::/48"
    )
    assert warning == (
        f"{file}: warning: provider has too many addresses in 2001:db8:1::/48 to look up all: only those with an entry "
        "of their own, here or in a file, are watched, and a round samples 8 other addresses at random"
    )
