"""The resolver with real sockets on loopback: each question has exactly one answer."""

import asyncio
import socket

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from exporter.checks.answers import Answer, ExtendedError, Question, Status
from exporter.checks.names import DomainName
from exporter.dns.resolver import Resolver
from exporter.dns.servers import Workaround
from exporter.dns.settings import CanarySettings, Endpoint
from tests.factories import address, name, names
from tests.unit.dns.nameserver import (
    HERE,
    ROOT,
    WWW,
    closed_endpoint,
    eventually,
    knows_all,
    knows_www,
    name_server,
    records,
    resolving,
    settings,
    silent,
)

SOA = "example.org. 600 IN SOA ns.example.org. h.example.org. 7 3600 600 86400 60"


async def test_answers_name_their_server_and_are_cached():
    """The second question is answered from the cache, with the same answer."""
    async with name_server(knows_www) as server, resolving(server) as resolver:
        answer = await resolver.resolve(WWW)
        again = await resolver.resolve(WWW)

        assert answer[:5] == (Status.ANSWER, (address("192.0.2.1"),), (), 300, str(server.endpoint))
        assert again == answer
        assert len(server.queries) == 1
        assert resolver.statistics.cache_hits["A", "answer"] == 1
        assert resolver.in_flight == 0


async def test_a_query_is_hard_to_forge():
    """Queries have random IDs, random case, a cookie, EDNS with 1232 bytes, and several source ports."""
    async with name_server(knows_www) as server, resolving(server, cache_entries=0) as resolver:
        for _ in range(30):
            await resolver.resolve(WWW)

        queries = [query for _, query in server.queries]
        assert len({query.id for query in queries}) > 25
        assert len({query.question[0].name.to_text() for query in queries}) > 25
        assert {query.payload for query in queries} == {1232}
        assert {len(query.options[0].to_wire()) for query in queries} == {8}
        assert len({port for _, port in server.sources}) > 3


async def test_equal_questions_in_flight_are_asked_once():
    """All callers get the same answer."""
    gate = asyncio.Event()

    async def wait(query, transport):
        await gate.wait()
        return records(query, HERE)

    async with name_server(wait) as server, resolving(server, timeout_seconds=5) as resolver:
        asking = [asyncio.ensure_future(resolver.resolve(WWW)) for _ in range(10)]
        await eventually(lambda: len(server.queries) == 1)
        gate.set()
        answers = await asyncio.gather(*asking)

        assert len(set(answers)) == 1
        assert len(server.queries) == 1


async def test_an_age_limit_skips_older_answers():
    """A cached answer that is as old as the limit is not used."""
    async with name_server(knows_www) as server, resolving(server) as resolver:
        await resolver.resolve(WWW)
        await resolver.resolve(WWW, max_age_seconds=0)

        assert len(server.queries) == 2


async def test_a_confirmation_asks_another_server():
    """Confirming skips the cache, and asks another server than the last one."""
    async with (
        name_server(knows_www) as first,
        name_server(knows_www) as second,
        resolving(first, second) as resolver,
    ):
        answers = [await resolver.resolve(WWW, confirm=confirm) for confirm in (False, True, True)]

        assert [answer.server for answer in answers] == [str(each.endpoint) for each in (first, second, first)]


@pytest.mark.parametrize(
    ("rcode", "status"),
    [
        (dns.rcode.SERVFAIL, Status.SERVFAIL),
        (dns.rcode.REFUSED, Status.REFUSED),
        (dns.rcode.FORMERR, Status.REFUSED),
        (dns.rcode.NOTIMP, Status.REFUSED),
        (dns.rcode.YXDOMAIN, Status.REFUSED),
    ],
)
async def test_other_rcodes_are_inconclusive_after_all_attempts(rcode, status):
    """After an RCODE that says nothing about the name, the question is sent again. The server counts as up."""
    async with name_server(lambda query, _: records(query, rcode=rcode)) as server, resolving(server) as resolver:
        answer = await resolver.resolve(WWW)

        assert (answer.status, answer.records, answer.server) == (status, (), str(server.endpoint))
        assert len(server.queries) >= 3
        assert resolver.servers[0].up
        assert resolver.servers[0].last_error is status
        assert not len(resolver.cache)


