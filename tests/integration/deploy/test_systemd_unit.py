"""The unit is one to systemd, shuts the service in, and the service tells systemd what it waits for."""

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
    """The keys of the unit's [Service] section; of one that is repeated, the last."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return dict(parser["Service"])


def test_systemd_takes_the_unit(tmp_path):
    """systemd-analyze has nothing to say of it, but that the program is not installed here."""
    file = tmp_path / UNIT.name
    file.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE))

    checked = subprocess.run(
        [require("systemd-analyze"), "verify", file], capture_output=True, text=True, check=False, timeout=300
    )

    assert checked.stderr == ""
    assert checked.returncode == 0


def test_little_is_exposed():
    """systemd's own measure of what a service may reach stays below 2."""
    command = [require("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT]

    measured = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout

    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", measured)
    assert found
    assert float(found[1]) < EXPOSURE


def test_the_service_does_what_the_unit_waits_for(tmp_path):
    """Ready when it listens, alive while it runs, reloaded by the unit's signal, and gone with status 0."""
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
    """The status with which the exporter refuses a configuration is the one that the unit does not restart after."""
    command = [sys.executable, "-m", "exporter", f"--config.file={tmp_path}/none.yml"]

    refused = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=300)

    assert str(refused.returncode) == settings()["RestartPreventExitStatus"]


def test_the_user_of_the_unit_is_made(tmp_path):
    """The user that systemd-sysusers makes is the one that the unit runs as."""
    line = (UNIT.parent / "maildns-exporter.sysusers").read_text().splitlines()[-1]

    assert line.split()[:2] == ["u", settings()["User"]]
