"""The HTTP server: which path shows what."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.web.access import Access
from exporter.web.api import Api
from exporter.web.assets import asset
from exporter.web.connections import Connections, Patience
from exporter.web.guards import SECURITY_HEADERS, Guards, is_cross_site
from exporter.web.pages import Pages
from exporter.web.probe import Probe
from exporter.web.scrapes import Rendering, Scrapes
from exporter.web.search import Search
from exporter.web.sources import Sources

_TEXT = "text/plain; charset=utf-8"
_LEAVING_SECONDS = 10.0
"""How long running requests may take once the exporter stops: as long as Prometheus waits for a scrape by default."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the server shows: the *metrics*, and what is called for every request that asks for it.

    *ready* gives None when ready, else why not. *reload* gives None when the new configuration is in use, else why it
    is not; it is None itself where reloading over HTTP is off.
    """

    metrics: Rendering
    ready: Callable[[], str | None]
    sources: Sources
    probe: Probe
    reload: Callable[[], Awaitable[str | None]] | None


def written(address: tuple[str, int]) -> str:
    """A bound (host, port) as people write it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class WebServer:
    """Serves *endpoints* on the given addresses, at most *max_requests* at once; health is always answered.

    *route_prefix* is what every path begins with here; *link_prefix* is what links begin with, where a proxy in front
    makes another path of it.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        max_requests: int = 40,
        route_prefix: str = "/",
        link_prefix: str | None = None,
        access: Access | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._base = "/" + route_prefix.strip("/") if route_prefix.strip("/") else ""
        links = self._base if link_prefix is None else link_prefix
        self._links = "/" + links.strip("/") if links.strip("/") else ""
        self._max_requests = max_requests
        self._access = access or Access(None)
        self._patience = patience or Patience()
        self._following = contextlib.AsyncExitStack()
        self._scrapes = Scrapes(endpoints.metrics)
        self._connections: Connections | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, addresses: list[tuple[str | None, int]]) -> list[tuple[str, int]]:
        """Listen on each (host, port), host None for every interface; gives what was bound.

        Raises `CannotRunError` for an address that cannot be had.
        """
        self._connections = Connections(self._patience)
        guards = Guards(self._connections, self._access, base=self._base, max_requests=self._max_requests)
        app = web.Application(middlewares=guards.middlewares(), client_max_size=64 * 1024)
        app.on_response_prepare.append(self._secure)
        self._add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_LEAVING_SECONDS)
        await self._runner.setup()
        if self._runner.server is None:
            raise RuntimeError("an application that was set up has a server")
        await self._connections.listen(addresses, self._runner.server, self._access.tls)
        await self._following.enter_async_context(self._access.followed(self._connections.use))
        return self._connections.addresses

    async def stop(self) -> None:
        """Let running requests end, and close."""
        self._scrapes.stop()
        await self._following.aclose()
        if self._connections is not None:
            await self._connections.stop(_LEAVING_SECONDS)
        if self._runner is not None:
            await self._runner.cleanup()

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        base, sources = self._base, self._endpoints.sources
        search = Search(sources.board)  # one for both: its index of names is worth sharing
        for path, handler in [
            *Pages(sources, search, self._links).routes(),
            *Api(sources, search).routes(),
            ("/static/{name}", asset),
            ("/metrics", self._metrics),
            ("/probe", self._endpoints.probe.serve),
            ("/config", self._config),
            ("/-/healthy", self._healthy),
            ("/-/ready", self._ready),
        ]:
            router.add_get(base + path, handler)
        router.add_post(base + "/-/reload", self._reload)
        if base:
            router.add_get("/", self._to_prefix)
            router.add_get(base, self._to_prefix)

    async def _metrics(self, request: web.Request) -> web.Response:
        compress = "gzip" in request.headers.get("Accept-Encoding", "")
        accept = request.headers.get("Accept", "")
        body, content_type = await self._scrapes.get(accept, compress=compress)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if compress:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    async def _to_prefix(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound(self._links + "/")

    async def _config(self, _request: web.Request) -> web.Response:
        text = (await self._endpoints.sources.configuration()).text
        return web.Response(text=text, headers={"Content-Type": _TEXT})

    async def _healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        why_not = self._endpoints.ready()
        return web.Response(
            text="ready\n" if why_not is None else f"{why_not}\n", status=200 if why_not is None else 503
        )

    async def _reload(self, request: web.Request) -> web.Response:
        if self._endpoints.reload is None:
            return web.Response(status=403, text="reloading over HTTP is off: start with --web.enable-lifecycle\n")
        if is_cross_site(request):
            return web.Response(status=403, text="another site must not reload the exporter\n")
        problem = await self._endpoints.reload()
        return web.Response(
            text="reloaded\n" if problem is None else f"the old configuration stays in use:\n{problem}\n",
            status=200 if problem is None else 500,
        )

    async def _secure(self, _request: web.Request, response: web.StreamResponse) -> None:
        """What every answer carries; an empty header of the web configuration takes ours away."""
        response.headers["Server"] = "maildns-exporter"
        for name, value in {**SECURITY_HEADERS, **self._access.config.headers}.items():
            if value:
                response.headers[name] = value
