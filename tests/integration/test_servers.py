"""The servers that other tests stand on: they start, serve, fall silent, come back and end."""

import socket

import dns.message
import dns.rcode
import pytest

from tests.integration.servers import process
from tests.integration.servers.alertmanager import Alertmanager
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import free_port, wait_until
from tests.integration.servers.prometheus import Prometheus, Sample, promtool
from tests.integration.servers.tools import PACKAGES, require
from tests.integration.servers.unbound import Unbound

pytestmark = pytest.mark.integration

ZONES = {
    "example.org": ["mail A 192.0.2.1", "loop CNAME loop"],
    "2.0.192.in-addr.arpa": ["1 PTR mail.example.org."],
    "broken.example.org": None,
}


def ask(port, qname, rdtype, timeout=300.0):
    """Ask a server on loopback over UDP, once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect(("127.0.0.1", port))
        client.send(dns.message.make_query(qname, rdtype).to_wire())
        return dns.message.from_wire(client.recv(4096))


def test_knot_serves_its_zones_and_reloads_them():
    """Zones, the root that says NXDOMAIN, a broken zone that says SERVFAIL, and a change that is served at once."""
    with Knot(ZONES) as knot:
        assert str(ask(knot.port, "1.2.0.192.in-addr.arpa", "PTR").answer[0][0]) == "mail.example.org."
        assert ask(knot.port, "nothing.example.com", "A").rcode() == dns.rcode.NXDOMAIN
        assert ask(knot.port, "a.broken.example.org", "A").rcode() == dns.rcode.SERVFAIL

        knot.publish("example.org", ["mail A 192.0.2.2"])

        assert str(ask(knot.port, "mail.example.org", "A").answer[0][0]) == "192.0.2.2"


def test_unbound_resolves_through_knot_pauses_and_comes_back():
    """What Knot says, behind a cache; silence while it is paused; a closed port while it is stopped."""
    with Knot(ZONES) as knot, Unbound(knot.port) as unbound:
        port = unbound.port
        assert str(ask(port, "1.2.0.192.in-addr.arpa", "PTR").answer[0][0]) == "mail.example.org."
        assert ask(port, "nothing.example.com", "A").rcode() == dns.rcode.NXDOMAIN
        assert ask(port, "random.invalid", "A").rcode() == dns.rcode.NXDOMAIN
        assert ask(port, ".", "NS").answer

        unbound.pause()
        with pytest.raises(TimeoutError):
            ask(port, "mail.example.org", "A", timeout=0.2)
        unbound.resume()
        assert ask(port, "mail.example.org", "A").answer

        knot.publish("example.org", ["mail A 192.0.2.2"])
        unbound.flush()
        assert str(ask(port, "mail.example.org", "A").answer[0][0]) == "192.0.2.2"

        unbound.stop()
        with pytest.raises(ConnectionRefusedError):
            ask(port, "mail.example.org", "A")
        unbound.start()
        assert unbound.port == port
        assert ask(port, "mail.example.org", "A").answer


def test_a_server_leaves_nothing_behind():
    """After its end there is neither a process nor a folder."""
    with Knot(ZONES) as knot:
        folder, process = knot.folder, knot._process
        assert folder.exists()

    assert process.poll() is not None
    assert not folder.exists()


async def test_prometheus_scrapes_and_answers():
    """Prometheus scrapes itself here, and answers PromQL about it."""
    port = free_port()
    with Prometheus([f"127.0.0.1:{port}"], interval="100ms") as prometheus:
        down = await prometheus.wait_for("up == 0")

        assert down[0].labels["job"] == "maildns"
        assert prometheus.query("1 + 1") == [Sample({}, 2.0)]
        assert prometheus.alerts() == []


def test_alertmanager_holds_what_is_fired():
    """An alert that is posted is there."""
    with Alertmanager() as alertmanager:
        alertmanager.post({"alertname": "Test", "pool": "corporate"})

        wait_until(lambda: bool(alertmanager.alerts()), "the alert is there")
        assert alertmanager.alerts()[0]["labels"] == {"alertname": "Test", "pool": "corporate"}


def test_promtool_judges_an_exposition():
    """promtool accepts a good exposition and finds fault with a bad one."""
    good = "# HELP a_total Things.\n# TYPE a_total counter\na_total 1\n"

    assert promtool("check", "metrics", stdin=good).returncode == 0
    assert promtool("check", "metrics", stdin="# TYPE a_total counter\na_total 1\n").returncode != 0


def test_a_missing_tool_is_a_skip_that_says_what_to_install(monkeypatch):
    """Without a tool the test is skipped; where tools are required, it fails."""
    monkeypatch.setitem(PACKAGES, "no-such-tool", "no-such-package")
    monkeypatch.delenv("MAILDNS_REQUIRE_TOOLS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install no-such-package"):
        require("no-such-tool")

    monkeypatch.setenv("MAILDNS_REQUIRE_TOOLS", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install no-such-package"):
        require("no-such-tool")


def test_a_port_that_is_taken_is_given_up_for_another(monkeypatch):
    """A server whose port is taken before it binds it starts on another one."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(process, "free_port", lambda: next(ports, None) or free_port())
        with Alertmanager() as alertmanager:
            assert alertmanager.port != taken.getsockname()[1]


def test_two_knots_never_share_a_port(monkeypatch):
    """Knot would start on a port that another one has, and take some of its questions: it is moved to another port."""
    with Knot(ZONES) as first:
        ports = iter([first.port])
        monkeypatch.setattr(process, "free_port", lambda: next(ports, None) or free_port())
        with Knot(ZONES) as second:
            assert second.port != first.port
            assert second.is_running
