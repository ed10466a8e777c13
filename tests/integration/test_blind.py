"""A resolver that fails its canary, through the whole service: named on every page, and no reason to be ready."""

import asyncio
import json

import pytest
import yaml
from structlog.testing import capture_logs

from exporter.config.load import parse
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import serving
from tests.unit.dns.nameserver import name_server, records, silent, sinkhole

pytestmark = pytest.mark.integration

PATHS = ("/", "/pools/test", "/addresses/192.0.2.10", "/domains/example.org", "/search?q=x", "/changes", "/exporter")
ZONE = {
    ". ns": ". 60 IN NS a.example.",
    "10.2.0.192.in-addr.arpa. ptr": "10.2.0.192.in-addr.arpa. 60 IN PTR mail.example.org.",
    "mail.example.org. a": "mail.example.org. 60 IN A 192.0.2.10",
}


def knowing(query, _transport):
    """A handler that knows the zone."""
    name, _, rdtype = query.question[0].to_text().lower().partition(" in ")
    record = ZONE.get(f"{name} {rdtype}")
    return records(query, record) if record else records(query, rcode=3)


def failing(query, _transport):
    """A handler that answers SERVFAIL to everything."""
    return records(query, rcode=2)


def refusing(query, _transport):
    """A handler that refuses everything."""
    return records(query, rcode=5)


def configured(server):
    """A configuration with one address and one domain, and a resolver whose canary is asked each second."""
    resolver = {"name": "only", "servers": [str(server.endpoint)], "timeout": "2s", "attempts": 2}
    resolver["canary"] = {"interval": "1s"}
    pool = {"name": "test", "interval": "10s", "addresses": [{"ip": "192.0.2.10", "helo": "mail.example.org"}]}
    domains = [{"name": "example.org", "interval": "1m"}]
    return parse(yaml.safe_dump({"resolvers": [resolver], "pools": [pool], "domains": domains}), "blind.yml")


async def eventually(exporter, path, condition):
    """Ask for *path* until its answer meets *condition*; give the last one."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            status, body = await exporter.ask(path)
            if condition(status, body if isinstance(body, str) else body.decode()):
                return body
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("broken", "answered"),
    [(failing, "SERVFAIL"), (refusing, "REFUSED"), (silent, "TIMEOUT"), (sinkhole, "203.0.113.66")],
)
async def test_a_failing_canary_is_on_every_page_and_the_last_conclusive_values_stay(broken, answered):
    """The server was good, fails, and is good again: ready throughout, and the log has a line at either end."""
    async with name_server(knowing) as server:
        with capture_logs() as logged:
            async with serving(lambda: configured(server)) as exporter:
                await eventually(exporter, "/-/ready", lambda status, _: status == 200)
                await eventually(exporter, "/", lambda _, body: "is healthy" in body or "are healthy" in body)
                server.handler = broken
                await eventually(
                    exporter,
                    "/api/v1/status",
                    lambda _, body: (
                        [answered]
                        == [one["answered"] for one in (json.loads(body)["outage"] or {"servers": []})["servers"]]
                    ),
                )
                for path in PATHS:
                    _, page = await exporter.ask(path)
                    assert f"The resolver {server.endpoint}" in str(page), path
                    assert "the last conclusive ones, from" in str(page), path
                _, page = await exporter.ask("/")
                assert "is healthy" not in str(page)
                assert "are healthy" not in str(page)
                status = json.loads((await exporter.ask("/api/v1/status"))[1])
                assert status["addresses"]["healthy"] == 1
                assert status["outage"]["blind"]
                assert (await exporter.ask("/-/ready"))[0] == 200

                server.handler = knowing
                await eventually(exporter, "/api/v1/status", lambda _, body: json.loads(body)["outage"] is None)
                async with asyncio.timeout(DEADLINE_SECONDS):
                    while not any(line["event"] == "a DNS server is back" for line in logged):
                        await asyncio.sleep(0.1)

    begun = next(line for line in logged if line["event"].startswith("a DNS server"))
    assert (begun["log_level"], begun["server"]) == ("warning", str(server.endpoint))
    assert answered in {begun.get("answer"), begun.get("reason", "").upper()}


async def test_a_fresh_process_without_a_working_resolver_is_not_ready():
    """It becomes ready when the resolver works, so a rollout waits for that."""
    async with name_server(failing) as server, serving(lambda: configured(server)) as exporter:
        body = await eventually(exporter, "/-/ready", lambda status, body: status == 503 and "SERVFAIL" in body)
        assert str(server.endpoint) in str(body)
        server.handler = knowing
        await eventually(exporter, "/-/ready", lambda status, _: status == 200)
