"""`check` through the real command line and resolver, against the demo world; exit codes, messages and terminals."""

import asyncio
import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest

from exporter.checks.result import IprevVerdict, Result
from exporter.demo.world import Fault, load_scenarios
from tests.unit.cli.checking import demo, run

SCENARIOS = load_scenarios()
KB = "na01-bn1-obe.outbound.protection.outlook.com"
STRICT = {"strict-helo-equals-ptr", "strict-helo-equals-verified-ptr"}
NOT_IN_THE_SET = {"exim-verify-helo", "exim-helo-verify-hosts", "courier-bofhcheckhelo"}


def fixes(text):
    """The zone-file lines to copy: those to publish, and those to remove."""
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


_BY_AN_UNKNOWN_NAME = {"ptr-syntax", "ptr-special-use", "ptr-address", "address-not-public"}


def _fixable():
    """The scenarios that publishing records can fix; all but one of each pool are slow."""
    seen = set()
    for it in SCENARIOS:
        if it.iprev is IprevVerdict.TEMPERROR or Result.UNKNOWN in {it.results[check][0] for check in it.more}:
            continue
        slow = pytest.mark.slow if it.pool in seen else ()
        seen.add(it.pool)
        yield pytest.param(it, marks=slow, id=f"{it.target.address}@{it.at:g}")


@pytest.mark.parametrize("scenario", list(_fixable()))
async def test_publishing_the_printed_records_makes_the_verdict_pass(tmp_path, scenario):
    """After publishing the records in the text, there are none left to publish.

    A second run is needed if the first fix, a PTR record, brings in another name. Silent servers refuse here, to save
    time: there is nothing to publish against silence.
    """
    ip = str(scenario.target.address)
    async with demo(tmp_path, scenario.at, silence=Fault.REFUSED) as here:
        for _ in range(3):
            finished = await here.check(ip)
            publish, withdraw = fixes(finished.out)
            if not publish and not withdraw:
                break
            assert finished.code == 1
            here.world.withdraw(withdraw)
            here.world.apply(publish)
        found = json.loads((await here.check(ip, "--output", "json")).out)

    assert (publish, withdraw) == ([], [])
    wrong = [it for it in found["checks"] if it["expected"] and it["result"] != "pass"]
    assert all(it["fix"]["advice"] and not it["fix"]["records"] for it in wrong)
    assert finished.code == (1 if wrong else 0)
    if any(it["reason"] in _BY_AN_UNKNOWN_NAME for it in wrong):
        return  # only PTR can be fixed, with a name that nobody but the operator knows, or nothing is to be published
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
        pytest.param("198.51.100.131", marks=pytest.mark.slow),  # silent, with three timeouts
        "198.51.100.132",
        "198.51.100.137",
    ],
)
async def test_an_outage_is_no_finding_and_has_no_fix(tmp_path, ip):
    """If the DNS does not answer, the exit code is 4, and there is nothing to publish."""
    async with demo(tmp_path) as here:
        finished = await here.check(ip)

    assert finished.code == 4
    assert fixes(finished.out) == ([], [])
    assert "unknown" in finished.out


async def test_the_examples_of_kb_3019655(tmp_path):
    """Every address is forward-confirmed, HELO resolves to some, and the PTR name differs from HELO by design.

    There is no configuration: the HELO name selects the profile.
    """
    async with demo(tmp_path) as here:
        outside = json.loads((await here.check_ad_hoc("157.56.110.65", "--helo", KB, "--output", "json")).out)
        inside = json.loads((await here.check_ad_hoc("207.46.163.150", "--helo", KB, "--output", "json")).out)
        finished = await here.check_ad_hoc("157.56.110.65", "--helo", KB)

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
    assert finished.code == 0
    assert "strict-helo-equals-ptr: reject, by design." in finished.out
    assert "To fix it" not in finished.out


@pytest.mark.slow
async def test_everything_in_the_configuration(tmp_path):
    """Each address once and in order: one line for a pass, an explanation for others, and a summary; exit code 1."""
    async with demo(tmp_path, silence=Fault.REFUSED) as here:
        finished = await here.check()
        array = await here.check("--output", "json")
        tickets = await here.check("--output", "markdown")

    counts = re.search(r"^(\d+) addresses: (\d+) pass, (\d+) fail, (\d+) unknown\.$", finished.out, re.MULTILINE)
    passes = re.findall(r"^✓ [0-9].*: pass$", finished.out, re.MULTILINE)
    others = [re.findall(rf"^[0-9][0-9a-f.:]*, .*: {it} \(", finished.out, re.MULTILINE) for it in ("FAIL", "unknown")]
    found = [it for it in json.loads(array.out) if "ip" in it]
    assert [int(it) for it in counts.groups()] == [len(found), len(passes), *map(len, others)]
    assert len(found) == len({it.target.address for it in SCENARIOS})
    assert (finished.code, array.code, tickets.code) == (1, 1, 1)
    assert len(re.findall(r"^### [0-9]", tickets.out, re.MULTILINE)) == len(found)


