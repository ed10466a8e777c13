"""What the server does with clients that are slow, many, or mad."""

import asyncio
import contextlib
import itertools
import os
import random
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.running import longest_callback
from tests.integration.servers.http import is_ok
from tests.integration.servers.process import DEADLINE_SECONDS, Server, wait_until
from tests.integration.serving import PATIENT
from tests.integration.web.demo import SILENT_IP, fallen_silent, watched_demo

pytestmark = [pytest.mark.integration]


async def raw(address: str, octets: bytes) -> bytes:
    """Send some octets, and read until the server hangs up; b"" if it does without a word."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            with contextlib.suppress(ConnectionError):
                writer.write(octets)
                await writer.drain()
                return await reader.read()
            return b""
    finally:
        writer.close()


async def test_41_slow_clients_leave_health_quick():
    """Headers that come an octet at a time, and never all of them, hold nobody up: neither health nor a scrape waits.

    What an octet costs is processor time of the loop, which a busy machine does not blur.
    """
    async with watched_demo(interval="1h") as exporter:
        host, port = exporter.address.rsplit(":", 1)
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(41)]

        async def dribble() -> None:
            for octet in itertools.chain(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ", itertools.repeat(b"a"[0])):
                for _, writer in slow:
                    writer.write(bytes([octet]))
                await asyncio.sleep(0.02)

        dribbling = asyncio.create_task(dribble())
        with longest_callback() as longest:
            for _ in range(200):
                answer = await raw(exporter.address, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200 ")
        status, _ = await exporter.ask("/metrics")
        assert not dribbling.done()
        dribbling.cancel()
        for _, writer in slow:
            writer.close()

    assert status == 200
    assert longest.seconds < 0.1, longest.name


async def test_who_never_finishes_asking_is_dropped():
    """Silent from the start, in the midst of a header, or between header and body: the connection ends."""
    async with watched_demo(connection_limits=replace(PATIENT, asking=4, lingering=0.2)) as exporter:
        beginnings = (b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"GET / HTTP/1.1\r\n" + b"X: y\r\n")
        answers = await asyncio.gather(*[raw(exporter.address, octets) for octets in beginnings])
        assert answers == [b""] * len(beginnings)
        answer = await raw(exporter.address, b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")
        assert answer.startswith(b"HTTP/1.1 403 ")


async def test_who_never_reads_is_dropped():
    """A client that asks for page after page and takes none of it does not fill the memory."""
    async with watched_demo(connection_limits=replace(PATIENT, reading=0.5)) as exporter:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await ask_and_never_read(exporter.address)
        assert (await exporter.ask("/-/healthy"))[0] == 200


async def test_the_oldest_waiting_connection_makes_room():
    """With more connections than there may be, new requests are answered all the same."""
    async with watched_demo(connection_limits=replace(PATIENT, connections=20)) as exporter:
        host, port = exporter.address.rsplit(":", 1)
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(60)]
        assert (await exporter.ask("/-/healthy"))[0] == 200
        for _, writer in idle:
            writer.close()


async def test_connections_that_idle_after_a_request_make_room():
    """A client that keeps more connections open than there may be locks nobody out."""
    async with watched_demo(connection_limits=replace(PATIENT, connections=20)) as exporter:
        host, port = exporter.address.rsplit(":", 1)
        idle = []
        for _ in range(25):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            idle.append(writer)
        assert (await exporter.ask("/-/healthy"))[0] == 200
        for writer in idle:
            writer.close()


@pytest.mark.parametrize("seconds", [DEADLINE_SECONDS, 0.5], ids=["full", "dropped"])
async def test_a_request_has_its_slot_until_the_client_has_read_the_response(seconds):
    """Clients that read nothing get no more memory than there are slots. Slow ones are dropped if others wait."""
    limits = replace(PATIENT, reading_when_full=seconds)
    async with watched_demo(connection_limits=limits, max_requests=2) as exporter:
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(ask_and_never_read(exporter.address)) for _ in range(2)]
            if seconds < DEADLINE_SECONDS:
                await until_status(exporter, 503)
                await until_status(exporter, 200)
            else:
                await until_status(exporter, 503, in_a_row=20)
            for client in clients:
                client.cancel()
        await until_status(exporter, 200)


async def ask_and_never_read(address: str) -> None:
    """Ask for page after page, and read none, until the exporter closes the connection.

    It never ends by itself: requests that get a short 503 meanwhile are followed by others, until no buffer has room.
    """
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), limit=1)
    reader._transport.pause_reading()
    try:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
                await writer.drain()
                await asyncio.sleep(0.01)
    finally:
        writer.transport.abort()


async def test_a_request_that_its_client_abandons_keeps_its_slot():
    """Otherwise a client could start any number of probes, and wait for none."""
    async with fallen_silent(max_requests=2) as (exporter, dns):
        host, port = exporter.address.rsplit(":", 1)
        head = f"GET /probe?target={SILENT_IP} HTTP/1.1\r\nHost: x\r\n"
        head += "X-Prometheus-Scrape-Timeout-Seconds: 120\r\n\r\n"
        writers = []
        for _ in range(2):
            writers.append((await asyncio.open_connection(host, int(port)))[1])
            writers[-1].write(head.encode())
        await until_status(exporter, 503)
        for writer in writers:
            writer.transport.abort()
        assert (await exporter.ask("/-/healthy"))[0] == 200
        assert (await exporter.ask("/metrics"))[0] == 503
        dns.resume()
        await until_status(exporter, 200)


async def until_status(exporter, status, *, in_a_row=1):
    """Ask for the metrics until the answers have this status."""
    seen = 0
    async with asyncio.timeout(DEADLINE_SECONDS):
        while seen < in_a_row:
            seen = seen + 1 if (await exporter.ask("/metrics"))[0] == status else 0
            await asyncio.sleep(0.01)


async def test_health_answers_when_no_other_request_may():
    """With every place taken by a probe that waits, others get a 503 that says when to come again."""
    async with fallen_silent(max_requests=2) as (exporter, dns):
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "120"}
        waiting = [asyncio.create_task(exporter.ask(f"/probe?target={SILENT_IP}", headers)) for _ in range(2)]
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await exporter.ask("/api/v1/pools"))[0] != 503:
                await asyncio.sleep(0.01)
        status, body = await exporter.ask("/metrics")
        assert (status, "--web.max-requests" in body) == (503, True)
        assert (await exporter.ask("/-/healthy"))[0] == 200
        assert (await exporter.ask("/-/ready"))[0] == 200
        dns.resume()
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200, 200]
        assert (await exporter.ask("/metrics"))[0] == 200


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("POST", {}, 200, id="post"),
        pytest.param("GET", {}, 405, id="get"),
        pytest.param("POST", {"Origin": "https://evil.example"}, 403, id="another-origin"),
        pytest.param("POST", {"Sec-Fetch-Site": "cross-site"}, 403, id="another-site"),
        pytest.param("POST", {"Origin": "null"}, 403, id="no-origin"),
    ],
)
async def test_a_reload_is_asked_for_by_post_and_by_nobody_elses_page(method, headers, status):
    """A link, an image or a form of another site reloads nothing."""
    async with watched_demo(enable_lifecycle=True) as exporter:
        assert (await exporter.ask("/-/reload", headers, method))[0] == status


async def test_reloading_is_off_unless_it_is_asked_for():
    """The default is no."""
    async with watched_demo() as exporter:
        assert (await exporter.ask("/-/reload", method="POST"))[0] == 403


PIECES = [
    "/",
    "..",
    "%2e",
    "%00",
    "%ff",
    "pools",
    "addresses",
    "api",
    "v1",
    "probe",
    "search",
    "static",
    "?q=",
    "#",
    "&",
    "=",
    "\\",
    "é",
    "'",
    "<",
    "{{7*7}}",
    "::1",
    "198.51.100.1",
    "metrics",
    "-",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    " ",
    "%",
    "*",
]


async def test_a_thousand_silly_requests():
    """Random URLs, methods, headers and octets: 4xx or a hang-up, never a 5xx, and no new series."""
    rng = random.Random(11)
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "X" * 40]
    async with watched_demo(connection_limits=replace(PATIENT, lingering=0.2), interval="1h") as exporter:
        names = {name: set(series) for name, series in (await exporter.series()).items() if name.startswith("maildns_")}

        async def silly() -> None:
            path = "".join(rng.choices(PIECES, k=rng.randint(1, 9)))
            kind = rng.random()
            head = f"{rng.choice(methods)} /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            if kind < 0.2:
                octets = rng.randbytes(rng.randint(1, 400)) + b"\r\n\r\n"
            elif kind < 0.4:
                octets = f"{head}X-{path}: {path}\r\n\r\n".encode()
            elif kind < 0.5:
                octets = f"{head}Content-Length: {rng.choice(['-1', 'x', '9' * 30, '5'])}\r\n\r\nabc".encode()
            elif kind < 0.55:
                octets = (head + "X: " + "y" * 20_000 + "\r\n\r\n").encode()
            else:
                octets = f"{head}\r\n".encode()
            answer = await raw(exporter.address, octets)
            assert not re.match(rb"HTTP/1\.[01] 5(?!03)", answer), (octets, answer)

        for _ in range(50):
            await asyncio.gather(*[silly() for _ in range(20)])
        after = {name: set(series) for name, series in (await exporter.series()).items() if name.startswith("maildns_")}

    assert after == names


async def test_what_is_no_http_gets_a_400_and_no_line_in_the_log(caplog):
    """Nobody can fill the operator's log from outside."""
    async with watched_demo() as exporter:
        for octets in (b"\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", b"\x16\x03\x01\r\n\r\n"):
            answer = await raw(exporter.address, octets)
            assert answer.startswith(b"HTTP/1.0 400 ")
            assert b"Server: maildns-exporter\r\n" in answer
            assert b"X-Content-Type-Options: nosniff\r\n" in answer

    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


def test_without_descriptors_connections_wait_and_the_log_gets_one_line():
    """asyncio reports hundreds of attempts a second; the operator needs one line, and what to do."""
    with Starved() as exporter:
        sockets = [socket.create_connection(("127.0.0.1", exporter.port)) for _ in range(300)]
        wait_until(lambda: "LimitNOFILE" in exporter.log, "the log has the line")
        for one in sockets:
            one.close()
        wait_until(lambda: is_ok(f"http://{exporter.address}/-/healthy"), "it serves again")
        lines = [line for line in exporter.log.splitlines() if "level=info" not in line and "level=warning" not in line]

    (line,) = lines
    assert "LimitNOFILE" in line


class Starved(Server):
    """The demo with very few file descriptors."""

    def command(self):
        environment = f"PYTHONPATH={Path.cwd()}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        command = [sys.executable, "-m", "exporter", "demo", f"--web.listen-address={self.address}"]
        return ["prlimit", "--nofile=200", "env", environment, *command]

    def answers(self):
        return is_ok(f"http://{self.address}/-/ready")