async def test_silence_and_a_closed_port_have_their_statuses():
    """A silent server is a timeout, a closed port a network error; both take a server down."""
    async with name_server(silent) as server, resolving(server, timeout_seconds=0.05) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.TIMEOUT
        assert len(server.queries) == 3
        await eventually(lambda: not resolver.servers[0].up)

    async with resolving(closed_endpoint()) as resolver:
        answer = await resolver.resolve(WWW)
        assert (answer.status, answer.server) == (Status.NETWORK, "")
        assert not resolver.servers[0].up


async def test_one_answer_is_enough():
    """After silent and refusing servers, one that answers is asked."""
    async with (
        name_server(silent) as mute,
        name_server(lambda query, _: records(query, rcode=5)) as refusing,
        name_server(knows_www) as good,
        resolving(mute, refusing, good, timeout_seconds=0.5) as resolver,
    ):
        assert (await resolver.resolve(WWW)).server == str(good.endpoint)


@pytest.mark.slow
async def test_a_dead_first_server_does_not_cost_every_question_its_timeout():
    """After a few timeouts the silent server is asked last, and first again when it is back."""
    handlers = [silent]
    async with (
        name_server(lambda query, transport: handlers[0](query, transport)) as first,
        name_server(knows_www) as second,
        resolving(first, second, timeout_seconds=0.5, cache_entries=0) as resolver,
    ):
        for _ in range(20):
            assert (await resolver.resolve(WWW)).server == str(second.endpoint)
        assert len(first.asked()) == 3
        await eventually(lambda: [server.up for server in resolver.servers] == [False, True])

        handlers[0] = knows_www
        await eventually(lambda: resolver.servers[0].up)
        assert (await resolver.resolve(WWW)).server == str(first.endpoint)