async def test_an_address_of_a_pool_is_checked_against_what_its_pool_expects(tmp_path):
    """HELO names and expectations are the configured ones; names on the command line replace the configured names."""
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
    """SPF of the sender is a finding with a fix that makes it pass; SPF of HELO is only shown."""
    arguments = ("192.0.2.10", "--helo", "mail1.example.org", "--mail-from", "bounces@example.org")
    async with demo(tmp_path) as here:
        before = await here.check_ad_hoc(*arguments)
        publish, withdraw = fixes(before.out)
        here.world.withdraw(withdraw)
        here.world.apply(publish)
        after = await here.check_ad_hoc(*arguments, "--output", "json")

    assert before.code == 1
    assert publish == ['example.org. TXT "v=spf1 ip4:192.0.2.10 mx ~all"']  # it receives mail, so others may send
    assert after.code == 0
    assert [(it["identity"], it["domain"], it["result"]) for it in json.loads(after.out)["spf"]] == [
        ("helo", "mail1.example.org", "none"),
        ("mailfrom", "example.org", "pass"),
    ]


async def test_a_silent_server_is_inconclusive(tmp_path):
    """A closed port is not a finding."""
    async with demo(tmp_path) as here:
        address = here.server.address
    finished = await run("check", "192.0.2.10", "--resolver", address)

    assert finished.code == 4
    assert "could not be found" in finished.out


ROOT = Path.cwd()


async def started(*arguments, folder, **environment):
    """Run the command in *folder*: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exporter",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environment},
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def on_a_terminal(*arguments, folder, **environment):
    """Run it with both outputs on one terminal: exit code, and the terminal's content."""
    mine, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exporter",
        *arguments,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "", **environment},
    )
    os.close(theirs)
    shown = await asyncio.to_thread(_drain, mine)
    return await process.wait(), shown


def _drain(descriptor):
    blocks = []
    while True:
        try:
            block = os.read(descriptor, 65536)
        except OSError:  # EIO: the other side is closed
            block = b""
        if not block:
            os.close(descriptor)
            return b"".join(blocks).decode()
        blocks.append(block)


