"""DNS over TLS and HTTPS: connections are reused, and certificates are always verified."""

import asyncio
import contextlib

import dns.message
import pytest
from aiohttp import web

from exporter.checks.answers import Question, Status
from exporter.dns.settings import parse_endpoint
from tests.factories import address, name
from tests.unit.dns.certificates import make_certificate, serving_context
from tests.unit.dns.nameserver import WWW, closed_endpoint, knows_all, name_server, records, resolving, silent


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for the loopback address and for a name."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1,DNS:dns.example.org")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A certificate for another name."""
    return make_certificate(tmp_path_factory.mktemp("foreign"), "DNS:other.example.org")


def tls_endpoint(server, more=""):
    """The TLS endpoint of a server on loopback."""
    return parse_endpoint(f"tls://127.0.0.1:{server.port}{more}")


@contextlib.asynccontextmanager
async def https_server(certificate, answer, host="127.0.0.1"):
    """An HTTPS server with the handler *answer*. Yields its endpoint and the peers that have connected."""
    peers = []

    async def handle(request):
        peers.append(request.transport.get_extra_info("peername"))
        return await answer(request)

    app = web.Application()
    app.router.add_post("/dns-query", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=serving_context(certificate))
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    text = f"[{host}]" if ":" in host else host
    yield parse_endpoint(f"https://{text}:{port}/dns-query"), peers
    await runner.cleanup()


async def over_https(request):
    """The right reply over HTTPS."""
    query = dns.message.from_wire(await request.read())
    return web.Response(body=knows_all(query, "https").to_wire(), content_type="application/dns-message")


async def test_tls_asks_many_questions_over_one_connection(certificate):
    """A hundred questions at once share a connection, also with a later one."""
    async with (
        name_server(knows_all, udp=False, tls=serving_context(certificate)) as server,
        resolving(tls_endpoint(server), ca_file=certificate, timeout_seconds=5) as resolver,
    ):
        questions = [Question(name(f"n{n}.example.org"), "A") for n in range(100)]
        answers = await asyncio.gather(*map(resolver.resolve, questions))
        await resolver.resolve(WWW)

        assert {answer.records for answer in answers} == {(address("192.0.2.1"),)}
        assert answers[0].server == str(tls_endpoint(server))
        assert server.connections == 1


async def test_tls_reconnects(certificate):
    """A connection that the server has closed is replaced, without using up an attempt."""
    async with (
        name_server(knows_all, udp=False, tls=serving_context(certificate)) as server,
        resolving(tls_endpoint(server), ca_file=certificate, attempts=1, cache_entries=0) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.ANSWER
        server.hang_up()
        assert (await resolver.resolve(WWW)).status is Status.ANSWER
        assert server.connections == 2


async def test_tls_requires_the_configured_name(certificate):
    """The certificate must be for the host, or for the name after the #."""
    async with name_server(knows_all, udp=False, tls=serving_context(certificate)) as server:
        for more, status in (("#dns.example.org", Status.ANSWER), ("#other.example.org", Status.TLS)):
            async with resolving(tls_endpoint(server, more), ca_file=certificate) as resolver:
                assert (await resolver.resolve(WWW)).status is status


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_untrusted_certificate_is_inconclusive(certificate, foreign, trusted):
    """An unknown CA and a certificate for another name have the status TLS, over TLS and HTTPS."""
    presented = foreign if trusted else certificate
    more = {"ca_file": foreign} if trusted else {}
    async with (
        name_server(knows_all, udp=False, tls=serving_context(presented)) as server,
        https_server(presented, over_https) as (endpoint, _),
    ):
        for each in (tls_endpoint(server), endpoint):
            async with resolving(each, timeout_seconds=5, attempts=2, **more) as resolver:
                assert (await resolver.resolve(WWW)).status is Status.TLS
                assert resolver.servers[0].last_error is Status.TLS


