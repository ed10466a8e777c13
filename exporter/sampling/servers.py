"""Tells the log when a DNS server fails and when it is back.

The rule of this file: one line for each change, none for what is not known yet, such as right after a reload.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from exporter.dns.resolver import Resolver, ServerHealth

log = structlog.get_logger()

_LOOK_SECONDS = 1.0
_SILENT = "a DNS server does not answer"
_LYING = "a DNS server fails its canary, so nothing it says is believed"
_WELL = "a DNS server is back"


class ServerNews:
    """What the log was last told of each server."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], str] = {}

    def look(self, resolvers: Iterable[Resolver]) -> None:
        """Tell what changed. A server that is in no resolver any more is forgotten."""
        told: dict[tuple[str, str], str] = {}
        for resolver in resolvers:
            has_canary = resolver.settings.canary is not None
            for server in resolver.servers:
                key = (resolver.name, str(server.endpoint))
                before = self._told.get(key, _WELL)
                now = _state(server, before, has_canary=has_canary)
                if now != before:
                    _tell(*key, now, server)
                told[key] = now
        self._told = told


async def follow_servers(resolvers: Callable[[], Iterable[Resolver]]) -> None:
    """Look at the servers of *resolvers* every second, until somebody cancels it."""
    news = ServerNews()
    while True:
        news.look(resolvers())
        await asyncio.sleep(_LOOK_SECONDS)


def _state(server: ServerHealth, before: str, *, has_canary: bool) -> str:
    if not server.up:
        return _SILENT
    if server.contradicted:
        return _LYING
    return _WELL if server.canary_ok or not has_canary else before


def _tell(resolver: str, server: str, now: str, health: ServerHealth) -> None:
    if now == _WELL:
        log.info(now, resolver=resolver, server=server)
    elif now == _SILENT and health.last_error is not None:
        log.warning(now, resolver=resolver, server=server, reason=health.last_error.value)
    else:
        log.warning(now, resolver=resolver, server=server)