async def test_the_worst_status_counts():
    """With a silent and a failing server, the status is the failure."""
    async with (
        name_server(silent) as mute,
        name_server(lambda query, _: records(query, rcode=2)) as failing,
        resolving(failing, mute, timeout_seconds=0.05) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.SERVFAIL


def altered(query, change):
    """The good reply with a change."""
    reply = records(query, HERE)
    change(reply)
    return reply


def forged(query):
    """Forged and broken replies, none of which may be accepted."""
    elsewhere = "www.example.org. 300 IN A 203.0.113.66"
    right = records(query, elsewhere).to_wire()
    other = dns.message.make_query("other.example.org", "A", id=query.id)
    flipped = right[:12] + right[12:].swapcase()
    return [
        bytes([right[0] ^ 1]) + right[1:],
        right[:2] + bytes([right[2] & 0x7F]) + right[3:],
        right[:2] + bytes([right[2] | 0x08]) + right[3:],
        records(other, "other.example.org. 300 IN A 203.0.113.66").to_wire(),
        records(dns.message.make_query(query.question[0].name, "AAAA", id=query.id)).to_wire(),
        flipped,
        right + b"\0",
        right[:-1],
        right[:12],
        right[:3],
        b"",
        records(query, elsewhere, rcode=3).to_wire(),
    ]


async def test_wrong_replies_are_ignored():
    """Forged and broken packets are counted and ignored, and the right one is accepted."""

    def flood(query, transport):
        return [*forged(query), records(query, HERE)] if transport == "udp" else None

    async with name_server(flood) as server, resolving(server) as resolver:
        answer = await resolver.resolve(WWW)

        assert answer.records == (address("192.0.2.1"),)
        assert len(server.queries) == 1
        ignored = resolver.statistics.ignored
        assert {reason for reason, count in ignored.items() if count} >= {
            "unknown-id",
            "question",
            "header",
            "case",
            "unreadable",
        }


async def test_a_reply_from_another_port_is_ignored():
    """A reply counts only if it is from the address and port of the server."""
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def misdirected(query, transport):
        other.sendto(records(query, HERE).to_wire(), server.sources[-1])

    with other:
        async with name_server(misdirected) as server, resolving(server, attempts=1, timeout_seconds=0.3) as resolver:
            assert (await resolver.resolve(WWW)).status is Status.TIMEOUT


async def test_only_garbage_is_malformed():
    """A server with only unreadable replies has another status than a silent one."""
    async with (
        name_server(lambda query, _: records(query, HERE, rcode=3)) as server,
        resolving(server, attempts=2) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.MALFORMED


async def test_a_truncated_reply_is_asked_again_over_tcp():
    """After TC the question is sent over TCP, over one connection for all questions."""

    def truncate(query, transport):
        reply = records(query, *[f"www.example.org. 300 IN A 192.0.2.{n}" for n in range(200)])
        if transport == "udp":
            reply = records(query)
            reply.flags |= dns.flags.TC
        return reply

    async with name_server(truncate) as server, resolving(server, cache_entries=0) as resolver:
        for _ in range(3):
            assert len((await resolver.resolve(WWW)).records) == 200
        assert server.connections == 1
        assert len(server.asked("udp")) == 3

        server.hang_up()
        assert len((await resolver.resolve(WWW)).records) == 200


async def test_refused_tcp_is_inconclusive():
    """A truncated reply and a closed TCP port are a network error."""

    def truncate(query, transport):
        reply = records(query)
        reply.flags |= dns.flags.TC
        return reply

    async with name_server(truncate, tcp=False) as server, resolving(server) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.NETWORK


async def test_a_chain_over_several_replies_is_followed():
    """If a reply ends in a CNAME, its target is asked for. The answer has the whole chain."""
    lines = {
        "www.example.org.": "www.example.org. 300 IN CNAME a.example.net.",
        "a.example.net.": "a.example.net. 20 IN CNAME b.example.com.",
        "b.example.com.": "b.example.com. 60 IN A 192.0.2.1",
    }

    def link(query, transport):
        return records(query, lines[query.question[0].name.to_text().lower()])

    async with name_server(link) as server, resolving(server) as resolver:
        answer = await resolver.resolve(WWW)

        assert answer.chain == (DomainName("a.example.net"), DomainName("b.example.com"))
        assert (answer.records, answer.ttl) == ((address("192.0.2.1"),), 20)
        assert await resolver.resolve(WWW) == answer


async def test_a_loop_over_several_replies_ends():
    """A loop and an endless chain have the status CHAIN."""

    def loop(query, transport):
        asked = query.question[0].name.to_text().lower()
        return records(query, f"{asked} 300 IN CNAME {'b' if asked.startswith('www') else 'www'}.example.org.")

    def endless(query, transport):
        asked = query.question[0].name.to_text()
        return records(query, f"{asked} 300 IN CNAME x{len(server.queries)}.example.net.")

    for handler in (loop, endless):
        async with name_server(handler) as server, resolving(server) as resolver:
            assert (await resolver.resolve(WWW)).status is Status.CHAIN
            assert len(server.queries) <= 18


@pytest.mark.slow
async def test_a_slow_chain_ends_in_time():
    """Each link has its own attempts, but all share the time of the question."""

    async def drag(query, transport):
        await asyncio.sleep(0.3)
        return records(query, f"{query.question[0].name} 300 IN CNAME x{len(server.queries)}.example.net.")

    async with name_server(drag) as server, resolving(server, attempts=1, timeout_seconds=1.0) as resolver:
        answer = await resolver.resolve(WWW)

        assert answer.status is Status.TIMEOUT
        assert 2 <= len(server.queries) <= 7  # of 17: 2 s are over
        assert resolver.in_flight == 0


async def test_extended_errors_come_with_the_answer():
    """RFC 8914 options are part of the answer, with any status."""

    def validate(query, transport):
        reply = records(query, rcode=2)
        reply.use_edns(0, options=[dns.edns.EDEOption(6, "bogus\n")])
        return reply

    async with name_server(validate) as server, resolving(server) as resolver:
        assert (await resolver.resolve(WWW)).errors == (ExtendedError(6, "bogus\n"),)


async def test_the_ttl_of_negative_answers():
    """The smaller of the SOA's TTL and minimum is the TTL of a negative answer."""
    async with (
        name_server(lambda query, _: records(query, rcode=3, authority=SOA)) as server,
        resolving(server) as resolver,
    ):
        answer = await resolver.resolve(WWW)
        assert (answer.status, answer.ttl) == (Status.NXDOMAIN, 60)
        assert await resolver.resolve(WWW) == answer


async def test_a_server_that_changes_case_is_asked_in_lower_case():
    """After three replies in lower case, all queries are in lower case."""

    def fold(query, transport):
        reply = records(query, HERE).to_wire()
        end = 12 + len(query.question[0].name.to_wire())
        return reply[:12] + reply[12:end].lower() + reply[end:]

    async with name_server(fold) as server, resolving(server, cache_entries=0) as resolver:
        for _ in range(5):
            assert (await resolver.resolve(WWW)).status is Status.ANSWER
        assert len(server.queries) == 8


async def test_a_server_without_edns_is_asked_without_it():
    """After FORMERR, with or without a question section, queries have no EDNS."""

    def old(query, transport):
        if query.edns < 0:
            return records(query, HERE)
        return records(query, rcode=1) if len(server.queries) > 1 else query.to_wire()[:2] + b"\x81\x81" + bytes(8)

    async with name_server(old) as server, resolving(server, cache_entries=0) as resolver:
        for _ in range(3):
            assert (await resolver.resolve(WWW)).status is Status.ANSWER
        assert [query.edns for _, query in server.queries] == [0, -1, -1, -1]


CANARY = CanarySettings(must_not_exist_under=None, interval_seconds=3_600)
DROPPED = {
    "edns": lambda query: query.edns >= 0,
    "cookies": lambda query: bool(query.options),
    "mixed-case": lambda query: (text := query.question[0].name.to_text()) != text.lower(),
}


@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("dropped", DROPPED)
async def test_a_server_that_drops_full_queries_is_asked_without_extras(dropped, attempts):
    """After a few timeouts every question has its answer at once, and the cause is known."""

    def odd(query, transport):
        is_root = query.question[0].name == dns.name.root
        return None if DROPPED[dropped](query) else records(query, ROOT) if is_root else knows_all(query, transport)

    async with (
        name_server(odd) as server,
        resolving(server, attempts=attempts, timeout_seconds=0.1, cache_entries=0, canary=CANARY) as resolver,
    ):
        for n in range(8):
            await resolver.resolve(Question(name(f"long-enough-for-mixed-case-{n}.example.org"), "A"))
        del server.queries[:]
        answers = [await resolver.resolve(Question(name(f"n{n}.example.org"), "A")) for n in range(5)]

        assert {answer.status for answer in answers} == {Status.ANSWER}
        assert [query.edns for _, query in server.queries] == [-1] * 5
        assert resolver.servers[0].workarounds == (Workaround.BASIC,)


async def test_a_server_that_was_only_silent_is_asked_as_before():
    """A server that was down, and answers the first query after that, has no workaround."""
    handlers = [silent]
    async with (
        name_server(lambda query, transport: handlers[0](query, transport)) as server,
        resolving(server, timeout_seconds=0.05, cache_entries=0) as resolver,
    ):
        for _ in range(3):
            assert (await resolver.resolve(WWW)).status is Status.TIMEOUT
        handlers[0] = knows_www
        for _ in range(5):
            assert (await resolver.resolve(WWW)).status is Status.ANSWER

        assert resolver.servers[0].workarounds == ()
        assert server.queries[-1][1].edns == 0


async def test_edns_can_be_turned_off():
    """Without EDNS, queries have neither an OPT record nor a cookie, and keep their random case."""
    async with name_server(knows_www) as server, resolving(server, edns=False, cache_entries=0) as resolver:
        for _ in range(10):
            assert (await resolver.resolve(WWW)).status is Status.ANSWER

        assert {query.edns for _, query in server.queries} == {-1}
        assert len({query.question[0].name.to_text() for _, query in server.queries}) > 5
        assert resolver.servers[0].workarounds == ()


async def test_only_formerr_without_a_question_is_inconclusive():
    """A server that understands no query has the status REFUSED."""
    async with (
        name_server(lambda query, _: query.to_wire()[:2] + b"\x81\x81" + bytes(8)) as server,
        resolving(server) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.REFUSED


async def test_cookies_are_sent_back_and_required():
    """A server's cookie is sent back, and replies without it or with another one are ignored."""

    def bake(query, transport, *, client=None, server_part=b"0123456789abcdef"):
        reply = records(query, HERE)
        sent = query.options[0].to_wire()
        reply.use_edns(0, options=[dns.edns.GenericOption(10, (client or sent[:8]) + server_part)])
        return reply

    def forge_then_bake(query, transport):
        forged = records(query, "www.example.org. 300 IN A 203.0.113.66")
        wrong = bake(query, transport, client=b"wrong-cl")
        wrong.answer = forged.answer
        return [forged, wrong, bake(query, transport)]

    async with name_server(bake) as server, resolving(server, cache_entries=0) as resolver:
        await resolver.resolve(WWW)
        await resolver.resolve(WWW)
        assert server.queries[1][1].options[0].to_wire().endswith(b"0123456789abcdef")

        server.handler = forge_then_bake
        assert (await resolver.resolve(WWW)).records == (address("192.0.2.1"),)
        assert resolver.statistics.ignored["cookie"] >= 2  # more on a machine that is so busy that it was asked again

        server.handler = knows_www  # a server that has given cookies up
        answers = [await resolver.resolve(WWW) for _ in range(2)]
        assert answers[-1].status is Status.ANSWER


async def test_a_cookie_beside_an_error_is_required_too():
    """A server whose first cookie is in a reply with an extended error has shown that it sends cookies."""

    def bake(query, transport):
        reply = records(query, HERE)
        cookie = dns.edns.GenericOption(10, query.options[0].to_wire()[:8] + b"0123456789abcdef")
        reply.use_edns(0, options=[cookie, dns.edns.EDEOption(3, "stale")])
        return reply

    def forge_then_bake(query, transport):
        forged = [records(query, "www.example.org. 300 IN A 203.0.113.66") for _ in range(2)]
        forged[0].use_edns(-1)
        forged[1].use_edns(0)
        return [*forged, bake(query, transport)]

    async with name_server(bake) as server, resolving(server, cache_entries=0) as resolver:
        await resolver.resolve(WWW)
        server.handler = forge_then_bake
        answer = await resolver.resolve(WWW)

        assert answer.records == (address("192.0.2.1"),)
        assert answer.errors == (ExtendedError(3, "stale"),)
        assert resolver.statistics.ignored["cookie"] >= 2


async def test_badcookie_is_answered_with_the_right_one():
    """A server that demands its cookie gets it at once (RFC 7873 section 5.3)."""

    def insist(query, transport):
        sent = query.options[0].to_wire()
        reply = records(query, HERE)
        reply.use_edns(0, options=[dns.edns.GenericOption(10, sent[:8] + b"01234567")])
        if not sent.endswith(b"01234567"):
            reply.answer = []
            reply.set_rcode(23)
        return reply

    async with name_server(insist) as server, resolving(server) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.ANSWER
        assert len(server.queries) == 2


async def test_the_rate_and_the_queue_are_bounded():
    """Questions above the rate wait. Those above the size of the queue are not answered, and are counted."""
    async with (
        name_server(knows_all) as server,
        resolving(server, max_queries_per_second=1, max_queued=2, max_queue_seconds=0.2, timeout_seconds=5) as resolver,
    ):
        questions = [Question(name(f"n{n}.example.org"), "A") for n in range(5)]
        answers = await asyncio.gather(*map(resolver.resolve, questions))

        assert [answer.status for answer in answers[1:]] == [Status.TIMEOUT] * 4
        assert resolver.statistics.overflowed == 4
        assert len(server.queries) == 1
        assert (resolver.queued, resolver.in_flight) == (0, 0)


async def test_no_more_are_in_flight_than_allowed():
    """The number in flight is limited, and every question is answered."""
    highest = 0

    async def slow(query, transport):
        nonlocal highest
        highest = max(highest, resolver.in_flight)
        await asyncio.sleep(0.01)
        return knows_all(query, transport)

    async with name_server(slow) as server, resolving(server, max_in_flight=4, timeout_seconds=5) as resolver:
        questions = [Question(name(f"n{n}.example.org"), "A") for n in range(40)]
        answers = await asyncio.gather(*map(resolver.resolve, questions))

        assert {answer.status for answer in answers} == {Status.ANSWER}
        assert highest == 4


async def test_closing_calls_back_all_questions():
    """When the resolver is closed, open questions are called back once, as timed out."""
    async with name_server(silent) as server:
        resolver = Resolver(settings(server, max_in_flight=1, timeout_seconds=5))
        await resolver.start()
        called: list[Answer] = []
        for n in range(3):
            resolver.ask(Question(name(f"n{n}.example.org"), "A"), lambda _, answer: called.append(answer))
        await eventually(lambda: len(server.queries) == 1)
        await resolver.close()

        assert [answer.status for answer in called] == [Status.TIMEOUT] * 3
        assert (resolver.in_flight, resolver.queued) == (0, 0)


async def test_a_broken_caller_harms_nobody_else():
    """An exception in a callback goes to the loop's exception handler, and the next callback is called."""
    caught = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context))

    def broken(question, answer):
        raise RuntimeError("broken")

    async with name_server(knows_www) as server, resolving(server) as resolver:
        resolver.ask(WWW, broken)
        answer = await resolver.resolve(WWW)

        assert answer.status is Status.ANSWER
        assert [str(context["exception"]) for context in caught] == ["broken"]


@pytest.mark.slow
async def test_sockets_are_renewed_and_bounded():
    """Ports change all the time, and the number of open sockets does not grow."""
    async with name_server(knows_all) as server, resolving(server, max_queries_per_second=1e6) as resolver:
        for n in range(1_500):
            await resolver.resolve(Question(name(f"n{n}.example.org"), "A"))
            assert resolver.open_sockets <= 16

        assert len({port for _, port in server.sources}) > 10


async def test_a_step_of_the_wall_clock_changes_nothing():
    """Cache and timeouts do not depend on the date."""
    date = [1_000_000_000.0]
    gate = asyncio.Event()

    async def wait(query, transport):
        await gate.wait()
        return knows_all(query, transport)

    async with name_server(knows_all) as server:
        resolver = Resolver(settings(server, timeout_seconds=5), unix_time=lambda: date[0])
        await resolver.start()
        try:
            first = await resolver.resolve(WWW)
            for step in (-60.0, 30 * 86_400.0, -90 * 86_400.0):
                gate.clear()
                server.handler = wait
                asking = asyncio.ensure_future(resolver.resolve(Question(name(f"n{step}.example.org"), "A")))
                await eventually(lambda: resolver.in_flight == 1)
                date[0] += step
                gate.set()
                assert (await asking).asked_at == date[0]
                assert await resolver.resolve(WWW) == first
                assert resolver.servers[0].up
        finally:
            await resolver.close()
        assert len(server.queries) == 4


async def test_hostile_names_are_asked_and_read():
    """Hostile bytes in a PTR name are escaped, and the name can be asked for."""
    hostile = r"a\.b\000\"c\032\255.example.org"

    def ptr(query, transport):
        return records(query, f"{query.question[0].name} 60 IN PTR {hostile}.")

    async with name_server(ptr) as server, resolving(server) as resolver:
        answer = await resolver.resolve(Question(name("1.2.0.192.in-addr.arpa"), "PTR"))
        assert answer.names == names(hostile)

        again = await resolver.resolve(Question(answer.names[0], "PTR"))
        assert again.names == names(hostile)


async def test_a_server_whose_name_does_not_resolve_is_unreachable():
    """A server name that does not resolve is a network error, and other servers are asked."""
    nowhere = Endpoint("udp", "nowhere.invalid", 53)
    async with resolving(nowhere, attempts=2) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.NETWORK
    async with name_server(knows_www) as server, resolving(nowhere, server) as resolver:
        assert (await resolver.resolve(WWW)).server == str(server.endpoint)
