"""Several resolvers stand in for each other, are independent sources, and log when their servers fail."""

import asyncio
import contextlib
import math
from typing import NamedTuple

import dns.rcode
import pytest
from structlog.testing import capture_logs

from exporter.checks.answers import Question, Status
from exporter.dns.resolver import ServerHealth
from exporter.dns.resolvers import Resolvers, ServerLog, Source
from exporter.dns.servers import CanaryFailure
from exporter.dns.settings import ResolverSettings, parse_endpoint
from tests.factories import name, question
from tests.unit.dns.nameserver import OFTEN, WWW, eventually, honest, name_server, records, settings, sinkhole

PTR = question("10.2.0.192.in-addr.arpa", "PTR")


def nobody(query, _transport):
    """A handler for which no name exists."""
    return records(query, rcode=dns.rcode.NXDOMAIN)


def failing(query, _transport):
    """A handler that always fails."""
    return records(query, rcode=dns.rcode.SERVFAIL)


def right(query, _transport):
    """A handler that knows every name."""
    return records(query, f"{query.question[0].name} 60 IN PTR mail.example.org.")


@contextlib.asynccontextmanager
async def asking(*settings_of):
    """Start resolvers, and close them at the end."""
    resolvers = Resolvers(settings_of)
    await resolvers.start()
    try:
        yield resolvers
    finally:
        await resolvers.close()


async def answer_of(resolvers, source):
    """The answer of one source."""
    heard = asyncio.get_running_loop().create_future()
    resolvers.ask(PTR, lambda _, answer: heard.set_result(answer), confirm=True, source=source)
    return await heard


async def test_each_of_several_resolvers_is_a_source():
    """The number of servers does not matter. A resolver that does not answer is not a working source."""
    async with name_server(nobody) as one, name_server(right) as two, name_server(right, udp=False, tcp=False) as dead:
        first, second = settings(one, name="a", attempts=4), settings(two, dead, name="b", attempts=4)
        async with asking(first, second) as resolvers:
            a, b = Source("a"), Source("b")
            assert resolvers.sources([str(one.endpoint)]) == {a}
            assert resolvers.sources([str(one.endpoint), str(dead.endpoint)]) == {a, b}
            assert [resolvers.another([]), resolvers.another([a]), resolvers.another([a, b])] == [a, b, None]
            assert (await answer_of(resolvers, a)).status is Status.NXDOMAIN
            assert (await answer_of(resolvers, b)).status is Status.ANSWER

        async with asking(settings(dead, name="a", attempts=4), second) as resolvers:
            assert (await answer_of(resolvers, a)).status is Status.NETWORK
            assert resolvers.another([]) == b


async def test_each_server_of_the_only_resolver_is_a_source():
    """Only the given server is asked, even if it fails."""
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
        answers = await asyncio.gather(*[answer_of(resolvers, source) for source in sources])

    assert [answer.status for answer in answers] == [Status.NXDOMAIN, Status.ANSWER, Status.SERVFAIL]
    assert [answer.server for answer in answers] == [source.server for source in sources]
    assert len(three.asked()) == 3


async def test_answers_of_a_source_are_cached():
    """The next question for any source is answered from the cache."""
    async with name_server(right) as one, asking(settings(one, name="only")) as resolvers:
        await answer_of(resolvers, Source("only", str(one.endpoint)))
        assert (await resolvers.resolve(PTR)).status is Status.ANSWER
        assert len(one.asked()) == 1


SILENT = "a DNS server does not answer"
LYING = "a DNS server fails its canary, so its answers are ignored"
BACK = "a DNS server is back"
FAILING = "a DNS server fails its canary"


class Group(NamedTuple):
    """The parts of a resolver that the log reads."""

    name: str
    settings: ResolverSettings
    servers: tuple[ServerHealth, ...]


def group(*, up=True, ok=True, contradicted=False, canary=True, error=None, failure=None):
    """A resolver with one server in this state."""
    settings = ResolverSettings(name="local")
    if not canary:
        settings = ResolverSettings(name="local", canary=None)
    server = ServerHealth(parse_endpoint("192.0.2.53"), up, error, ok, contradicted, 0.001, failure)
    return Group("local", settings, (server,))


