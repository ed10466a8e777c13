"""The command line: its commands, the types of its arguments, its messages and exit codes."""

import json
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import click
import pytest

from exporter import __version__
from exporter.cli.main import Parsed, main, parse_external_url, parse_seconds, shard_of
from exporter.inventory.shard import ALONE, Shard
from exporter.state.storage.database import Database
from exporter.state.storage.tables import save_changes
from tests.unit.state.storage.changes import written

GOOD = "pools: [{name: a, addresses: [{ip: 192.0.2.10, helo: mail.example.org}]}]\n"
BAD = "pools: [{name: a, interval: 3, addresses: [{ip: 010.1.1.1}]}]\nresolver: 1\n"
PROBLEMS = [
    "bad.yml:1:29: pools[0].interval: 3 has no unit: write 3s for 3 seconds, or 3m for 3 minutes",
    (
        "bad.yml:1:49: pools[0].addresses[0].ip: '010.1.1.1' is not an IPv4 or IPv6 address: write its numbers "
        "without leading zeros"
    ),
    "bad.yml:2:1: resolver: is not a known key; did you mean `resolvers`?",
]
COMMANDS = ["changes", "check", "check-config", "demo", "serve"]
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
    """`--version` prints it in one line."""
    assert run("--version") == (0, f"maildns-exporter, version {__version__}\n", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_every_command_and_every_flag_a_sentence(run, flag):
    """Every command and every flag has a sentence."""
    status, output, errors = run(flag)
    assert (status, errors) == (0, "")
    options, _, commands = output.partition("\nCommands:\n")
    assert [line.split()[0] for line in commands.splitlines() if line] == COMMANDS
    named = [line.split()[0] for line in options.splitlines() if line.startswith("  --")]
    assert {"--config.file", "--web.listen-address", "--web.enable-lifecycle", "--log.format"} <= set(named)
    assert "Without a command it serves" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["check-config", "good.yml"],
        ["check-config", "--config.file=good.yml"],
        ["--config.file=good.yml", "check-config"],
        ["--config.check", "--config.file=good.yml"],
        ["serve", "--config.check", "--config.file=good.yml", "--log.level=warn"],
        ["--config.file=good.yml", "--config.check", "--log.level=WARN", "serve"],
    ],
)
def test_a_good_configuration_is_printed_with_its_defaults(run, tmp_path, arguments):
    """The output is itself a configuration, and the same one."""
    status, output, errors = run(*arguments)
    assert (status, errors) == (0, "OK: 1 pool, 1 address, 1,200 queries a day\n")
    assert "interval: 5m" in output
    (tmp_path / "again.yml").write_text(output)
    assert run("check-config", "again.yml") == (0, output, errors)


def test_the_default_configuration_is_here_or_where_packages_have_it(run, tmp_path, monkeypatch):
    """The file in the current folder comes first."""
    installed = tmp_path / "etc" / "maildns.yml"
    monkeypatch.setattr("exporter.cli.main.INSTALLED_FILE", installed)
    assert run("check-config")[0] == 2
    installed.parent.mkdir()
    installed.write_text("pools: [{name: installed, addresses: [{ip: 192.0.2.1}]}]")
    assert "name: installed" in run("check-config")[1]
    assert "name: installed" in run("--config.check")[1]
    (tmp_path / "maildns.yml").write_text("pools: [{name: here, addresses: [{ip: 192.0.2.1}]}]")
    assert "name: here" in run("check-config")[1]


DOUBTFUL = """
dnsbls: [bl.example.net, {zone: zen.example.org, max_queries_per_day: 100}]
pools:
  - name: corporate
    addresses:
      - {ip: [192.0.2.10, "2001:db8::a"], helo: smtp://mail.example.org}
      - {ip: 10.0.0.1, helo: a@b.example.org}
      - {ip: 0.0.0.0, helo: x.}
      - {ip: 224.0.0.1, helo: "mail.example.org:25"}
      - {network: 127.0.0.0/31, helo: [mail.example.org., "mta{octet4}.example.org."]}
  - {name: others, profile: microsoft-365, addresses: [{network: 203.0.113.0/24}]}
domains: [{name: example.org}, {name: example.com}]
"""


