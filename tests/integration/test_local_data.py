"""Resolvers that answer from a hosts file: what they say of it is no verdict, and what the DNS says is."""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.integration.servers.dnsmasq import Dnsmasq, SystemdResolved
from tests.integration.servers.knot import Knot
from tests.integration.servers.unbound import Unbound
from tests.integration.serving import hurried, serving
from tests.unit.cli.checking import run

pytestmark = pytest.mark.integration

ZONES = {
    "2.0.192.in-addr.arpa": ["10 PTR mail2.example.org."],
    "example.org": ["mail2 A 192.0.2.10", "zero 0 A 192.0.2.11", '@ TXT "v=spf1 -all"'],
    ".": [". NS ns.example.org."],
}
HOSTS = ["192.0.2.77 mail.example.org", "127.0.1.1 mail2.example.org"]
"""Two lines as they are on mail servers: an address without any PTR record, and Debian's for the machine itself."""


@pytest.fixture(scope="module")
def recursive() -> Iterator[Unbound]:
    """A resolver that knows the DNS only."""
    with Knot(ZONES) as knot, Unbound(knot.port) as unbound:
        yield unbound


@pytest.fixture(scope="module", params=[Dnsmasq, SystemdResolved])
def stub(request, recursive):
    """A resolver that knows the hosts file too."""
    with request.param(recursive.port, HOSTS) as server:
        yield server


async def checked(*arguments):
    """Each check's result and reason, what is printed besides, and the exit code."""
    done = await run("check", "--output=json", *arguments)
    return {it["check"]: (it["result"], it["reason"]) for it in json.loads(done.out)["checks"]}, done


async def test_what_a_hosts_file_says_is_unknown(stub):
    """It is neither a pass of an address without a PTR record, nor a failure of one that is right."""
    found, done = await checked("--resolver", stub.address, "192.0.2.77", "--helo", "mail.example.org")
    assert found["fcrdns"] == found["helo-address-match"] == ("unknown", "local-data")
    assert done.code == 4
    assert f"the DNS server {stub.address} answers some questions from local data" in done.err

    found, done = await checked("--resolver", stub.address, "192.0.2.10", "--helo", "mail2.example.org")
    assert found["fcrdns"] == found["helo-resolves"] == ("unknown", "local-data")
    assert (done.code, f"local-data: {stub.address} answers from its own data" in done.out) == (4, True)


async def test_a_ttl_of_0_from_the_dns_is_judged(stub):
    """A resolver is no authority for what it has asked for."""
    found, _ = await checked("--resolver", stub.address, "192.0.2.11", "--helo", "zero.example.org")

    assert (found["fcrdns"], found["helo-resolves"]) == (("fail", "ptr-nxdomain"), ("pass", None))


async def test_another_server_is_asked_instead(stub, recursive):
    """With a second server, the verdict is that of the DNS, a failure in the third sample. The page shows why."""
    entries = [{"ip": "192.0.2.77", "helo": "mail.example.org"}, {"ip": "192.0.2.10", "helo": "mail2.example.org"}]
    resolver = {"name": "test", "servers": [stub.address, recursive.address], "timeout": "5s"}
    text = yaml.safe_dump({"resolvers": [resolver], "pools": [{"name": "test", "addresses": entries}]})
    async with serving(lambda: hurried(text, 0.5)) as exporter:
        series = await exporter.wait_for(lambda s: len(s.get("maildns_fcrdns_match", ())) == 2, "both verdicts")
        _, page = await exporter.ask("/exporter")

    assert {dict(labels)["ip"]: value for labels, value in series["maildns_fcrdns_match"].items()} == {
        "192.0.2.77": 0,
        "192.0.2.10": 1,
    }
    assert "answers some questions from local data" in page