WELL = group()
FRESH = group(ok=False)
DOWN = group(up=False, ok=False, error=Status.TIMEOUT)
LIAR = group(ok=False, contradicted=True)
ROOT = Question(name("."), "NS")
ERRING = group(ok=False, failure=CanaryFailure(ROOT, Status.SERVFAIL, "SERVFAIL", 1.0))
UNHEARD = group(ok=False, failure=CanaryFailure(ROOT, Status.TIMEOUT, "TIMEOUT", 1.0))


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        pytest.param([FRESH, WELL, WELL], [], id="nothing-after-a-good-start"),
        pytest.param([FRESH, DOWN, DOWN, WELL], [SILENT, BACK], id="one-line-a-change"),
        pytest.param([WELL, DOWN, FRESH, DOWN], [SILENT], id="after-a-reload-nothing-is-known"),
        pytest.param([WELL, LIAR, DOWN, WELL], [LYING, SILENT, BACK], id="from-one-failure-to-another"),
        pytest.param([WELL, ERRING, ERRING, WELL], [FAILING, BACK], id="an-error-is-a-failure"),
        pytest.param([WELL, UNHEARD, WELL], [FAILING, BACK], id="silence-to-the-canary-alone-is-a-failure"),
        pytest.param([DOWN, UNHEARD, WELL], [SILENT, BACK], id="down-until-its-canary-passes"),
        pytest.param([DOWN, group(ok=False, canary=False)], [SILENT, BACK], id="without-a-canary-an-answer-is-enough"),
    ],
)
def test_each_change_is_one_line(course, expected):
    """A server whose state is not known yet logs nothing."""
    server_log = ServerLog()
    with capture_logs() as logged:
        for one in course:
            server_log.update([one])

    assert [line["event"] for line in logged] == expected
    assert all((line["resolver"], line["server"]) == ("local", str(WELL.servers[0].endpoint)) for line in logged)


def test_a_silent_server_is_a_warning_with_its_reason():
    """A server that is back is not a warning."""
    server_log = ServerLog()
    with capture_logs() as logged:
        server_log.update([DOWN])
        server_log.update([WELL])

    assert [(line["log_level"], line.get("reason")) for line in logged] == [("warning", "timeout"), ("info", None)]


def test_a_failed_canary_is_logged_with_its_question_and_answer():
    """The line has what was asked and what came."""
    with capture_logs() as logged:
        ServerLog().update([ERRING])

    assert [(line["question"], line["answer"]) for line in logged] == [(". NS", "SERVFAIL")]


def test_a_server_that_left_the_configuration_is_forgotten():
    """If it is added again and still silent, that is logged again."""
    server_log = ServerLog()
    with capture_logs() as logged:
        for several in ([DOWN], [], [DOWN]):
            server_log.update(several)

    assert [line["event"] for line in logged] == [SILENT, SILENT]


async def test_a_working_resolver_is_asked():
    """The first working resolver is asked, and another one confirms. One that fails its canary is skipped."""
    async with name_server(honest) as first, name_server(honest) as second:
        resolvers = Resolvers([settings(first, name="a", canary=OFTEN), settings(second, name="b", canary=OFTEN)])
        await resolvers.start()
        try:
            assert (await resolvers.resolve(WWW)).server == str(first.endpoint)
            assert (await resolvers.resolve(WWW, confirm=True)).server == str(second.endpoint)
            assert [resolver.name for resolver in resolvers] == ["a", "b"]
            assert resolvers["b"].name == "b"
            assert 0 < resolvers.deadline_seconds < math.inf

            for broken in (sinkhole, failing):
                first.handler = broken
                await eventually(lambda: not resolvers["a"].is_working)
                assert (await resolvers.resolve(WWW)).server == str(second.endpoint)
                assert (await resolvers.resolve(WWW, confirm=True)).server == str(second.endpoint)
                assert resolvers.another([]) == Source("b")
                first.handler = honest
                await eventually(lambda: resolvers["a"].is_working)
        finally:
            await resolvers.close()


def test_resolvers_have_different_names():
    """Two resolvers with one name are an error, and so is none."""
    for names in ([], ["a", "a"]):
        with pytest.raises(ValueError, match="each needs a different name"):
            Resolvers([ResolverSettings(name=each) for each in names])
