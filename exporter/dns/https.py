"""Queries to one server over HTTPS (RFC 8484)."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import aiohttp

from exporter.checks.answers import Status
from exporter.dns.query import ReplyHandler
from exporter.dns.queue import Job
from exporter.dns.settings import Endpoint

_MESSAGE = "application/dns-message"
_HEADERS = {"accept": _MESSAGE, "content-type": _MESSAGE, "user-agent": "maildns-exporter"}
_MAX_BYTES = 65_535
_MAX_CONNECTIONS = 8
_NO_ID = b"\0\0"  # RFC 8484 section 4.1: TLS protects against forgery, so the ID is 0
_OK, _SERVER_ERROR = 200, 500


class HttpsChannel:
    """An HTTP session with one server, which keeps its connections open.

    It follows no redirect, and reads only DNS messages of at most 64 kB with status 200. Each question in flight has a
    task of its own.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        handler: ReplyHandler,
        tls: ssl.SSLContext,
        timeout_seconds: float,
    ) -> None:
        self._loop = loop
        self._url = endpoint.url
        self._handler = handler
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send a message, given without its ID, for each job."""
        for job, message in zip(jobs, messages, strict=True):
            waiting = {_NO_ID: job}
            job.query_id, job.pending = _NO_ID, waiting
            task = self._loop.create_task(self._ask(waiting, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Cancel the requests; `aclose` also closes the session."""
        for task in tuple(self._tasks):
            task.cancel()

    async def aclose(self) -> None:
        """Close the session, and wait until it is closed."""
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, waiting: dict[bytes, Job], message: bytes) -> None:
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
        job = waiting.pop(_NO_ID, None)
        if job is None:
            return  # it has timed out
        job.pending = None
        if isinstance(reply, bytes):
            self._handler.take_stream(job, reply)
        else:
            self._handler.take_failure(job, reply)

    async def _post(self, message: bytes) -> bytes | Status:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=_MAX_CONNECTIONS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers=_HEADERS,
            )
        options: dict[str, Any] = {"allow_redirects": False}
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
