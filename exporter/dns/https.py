"""Queries to one server over HTTPS (RFC 8484)."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from exporter.checks.answers import Status
from exporter.dns.query import Query
from exporter.dns.settings import Endpoint
from exporter.dns.transports import ReplyHandler, look_up

_MESSAGE = "application/dns-message"
_HEADERS = {"accept": _MESSAGE, "content-type": _MESSAGE, "user-agent": "maildns-exporter"}
_MAX_BYTES = 65_535
_MAX_CONNECTIONS = 8
_NO_ID = b"\0\0"  # RFC 8484 section 4.1: TLS protects against forgery, so the ID is 0
_OK, _SERVER_ERROR = 200, 500


class _Names(AbstractResolver):
    """Looks up the host of a server without keeping the end of the process waiting."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=address[0], port=port, family=found, proto=0, flags=flags)
            for found, address in await look_up(host, port)
            if family in (socket.AF_UNSPEC, found)
        ]

    async def close(self) -> None:
        """Do nothing."""


class HttpsTransport:
    """An HTTP session with one server, which keeps its connections open.

    It follows no redirect, and reads only DNS messages of at most 64 kB with status 200. Each question in flight has a
    task of its own.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        receiver: ReplyHandler,
        tls: ssl.SSLContext,
        timeout_seconds: float,
    ) -> None:
        self._loop = loop
        self._url = endpoint.url
        self._server_name = endpoint.server_name
        self._receiver = receiver
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, queries: Sequence[Query], messages: Sequence[bytes]) -> None:
        """Send each message in a request of its own."""
        for query, message in zip(queries, messages, strict=True):
            waiting = {_NO_ID: query}
            query.query_id, query.pending = _NO_ID, waiting
            task = self._loop.create_task(self._ask(waiting, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def __len__(self) -> int:
        return 0  # the session has the sockets, at most `_MAX_CONNECTIONS`

    def expire(self, now: float) -> Iterable[Query]:  # noqa: ARG002  # the session does it
        """Do nothing: the session has a timeout of its own."""
        return ()

    async def close(self) -> None:
        """Close the session, and wait until it is closed."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, waiting: dict[bytes, Query], message: bytes) -> None:
        reply: bytes | Status
        try:
            reply = await self._post(_NO_ID + message)
        except (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch):
            reply = Status.TLS
        except TimeoutError:
            reply = Status.TIMEOUT
        except (aiohttp.ClientConnectionError, OSError):
            reply = Status.NETWORK
        except (aiohttp.ClientError, ValueError):
            reply = Status.MALFORMED
        query = waiting.pop(_NO_ID, None)
        if query is None:
            return  # it has timed out
        if isinstance(reply, bytes):
            self._receiver.take_message(query, reply)
        else:
            self._receiver.take_failure(query, reply)

    async def _post(self, message: bytes) -> bytes | Status:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=_MAX_CONNECTIONS, resolver=_Names())
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers=_HEADERS,
            )
        options: dict[str, Any] = {"allow_redirects": False, "server_hostname": self._server_name}
        async with self._session.post(self._url, data=message, **options) as response:
            if response.status != _OK:
                return Status.SERVFAIL if response.status >= _SERVER_ERROR else Status.REFUSED
            if response.content_type != _MESSAGE:
                return Status.MALFORMED
            body = bytearray()
            async for received in response.content.iter_any():
                body += received
                if len(body) > _MAX_BYTES:
                    return Status.MALFORMED
            return bytes(body)
