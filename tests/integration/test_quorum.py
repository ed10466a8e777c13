"""Resolvers that contradict each other about one name while they pass their canaries, in the whole service."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager

import dns.message
import dns.rcode
import pytest
from structlog.testing import capture_logs

from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import serving
from tests.integration.test_lying_resolvers import CONCLUSIVE, RECORDS, all_conclusive, hurried, known, text

pytestmark = pytest.mark.integration

SECONDS = 0.5
WRONG = "5.2.0.192.in-addr.arpa."
ADDRESS = "192.0.2.5"
DISPUTED = "maildns_resolver_disagreement"


class Mistaken(DemoServer):
    """Serves a world, but with NXDOMAIN for *unknown* names and SERVFAIL for *silent* ones."""

    unknown = frozenset()
    silent = frozenset()

    def respond(self, query, *, over_tcp):
        """The reply to a query."""
        question = dns.message.from_wire(query)
        name = question.question[0].name.to_text().lower()
        if name not in self.unknown | self.silent:
            return super().respond(query, over_tcp=over_tcp)
        reply = dns.message.make_response(question, recursion_available=True)
        reply.set_rcode(dns.rcode.NXDOMAIN if name in self.unknown else dns.rcode.SERVFAIL)
        return reply.to_wire()


@asynccontextmanager
async def watched(count, *, apart=True):
    """Run the exporter with several servers: one resolver each (*apart*), or one for all."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Mistaken(World(RECORDS))) for _ in range(count)]
        each = [server.address for server in servers]
        resolvers = [[one] for one in each] if apart else [each]
        exporter = await stack.enter_async_context(serving(lambda: hurried(text(*resolvers), SECONDS)))
        yield servers, exporter


async def shown(exporter, path, what):
    """Request a path until it shows *what*. Either server may be asked first."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while what not in (body := (await exporter.ask(path))[1]):
            await asyncio.sleep(0.1)
    return body


def conclusive(series):
    """Whether the latest sample of the disputed address was conclusive."""
    return series.get(CONCLUSIVE, {}).get(frozenset({("pool", "test"), ("ip", ADDRESS)}))


def disputed(series):
    """How many addresses and HELO names are in dispute."""
    return sum(series[DISPUTED].values())


def passes(series):
    """Whether the disputed address counts as forward-confirmed."""
    return series["maildns_fcrdns_match"][frozenset({("pool", "test"), ("ip", ADDRESS)})]


@pytest.mark.parametrize("apart", [False, True], ids=["in-one-resolver", "in-two-resolvers"])
async def test_one_against_one_changes_nothing(apart):
    """The gauge stays, and the sample is inconclusive. Metric, API, page and log show the dispute, until they agree."""
    async with watched(2, apart=apart) as (servers, exporter):
        before = await exporter.wait_for(all_conclusive, "verdicts on all")
        with capture_logs() as logged:
            servers[0].unknown = frozenset({WRONG})
            during = await exporter.wait_for(lambda s: disputed(s) and conclusive(s) == 0, "a dispute")
            body = await shown(exporter, "/api/v1/disagreements", f'"ip":"{ADDRESS}"')
            await shown(exporter, "/exporter", ADDRESS)
            await shown(exporter, "/", "Resolvers disagree about")

            assert known(during) == known(before)
            first, second = [server.address for server in servers]
            about = next(one for one in json.loads(body)["data"] if one["ip"] == ADDRESS)
            names = ("resolver0", "resolver1" if apart else "resolver0")
            addresses = (None, None) if apart else (first, second)
            assert about["failing"] == {"resolver": names[0], "server": addresses[0]}
            assert about["passing"] == {"resolver": names[1], "server": addresses[1]}
            assert (about["check"], about["reason"]) == ("fcrdns", "ptr-nxdomain")
            counted = during["maildns_resolver_disagreements_total"]
            assert counted[frozenset({("resolver", names[0]), ("other", names[1])})] > 0

            servers[1].unknown = frozenset({WRONG})
            after = await exporter.wait_for(lambda s: not passes(s) and not disputed(s), "the result of both")
            assert sum(after["maildns_result_changes_total"].values()) > 0
        events = [one["event"] for one in logged if one.get("subject") == ADDRESS]
        assert events[:2] == ["resolvers disagree", "resolvers agree again"]


async def test_one_of_three_is_outvoted():
    """Two of three decide for a pass as well as for a failure, and the dispute is shown."""
    async with watched(3) as (servers, exporter):
        before = await exporter.wait_for(all_conclusive, "verdicts on all")
        servers[0].unknown = frozenset({WRONG})
        during = await exporter.wait_for(lambda s: disputed(s) and conclusive(s) == 1, "a decided dispute")
        assert known(during) == known(before)
        servers[2].unknown = frozenset({WRONG})
        await exporter.wait_for(lambda s: not passes(s), "the result of two of three")


@pytest.mark.parametrize("how", ["down", "servfail"])
async def test_a_silent_second_resolver_does_not_prevent_a_change(how):
    """If the second is down, or fails for one zone, the first one is believed after several samples."""
    async with watched(2) as (servers, exporter):
        await exporter.wait_for(all_conclusive, "verdicts on all")
        if how == "down":
            servers[1].stop_answering()
        else:
            servers[1].silent = frozenset({WRONG})
        servers[0].unknown = frozenset({WRONG})
        after = await exporter.wait_for(lambda s: not passes(s), "the change")
        assert disputed(after) == 0
