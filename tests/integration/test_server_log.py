"""What the whole service reports of its only DNS server: that it falls silent and is back, and how it must be asked."""

import asyncio

import click.testing
import pytest
import yaml
from structlog.testing import capture_logs

from exporter.cli.main import cli
from exporter.config.load import parse
from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import serving
from tests.unit.dns.nameserver import honest, name_server

pytestmark = pytest.mark.integration

CAUSE = "does not answer queries with EDNS, cookies or mixed case"
RECORDS = ["10.2.0.192.in-addr.arpa. PTR mail.example.org.", "mail.example.org. A 192.0.2.10"]


async def test_an_outage_of_the_dns_is_a_line_in_the_log_and_so_is_its_end():
    """A warning that names resolver and server when it falls silent, and a word when it is back."""
    async with DemoServer(World(RECORDS)) as server:
        server.stop_answering()
        canary = {"must_resolve": ["mail.example.org"], "must_not_exist_under": "example.org", "interval": "1s"}
        resolver = {"name": "only", "servers": [server.address], "timeout": "1s", "attempts": 1, "canary": canary}
        pool = {"name": "test", "interval": "10s", "addresses": [{"ip": "192.0.2.10"}]}
        text = yaml.safe_dump({"resolvers": [resolver], "pools": [pool]})
        configuration = parse(text, "outage.yml")
        with capture_logs() as logged:

            async def told(event):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    while not any(line["event"] == event for line in logged):
                        await asyncio.sleep(0.1)
                return next(line for line in logged if line["event"] == event)

            async with serving(lambda: configuration):
                silent = await told("a DNS server does not answer")
                server.resume()
                back = await told("a DNS server is back")

    assert (silent["resolver"], silent["server"]) == (back["resolver"], back["server"]) == ("only", server.address)
    assert (silent["log_level"], silent["reason"], back["log_level"]) == ("warning", "timeout", "info")


def drops_edns(query, transport):
    """A server behind a firewall that drops queries with EDNS; it knows no address."""
    return honest(query, transport) if query.edns < 0 else None


async def test_a_server_that_drops_edns_is_named_with_the_cause():
    """The log, the page Exporter and `check` say what it does wrong, how it is asked, and what to configure."""
    async with name_server(drops_edns) as server:
        resolver = {"name": "only", "servers": [str(server.endpoint)], "timeout": "100ms"}
        pool = {"name": "test", "interval": "10s", "addresses": [{"ip": "192.0.2.10"}]}
        configuration = parse(yaml.safe_dump({"resolvers": [resolver], "pools": [pool]}), "odd.yml")
        with capture_logs() as logged:
            async with serving(lambda: configuration) as exporter, asyncio.timeout(DEADLINE_SECONDS):
                while not any(line["event"] == "a DNS server needs a workaround" for line in logged):
                    await asyncio.sleep(0.05)
                _, page = await exporter.ask("/exporter")
        runner = click.testing.CliRunner()
        arguments = ["check", "192.0.2.10", "--resolver", str(server.endpoint)]
        checked = await asyncio.to_thread(runner.invoke, cli, arguments)

    (line,) = [line for line in logged if line["event"] == "a DNS server needs a workaround"]
    assert (line["resolver"], line["server"], line["log_level"]) == ("only", str(server.endpoint), "warning")
    for text in (line["reason"], page, checked.stderr):
        assert CAUSE in text
        assert "edns: false" in text
