"""systemd accepts the unit, the unit restricts the service, and the service sends the expected notifications."""

import configparser
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tests.assets.charts import ROOT
from tests.integration.servers.process import free_port
from tests.integration.servers.tools import require

pytestmark = pytest.mark.integration

UNIT = ROOT / "deploy" / "systemd" / "maildns-exporter.service"
EXPOSURE = 2.0


def settings():
    """The keys of the unit's [Service] section. For a repeated key, the last value."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return dict(parser["Service"])


def test_systemd_accepts_the_unit(tmp_path):
    """systemd-analyze reports nothing, once ExecStart is a program that exists here."""
    file = tmp_path / UNIT.name
    file.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE))

    checked = subprocess.run(
        [require("systemd-analyze"), "verify", file], capture_output=True, text=True, check=False, timeout=300
    )

    assert checked.stderr == ""
    assert checked.returncode == 0


def test_little_is_exposed():
    """The exposure level that systemd-analyze computes is below 2."""
    command = [require("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT]

    measured = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout

    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", measured)
    assert found
    assert float(found[1]) < EXPOSURE


def test_the_service_notifies_systemd(tmp_path):
    """It reports when it is ready, alive and stopping, reloads on the unit's signal, and exits with status 0."""
    service = settings()
    assert service["Type"] == "notify"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    file = tmp_path / "maildns.yml"
    file.write_text(
        "resolvers: [{name: none, servers: ['127.0.0.1:1'], canary: false, timeout: 10ms, attempts: 1}]\n"
        "pools: [{name: a, addresses: [{ip: 192.0.2.1, helo: mail.example.org}]}]\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "exporter", f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(300)
        systemd.bind(str(tmp_path / "notify"))
        environment = {**os.environ, "NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "300000"}
        with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as exporter:
            assert systemd.recv(100) == b"READY=1"
            socket.create_connection(("127.0.0.1", port), 10).close()
            assert systemd.recv(100) == b"WATCHDOG=1"
            assert systemd.recv(100) == b"WATCHDOG=1"
            exporter.send_signal(signal.SIGHUP)
            assert any("event=reloaded" in line for line in iter(exporter.stderr.readline, ""))
            exporter.send_signal(signal.SIGTERM)
            while systemd.recv(100) != b"STOPPING=1":
                pass
            exporter.stderr.read()
    assert exporter.returncode == 0


def test_a_bad_configuration_is_not_tried_again(tmp_path):
    """The unit does not restart the service after the exit status for an invalid configuration."""
    command = [sys.executable, "-m", "exporter", f"--config.file={tmp_path}/none.yml"]

    refused = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=300)

    assert str(refused.returncode) == settings()["RestartPreventExitStatus"]


def test_the_user_of_the_unit_is_created(tmp_path):
    """The unit runs as the user that systemd-sysusers creates."""
    line = (UNIT.parent / "maildns-exporter.sysusers").read_text().splitlines()[-1]

    assert line.split()[:2] == ["u", settings()["User"]]
