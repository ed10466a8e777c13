"""Asks one server over HTTPS (RFC 8484).

The rule of this file: the session keeps its connections, redirects are not followed, and what is not a DNS message of
at most 64 kB with status 200 is not read.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import aiohttp

from exporter.checks.answers import Status
from exporter.dns.queue import Job
from exporter.dns.settings import Endpoint
from exporter.dns.stream import StreamTaker

_MESSAGE = "application/dns-message"
_HEADERS = {"accept": _MESSAGE, "content-type": _MESSAGE, "user-agent": "maildns-exporter"}
_MAX_BYTES = 65_535
_MAX_CONNECTIONS = 8
_NO_ID = b"\0\0"  # RFC 8484 section 4.1: TLS does what the ID does elsewhere
_OK, _SERVER_ERROR = 200, 500


class HttpsChannel:
    """A session with one server. HTTP takes a task for each question; they are bounded by what may be in flight."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        taker: StreamTaker,
        tls: ssl.SSLContext,
        timeout_seconds: float,
    ) -> None:
        self._loop = loop
        self._url = endpoint.url
        self._taker = taker
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send the message of each, which lacks its ID, and wait for the replies."""
        for job, message in zip(jobs, messages, strict=True):
            waiting = {_NO_ID: job}
            job.query_id, job.pending = _NO_ID, waiting
            task = self._loop.create_task(self._ask(waiting, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Let go of what is under way; the session itself closes in `aclose`."""
        for task in tuple(self._tasks):
            task.cancel()

    async def aclose(self) -> None:
        """Close, and wait until everything is."""
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, waiting: dict[bytes, Job], message: bytes) -> None:
        outcome: bytes | Status
        try:
            outcome = await self._post(_NO_ID + message)
        except (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch):
            outcome = Status.TLS
        except TimeoutError:
            outcome = Status.TIMEOUT
        except (aiohttp.ClientConnectionError, OSError):
            outcome = Status.NETWORK
        except (aiohttp.ClientError, ValueError):
            outcome = Status.MALFORMED
        job = waiting.pop(_NO_ID, None)
        if job is None:
            return  # its time was up
        job.pending = None
        if isinstance(outcome, bytes):
            self._taker.take_stream(job, outcome)
        else:
            self._taker.take_failure(job, outcome)

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
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _MAX_BYTES:
                    return Status.MALFORMED
            return bytes(body)