def test_what_is_probably_wrong_is_a_warning(run, tmp_path):
    """Addresses that no receiver sees, HELO names that are no host names, lists above their budget; then a summary."""
    (tmp_path / "doubtful.yml").write_text(DOUBTFUL)
    status, _, errors = run("check-config", "doubtful.yml")
    *lines, last = errors.splitlines()
    nat = "if the server is behind NAT, list the public address that receivers see"
    said = "of the pool corporate is not a full host name: write {}, unless the server really says that"
    assert status == 0
    assert [line.removeprefix("doubtful.yml: ") for line in lines] == [
        f"warning: the HELO name smtp://mail.example.org {said.format('mail.example.org')}",
        f"warning: the HELO name a@b.example.org {said.format('b.example.org')}",
        f"warning: the HELO name x. {said.format('a name like mail.example.org')}",
        f"warning: the HELO name mail.example.org:25 {said.format('mail.example.org')}",
        f"warning: the HELO name mail.example.org. {said.format('mail.example.org')}",
        f"warning: the HELO name mta{{octet4}}.example.org. {said.format('mta{octet4}.example.org')}",
        f"warning: no receiver sees 0.0.0.0 of corporate, unspecified: {nat}",
        f"warning: no receiver sees 10.0.0.1 of corporate, private (RFC 1918): {nat}",
        f"warning: no receiver sees 127.0.0.0 of corporate, a loopback address: {nat}",
        f"warning: no receiver sees 224.0.0.1 of corporate, multicast: {nat}",
        (
            "warning: zen.example.org may be asked 100 queries a day, where 168 are needed: it is asked about each "
            "address every 1.7 h; leave big pools out with `dnsbls: []`"
        ),
        "bl.example.net is asked 168 queries a day about 7 addresses, at most 50,000",
        "zen.example.org is asked 100 queries a day about 7 addresses, at most 100",
    ]
    assert last == "OK: 2 pools, 263 addresses, 2 domains, 160,000 queries a day"


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
    """Exit code 2 and one line for each problem, with every command."""
    status, output, errors = run(*arguments)
    assert (status, output, errors.splitlines()) == (2, "", PROBLEMS)


def test_rounds_that_do_not_fit_and_bad_files_are_warnings(run, tmp_path):
    """A valid configuration can have rounds that never end, and files that cannot be read."""
    (tmp_path / "targets.yml").write_text("- {ip: 10.0.0.1}\n- {ip: 10.0.0}\n")
    (tmp_path / "big.yml").write_text(
        "pools: [{name: big, sample: false, addresses: [{network: 10.0.0.0/15}]}, "
        "{name: listed, addresses_file: targets.yml}]\n"
    )
    status, output, errors = run("check-config", "big.yml")
    assert status == 0
    assert "sample: false" in output
    file, private, sum_up, last = errors.splitlines()
    assert private == (
        "big.yml: warning: no receiver sees 10.0.0.0 of big, private (RFC 1918): if the server is behind NAT, list the "
        "public address that receivers see"
    )
    assert last == "OK: 2 pools, 131,072 addresses, 75,000,000 queries a day"
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
        pytest.param(
            ["check-config"],
            "maildns.yml: does not exist: give the path of a configuration file: maildns-exporter check-config FILE",
            id="no-argument",
        ),
        pytest.param(
            ["check-config", "good.yml", "--config.file=good.yml"],
            "Error: FILE and --config.file are the same: give one of them",
            id="two-files",
        ),
        pytest.param(
            ["check", "good.yml", "--pool=mai"],
            "Error: Invalid value for '--pool': 'mai' is not a pool of the configuration; known are `a`",
            id="no-such-pool",
        ),
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
                f"Error: Invalid value for '--web.route-prefix': {text!r} is not a path of letters, digits and ._~-"
                " like /maildns",
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
            "Error: Invalid value for '--probe.timeout-offset': 1 has no unit: write 1s for 1 second, or 1m for 1 "
            "minute",
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
    """Exit code 2; the last line states the mistake and what would be right."""
    status, output, errors = run(*arguments)
    assert (status, output, errors.splitlines()[-1]) == (2, "", message)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:{taken}", "Address already in use: stop the program that uses the port, or choose another port"),
        (
            "192.0.2.77:{taken}",
            "Cannot assign requested address: use an address of this machine, or none to listen on all of them",
        ),
    ],
)
@pytest.mark.slow
def test_a_port_that_cannot_be_opened(tmp_path, address, message):
    """Exit code 3, and a message with the address, the reason and what to do."""
    (tmp_path / "good.yml").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = address.format(taken=taken.getsockname()[1])
        process = start(f"--config.file={tmp_path / 'good.yml'}", f"--web.listen-address={where}")
        output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (3, "")
    assert errors == f"maildns-exporter: cannot listen on {where}: {message}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
