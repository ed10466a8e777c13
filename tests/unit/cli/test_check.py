"""`check` through the real command line, the real resolver and the demo world on loopback."""

import json
import re

import pytest

from exporter.checks.result import IprevVerdict, Result
from exporter.demo.world import Fault, load_scenarios
from tests.unit.cli.checking import demo, run

SCENARIOS = load_scenarios()
KB = "na01-bn1-obe.outbound.protection.outlook.com"
STRICT = {"strict-helo-equals-ptr", "strict-helo-equals-verified-ptr"}
NOT_IN_THE_SET = {"exim-verify-helo", "exim-helo-verify-hosts", "courier-bofhcheckhelo"}


def fixes(text):
    """The zone-file lines that a person would copy: those to publish, and those that have to go."""
    publish, withdraw, lines = [], [], None
    for line in text.splitlines():
        if line.startswith("        ") and lines is not None:
            lines.append(line.strip())
        elif line.strip() in {"in place of:", "remove:"}:
            lines = withdraw
        elif line.startswith("    "):
            lines = publish
        else:
            lines = None
    return publish, withdraw


def _fixable():
    """All that publishing could fix; one of each pool is quick, and tried first."""
    seen = set()
    for it in SCENARIOS:
        if it.iprev is IprevVerdict.TEMPERROR or Result.UNKNOWN in {it.results[check][0] for check in it.more}:
            continue
        marks = pytest.mark.slow if it.pool in seen else ()
        seen.add(it.pool)
        yield pytest.param(it, marks=marks, id=f"{it.target.address}@{it.at:g}")


@pytest.mark.parametrize("scenario", list(_fixable()))
async def test_publishing_what_is_printed_turns_the_verdict_to_pass(tmp_path, scenario):
    """What the text tells to publish, published, leaves nothing that publishing could fix.

    That takes one more run where a first fix (a PTR record) brings another name into play. Nobody waits here for who
    is silent: of silence there is nothing to publish.
    """
    ip = str(scenario.target.address)
    async with demo(tmp_path, scenario.at, silence=Fault.REFUSED) as here:
        for _ in range(3):
            done = await here.check(ip)
            publish, withdraw = fixes(done.out)
            if not publish:
                break
            assert done.code == 1
            here.world.withdraw(withdraw)
            here.world.apply(publish)
        found = json.loads((await here.check(ip, "--output", "json")).out)

    assert not publish
    wrong = [it for it in found["checks"] if it["expected"] and it["result"] != "pass"]
    assert all(it["fix"]["advice"] and not it["fix"]["records"] for it in wrong)
    assert done.code == (1 if wrong else 0)
    if ip in {"203.0.113.139", "203.0.113.140"}:
        return  # its PTR names are the root and localhost: only the PTR record can be fixed, and nobody knows its name
    assert found["iprev"]["verdict"] == "pass"
    assert {it["check"] for it in wrong} <= {
        "helo-syntax",
        "helo-resolves",
        "helo-address-match",
        "helo-aligned",
        "dnsbl",
    }


@pytest.mark.parametrize(
    "ip",
    [
        "198.51.100.129",
        pytest.param("198.51.100.131", marks=pytest.mark.slow),  # silent, and asked three times for its time-out
        "198.51.100.132",
        "198.51.100.137",
    ],
)
async def test_an_outage_is_no_finding_and_has_no_fix(tmp_path, ip):
    """Where the DNS does not answer, the exit code is 4, and nobody is done to publish anything."""
    async with demo(tmp_path) as here:
        done = await here.check(ip)

    assert done.code == 4
    assert fixes(done.out) == ([], [])
    assert "unknown" in done.out


async def test_the_examples_of_kb_3019655_come_out_as_it_says(tmp_path):
    """Every address is forward-confirmed; HELO has the addresses of some; PTR never is HELO: by design, and no finding.

    Without a configuration: the HELO name says whose rules apply.
    """
    async with demo(tmp_path) as here:
        outside = json.loads((await here.check_ad_hoc("157.56.110.65", "--helo", KB, "--output", "json")).out)
        inside = json.loads((await here.check_ad_hoc("207.46.163.150", "--helo", KB, "--output", "json")).out)
        done = await here.check_ad_hoc("157.56.110.65", "--helo", KB)

    for found, name in ((outside, "mail-bn1on0065"), (inside, "mail-bn1lp0150")):
        assert found["profile"] == "microsoft-365"
        assert found["outcome"] == "pass"
        assert found["iprev"]["confirmed_names"] == [f"{name}.outbound.protection.outlook.com"]
        assert not any(it["expected"] for it in found["checks"] if it["result"] != "pass")
    assert {it["check"] for it in outside["checks"] if it["result"] == "fail"} == {
        "helo-address-match",
        "helo-ptr-match",
    }
    assert {it["check"] for it in inside["checks"] if it["result"] == "fail"} == {"helo-ptr-match"}
    refusals = {it["receiver"]: it["by_design"] for it in inside["receivers"] if it["verdict"] != "accept"}
    assert refusals == dict.fromkeys(STRICT, True)
    refusals = {it["receiver"]: it["by_design"] for it in outside["receivers"] if it["verdict"] != "accept"}
    assert refusals == dict.fromkeys(STRICT | NOT_IN_THE_SET, True)
    assert done.code == 0
    assert "strict-helo-equals-ptr: reject, by design." in done.out
    assert "To fix it" not in done.out


