"""The HTTP server: which path shows what, and how many requests are served at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from exporter.errors import CannotRunError
from exporter.web.landing import landing_page

log = structlog.get_logger()

_HEALTH_PATHS = frozenset({"/-/healthy", "/-/ready"})
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the server shows; each is called for every request that asks for it.

    *metrics* takes the `Accept` header and whether to compress, runs in a thread, and gives body and content type.
    *ready* gives None when ready, else why not. *reload* gives None when the new configuration is in use, else why it
    is not; it is None itself where reloading over HTTP is off.
    """

    metrics: Callable[[str, bool], tuple[bytes, str]]
    ready: Callable[[], str | None]
    effective_configuration: Callable[[], str]
    reload: Callable[[], Awaitable[str | None]] | None


class WebServer:
    """Serves *endpoints* on the given addresses, at most *max_requests* at once; health is always answered."""

    def __init__(self, endpoints: Endpoints, *, max_requests: int = 40, route_prefix: str = "/") -> None:
        self._endpoints = endpoints
        self._max_requests = max_requests
        self._prefix = "/" + route_prefix.strip("/")
        self._active = 0
        self._rendering = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    async def start(self, addresses: list[tuple[str | None, int]]) -> list[tuple[str, int]]:
        """Listen on each (host, port), host None for every interface; gives what was bound.

        Raises `CannotRunError` for an address that cannot be had.
        """
        app = web.Application(middlewares=[self._limit], client_max_size=64 * 1024)
        base = self._prefix.rstrip("/")
        app.router.add_get(base + "/", self._landing)
        app.router.add_get(base + "/metrics", self._metrics)
        app.router.add_get(base + "/config", self._config)
        app.router.add_get(base + "/-/healthy", self._healthy)
        app.router.add_get(base + "/-/ready", self._ready)
        app.router.add_post(base + "/-/reload", self._reload)
        if base:
            app.router.add_get("/", self._to_prefix)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        for host, port in addresses:
            try:
                await web.TCPSite(self._runner, host, port, reuse_address=True).start()
            except OSError as error:
                place = f"{host or ''}:{port}"
                raise CannotRunError(f"cannot listen on {place}: {error.strerror or error}") from error
        return [(address[0], address[1]) for address in self._runner.addresses]

    async def stop(self) -> None:
        """Let running requests end, and close."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _limit(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.removeprefix(self._prefix.rstrip("/")) in _HEALTH_PATHS:
            return await handler(request)
        if self._active >= self._max_requests:
            text = f"{self._max_requests} requests are being served already (--web.max-requests): try again\n"
            return web.Response(status=503, text=text, headers={"Retry-After": "1"})
        self._active += 1
        try:
            return await handler(request)
        finally:
            self._active -= 1

    async def _metrics(self, request: web.Request) -> web.Response:
        compress = "gzip" in request.headers.get("Accept-Encoding", "")
        accept = request.headers.get("Accept", "")
        async with self._rendering:  # one at a time: a second one beside it would only make both late
            body, content_type = await asyncio.to_thread(self._endpoints.metrics, accept, compress)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if compress:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    async def _landing(self, _request: web.Request) -> web.Response:
        return web.Response(text=landing_page(), content_type="text/html")

    async def _to_prefix(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound(self._prefix + "/")

    async def _config(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._endpoints.effective_configuration(), headers={"Content-Type": _TEXT})

    async def _healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        why_not = self._endpoints.ready()
        return web.Response(
            text="ready\n" if why_not is None else f"{why_not}\n", status=200 if why_not is None else 503
        )

    async def _reload(self, _request: web.Request) -> web.Response:
        if self._endpoints.reload is None:
            return web.Response(status=403, text="reloading over HTTP is off: start with --web.enable-lifecycle\n")
        problem = await self._endpoints.reload()
        return web.Response(
            text="reloaded\n" if problem is None else f"the old configuration stays in use:\n{problem}\n",
            status=200 if problem is None else 500,
        )
