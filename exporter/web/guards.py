"""What every request passes before it is answered, and what every answer carries.

The rule of this file: health is answered whatever else goes on, and nothing that a client sends makes a 5xx but a 503.
"""

from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from exporter.web.access import Access
from exporter.web.api import problem
from exporter.web.connections import Connections
from exporter.web.passwords import BusyError
from exporter.web.query import BadQueryError, NotConfiguredError
from exporter.web.tls import is_allowed

HEALTH_PATHS = frozenset({"/-/healthy", "/-/ready"})

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guards:
    """The middlewares, the first of which is the outermost. *base* is the route prefix, without a slash at its end."""

    def __init__(self, connections: Connections, access: Access, *, base: str, max_requests: int) -> None:
        self._connections = connections
        self._access = access
        self._base = base
        self._max_requests = max_requests
        self._active = 0

    def middlewares(self) -> list[Middleware]:
        """In the order in which a request passes them."""
        return [self._watched, self._worded, self._admitted, self._limited]

    def is_health(self, request: web.Request) -> bool:
        """Whether a request asks for liveness or readiness."""
        return request.path.removeprefix(self._base) in HEALTH_PATHS

    @web.middleware
    async def _watched(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        with self._connections.serving(request):
            return await handler(request)

    @web.middleware
    async def _worded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Put what went wrong into words, as JSON where JSON was asked for."""
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
    async def _admitted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in whoever belongs. Health says nothing worth hiding, and who restarts us for want of it has no key."""
        access = self._access
        tls = access.config.tls
        if tls is not None and tls.client_allowed_sans and not _has_name(request, tls.client_allowed_sans):
            return self._say(request, 403, "your certificate has none of the names that may come in")
        if self.is_health(request):
            return await handler(request)
        if access.bucket is not None and not access.bucket.take():
            response = self._say(request, 429, "too many requests: try again")
            response.headers["Retry-After"] = "1"
            return response
        if access.passwords is None:
            return await handler(request)
        try:
            is_right = await access.passwords.are_right(request.headers.get("Authorization", ""))
        except BusyError:
            response = self._say(request, 503, "too many passwords are being checked: try again")
            response.headers["Retry-After"] = "1"
            return response
        if is_right:
            return await handler(request)
        response = self._say(request, 401, "a name and a password are needed")
        response.headers["WWW-Authenticate"] = 'Basic realm="maildns-exporter", charset="UTF-8"'
        return response

    @web.middleware
    async def _limited(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.is_health(request):
            return await handler(request)
        if self._active >= self._max_requests:
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
    """Whether a browser says that another site makes it send this request: such a one must not change anything."""
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host