@pytest.mark.slow
async def test_everything_in_the_configuration(tmp_path):
    """Each address once and in order: a line for a pass, everything for the others, and a sum; a finding makes it 1."""
    async with demo(tmp_path, silence=Fault.REFUSED) as here:
        done = await here.check()
        array = await here.check("--output", "json")
        tickets = await here.check("--output", "markdown")

    counts = re.search(r"^(\d+) addresses: (\d+) pass, (\d+) fail, (\d+) unknown\.$", done.out, re.MULTILINE)
    passes = re.findall(r"^✓ [0-9].*: pass$", done.out, re.MULTILINE)
    others = [re.findall(rf"^[0-9][0-9a-f.:]*, .*: {it} \(", done.out, re.MULTILINE) for it in ("FAIL", "unknown")]
    found = [it for it in json.loads(array.out) if "ip" in it]
    assert [int(it) for it in counts.groups()] == [len(found), len(passes), *map(len, others)]
    assert len(found) == len({it.target.address for it in SCENARIOS})
    assert (done.code, array.code, tickets.code) == (1, 1, 1)
    assert len(re.findall(r"^### [0-9]", tickets.out, re.MULTILINE)) == len(found)


async def test_an_address_of_a_pool_is_held_to_what_its_pool_expects(tmp_path):
    """Its HELO names and expectations are the configured ones; names that are given count instead of them."""
    async with demo(tmp_path) as here:
        own = json.loads((await here.check("192.0.2.10", "--output", "json")).out)
        given = await here.check("192.0.2.10", "--helo", "mail2.example.org", "--output", "json")
        ad_hoc = await here.check_ad_hoc("192.0.2.10", "--output", "json")

    assert (own["pool"], own["profile"], own["helo"]) == ("corporate", "dedicated", "mail1.example.org")
    found = json.loads(given.out)
    assert (found["pool"], found["helo"], given.code) == ("corporate", "mail2.example.org", 1)
    assert [it["check"] for it in found["checks"] if it["result"] == "fail" and it["expected"]] == [
        "helo-address-match",
        "helo-ptr-match",
    ]
    assert (json.loads(ad_hoc.out)["pool"], json.loads(ad_hoc.out)["helo"]) == (None, None)


async def test_several_names_make_an_array_and_one_an_object(tmp_path):
    """One object for each HELO name, with the findings about it."""
    async with demo(tmp_path) as here:
        several = await here.check_ad_hoc(
            "192.0.2.10", "--helo", "mail1.example.org", "--helo", "localhost", "--output", "json"
        )

    first, second = json.loads(several.out)
    assert [first["helo"], second["helo"]] == ["mail1.example.org", "localhost"]
    assert [{it["result"] for it in each["checks"]} for each in (first, second)] == [{"pass"}, {"pass", "fail"}]
    assert several.code == 1


async def test_a_mail_from_that_is_given_has_to_pass(tmp_path):
    """SPF of the sender is a finding with a fix that, published, makes it pass; that of HELO is done and no more."""
    arguments = ("192.0.2.10", "--helo", "mail1.example.org", "--mail-from", "bounces@example.org")
    async with demo(tmp_path) as here:
        before = await here.check_ad_hoc(*arguments)
        publish, withdraw = fixes(before.out)
        here.world.withdraw(withdraw)
        here.world.apply(publish)
        after = await here.check_ad_hoc(*arguments, "--output", "json")

    assert before.code == 1
    assert publish == ['example.org. TXT "v=spf1 ip4:192.0.2.10 -all"']
    assert after.code == 0
    assert [(it["identity"], it["domain"], it["result"]) for it in json.loads(after.out)["spf"]] == [
        ("helo", "mail1.example.org", "none"),
        ("mailfrom", "example.org", "pass"),
    ]


async def test_a_silent_server_is_inconclusive(tmp_path):
    """A port on which nobody listens makes no finding."""
    async with demo(tmp_path) as here:
        address = here.server.address
    done = await run("check", "192.0.2.10", "--resolver", address)

    assert done.code == 4
    assert "could not be found" in done.out
