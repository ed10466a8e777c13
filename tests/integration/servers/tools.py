"""Programs that the integration tests run. Debian has them all.

It alone decides what a missing tool means. It is a skip that says what to install; with
``MAILDNS_REQUIRE_TOOLS=1``, as in continuous integration, it is a failure.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGES = {
    "knotd": "knot",
    "knotc": "knot",
    "kdig": "knot-dnsutils",
    "unbound": "unbound",
    "unbound-control": "unbound",
    "unbound-checkconf": "unbound",
    "bwrap": "bubblewrap",
    "systemd-analyze": "systemd",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
    "chromium": "chromium",
    "openssl": "openssl",
    "unshare": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "faketime": "faketime",
    "dnsmasq": "dnsmasq-base",
}
"""Tool, and the Debian package that it comes with."""

UNPACKED = Path(__file__).resolve().parents[3] / "build" / "servers"
"""Where the servers are that cannot be installed, each in a folder with the name of its package."""
HOW_TO_UNPACK = "run tests/integration/servers/fetch-servers"


def library(name: str, package: str) -> str:
    """Find a shared library of Debian's below /usr/lib, or skip the test (fail it, where tools are required)."""
    found = sorted(Path("/usr/lib").glob(f"*/{name}"))
    return str(found[0]) if found else missing(f"{name} is not installed: apt-get install {package}")


def require(tool: str) -> str:
    """Find a tool's path, or skip the test (fail it, where tools are required)."""
    path = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path:
        return path
    return missing(f"{tool} is not installed: apt-get install {PACKAGES.get(tool, tool)}")


def missing(message: str) -> NoReturn:
    """Skip the test for the want of something (fail it, where tools are required)."""
    if os.environ.get("MAILDNS_REQUIRE_TOOLS") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
