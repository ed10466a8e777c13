"""The resolver against real sockets on loopback: what the DNS says, and does not say, becomes one answer."""

import asyncio
import socket

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from exporter.checks.answers import Answer, ExtendedError, Question, Status
from exporter.checks.names import DomainName
from exporter.dns.resolver import Resolver
from exporter.dns.settings import Endpoint
from tests.factories import address, name, names
from tests.unit.dns.nameserver import (
    HERE,
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


async def test_an_answer_says_who_gave_it_and_is_remembered():
    """The first question is asked, the second is answered out of the cache, and both get the same answer."""
    async with name_server(knows_www) as server, resolving(server) as resolver:
        answer = await resolver.resolve(WWW)
        again = await resolver.resolve(WWW)

        assert answer[:5] == (Status.ANSWER, (address("192.0.2.1"),), (), 300, str(server.endpoint))
        assert again == answer
        assert len(server.queries) == 1
        assert resolver.statistics.cache_hits["A", "answer"] == 1
        assert resolver.in_flight == 0


async def test_a_query_is_hard_to_forge():
    """Queries have random IDs, random case, a cookie, EDNS with 1232 octets, and come from several ports."""
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
    """Whoever asks what is being asked already gets the same answer."""
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


async def test_an_age_limit_goes_past_what_is_older():
    """A cached answer that is as old as the limit is asked for anew."""
    async with name_server(knows_www) as server, resolving(server) as resolver:
        await resolver.resolve(WWW)
        await resolver.resolve(WWW, max_age_seconds=0)

        assert len(server.queries) == 2


async def test_a_confirmation_asks_another_server():
    """Confirming goes past the cache, to a server other than the one that answered last."""
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
    """An RCODE that tells nothing about the name is asked again, then told; the server counts as up."""
    async with name_server(lambda query, _: records(query, rcode=rcode)) as server, resolving(server) as resolver:
        answer = await resolver.resolve(WWW)

        assert (answer.status, answer.records, answer.server) == (status, (), str(server.endpoint))
        assert len(server.queries) >= 3
        assert resolver.servers[0].up
        assert resolver.servers[0].last_error is status
        assert not len(resolver.cache)


async def test_silence_and_a_closed_port_have_their_reasons():
    """Nobody who answers is a timeout, nobody who listens is the network; both take a server down."""
    async with name_server(silent) as server, resolving(server, timeout_seconds=0.05) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.TIMEOUT
        assert len(server.queries) == 3
        await eventually(lambda: not resolver.servers[0].up)

    async with resolving(closed_endpoint()) as resolver:
        answer = await resolver.resolve(WWW)
        assert (answer.status, answer.server) == (Status.NETWORK, "")
        assert not resolver.servers[0].up


async def test_one_servers_answer_ends_it():
    """Servers that are dead, silent or refuse are passed over for one that answers."""
    async with (
        name_server(silent) as mute,
        name_server(lambda query, _: records(query, rcode=5)) as refusing,
        name_server(knows_www) as good,
        resolving(mute, refusing, good, timeout_seconds=0.5) as resolver,
    ):
        assert (await resolver.resolve(WWW)).server == str(good.endpoint)


async def test_a_dead_first_server_does_not_cost_every_question_its_timeout():
    """After a few timeouts the silent server is asked last, and is found again when it comes back."""
    helo = [silent]
    async with (
        name_server(lambda query, transport: helo[0](query, transport)) as first,
        name_server(knows_www) as second,
        resolving(first, second, timeout_seconds=0.5, cache_entries=0) as resolver,
    ):
        for _ in range(20):
            assert (await resolver.resolve(WWW)).server == str(second.endpoint)
        assert len(first.asked()) == 3
        await eventually(lambda: [server.up for server in resolver.servers] == [False, True])

        helo[0] = knows_www
        await eventually(lambda: resolver.servers[0].up)
        assert (await resolver.resolve(WWW)).server == str(first.endpoint)


async def test_the_most_telling_reason_is_told():
    """Of a silent and a failing server, the failure is told."""
    async with (
        name_server(silent) as mute,
        name_server(lambda query, _: records(query, rcode=2)) as failing,
        resolving(failing, mute, timeout_seconds=0.05) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.SERVFAIL


def altered(query, change):
    """The good reply with a change to it."""
    reply = records(query, HERE)
    change(reply)
    return reply


def forged(query):
    """Replies that somebody else might send, and garbage; none of them may be believed."""
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


async def test_what_is_not_the_reply_is_ignored_and_the_reply_still_used():
    """A flood of forged and broken packets changes nothing: each is counted, the right one is taken."""

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


async def test_a_reply_from_another_port_is_not_seen():
    """A reply counts only from the address and port that was asked."""
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def misdirected(query, transport):
        other.sendto(records(query, HERE).to_wire(), server.sources[-1])

    with other:
        async with name_server(misdirected) as server, resolving(server, attempts=1, timeout_seconds=0.3) as resolver:
            assert (await resolver.resolve(WWW)).status is Status.TIMEOUT


async def test_only_garbage_is_malformed():
    """A server whose every reply is unreadable is told apart from a silent one."""
    async with (
        name_server(lambda query, _: records(query, HERE, rcode=3)) as server,
        resolving(server, attempts=2) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.MALFORMED


async def test_a_truncated_reply_is_asked_again_over_tcp():
    """TC brings the question to TCP, whose connection is used again."""

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
    """Truncated, and nobody there on TCP: the network is at fault, not the name."""

    def truncate(query, transport):
        reply = records(query)
        reply.flags |= dns.flags.TC
        return reply

    async with name_server(truncate, tcp=False) as server, resolving(server) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.NETWORK


async def test_a_chain_that_leads_on_is_asked_on():
    """Where a reply ends in a CNAME, its target is asked for; the answer holds the whole chain."""
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
    """A chain that comes back to where it was, and one without end, are told as such."""

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


async def test_a_chain_whose_every_link_is_slow_ends_with_the_time_of_its_question():
    """Each link has attempts of its own, but all share the question's time: a chain cannot make a lookup hang."""

    async def drag(query, transport):
        await asyncio.sleep(0.3)
        return records(query, f"{query.question[0].name} 300 IN CNAME x{len(server.queries)}.example.net.")

    async with name_server(drag) as server, resolving(server, attempts=1, timeout_seconds=1.0) as resolver:
        answer = await resolver.resolve(WWW)

        assert answer.status is Status.TIMEOUT
        assert 2 <= len(server.queries) <= 7  # of 17: 2 s are over
        assert resolver.in_flight == 0


async def test_extended_errors_come_with_the_answer():
    """RFC 8914 options are part of the answer, of whatever status."""

    def validate(query, transport):
        reply = records(query, rcode=2)
        reply.use_edns(0, options=[dns.edns.EDEOption(6, "bogus\n")])
        return reply

    async with name_server(validate) as server, resolving(server) as resolver:
        assert (await resolver.resolve(WWW)).errors == (ExtendedError(6, "bogus\n"),)


async def test_negative_answers_are_remembered_for_their_own_time():
    """The smaller of the SOA's TTL and minimum is the TTL of a negative answer."""
    async with (
        name_server(lambda query, _: records(query, rcode=3, authority=SOA)) as server,
        resolving(server) as resolver,
    ):
        answer = await resolver.resolve(WWW)
        assert (answer.status, answer.ttl) == (Status.NXDOMAIN, 60)
        assert await resolver.resolve(WWW) == answer


async def test_a_server_that_folds_case_is_found_out():
    """After three questions that a server repeats in lower case, it is asked in lower case from the start."""

    def fold(query, transport):
        reply = records(query, HERE).to_wire()
        end = 12 + len(query.question[0].name.to_wire())
        return reply[:12] + reply[12:end].lower() + reply[end:]

    async with name_server(fold) as server, resolving(server, cache_entries=0) as resolver:
        for _ in range(5):
            assert (await resolver.resolve(WWW)).status is Status.ANSWER
        assert len(server.queries) == 8


async def test_a_server_without_edns_is_found_out():
    """FORMERR, with or without its question, is answered by a query without EDNS, and remembered."""

    def old(query, transport):
        if query.edns < 0:
            return records(query, HERE)
        return records(query, rcode=1) if len(server.queries) > 1 else query.to_wire()[:2] + b"\x81\x81" + bytes(8)

    async with name_server(old) as server, resolving(server, cache_entries=0) as resolver:
        for _ in range(3):
            assert (await resolver.resolve(WWW)).status is Status.ANSWER
        assert [query.edns for _, query in server.queries] == [0, -1, -1, -1]


async def test_only_formerr_without_a_question_is_inconclusive():
    """A server that understands no query at all refuses, one way or another."""
    async with (
        name_server(lambda query, _: query.to_wire()[:2] + b"\x81\x81" + bytes(8)) as server,
        resolving(server) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.REFUSED


async def test_cookies_are_sent_back_and_demanded():
    """A server's cookie is sent back; a reply without the cookie, or with another, is not believed any more."""

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


async def test_a_cookie_that_came_with_an_error_is_demanded_too():
    """A server whose first cookie comes beside an extended error has shown that it sends one, as any other has."""

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
    """A server that insists on its cookie gets it at once (RFC 7873 section 5.3)."""

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
    """What is over the limits waits; what is over the queue's is unanswered, and counted."""
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
    """The number in flight is capped, and everything is answered in the end."""
    most = 0

    async def slow(query, transport):
        nonlocal most
        most = max(most, resolver.in_flight)
        await asyncio.sleep(0.01)
        return knows_all(query, transport)

    async with name_server(slow) as server, resolving(server, max_in_flight=4, timeout_seconds=5) as resolver:
        questions = [Question(name(f"n{n}.example.org"), "A") for n in range(40)]
        answers = await asyncio.gather(*map(resolver.resolve, questions))

        assert {answer.status for answer in answers} == {Status.ANSWER}
        assert most == 4


async def test_closing_calls_back_everybody():
    """Questions that are open when the resolver closes are called back, once, as timed out."""
    async with name_server(silent) as server:
        resolver = Resolver(settings(server, max_in_flight=1, timeout_seconds=5))
        await resolver.start()
        told: list[Answer] = []
        for n in range(3):
            resolver.ask(Question(name(f"n{n}.example.org"), "A"), lambda _, answer: told.append(answer))
        await eventually(lambda: len(server.queries) == 1)
        await resolver.close()

        assert [answer.status for answer in told] == [Status.TIMEOUT] * 3
        assert (resolver.in_flight, resolver.queued) == (0, 0)


async def test_a_broken_caller_harms_nobody_else():
    """What a callback raises goes to the loop's exception handler; the next one is still called."""
    caught = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context))

    def broken(question, answer):
        raise RuntimeError("broken")

    async with name_server(knows_www) as server, resolving(server) as resolver:
        resolver.ask(WWW, broken)
        answer = await resolver.resolve(WWW)

        assert answer.status is Status.ANSWER
        assert [str(context["exception"]) for context in caught] == ["broken"]


async def test_sockets_are_renewed_and_bounded():
    """Ports change all the time, and the number of open sockets does not grow."""
    async with name_server(knows_all) as server, resolving(server, max_queries_per_second=1e6) as resolver:
        for n in range(1_500):
            await resolver.resolve(Question(name(f"n{n}.example.org"), "A"))
            assert resolver.open_sockets <= 16

        assert len({port for _, port in server.sources}) > 10


async def test_a_step_of_the_wall_clock_changes_nothing():
    """What was answered is remembered, and what is under way is waited for, whatever date it is meanwhile."""
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


async def test_names_that_hold_anything_are_asked_and_read():
    """Hostile octets in a PTR name come back escaped, and can be asked for again."""
    hostile = r"a\.b\000\"c\032\255.example.org"

    def ptr(query, transport):
        return records(query, f"{query.question[0].name} 60 IN PTR {hostile}.")

    async with name_server(ptr) as server, resolving(server) as resolver:
        answer = await resolver.resolve(Question(name("1.2.0.192.in-addr.arpa"), "PTR"))
        assert answer.names == names(hostile)

        again = await resolver.resolve(Question(answer.names[0], "PTR"))
        assert again.names == names(hostile)


async def test_a_server_whose_name_does_not_resolve_is_unreachable():
    """A host name that leads nowhere is the network's fault, and harms no other server."""
    nowhere = Endpoint("udp", "nowhere.invalid", 53)
    async with resolving(nowhere, attempts=2) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.NETWORK
    async with name_server(knows_www) as server, resolving(nowhere, server) as resolver:
        assert (await resolver.resolve(WWW)).server == str(server.endpoint)
