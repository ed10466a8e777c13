"""`check` and domains: one that somebody asks for, and those of a configuration."""

import json
from pathlib import Path

import jsonschema
import pytest

from exporter.demo.world import load_domain_scenarios
from tests.unit.cli.checking import demo, run

SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
SCENARIOS = [it for it in load_domain_scenarios() if not it.at]


@pytest.mark.slow
async def test_every_domain_of_the_demo_is_told_in_every_form(tmp_path):
    """The exit code follows what is expected; JSON fits its schema; text and Markdown name what fails, and how."""
    async with demo(tmp_path) as world:
        for scenario in SCENARIOS:
            arguments = ("--domain", scenario.domain)
            done = await world.check(*arguments)
            found = await world.check(*arguments, "--output", "json")
            ticket = await world.check(*arguments, "--output", "markdown")
            code = 0 if not scenario.faults else 4 if scenario.domain == "silent.example" else 1

            assert (done.code, found.code, ticket.code) == (code, code, code), scenario.what
            document = json.loads(found.out)
            jsonschema.Draft202012Validator(SCHEMA).validate(document)
            faults = {(it["check"], it["reason"]) for it in document["checks"] if it["expected"] and it["reason"]}
            assert faults == {(check, reason) for check, _, reason in scenario.faults}
            for _, selector, reason in scenario.faults | scenario.hints:
                assert f"({reason})" in done.out
                assert reason in ticket.out
                assert selector in done.out


async def test_a_configuration_has_its_domains_checked_behind_its_addresses(tmp_path):
    """A line for each that passes, all of one that does not, and a sum; one finding is the exit code."""
    file = tmp_path / "maildns.yml"
    async with demo(tmp_path) as world:
        resolvers = f'resolvers: [{{name: here, servers: ["{world.server.address}"], canary: false}}]\n'
        file.write_text(
            f"{resolvers}domains: [{{name: right.example, dkim_selectors: [s1]}}, {{name: no-spf.example}}]\n"
        )
        done = await run("--config.file", str(file), "check")
        array = await run("--config.file", str(file), "check", "--output", "json")

    assert (done.code, array.code) == (1, 1)
    assert "✓ right.example: pass (spf, dkim, dmarc, mx)\n" in done.out
    assert "no-spf.example: FAIL (spf)\n" in done.out
    assert done.out.endswith("2 domains: 1 pass, 1 fail, 0 unknown.\n")
    assert [one["domain"] for one in json.loads(array.out)] == ["right.example", "no-spf.example"]


async def test_a_domain_of_no_configuration_is_held_to_what_is_usual(tmp_path):
    """With the selectors that are given; the fix is a line to copy, with its zone, and what goes for it."""
    async with demo(tmp_path) as world:
        done = await world.check_ad_hoc("--domain", "two-spf.example", "--dkim-selector", "s1")

    assert done.code == 1
    assert (
        "two-spf.example: FAIL (spf, dkim s1)\nNot in the configuration, so checked against the default expectations"
        in done.out
    )
    assert (
        "    In the zone two-spf.example, operated by hostmaster@right.example:\n        two-spf.example. TXT"
        in done.out
    )
    assert "    in place of:\n" in done.out


async def test_what_has_only_to_go_stands_in_place_of_nothing(tmp_path):
    """Of two DKIM keys one is to be removed: no line to publish is promised, and Markdown has no empty block."""
    async with demo(tmp_path) as world:
        keys = ("--domain", "keys.example", "--dkim-selector", "several")
        done = await world.check_ad_hoc(*keys)
        ticket = await world.check_ad_hoc(*keys, "--output", "markdown")

    assert (
        "operated by hostmaster@right.example:\n    remove:\n        several._domainkey.keys.example. TXT" in done.out
    )
    assert "operated by hostmaster@right.example:\n\n  remove:\n\n  ```text\n  several._domainkey" in ticket.out
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
async def test_what_makes_no_sense_is_refused(arguments, message):
    """With exit code 2, and what would be right."""
    done = await run("check", *arguments)

    assert done.code == 2
    assert message in done.err
