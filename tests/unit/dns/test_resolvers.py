"""Who counts as a source of its own, and that nobody else answers for it."""

import asyncio
import contextlib

import dns.rcode

from exporter.checks.answers import Status
from exporter.dns.resolvers import Resolvers, Source
from tests.factories import question
from tests.unit.dns.nameserver import name_server, records, settings

PTR = question("10.2.0.192.in-addr.arpa", "PTR")


def nobody(query, _transport):
    """Know no name."""
    return records(query, rcode=dns.rcode.NXDOMAIN)


def right(query, _transport):
    """Know the name that is asked for."""
    return records(query, f"{query.question[0].name} 60 IN PTR mail.example.org.")


@contextlib.asynccontextmanager
async def asking(*settings_of):
    """Start resolvers, and end them."""
    resolvers = Resolvers(settings_of)
    await resolvers.start()
    try:
        yield resolvers
    finally:
        await resolvers.close()


async def opinion(resolvers, source):
    """What a source says of a name."""
    heard = asyncio.get_running_loop().create_future()
    resolvers.ask(PTR, lambda _, answer: heard.set_result(answer), confirm=True, source=source)
    return await heard


async def test_several_resolvers_are_a_voice_each():
    """However many servers each has; who answers nothing is none that can be asked."""
    async with name_server(nobody) as one, name_server(right) as two, name_server(right, udp=False, tcp=False) as dead:
        first, second = settings(one, name="a", attempts=4), settings(two, dead, name="b", attempts=4)
        async with asking(first, second) as resolvers:
            a, b = Source("a"), Source("b")
            assert resolvers.sources([str(one.endpoint)]) == {a}
            assert resolvers.sources([str(one.endpoint), str(dead.endpoint)]) == {a, b}
            assert [resolvers.another([]), resolvers.another([a]), resolvers.another([a, b])] == [a, b, None]
            assert (await opinion(resolvers, a)).status is Status.NXDOMAIN
            assert (await opinion(resolvers, b)).status is Status.ANSWER

        async with asking(settings(dead, name="a", attempts=4), second) as resolvers:
            assert (await opinion(resolvers, a)).status is Status.NETWORK
            assert resolvers.another([]) == b


async def test_the_servers_of_a_lone_resolver_are_a_voice_each():
    """Asked for its opinion, a server gives it alone: its failures are not made up for by another one."""
    broken = lambda query, _: records(query, rcode=dns.rcode.SERVFAIL)  # noqa: E731
    async with (
        name_server(nobody) as one,
        name_server(right) as two,
        name_server(broken) as three,
        asking(settings(one, two, three, name="only")) as resolvers,
    ):
        sources = [Source("only", str(server.endpoint)) for server in (one, two, three)]
        assert resolvers.sources([sources[1].server]) == {sources[1]}
        assert resolvers.another(sources[:1]) == sources[1]
        helo = await asyncio.gather(*[opinion(resolvers, source) for source in sources])

    assert [answer.status for answer in helo] == [Status.NXDOMAIN, Status.ANSWER, Status.SERVFAIL]
    assert [answer.server for answer in helo] == [source.server for source in sources]
    assert len(three.asked()) == 3


async def test_what_a_voice_says_is_remembered_as_any_answer():
    """The next ordinary question of the round need not be asked again."""
    async with name_server(right) as one, asking(settings(one, name="only")) as resolvers:
        await opinion(resolvers, Source("only", str(one.endpoint)))
        assert (await resolvers.resolve(PTR)).status is Status.ANSWER
        assert len(one.asked()) == 1
