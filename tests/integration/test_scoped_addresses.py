"""A DNS server at a link-local address, over each protocol: run in a network namespace that has such an address."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import dns.flags
import pytest

from exporter.checks.answers import Status
from exporter.dns.settings import parse_endpoint, system_servers
from tests.integration.servers.tools import missing, require
from tests.unit.dns.certificates import make_certificate, serving_context
from tests.unit.dns.nameserver import WWW, knows_www, name_server, records, resolving
from tests.unit.dns.test_encrypted import https_server, over_https

pytestmark = pytest.mark.integration

SCOPED = "fe80::53%lo"
NAMESPACE = "ip link set lo up && ip address add fe80::53/64 dev lo nodad && exec "


def test_a_link_local_server_answers_over_udp_tcp_tls_and_https():
    """`nameserver fe80::53%lo` of a resolv.conf works, and so do truncation, TLS and HTTPS with its certificate."""
    unshare = [require("unshare"), "--map-root-user", "--net", "sh", "-c"]
    require("ip")
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    if subprocess.run([*unshare, f"{NAMESPACE} true"], env=environment, capture_output=True, check=False).returncode:
        missing("this user may not make a network namespace")
    command = f"{NAMESPACE} {sys.executable} -m {__name__}"
    done = subprocess.run([*unshare, command], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["udp", "answer", "tcp", "answer", "tls", "answer", "https", "answer"], done.stderr


def truncated(query, transport):
    """Whole replies over TCP only."""
    if transport == "tcp":
        return knows_www(query, transport)
    reply = records(query)
    reply.flags |= dns.flags.TC
    return reply


async def ask_each(folder: Path) -> None:
    """Ask over each protocol in this namespace, and print what it results in."""

    async def ask(protocol: str, endpoint, **more: object) -> None:
        async with resolving(endpoint, timeout_seconds=5.0, attempts=1, **more) as resolver:
            print(protocol, Status((await resolver.resolve(WWW)).status))

    configuration = folder / "resolv.conf"
    configuration.write_text(f"nameserver {SCOPED}\n", encoding="utf-8")
    (system,) = system_servers(configuration)
    certificate = make_certificate(folder, "IP:fe80::53")
    for protocol, handler in (("udp", knows_www), ("tcp", truncated)):
        async with name_server(handler, host=SCOPED) as server:
            await ask(protocol, parse_endpoint(f"[{system.host}]:{server.port}"))
    async with name_server(knows_www, udp=False, tls=serving_context(certificate), host=SCOPED) as server:
        await ask("tls", parse_endpoint(f"tls://[{SCOPED}]:{server.port}"), ca_file=certificate)
    async with https_server(certificate, over_https, SCOPED) as (endpoint, _):
        await ask("https", endpoint, ca_file=certificate)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(ask_each(Path(made)))
