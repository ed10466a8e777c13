"""`check` as a process: its exit codes, its messages, and what it shows on a terminal."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.unit.cli.checking import demo, run

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
    """Run it with both outputs on one terminal: exit code, and what that shows."""
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
    pieces = []
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # EIO: nobody has the other side any more
            piece = b""
        if not piece:
            os.close(descriptor)
            return b"".join(pieces).decode()
        pieces.append(piece)


async def test_exit_codes(tmp_path):
    """0 for a pass, 1 for a finding, 4 where the DNS does not answer; standard error stays silent."""
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
    ("arguments", "message"),
    [
        (["300.1.1.1"], "'300.1.1.1' is not an IPv4 or IPv6 address, like 192.0.2.10 or 2001:db8::10"),
        (["mail.example.org"], "is a name: check takes the address that connects, like 192.0.2.10"),
        (["192.0.2.0/24"], "is a network: check takes one address of it, or a whole configuration"),
        (["192.0.2.1:25"], "has a port: leave it out"),
        (["192.0.2.1", "--helo", ""], "a HELO name is not empty: give the name alone, like mail.example.org"),
        (["192.0.2.1", "--helo", "a b"], "has a space, control or non-ASCII character, which HELO cannot carry"),
        (["192.0.2.1", "--helo", "x" * 600], "it is 600 characters long; the limit is 512"),
        (["192.0.2.1", "--resolver", "ns:0"], "has no port between 1 and 65535 after the colon"),
        (["192.0.2.1", "--mail-from", "@"], "is not a mail address like bounces@example.org, and not a domain"),
        (["192.0.2.1", "--mail-from", "<>"], "the empty sender <> has no domain"),
        (["192.0.2.1", "--profile", "microsoft"], "is not a profile; did you mean `microsoft-365`?"),
        (["--helo", "mail.example.org"], "--helo is about one address: maildns-exporter check 192.0.2.10 --helo ..."),
        (["--trace"], "--trace is about one address"),
        ([], "give an address, like maildns-exporter check 192.0.2.10, or a configuration with --config.file"),
    ],
    ids=lambda it: " ".join(it)[:40] if isinstance(it, list) else "",
)
async def test_a_message_says_what_would_be_right(arguments, message):
    """Whatever is wrong with the command line is exit code 2, with one sentence that helps."""
    done = await run("check", *arguments)

    assert (done.code, done.out) == (2, "")
    assert message in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["300.1.1.1"], "'300.1.1.1' is not an IPv4 or IPv6 address, like 192.0.2.10 or 2001:db8::10"),
        (["192.0.2.1", "--config.file", "none.yml"], "none.yml: does not exist: name the configuration file"),
        (["--config.file", "bad.yml"], "bad.yml:1:1: pool: is not a known key; did you mean `pools`?"),
    ],
    ids=["command-line", "no-configuration", "bad-configuration"],
)
async def test_a_message_is_all_that_a_process_says(tmp_path, arguments, message):
    """Exit code 2 and the sentence come through, of the configuration too, and no traceback with them."""
    (tmp_path / "bad.yml").write_text("pool: []\n")

    code, out, err = await started("check", *arguments, folder=tmp_path)

    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


async def test_colours_are_for_terminals(tmp_path):
    """Green and red where somebody looks, unless NO_COLOR asks for none."""
    async with demo(tmp_path) as here:
        arguments = ("check", "192.0.2.10", "--resolver", here.server.address)
        coloured = await on_a_terminal(*arguments, folder=tmp_path)
        plain = await on_a_terminal(*arguments, folder=tmp_path, NO_COLOR="1")

    assert (coloured[0], plain[0]) == (0, 0)
    assert "\x1b[32m" in coloured[1]
    assert "\x1b[" not in plain[1]
    assert "192.0.2.10, no HELO name: pass" in plain[1]


async def test_a_bar_says_how_far_it_is(tmp_path):
    """Many addresses on a terminal: a progress bar, and the outcomes after it."""
    async with demo(tmp_path) as here:
        text = here.file.read_text()
        here.file.write_text(text[: text.index("  - name: microsoft-365")])
        code, shown = await on_a_terminal("--config.file", str(here.file), "check", folder=tmp_path)

    assert code == 0
    assert "checking" in shown
    assert shown.rindex("15/15") < shown.index("192.0.2.10, HELO")
    assert "15 addresses: 15 pass, 0 fail, 0 unknown." in shown


async def test_a_terminal_without_unicode_gets_ascii(tmp_path):
    """The tree is drawn with what the terminal has."""
    async with demo(tmp_path) as here:
        code, out, err = await started(
            "check", "192.0.2.10", "--resolver", here.server.address, folder=tmp_path, PYTHONIOENCODING="ascii"
        )

    assert (code, err) == (0, "")
    assert out.isascii()
    assert "`- + PTR mail1.example.org" in out