@pytest.mark.slow
def test_ending_it_is_no_error(number):
    """Exit code 0; the first log line is about serving, the last about stopping, and none is a warning."""
    process = start("demo", LOCAL, "--log.format=json")
    first = process.stderr.readline()
    process.send_signal(number)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (0, "")
    lines = [json.loads(line) for line in (first + errors).splitlines()]
    assert (lines[0]["event"], lines[-1]["event"]) == ("serving", "stopping")
    assert {line["level"] for line in lines} == {"info"}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.org/maildns/", "/maildns/"),
        ("http://example.org:10047", ""),
        ("/maildns", None),
        ("ftp://example.org/", None),
        ("https:///x", None),
        ("https://example.org/?x=1", None),
        ("http://[::1", None),
        ("https://example.org/{x}", None),
        ("https://example.org/a b/", None),
    ],
)
def test_an_external_url_is_read_as_its_path(url, path):
    """Anything but a plain HTTP URL is refused."""
    if path is None:
        with pytest.raises(click.BadParameter, match="is not a URL like"):
            Parsed("url", parse_external_url).convert(url, None, None)
    else:
        assert urlsplit(Parsed("url", parse_external_url).convert(url, None, None)).path == path


DURATION = Parsed("duration", parse_seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0.0), ("30s", 30.0), ("1m30s", 90.0), ("500ms", 0.5)],
    ids=["0s", "30s", "90s", "500ms"],
)
def test_a_duration_is_read_as_seconds(text, seconds):
    """The syntax is that of the configuration; a value that is already parsed stays as it is."""
    assert DURATION(text) == seconds
    assert DURATION(seconds) == seconds


@pytest.mark.parametrize("text", ["30", "soon", "", "-1s"])
def test_a_bad_duration_is_refused(text):
    """The message is that of the configuration."""
    with pytest.raises(click.BadParameter):
        DURATION(text)


@pytest.mark.parametrize(
    ("index", "count", "host", "expected"),
    [
        pytest.param(None, 1, "mail-7", ALONE, id="one-alone-has-no-number"),
        pytest.param(2, 3, "maildns-0", Shard(2, 3), id="the-flag-counts"),
        pytest.param(None, 3, "maildns-exporter-2", Shard(2, 3), id="a-pod-of-a-stateful-set"),
        pytest.param(None, 3, "maildns-exporter-2.maildns.mail.svc", Shard(2, 3), id="with-its-domain"),
    ],
)
def test_the_shard(index, count, host, expected):
    """The flag takes precedence over the number in the host name; without a count there is one shard."""
    assert shard_of(index, count, host) == expected


@pytest.mark.parametrize(
    ("index", "count", "host", "message"),
    [
        (3, 3, "a", "shard 3 of 3 does not exist: the index is from 0 to 2"),
        (None, 2, "maildns-2", "shard 2 of 2 does not exist: the index is from 0 to 1"),
        (None, 2, "mailhost", "--shard.count needs a --shard.index: the host name 'mailhost' does not end in a number"),
        (None, 2, "mail.example-1.org", "--shard.count needs a --shard.index"),
    ],
)
def test_an_unknown_shard_is_refused(index, count, host, message):
    """A guess could make two exporters sample the same part, and none another part."""
    with pytest.raises(click.UsageError) as refused:
        shard_of(index, count, host)
    assert message in refused.value.message


