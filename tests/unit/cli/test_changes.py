"""`maildns-exporter changes`: what it prints, and how it ends."""

import json
import sys
import time

import pytest

from exporter.cli.main import main
from exporter.state.storage.database import Database
from exporter.state.storage.tables import save_changes
from tests.unit.state.storage.journals import written

CONFIGURATION = """
storage: {path: state/maildns.db}
pools: [{name: odd, expect: [fcrdns], addresses: [{network: 192.0.2.0/24}]}]
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command beside a storage with twenty changes, an hour old: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maildns.yml").write_text(CONFIGURATION)
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
def test_what_is_wanted_is_printed_oldest_first(run, arguments, count):
    """While the exporter has the file open, and whatever is asked for."""
    status, output, _ = run("changes", *arguments)

    lines = output.splitlines()
    assert (status, len(lines)) == (0, count)
    assert lines == sorted(lines)


def test_a_line_says_when_what_and_why(run):
    """From what to what, with the sentence."""
    _, output, _ = run("changes", "--ip", "192.0.2.2")
    _, domain, _ = run("changes", "--domain", "example.org")

    assert (
        output.partition("Z ")[2] == "odd 192.0.2.2 fcrdns: pass -> fail (ptr-nxdomain): 192.0.2.2 has no PTR name.\n"
    )
    assert domain.splitlines()[0].partition("Z ")[2] == (
        "example.org dkim s1: pass -> fail (dkim-revoked): It is revoked."
    )


def test_json_is_what_the_api_serves(run):
    """An array of changes, evidence included; what the pool expects is known from the configuration."""
    _, output, _ = run("changes", "--output", "json", "--ip", "192.0.2.2")

    (change,) = json.loads(output)
    assert (change["pool"], change["check"], change["expected"]) == ("odd", "fcrdns", True)
    assert change["evidence"][0]["status"] == "nxdomain"
    assert json.loads(run("changes", "--output", "json", "--since", "1s")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ip", "192.0.2"], "Invalid value for '--ip': '192.0.2' is not an IPv4 or IPv6 address"),
        (["--domain", "a..b"], "Invalid value for '--domain': a domain name has no empty labels"),
        (["--check", "spam"], "Invalid value for '--check': 'spam' is not one of"),
        (["--since", "1"], "Invalid value for '--since': 1 has no unit"),
    ],
)
def test_what_cannot_be_used_is_refused(run, arguments, message):
    """Exit code 2, and what would be right."""
    status, output, errors = run("changes", *arguments)

    assert (status, output) == (2, "")
    assert message in errors


def test_without_a_storage_or_a_file(run, tmp_path):
    """Exit code 2 where the configuration has none, 3 where nothing is there yet, or it is no storage."""
    (tmp_path / "none.yml").write_text("pools: [{name: a, addresses: [{ip: 192.0.2.1}]}]")
    (tmp_path / "new.yml").write_text("storage: {path: new.db}\npools: [{name: a, addresses: [{ip: 192.0.2.1}]}]")
    (tmp_path / "text.yml").write_text("storage: {path: text.yml}\npools: [{name: a, addresses: [{ip: 192.0.2.1}]}]")

    endings = [run("changes", "--config.file", f"{name}.yml") for name in ("none", "new", "text")]

    assert [status for status, _, _ in endings] == [2, 3, 3]
    assert ["has no storage" in endings[0][2], "does not exist" in endings[1][2]] == [True, True]
    assert "file is not a database" in endings[2][2]
