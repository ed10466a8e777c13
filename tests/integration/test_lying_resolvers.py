"""Resolvers with wrong answers, in the whole service: the canary fails, results become inconclusive, none changes."""

from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import yaml

from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.serving import hurried, serving

pytestmark = pytest.mark.integration

RIGHT, BROKEN, NAMELESS = range(1, 13), range(21, 25), range(31, 33)
RECORDS = [
    ". SOA ns. host. 1 3600 900 604800 1",
    ". NS ns.",
    *[f"{host}.2.0.192.in-addr.arpa. PTR mail{host}.example.org." for host in (*RIGHT, *BROKEN)],
    *[f"mail{host}.example.org. A 192.0.2.{host}" for host in RIGHT],
    *[f"mail{host}.example.org. A 192.0.2.99" for host in BROKEN],
]
SECONDS = 0.5
CONCLUSIVE = "maildns_fcrdns_conclusive"
KEPT = (
    "maildns_fcrdns_match",
    "maildns_helo_address_match",
    "maildns_helo_resolves",
    "maildns_address_healthy",
    "maildns_address_problem",
    "maildns_ptr_info",
)
SINKHOLE = {"A": "192.0.2.66", "AAAA": "2001:db8::66", "PTR": "sinkhole.invalid.", "TXT": "sinkhole", "NS": "sinkhole."}


class Liar(DemoServer):
    """Serves a world; or, depending on *lie*, a sinkhole or NXDOMAIN for every name.

    An evasive one answers the questions of canaries with SERVFAIL, or not at all, and all others with NXDOMAIN.
    """

    lie = ""

    def respond(self, query, *, over_tcp):
        """The reply to a query."""
        if not self.lie:
            return super().respond(query, over_tcp=over_tcp)
        question = dns.message.from_wire(query)
        reply = dns.message.make_response(question, recursion_available=True)
        asked = question.question[0]
        text = SINKHOLE.get(dns.rdatatype.to_text(asked.rdtype))
        if "evasive" in self.lie and asked.name.to_text().rpartition(".")[0].rpartition(".")[2] in {"", "invalid"}:
            if "silent" in self.lie:
                return None
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif self.lie != "sinkhole":
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif text is not None:
            reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", asked.rdtype, text))
        return reply.to_wire()


def text(*resolvers):
    """Write a configuration that watches every address of the world."""
    entries = [{"ip": f"192.0.2.{host}", "helo": f"mail{host}.example.org"} for host in (*RIGHT, *BROKEN, *NAMELESS)]
    listed = [
        {"name": f"resolver{number}", "servers": list(servers), "canary": {"interval": "1s"}}
        for number, servers in enumerate(resolvers)
    ]
    return yaml.safe_dump({"resolvers": listed, "pools": [{"name": "test", "addresses": entries}]})


def known(series):
    """The last conclusive results of the addresses."""
    return {family: series.get(family) for family in KEPT}


def all_conclusive(series):
    """Whether the latest sample of every address was conclusive in everything."""
    unknown = sum(value for labels, value in series["maildns_pool_results"].items() if ("result", "unknown") in labels)
    all_addresses = len((*RIGHT, *BROKEN, *NAMELESS))
    return len(series.get(CONCLUSIVE, {})) == all_addresses == sum(series[CONCLUSIVE].values()) and not unknown


def canaries(series):
    """Whether each server passes its canary, by address."""
    return {dict(labels)["server"]: value for labels, value in series["maildns_canary_ok"].items()}


@asynccontextmanager
async def watched(*resolvers):
    """Run the exporter with resolvers, each a list of servers."""
    async with serving(lambda: hurried(text(*resolvers), SECONDS)) as exporter:
        yield exporter


@pytest.mark.parametrize(
    ("lie", "right"),
    [("sinkhole", 0), ("nxdomain", 0), ("evasive", len(NAMELESS)), ("evasive-silent", len(NAMELESS))],
)
async def test_wrong_answers_change_nothing(lie, right):
    """While answers are wrong, no gauge changes and no change is counted. The canary shows why.

    If it only lacks answers to its canary, a server is still believed about what does not change: here, *right* names.
    """
    async with Liar(World(RECORDS)) as server, watched([server.address]) as exporter:
        before = await exporter.wait_for(all_conclusive, "verdicts on all")
        assert canaries(before) == {server.address: 1}

        server.lie = lie
        during = await exporter.wait_for(
            lambda s: sum(s[CONCLUSIVE].values()) == right and canaries(s) == {server.address: 0}, "distrust"
        )
        assert known(during) == known(before)

        server.lie = ""
        after = await exporter.wait_for(all_conclusive, "trust again")
        assert known(after) == known(before)
        assert canaries(after) == {server.address: 1}
        assert sum(after["maildns_result_changes_total"].values()) == 0


@pytest.mark.parametrize("lie", ["sinkhole", "nxdomain"])
async def test_wrong_answers_from_the_start_are_not_trusted(lie):
    """Every address stays unknown until the answers are right."""
    async with Liar(World(RECORDS)) as server:
        server.lie = lie
        async with watched([server.address]) as exporter:
            rounds = "maildns_pool_rounds_total"
            series = await exporter.wait_for(lambda s: sum(s[rounds].values()) >= 3, "three rounds")
            assert not any(known(series).values())
            assert set(series[CONCLUSIVE].values()) == {0}

            server.lie = ""
            series = await exporter.wait_for(all_conclusive, "trust")
            match = {dict(labels)["ip"]: value for labels, value in series["maildns_fcrdns_match"].items()}
            assert {ip for ip, value in match.items() if value} == {f"192.0.2.{host}" for host in RIGHT}


@pytest.mark.parametrize("apart", [False, True], ids=["in-one-resolver", "in-two-resolvers"])
async def test_an_honest_second_server_is_enough(apart):
    """With a second server that answers rightly, nothing changes, and samples stay conclusive."""
    async with Liar(World(RECORDS)) as liar, Liar(World(RECORDS)) as honest:
        servers = [[liar.address], [honest.address]] if apart else [[liar.address, honest.address]]
        async with watched(*servers) as exporter:
            before = await exporter.wait_for(all_conclusive, "verdicts on all")
            liar.lie = "sinkhole"
            await exporter.wait_for(lambda s: canaries(s) == {liar.address: 0, honest.address: 1}, "distrust")
            during = await exporter.wait_for(all_conclusive, "verdicts on all from the honest server")
            assert known(during) == known(before)
            assert sum(during["maildns_result_changes_total"].values()) == 0