async def test_silence_over_tls_is_a_timeout_and_a_closed_port_the_network(certificate):
    """Failures below TLS have the same status as over UDP."""
    async with (
        name_server(silent, udp=False, tls=serving_context(certificate)) as server,
        resolving(tls_endpoint(server), ca_file=certificate, attempts=1, timeout_seconds=0.5) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.TIMEOUT

    closed = closed_endpoint().port
    for text in (f"tls://127.0.0.1:{closed}", f"https://127.0.0.1:{closed}/dns-query"):
        async with resolving(parse_endpoint(text), ca_file=certificate) as resolver:
            assert (await resolver.resolve(WWW)).status is Status.NETWORK


async def test_a_connection_that_hangs_is_replaced(certificate):
    """If a connection hangs, the server is asked over another one."""
    hanging = True

    def answer(query, transport):
        nonlocal hanging
        reply, hanging = (None, False) if hanging else (knows_all(query, transport), False)
        return reply

    async with (
        name_server(answer, udp=False, tls=serving_context(certificate)) as server,
        resolving(tls_endpoint(server), ca_file=certificate, timeout_seconds=0.5) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is Status.ANSWER
        assert server.connections == 2


async def test_https_keeps_its_connections(certificate):
    """Consecutive questions over HTTPS use one connection."""
    async with (
        https_server(certificate, over_https) as (endpoint, peers),
        resolving(endpoint, ca_file=certificate, cache_entries=0, timeout_seconds=5) as resolver,
    ):
        for _ in range(5):
            answer = await resolver.resolve(WWW)
            assert answer.records == (address("192.0.2.1"),)
        assert answer.server == str(endpoint)
        assert len(set(peers)) == 1


@pytest.mark.slow
async def test_silence_over_https_is_a_timeout_for_one_question_only(certificate):
    """A request without a response times out, and the session continues."""
    gate = asyncio.Event()
    requests = []

    async def hang_first(request):
        requests.append(request)
        if len(requests) == 1:
            await gate.wait()
        return await over_https(request)

    async with (
        https_server(certificate, hang_first) as (endpoint, _),
        resolving(endpoint, ca_file=certificate, attempts=1, timeout_seconds=1) as resolver,
    ):
        try:
            assert (await resolver.resolve(WWW)).status is Status.TIMEOUT
            assert (await resolver.resolve(WWW)).status is Status.ANSWER
            assert resolver.in_flight == 0
        finally:
            gate.set()


async def respond(request, **response):
    """An HTTP response."""
    await request.read()
    return web.Response(**response)


MESSAGE = "application/dns-message"


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ({"status": 503}, Status.SERVFAIL),
        ({"status": 404}, Status.REFUSED),
        ({"status": 302, "headers": {"location": "https://127.0.0.1/"}}, Status.REFUSED),
        ({"body": b"<html>", "content_type": "text/html"}, Status.MALFORMED),
        ({"body": b"", "content_type": MESSAGE}, Status.MALFORMED),
        ({"body": bytes(70_000), "content_type": MESSAGE}, Status.MALFORMED),
        ({"body": records(dns.message.make_query("x.", "A")).to_wire(), "content_type": MESSAGE}, Status.MALFORMED),
    ],
)
async def test_other_responses_over_https_are_inconclusive(certificate, response, status):
    """Errors, redirects, web pages and unrelated messages each have their status."""
    async with (
        https_server(certificate, lambda request: respond(request, **response)) as (endpoint, _),
        resolving(endpoint, ca_file=certificate, timeout_seconds=5) as resolver,
    ):
        assert (await resolver.resolve(WWW)).status is status


@pytest.mark.parametrize("server", ["tls://127.0.0.1:1", "https://127.0.0.1:1/dns-query"])
async def test_without_its_ca_file_a_server_is_unreachable(tmp_path, server):
    """If the CA file was removed after the start, the status is NETWORK, and nothing is raised."""
    async with resolving(parse_endpoint(server), ca_file=tmp_path / "gone.pem", attempts=1) as resolver:
        answer = await resolver.resolve(WWW)

    assert answer.status is Status.NETWORK
