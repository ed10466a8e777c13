"""The HTTP server: paths, middleware, shared renderings of `/metrics`, and static files."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from exporter.views.sources import Sources
from exporter.web.access import Access, BusyError, is_allowed
from exporter.web.api import Api, CheckAgain, CheckedKind, Probe, accepts_gzip, canonical_accept, problem
from exporter.web.connections import ConnectionLimits, Connections
from exporter.web.pages import Pages
from exporter.web.search import BadQueryError, NotConfiguredError, Search

log = structlog.get_logger()

_TEXT = "text/plain; charset=utf-8"
_LEAVING_SECONDS = 10.0
"""The time that running requests have when the exporter stops: Prometheus' default timeout of a scrape."""

HEALTH_PATHS = frozenset({"/-/healthy", "/-/ready"})

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "same-origin",  # with "no-referrer" the Origin of our own forms would be null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Rendered = tuple[bytes, str]
"""The body and its content type."""

_PAUSE_SECONDS = 0.25
"""The pause between two attempts to render ahead of the next scrape."""
_EXPECTED_SECONDS = 300.0
"""How long after a scrape another one is expected: longer than usual scrape intervals."""

_FOLDER = Path(__file__).with_name("static")
_TYPES = {"style.css": "text/css", "script.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Rendering(Protocol):
    """Renders the exposition. It is called in a thread, one call at a time."""

    def render(self, accept: str, *, compress: bool) -> Rendered:
        """The exposition for an `Accept` header, compressed with gzip or not."""

    def writing_ahead(self) -> Iterator[bool]:
        """Short steps that make the next rendering cheaper; each gives True if there may be more."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the server serves.

    Attributes:
        metrics: renders the exposition.
        ready: gives None when the exporter is ready, else why not.
        sources: results for pages and API.
        probe: serves `/probe`.
        reload: gives None when the new configuration is in use, else why not; None if reloading over HTTP is off.
        check_again: samples what somebody asks for; None if nothing can be.
    """

    metrics: Rendering
    ready: Callable[[], str | None]
    sources: Sources
    probe: Probe
    reload: Callable[[], Awaitable[str | None]] | None
    check_again: CheckAgain | None = None


def written(address: tuple[str, int]) -> str:
    """A (host, port) as ``host:port``, with brackets around IPv6."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class WebServer:
    """Serves *endpoints*, at most *max_requests* at once; health endpoints do not count.

    Every path begins with *route_prefix*. Links begin with *link_prefix*, if a reverse proxy changes the path.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        max_requests: int = 40,
        route_prefix: str = "/",
        link_prefix: str | None = None,
        access: Access | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._base = "/" + route_prefix.strip("/") if route_prefix.strip("/") else ""
        links = self._base if link_prefix is None else link_prefix
        self._links = "/" + links.strip("/") if links.strip("/") else ""
        self._max_requests = max_requests
        self._access = access or Access(None)
        self._limits = limits or ConnectionLimits()
        self._access_watch = contextlib.AsyncExitStack()
        self._scrapes = Scrapes(endpoints.metrics)
        self._connections: Connections | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, addresses: list[tuple[str | None, int]]) -> list[tuple[str, int]]:
        """Listen on each (host, port), host None for all interfaces; returns the bound addresses.

        Raises `CannotRunError` for an unusable address.
        """
        self._connections = Connections(self._limits, self._headers)
        checks = RequestChecks(self._connections, self._access, base=self._base, max_requests=self._max_requests)
        app = web.Application(middlewares=checks.middlewares(), client_max_size=64 * 1024)
        app.on_response_prepare.append(self._secure)
        self._add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LEAVING_SECONDS)
        await self._runner.setup()
        if self._runner.server is None:
            raise RuntimeError("an application that was set up has a server")
        await self._connections.listen(addresses, self._runner.server, self._access.tls)
        await self._access_watch.enter_async_context(self._access.followed(self._connections.use))
        return self._connections.addresses

    async def stop(self) -> None:
        """Let running requests finish, and close."""
        self._scrapes.stop()
        await self._access_watch.aclose()
        if self._connections is not None:
            await self._connections.stop(_LEAVING_SECONDS)
        if self._runner is not None:
            await self._runner.cleanup()

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        base, sources = self._base, self._endpoints.sources
        search = Search(sources.board)  # shared, because of its index of names
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
        check_again = self._endpoints.check_again
        for path, subject in check_again.paths() if check_again is not None else ():
            router.add_post(f"{base}/api/v1{path}/check", partial(self._check_again, subject, None))
            router.add_post(f"{base}{path}/check", partial(self._check_again, subject, path))
        if base:
            router.add_get("/", self._to_prefix)
            router.add_get(base, self._to_prefix)

    async def _metrics(self, request: web.Request) -> web.Response:
        compress = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        accept = canonical_accept(request.headers.get("Accept", ""))
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
            return web.Response(status=403, text="a request from another site must not reload the exporter\n")
        problem = await self._endpoints.reload()
        return web.Response(
            text="reloaded\n" if problem is None else f"the old configuration stays in use:\n{problem}\n",
            status=200 if problem is None else 500,
        )

    async def _check_again(self, subject: CheckedKind, page: str | None, request: web.Request) -> web.Response:
        """Check a subject again; answer with a redirection to its *page*, or for the API without content."""
        check_again = self._endpoints.check_again
        assert check_again is not None  # noqa: S101  # else there is no such path
        if is_cross_site(request):
            status, what = 403, "a request from another site must not start a check"
        elif not check_again.bucket.take():
            status, what = 429, "too many checks: try again in a few seconds"
        else:
            await check_again.run(subject, request.match_info)
            if page is None:
                return web.Response(status=204)
            shown = page if "{helo}" not in page else "/pools/{name}"
            target = shown.format_map({key: quote(value, safe=":") for key, value in request.match_info.items()})
            raise web.HTTPSeeOther(f"{self._links}{target}")
        response = problem(status, what) if page is None else web.Response(status=status, text=f"{what}\n")
        if status == 429:
            response.headers["Retry-After"] = "5"
        return response

    async def _secure(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._headers())

    def _headers(self) -> dict[str, str]:
        """The headers of every response; an empty one in the web configuration removes a default."""
        headers = {"Server": "maildns-exporter", **SECURITY_HEADERS, **self._access.config.headers}
        return {name: value for name, value in headers.items() if value}