STORAGE_CONFIGURATION = """
storage: {path: state/maildns.db}
pools: [{name: odd, expect: [fcrdns], addresses: [{network: 192.0.2.0/24}]}]
"""


@pytest.fixture
def run_stored(tmp_path, monkeypatch, capsys):
    """Run the command with a storage with twenty changes, an hour old: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maildns.yml").write_text(STORAGE_CONFIGURATION)
    database = Database(tmp_path / "state" / "maildns.db")
    save_changes(database.connection, written(20, time.time() - 3600))

    def run_it(*arguments):
        monkeypatch.setattr(sys, "argv", ["maildns-exporter", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        return ended.value.code or 0, output, errors

    yield run_it
    database.close()


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ([], 20),
        (["--since", "2h"], 20),
        (["--since", "1m"], 0),
        (["--pool", "odd"], 8),
        (["--pool", "nothing"], 0),
        (["--ip", "192.0.2.1"], 1),
        (["--domain", "EXAMPLE.org."], 2),
        (["--check", "dkim"], 2),
        (["--check", "fcrdns", "--pool", "even"], 10),
    ],
)
def test_changes_are_printed_oldest_first(run_stored, arguments, count):
    """With any filter, while the exporter has the file open."""
    status, output, _ = run_stored("changes", *arguments)

    lines = output.splitlines()
    assert (status, len(lines)) == (0, count)
    assert lines == sorted(lines)


def test_a_change_in_one_line(run_stored):
    """Both results and the sentence."""
    _, output, _ = run_stored("changes", "--ip", "192.0.2.2")
    _, domain, _ = run_stored("changes", "--domain", "example.org")

    assert (
        output.partition("Z ")[2] == "odd 192.0.2.2 fcrdns: pass -> fail (ptr-nxdomain): 192.0.2.2 has no PTR name.\n"
    )
    assert domain.splitlines()[0].partition("Z ")[2] == (
        "example.org dkim s1: pass -> fail (dkim-revoked): It is revoked."
    )


def test_json_is_what_the_api_serves(run_stored):
    """An array of changes with their evidence; what the pool expects comes from the configuration."""
    _, output, _ = run_stored("changes", "--output", "json", "--ip", "192.0.2.2")

    (change,) = json.loads(output)
    assert (change["pool"], change["check"], change["expected"]) == ("odd", "fcrdns", True)
    assert change["evidence"][0]["status"] == "nxdomain"
    assert json.loads(run_stored("changes", "--output", "json", "--since", "1s")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ip", "192.0.2"], "Invalid value for '--ip': '192.0.2' is not an IPv4 or IPv6 address"),
        (["--domain", "a..b"], "Invalid value for '--domain': a domain name has no empty labels"),
        (["--check", "spam"], "Invalid value for '--check': 'spam' is not one of"),
        (["--since", "1"], "Invalid value for '--since': 1 has no unit"),
    ],
)
def test_a_bad_filter_is_refused(run_stored, arguments, message):
    """Exit code 2, and what would be right."""
    status, output, errors = run_stored("changes", *arguments)

    assert (status, output) == (2, "")
    assert message in errors


def test_without_a_storage_or_a_file(run_stored, tmp_path):
    """Exit code 2 if the configuration has none, 3 if the file does not exist or is something else."""
    (tmp_path / "none.yml").write_text("pools: [{name: a, addresses: [{ip: 192.0.2.1}]}]")
    (tmp_path / "new.yml").write_text("storage: {path: new.db}\npools: [{name: a, addresses: [{ip: 192.0.2.1}]}]")
    (tmp_path / "text.yml").write_text("storage: {path: text.yml}\npools: [{name: a, addresses: [{ip: 192.0.2.1}]}]")

    endings = [run_stored("changes", "--config.file", f"{name}.yml") for name in ("none", "new", "text")]

    assert [status for status, _, _ in endings] == [2, 3, 3]
    assert ["has no storage" in endings[0][2], "does not exist" in endings[1][2]] == [True, True]
    assert "file is not a database" in endings[2][2]
