"""What the exporter depends on beside its configuration: resolv.conf, names of DNS servers and CA files that change."""

import subprocess
import sys

import pytest
import yaml

from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import ResolverSettings, parse_endpoint
from tests.integration.alerting.stack import Dns
from tests.integration.keeping import ROOT, process
from tests.integration.servers.process import wait_until
from tests.integration.servers.tools import require
from tests.integration.web.certificates import Authority

pytestmark = pytest.mark.integration

IP = "192.0.2.20"


def with_own_file(file, path):
    """How to start a process that alone has *file* at *path*."""
    mount = 'mount --bind "$0" "$1" && shift && exec "$@"'
    return (require("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(file), path)


def configuration(path, **resolver):
    """Write a configuration with one resolver and one address."""
    resolvers = [{"name": "test", "canary": False, "timeout": "500ms", "attempts": 1, **resolver}]
    pools = [{"name": "test", "interval": "10s", "addresses": [{"ip": IP}]}]
    path.write_text(yaml.safe_dump({"resolvers": resolvers, "pools": pools}))
    return path


@pytest.mark.parametrize("before", ["nameserver 127.0.0.77\n", ""], ids=["other-server", "empty-at-boot"])
def test_a_changed_resolv_conf_is_used_without_a_reload(tmp_path, before):
    """The servers of the status are the new ones, and what is known stays."""
    file = tmp_path / "resolv.conf"
    file.write_text(before)
    config = configuration(tmp_path / "maildns.yml")
    with process(config, enter=with_own_file(file, "/etc/resolv.conf")) as exporter:
        wait_until(lambda: 'server="127.0.0.' in exporter.get("/metrics")[1], "it serves")
        file.write_text("nameserver 127.0.0.78\n")
        wait_until(lambda: 'server="127.0.0.78:53"' in exporter.get("/metrics")[1], "the new server is asked")
        assert 'server="127.0.0.77:53"' not in exporter.get("/metrics")[1]


def test_a_server_that_is_configured_by_name_is_followed_to_its_new_address(tmp_path):
    """Its first address has nothing; the new one answers."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.9 dns.example.org\n")
    with Dns() as dns:
        config = configuration(tmp_path / "maildns.yml", servers=[f"dns.example.org:{dns.server.port}"])
        with process(config, enter=with_own_file(hosts, "/etc/hosts")) as exporter:
            unknown = 'maildns_pool_results{check="fcrdns",pool="test",result="unknown"} 1'
            wait_until(lambda: unknown in exporter.get("/metrics")[1], "the first sample has no answer")
            hosts.write_text("127.0.0.1 dns.example.org\n")
            wait_until(lambda: "maildns_fcrdns_match{" in exporter.get("/metrics")[1], "the new address answers")


@pytest.mark.parametrize("server", ["dns.example.org", "tls://dns.example.org", "https://dns.example.org/dns-query"])
def test_a_silent_system_resolver_delays_neither_start_nor_stop(tmp_path, server):
    """It would take 150 s to give up a name. The exporter serves and ends long before, in a network of its own."""
    config = configuration(tmp_path / "maildns.yml", servers=[server])
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.77\noptions timeout:30 attempts:5\n")
    enter = (require("unshare"), "--net", *with_own_file(tmp_path / "resolv.conf", "/etc/resolv.conf")[1:])
    program = (sys.executable, "-m", "tests.integration.unnamed_server", str(config))
    done = subprocess.run([*enter, *program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.stdout.split() == ["asked", "serving", "ended", "0"], done.stderr


async def test_a_rotated_ca_file_needs_new_resolvers(tmp_path):
    """A file that is being written is waited for."""
    authority, other = Authority(tmp_path, "one"), Authority(tmp_path, "two")
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.certificate.read_bytes())
    server = parse_endpoint("tls://127.0.0.1:9")
    settings = ResolverSettings(servers=(server,), ca_file=file, canary=None)
    resolvers = await Resolvers.started([settings])
    try:
        assert not await resolvers.is_outdated([settings])
        file.write_text("")
        assert not await resolvers.is_outdated([settings])
        file.write_text(authority.certificate.read_text() + other.certificate.read_text())
        assert await resolvers.is_outdated([settings])
    finally:
        await resolvers.close()