@pytest.mark.slow
async def test_exit_codes(tmp_path):
    """0 for a pass, 1 for a finding, 4 if the DNS does not answer; standard error is empty."""
    async with demo(tmp_path) as here:
        for ip, helo, code in [
            ("192.0.2.10", "mail1.example.org", 0),
            ("198.51.100.1", "mta1.news.example.net", 1),
            ("198.51.100.129", "relay1.oldco.example.net", 4),
        ]:
            done, out, err = await started(
                "check", ip, "--helo", helo, "--resolver", here.server.address, folder=tmp_path
            )
            assert (done, err) == (code, ""), ip
            assert out.startswith(f"{ip}, HELO {helo}: ")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["::ffff:203.0.113.9"], "203.0.113.9, no HELO name: pass"),
        (["::FFFF:cb00:7109"], "203.0.113.9, no HELO name: pass"),
        (["[203.0.113.9]"], "203.0.113.9, no HELO name: pass"),
        (["[IPv6:2001:db8::11]"], "2001:db8::11, no HELO name: pass"),
        (["203.0.113.9", "--helo", "two words"], "HELO 'two words' has blanks or non-ASCII characters, so a server"),
        (["203.0.113.9", "--helo", "b\u00fccher.example"], "HELO 'b\\xfccher.example': FAIL (helo-syntax"),
        (["203.0.113.9", "--helo", ""], "The HELO name '' is empty, so a server refuses the command with 501"),
        (["203.0.113.9", "--helo", "branch9.example.com", "--mail-from", "<>"], "mailfrom branch9.example.com: none"),
    ],
    ids=lambda it: " ".join(it)[:40] if isinstance(it, list) else "",
)
async def test_what_people_paste_is_understood(tmp_path, arguments, shown):
    """Addresses as logs and literals write them, whatever a server can send in HELO, and the null sender."""
    async with demo(tmp_path) as here:
        finished = await here.check_ad_hoc(*arguments)

    printed = " ".join(finished.out.split())
    assert shown in printed.replace("The HELO name 'two", "HELO 'two")
    assert finished.out.isascii() is False or "\u00fc" not in finished.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["300.1.1.1"], "'300.1.1.1' is not an IPv4 or IPv6 address, like 192.0.2.10 or 2001:db8::10"),
        (["mail.example.org"], "is a name: check takes the address that connects, like 192.0.2.10"),
        (["192.0.2.0/24"], "is a network: check takes one address of it, or a whole configuration"),
        (["192.0.2.1:25"], "has a port: leave it out"),
        (["192.0.2.1."], "has a final dot: leave it out"),
        (["2001:db8::1."], "has a final dot: leave it out"),
        (["a.example.org."], "is a name: check takes the address that connects"),
        (["192.0.2.1", "--helo", "a\r\nb"], "has a line break or NUL, which HELO cannot carry"),
        (["192.0.2.1", "--helo", "x" * 600], "it is 600 characters long; the limit is 512"),
        (["192.0.2.1", "--resolver", "ns:0"], "has no port between 1 and 65535 after the colon"),
        (["192.0.2.1", "--mail-from", "@"], "is not a mail address like bounces@example.org, and not a domain"),
        (
            ["192.0.2.1", "--mail-from", "<>"],
            "the null sender <> has no domain, so SPF uses the HELO name: give it with",
        ),
        (["192.0.2.1", "--profile", "microsoft"], "is not a profile; did you mean `microsoft-365`?"),
        (["--helo", "mail.example.org"], "--helo is about one address: maildns-exporter check 192.0.2.10 --helo ..."),
        (["--trace"], "--trace is about one address"),
        ([], "give an address, like maildns-exporter check 192.0.2.10, or a configuration with --config.file"),
    ],
    ids=lambda it: " ".join(it)[:40] if isinstance(it, list) else "",
)
async def test_a_message_says_what_would_be_right(arguments, message):
    """A wrong command line is exit code 2, with one sentence that helps."""
    finished = await run("check", *arguments)

    assert (finished.code, finished.out) == (2, "")
    assert message in " ".join(finished.err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["300.1.1.1"], "'300.1.1.1' is not an IPv4 or IPv6 address, like 192.0.2.10 or 2001:db8::10"),
        (["192.0.2.1", "--config.file", "none.yml"], "none.yml: does not exist: name the configuration file"),
        (["--config.file", "bad.yml"], "bad.yml:1:1: pool: is not a known key; did you mean `pools`?"),
    ],
    ids=["command-line", "no-configuration", "bad-configuration"],
)
async def test_a_process_prints_the_message_and_nothing_else(tmp_path, arguments, message):
    """Exit code 2 and the sentence, also for the configuration, without a traceback."""
    (tmp_path / "bad.yml").write_text("pool: []\n")

    code, out, err = await started("check", *arguments, folder=tmp_path)

    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.slow
async def test_colours_are_for_terminals(tmp_path):
    """A terminal gets colours, unless NO_COLOR is set."""
    async with demo(tmp_path) as here:
        arguments = ("check", "192.0.2.10", "--resolver", here.server.address)
        coloured = await on_a_terminal(*arguments, folder=tmp_path)
        uncoloured = await on_a_terminal(*arguments, folder=tmp_path, NO_COLOR="1")

    assert (coloured[0], uncoloured[0]) == (0, 0)
    assert "\x1b[32m" in coloured[1]
    assert "\x1b[" not in uncoloured[1]
    assert "192.0.2.10, no HELO name: pass" in uncoloured[1]


@pytest.mark.slow
async def test_a_progress_bar(tmp_path):
    """Several addresses on a terminal: a progress bar, and the results after it."""
    async with demo(tmp_path) as here:
        text = here.file.read_text()
        here.file.write_text(text[: text.index("  - name: microsoft-365")])
        code, shown = await on_a_terminal("--config.file", str(here.file), "check", folder=tmp_path)

    assert code == 0
    assert "checking" in shown
    assert shown.rindex("15/15") < shown.index("192.0.2.10, HELO")
    assert "15 addresses: 15 pass, 0 fail, 0 unknown." in shown


async def test_a_terminal_without_unicode_gets_ascii(tmp_path):
    """The tree is drawn in ASCII."""
    async with demo(tmp_path) as here:
        code, out, err = await started(
            "check", "192.0.2.10", "--resolver", here.server.address, folder=tmp_path, PYTHONIOENCODING="ascii"
        )

    assert (code, err) == (0, "")
    assert out.isascii()
    assert "`- + PTR mail1.example.org" in out