class RequestChecks:
    """Middleware: connections, errors, authentication, limits. *base* is the route prefix without a slash at the end.

    Health endpoints are always answered. Nothing that a client sends causes a 5xx other than 503.
    """

    def __init__(self, connections: Connections, access: Access, *, base: str, max_requests: int) -> None:
        self._connections = connections
        self._access = access
        self._base = base
        self._max_requests = max_requests
        self._active = 0

    def middlewares(self) -> list[Middleware]:
        """The middleware, the outermost first."""
        return [self._tracked, self._explained, self._authenticated, self._limited]

    def is_health(self, request: web.Request) -> bool:
        """Whether a request asks for liveness or readiness."""
        return request.path.removeprefix(self._base) in HEALTH_PATHS

    @web.middleware
    async def _tracked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        with self._connections.serving(request):
            return await handler(request)

    @web.middleware
    async def _explained(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Make a response of an error: JSON for the API, text elsewhere."""
        try:
            return await handler(request)
        except BadQueryError as bad:
            return self._say(request, 400, str(bad))
        except NotConfiguredError as missing:
            return self._say(request, 404, str(missing))
        except web.HTTPMethodNotAllowed as wrong:
            response = self._say(request, 405, f"{', '.join(sorted(wrong.allowed_methods))} is the method to use here")
            response.headers["Allow"] = wrong.headers["Allow"]
            return response
        except web.HTTPNotFound:
            return self._say(request, 404, "not found")

    def _say(self, request: web.Request, status: int, what: str) -> web.Response:
        if request.path.startswith(f"{self._base}/api/"):
            return problem(status, what)
        return web.Response(status=status, text=f"{what}\n")

    @web.middleware
    async def _authenticated(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Require authentication except on health endpoints: an orchestrator has no credentials."""
        access = self._access
        tls = access.config.tls
        if tls is not None and tls.client_allowed_sans and not _has_name(request, tls.client_allowed_sans):
            return self._say(request, 403, "your certificate has none of the names in client_allowed_sans")
        if self.is_health(request):
            return await handler(request)
        if access.bucket is not None and not access.bucket.take():
            response = self._say(request, 429, "too many requests: try again")
            response.headers["Retry-After"] = "1"
            return response
        if access.passwords is None:
            return await handler(request)
        try:
            is_right = await access.passwords.are_right(request.headers.get("Authorization", ""), request.remote or "")
        except BusyError:
            response = self._say(request, 503, "too many passwords are being checked: try again later")
            response.headers["Retry-After"] = "1"
            return response
        if is_right:
            return await handler(request)
        response = self._say(request, 401, "a user name and a password are required")
        response.headers["WWW-Authenticate"] = 'Basic realm="maildns-exporter", charset="UTF-8"'
        return response

    @web.middleware
    async def _limited(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A request has its slot until its client has read the response, or, if the client leaves, until it is made."""
        if self.is_health(request):
            return await handler(request)
        slots = self._max_requests - self._connections.unread()
        if self._active >= slots and not self._connections.drop_slowest():
            what = f"{self._max_requests} requests are being served already (--web.max-requests): try again"
            response = self._say(request, 503, what)
            response.headers["Retry-After"] = "1"
            return response
        self._active += 1
        try:
            return await handler(request)
        finally:
            self._active -= 1


def _has_name(request: web.Request, allowed: tuple[str, ...]) -> bool:
    certificate = None if request.transport is None else request.transport.get_extra_info("peercert")
    return is_allowed(certificate, allowed)


def is_cross_site(request: web.Request) -> bool:
    """Whether a browser sends this request on behalf of another site; such a request must not change anything."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:  # browsers set it, and no page can; a reverse proxy may change the host
        return site not in {"none", "same-origin"}
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host


class Scrapes:
    """Renders for scrapers, one rendering at a time, and shares it between equal requests.

    A request joins a rendering only before that has begun, so it never sees less than existed when it arrived. Between
    scrapes it renders ahead in small steps, as long as scrapes are expected.
    """

    def __init__(
        self,
        rendering: Rendering,
        *,
        pause_seconds: float = _PAUSE_SECONDS,
        expected_seconds: float = _EXPECTED_SECONDS,
    ) -> None:
        self._rendering = rendering
        self._pause_seconds = pause_seconds
        self._expected_seconds = expected_seconds
        self._lock = asyncio.Lock()
        self._to_begin: dict[tuple[str, bool], asyncio.Task[Rendered]] = {}
        self._expected_until = 0.0
        self._ahead: asyncio.Task[None] | None = None

    async def get(self, accept: str, *, compress: bool) -> Rendered:
        """The exposition in this form. A request that is cancelled does not cancel the rendering for others."""
        wanted = (accept, compress)
        task = self._to_begin.get(wanted)
        if task is None:
            task = self._to_begin[wanted] = asyncio.create_task(self._rendered(accept, compress=compress))
        return await asyncio.shield(task)

    def stop(self) -> None:
        """Stop rendering ahead."""
        if self._ahead is not None:
            self._ahead.cancel()

    async def _rendered(self, accept: str, *, compress: bool) -> Rendered:
        async with self._lock:
            del self._to_begin[accept, compress]
            rendered = await asyncio.to_thread(self._rendering.render, accept, compress=compress)
        self._expect_another()
        return rendered

    def _expect_another(self) -> None:
        self._expected_until = asyncio.get_running_loop().time() + self._expected_seconds
        if self._ahead is None or self._ahead.done():
            self._ahead = asyncio.create_task(self._write_ahead())

    async def _write_ahead(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self._expected_until:
            await asyncio.sleep(self._pause_seconds)
            steps = self._rendering.writing_ahead()
            try:
                while await self._made_one_of(steps):
                    pass
            except Exception:  # the next scrape renders it, or reports the error
                log.exception("rendering ahead of the next scrape failed")

    async def _made_one_of(self, steps: Iterator[bool]) -> bool:
        """Run the next of *steps*, after any scrape that waits; False at the end."""
        async with self._lock:
            return await asyncio.to_thread(lambda: next(steps, False))


async def asset(request: web.Request) -> web.Response:
    """Serve a file of a closed list. Its URL in pages has the version, so browsers may cache it for a day."""
    name = request.match_info["name"]
    if name not in _TYPES:
        raise web.HTTPNotFound
    response = web.Response(body=_content(name), content_type=_TYPES[name], charset="utf-8")
    response.headers["Cache-Control"] = "private, max-age=86400"
    response.enable_compression()
    return response


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
