"""The log of the whole service, while its only DNS server falls silent and is back."""

import asyncio

import pytest
import yaml
from structlog.testing import capture_logs

from exporter.config.load import parse
from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import serving

pytestmark = pytest.mark.integration

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
