"""What the command line says and how it ends: each message says what is wrong, where, and what would be right."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from exporter import __version__
from exporter.cli.main import main

GOOD = "pools: [{name: a, addresses: [{ip: 192.0.2.10, helo: mail.example.org}]}]\n"
BAD = "pools: [{name: a, interval: 3, addresses: [{ip: 010.1.1.1}]}]\nresolver: 1\n"
PROBLEMS = [
    "bad.yml:1:29: pools[0].interval: is the plain number 3: write its unit, like 3s for seconds or 3m for minutes",
    (
        "bad.yml:1:49: pools[0].addresses[0].ip: '010.1.1.1' is not an IPv4 or IPv6 address: write its numbers "
        "without leading zeros"
    ),
    "bad.yml:2:1: resolver: is not a known key; did you mean `resolvers`?",
]
LOCAL = "--web.listen-address=127.0.0.1:0"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line in a folder with a good and a bad file: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "bad.yml").write_text(BAD)

    def run_it(*arguments):
        monkeypatch.setattr(sys, "argv", ["maildns-exporter", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        return ended.value.code or 0, output, errors

    return run_it


def start(*arguments, **options):
    """Start the exporter in a process of its own."""
    command = [sys.executable, "-m", "exporter", *arguments]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_the_version(run):
    """`--version` says it in one line."""
    assert run("--version") == (0, f"maildns-exporter, version {__version__}\n", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_every_command_and_every_flag_a_sentence(run, flag):
    """Nobody has to read the source to know what a flag or a command is for."""
    status, output, errors = run(flag)
    assert (status, errors) == (0, "")
    options, _, commands = output.partition("\nCommands:\n")
    assert [line.split()[0] for line in commands.splitlines() if line] == ["changes", "check", "check-config", "demo"]
    named = [line.split()[0] for line in options.splitlines() if line.startswith("  --")]
    assert {"--config.file", "--web.listen-address", "--web.enable-lifecycle", "--log.format"} <= set(named)
    assert "Without a command it serves" in output


@pytest.mark.parametrize("arguments", [["check-config", "good.yml"], ["--config.check", "--config.file=good.yml"]])
def test_a_good_configuration_is_printed_with_its_defaults(run, tmp_path, arguments):
    """What is printed is itself a configuration, and the same one."""
    status, output, errors = run(*arguments)
    assert (status, errors) == (0, "")
    assert "interval: 5m" in output
    (tmp_path / "again.yml").write_text(output)
    assert run("check-config", "again.yml") == (0, output, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["check-config", "bad.yml"],
        ["--config.check", "--config.file=bad.yml"],
        ["--config.file=bad.yml", LOCAL],
        ["--config.file=bad.yml", "check", "192.0.2.1"],
    ],
)
def test_every_problem_of_a_bad_configuration_is_printed(run, arguments):
    """Exit code 2, one line for each problem, whatever the file was wanted for."""
    status, output, errors = run(*arguments)
    assert (status, output, errors.splitlines()) == (2, "", PROBLEMS)


def test_what_does_not_fit_is_warned_of(run, tmp_path):
    """A configuration can be right and not do what it says: rounds without end, files that cannot be read."""
    (tmp_path / "targets.yml").write_text("- {ip: 10.0.0.1}\n- {ip: 10.0.0}\n")
    (tmp_path / "big.yml").write_text(
        "pools: [{name: big, sample: false, addresses: [{network: 10.0.0.0/15}]}, "
        "{name: fed, addresses_file: targets.yml}]\n"
    )
    status, output, errors = run("check-config", "big.yml")
    assert status == 0
    assert "sample: false" in output
    file, sum_up = errors.splitlines()
    assert file == (
        f"big.yml: warning: {tmp_path}/targets.yml:2:8: [1].ip: '10.0.0' is not an IPv4 or IPv6 address, like "
        "192.0.2.10 or 2001:db8::10"
    )
    assert sum_up == (
        "big.yml: warning: the rounds of big do not fit: 131072 addresses, 262144 questions a round, 874 a second; at "
        "500 a second a round takes 0.1 h, its interval is 0.083 h"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--config.file=none.yml", LOCAL],
            "none.yml: does not exist: name the configuration file with --config.file",
            id="no-such-file",
        ),
        pytest.param(
            ["check-config", "none.yml"],
            "none.yml: does not exist: give the path of a configuration file: maildns-exporter check-config FILE",
            id="no-such-file-to-check",
        ),
        pytest.param(
            ["--config.check", "--config.file=none.yml"],
            "none.yml: does not exist: name the configuration file with --config.file",
            id="no-such-file-to-check-by-flag",
        ),
        pytest.param([LOCAL], "maildns.yml: does not exist: name the configuration file with --config.file", id="none"),
        pytest.param(["--config.file=.", LOCAL], ".: is a folder: name the file in it", id="a-folder"),
        pytest.param(
            ["check-config", "good.yml/x"], "good.yml/x: cannot be read: Not a directory", id="what-cannot-be-read"
        ),
        pytest.param(
            ["--config.file=good.yml", "--web.config.file=none.yml", LOCAL],
            "none.yml: cannot be read: No such file or directory",
            id="no-web-configuration",
        ),
        pytest.param(["--nonsense"], "Error: No such option '--nonsense'.", id="unknown-flag"),
        pytest.param(["nonsense"], "Error: No such command 'nonsense'.", id="unknown-command"),
        pytest.param(["check-config"], "Error: Missing argument 'FILE'.", id="no-argument"),
        *[
            pytest.param(
                [f"--web.listen-address={text}"],
                f"Error: Invalid value for '--web.listen-address': {text!r} is not an address to listen on, like"
                " :10047, 127.0.0.1:10047 or [::1]:10047",
                id=f"listen-{text}",
            )
            for text in ("rubbish", "", "10047", "::1:10047", "127.0.0.1:", "127.0.0.1:-1", "[::1]", ":\uff11\uff10")
        ],
        pytest.param(
            ["--web.listen-address=:70000"],
            "Error: Invalid value for '--web.listen-address': ':70000' has the port 70000: 65535 is the highest",
            id="listen-port",
        ),
        *[
            pytest.param(
                [f"--web.route-prefix={text}"],
                f"Error: Invalid value for '--web.route-prefix': {text!r} is not a path of letters, digits and ._~- like"
                " /maildns",
                id=f"prefix-{text}",
            )
            for text in ("/{", "/{x}", "/a b", "/\xfc", "/a/../b", "a?b", "a#b", "%41")
        ],
        pytest.param(
            ["--web.max-requests=0"],
            "Error: Invalid value for '--web.max-requests': 0 is not in the range 1<=x<=10000.",
            id="no-requests",
        ),
        pytest.param(
            ["--probe.timeout-offset=1"],
            "Error: Invalid value for '--probe.timeout-offset': 1 has no unit: write 1s for seconds, or 1m for minutes",
            id="duration",
        ),
        pytest.param(
            ["--log.level=loud"],
            "Error: Invalid value for '--log.level': 'loud' is not one of 'debug', 'info', 'warning', 'error'.",
            id="log-level",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(run, arguments, message):
    """Exit code 2; the last line says what is wrong and what would be right."""
    status, output, errors = run(*arguments)
    assert (status, output, errors.splitlines()[-1]) == (2, "", message)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("127.0.0.1:{taken}", "Address already in use: end what serves there, or choose another port"),
        (
            "192.0.2.77:{taken}",
            "Cannot assign requested address: give an address of this machine, or none to listen on all of them",
        ),
    ],
)
def test_a_port_that_cannot_be_had(tmp_path, place, message):
    """Exit code 3, and a message that says which address, why not, and what to do."""
    (tmp_path / "good.yml").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = place.format(taken=taken.getsockname()[1])
        process = start(f"--config.file={tmp_path / 'good.yml'}", f"--web.listen-address={where}")
        output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (3, "")
    assert errors == f"maildns-exporter: cannot listen on {where}: {message}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_ending_it_is_no_error(number):
    """Exit code 0; the log says first that it served and last that it stopped, and in between tells of no trouble."""
    process = start("demo", LOCAL, "--log.format=json")
    first = process.stderr.readline()
    process.send_signal(number)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (0, "")
    lines = [json.loads(line) for line in (first + errors).splitlines()]
    assert (lines[0]["event"], lines[-1]["event"]) == ("serving", "stopping")
    assert {line["level"] for line in lines} == {"info"}
