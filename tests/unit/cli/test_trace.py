"""`check --trace`: each name server of the zone at an address of its own, and which of them differs."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import jsonschema

from exporter.checks.addresses import Address
from exporter.checks.answers import Status
from exporter.checks.check import run_check
from exporter.checks.zone_cut import reverse_zones
from exporter.cli.examination import Overall
from exporter.cli.examine import documents
from exporter.cli.sentences import headline
from exporter.cli.text import TextStyle, markdown, text
from exporter.cli.trace import trace
from exporter.demo.server import DemoServer
from exporter.demo.world import World
from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import ResolverSettings, parse_endpoint
from tests.unit.cli.checking import checked_address

SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
OURS = Address.parse("192.0.2.13")
ZONE = """
2.0.192.in-addr.arpa. SOA ns1.example.org. noc.example.org. 7 3600 900 604800 10
13.2.0.192.in-addr.arpa. PTR mail.example.org.
"""
NAMES = """
2.0.192.in-addr.arpa. NS ns1.example.org.
2.0.192.in-addr.arpa. NS ns2.example.org.
2.0.192.in-addr.arpa. NS ns3.example.org.
ns1.example.org. A 127.0.0.2
ns2.example.org. A 127.0.0.3
ns3.example.org. A 127.0.0.4
"""


def world(*texts):
    """A world with these records."""
    return World([line for text in texts for line in text.splitlines() if line])


async def traced(*servers, names=NAMES, seen=None):
    """The traces of the address; the servers from 127.0.0.2 on serve these worlds (None: the port is closed)."""
    seen = seen or world(ZONE, names)
    async with AsyncExitStack() as stack:
        recursive = await stack.enter_async_context(DemoServer(seen))
        for number, served in enumerate(servers, 2):
            if served is not None:
                await stack.enter_async_context(DemoServer(served, host=f"127.0.0.{number}", port=recursive.port))
        zones, _ = run_check(reverse_zones(OURS), seen.answer)
        settings = ResolverSettings(servers=(parse_endpoint(recursive.address),), canary=None)
        resolvers = Resolvers([settings])
        await resolvers.start()
        try:
            return await trace(zones, resolvers, port=recursive.port)
        finally:
            await resolvers.close()


PARENT = """
0.192.in-addr.arpa. SOA ns9.example.org. noc.example.org. 1 3600 900 604800 10
0.192.in-addr.arpa. NS ns9.example.org.
ns9.example.org. A 127.0.0.5
"""


async def test_a_matching_delegation():
    """The parent zone delegates to the servers that the zone lists."""
    names = NAMES + PARENT
    (found,) = await traced(*[world(ZONE)] * 3, world(PARENT, NAMES), names=names)

    assert found.delegation is not None
    assert found.delegation.parent == "0.192.in-addr.arpa"
    assert [str(one) for one in found.delegation.servers] == ["ns9.example.org (127.0.0.5)"]
    assert found.delegation.names == ("ns1.example.org", "ns2.example.org", "ns3.example.org")
    assert (found.delegation.differences, found.differences) == ((), ())


async def test_a_delegation_that_differs_from_the_zones_own_ns_records():
    """Both sides are shown, and the server that only the parent lists is asked: it is lame."""
    above = NAMES.replace("NS ns2.", "NS ns4.") + "ns4.example.org. A 127.0.0.6\n"
    everything = NAMES + PARENT + "ns4.example.org. A 127.0.0.6\n"
    lame = world("example.org. SOA a. b. 1 1 1 1 1")
    (found,) = await traced(*[world(ZONE)] * 3, world(PARENT, above), lame, names=everything)

    assert found.delegation is not None
    assert found.delegation.differences == (
        (
            "The parent zone 0.192.in-addr.arpa delegates 2.0.192.in-addr.arpa to ns4.example.org;"
            " 2.0.192.in-addr.arpa does not list that."
        ),
        "2.0.192.in-addr.arpa lists ns2.example.org; the parent zone 0.192.in-addr.arpa does not delegate to that.",
    )
    assert found.differences == (
        "ns4.example.org (127.0.0.6) is listed as a name server of 2.0.192.in-addr.arpa, but does not have that zone.",
    )
    assert not found.is_contradictory


async def test_a_parent_that_does_not_delegate_or_answer():
    """A server of the parent without NS records of the zone is named, and so is one that does not answer."""
    second = "0.192.in-addr.arpa. NS ns8.example.org.\nns8.example.org. A 127.0.0.7\n"
    nobody = world(PARENT, "2.0.192.in-addr.arpa. TXT there")
    (found,) = await traced(*[world(ZONE)] * 3, nobody, None, None, names=NAMES + PARENT + second)

    assert found.delegation is not None
    assert found.delegation.differences == (
        (
            "ns8.example.org (127.0.0.7), of the parent zone 0.192.in-addr.arpa, gives no NS records of"
            " 2.0.192.in-addr.arpa (network)."
        ),
        (
            "ns9.example.org (127.0.0.5), of the parent zone 0.192.in-addr.arpa, does not delegate"
            " 2.0.192.in-addr.arpa (nodata)."
        ),
    )


async def test_only_a_contradiction_about_the_record_counts():
    """Different answers to one question are a finding; lame servers, silent servers and old copies are not."""
    stale = world(ZONE.replace(" 7 3600", " 6 3600"))
    (old,) = await traced(world(ZONE), stale, None)
    (different,) = await traced(world(ZONE), world(ZONE.replace("mail.", "old.")), world(ZONE))
    one = checked_address(str(OURS), "mail.example.org")

    assert old.differences
    assert not old.is_contradictory
    assert different.is_contradictory
    assert replace(one, traces=(old,)).overall is one.overall
    contradicted = replace(one, traces=(different,))
    assert contradicted.overall is Overall.FINDING
    assert headline(contradicted).endswith("name servers contradict each other)")


async def test_traces_are_shown_in_every_output():
    """Text, Markdown and JSON have the parent, its delegation and what does not match."""
    above = NAMES.replace("NS ns2.", "NS ns4.")
    (found,) = await traced(*[world(ZONE)] * 3, world(PARENT, above), names=NAMES + PARENT)
    one = replace(checked_address(str(OURS), "mail.example.org"), traces=(found,))

    assert found.delegation is not None
    for shown in (list(text(one, TextStyle())), list(markdown(one, TextStyle()))):
        whole = " ".join(" ".join(shown).split())
        assert "How the zone 0.192.in-addr.arpa delegates 2.0.192.in-addr.arpa" in whole
        assert "ns9.example.org (127.0.0.5): ns1.example.org, ns3.example.org, ns4.example.org" in whole
        assert all(sentence in whole for sentence in found.delegation.differences)
    (document,) = documents(one)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))
    assert document["trace"][0]["delegation"]["differences"] == list(found.delegation.differences)


async def test_servers_that_agree():
    """Each server is asked separately, and there is no difference."""
    (found,) = await traced(*[world(ZONE)] * 3)

    assert (found.zone, str(found.question)) == ("2.0.192.in-addr.arpa", "13.2.0.192.in-addr.arpa PTR")
    assert [(str(it), it.serial, it.answer.names) for it in found.servers] == [
        (f"ns{n - 1}.example.org (127.0.0.{n})", 7, ("mail.example.org",)) for n in (2, 3, 4)
    ]
    assert {it.answer.server.rpartition(":")[0] for it in found.servers} == {"127.0.0.2", "127.0.0.3", "127.0.0.4"}
    assert found.differences == ()


async def test_the_one_that_differs_is_named():
    """A server with an old copy of the zone: its answer, that of the others, and both serial numbers."""
    stale = world(ZONE.replace(" 7 3600", " 6 3600").replace("mail.", "old."))
    (found,) = await traced(world(ZONE), stale, world(ZONE))

    different, serials = found.differences
    assert different == ("ns2.example.org (127.0.0.3) answers old.example.org; most others answer mail.example.org.")
    assert serials.startswith("The servers have different serial numbers of 2.0.192.in-addr.arpa: ")
    assert "ns1.example.org (127.0.0.2) has 7, ns2.example.org (127.0.0.3) has 6" in serials


async def test_two_that_disagree_are_both_named():
    """With two servers there is no majority."""
    names = "\n".join(line for line in NAMES.splitlines() if "ns3" not in line)
    lost = world(ZONE.splitlines()[1])
    (found,) = await traced(world(ZONE), lost, names=names)

    assert found.differences == (
        "ns1.example.org (127.0.0.2) answers mail.example.org.",
        "ns2.example.org (127.0.0.3) answers NXDOMAIN.",
    )


async def test_silence_is_no_difference():
    """One port is closed, one server has no address, and one does not have the zone."""
    names = NAMES.replace("ns3.example.org. A 127.0.0.4", "") + "2.0.192.in-addr.arpa. NS ns4.example.org.\n"
    names += "ns4.example.org. A 127.0.0.5\n"
    (found,) = await traced(world(ZONE), None, None, world("example.org. SOA a. b. 1 1 1 1 1"), names=names)

    assert found.differences == (
        "ns2.example.org (127.0.0.3) does not answer (network).",
        "ns3.example.org is a name server of 2.0.192.in-addr.arpa and has no address (nxdomain).",
        "ns4.example.org (127.0.0.5) is listed as a name server of 2.0.192.in-addr.arpa, but does not have that zone.",
    )


async def test_the_zone_that_delegates_is_traced_too():
    """RFC 2317: the provider's servers are asked for the CNAME record, the customer's for the PTR record."""
    delegated = """
2.0.192.in-addr.arpa. SOA ns1.example.org. noc.example.org. 7 3600 900 604800 10
2.0.192.in-addr.arpa. NS ns1.example.org.
13.2.0.192.in-addr.arpa. CNAME 13.customer.example.
customer.example. SOA ns2.example.org. noc.customer.example. 3 3600 900 604800 10
customer.example. NS ns2.example.org.
13.customer.example. PTR mail.example.org.
ns1.example.org. A 127.0.0.2
ns2.example.org. A 127.0.0.3
"""
    customer, provider = await traced(world(delegated), world(delegated), seen=world(delegated))

    assert (customer.zone, str(customer.question)) == ("customer.example", "13.customer.example PTR")
    assert (provider.zone, str(provider.question)) == ("2.0.192.in-addr.arpa", "13.2.0.192.in-addr.arpa CNAME")
    assert [it.answer.status for it in (*customer.servers, *provider.servers)] == [Status.ANSWER] * 2
