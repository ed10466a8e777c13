"""Asks the canaries of a resolver's servers: when they are due, when news waits for them, when a server went silent.

The rule of this file: one check of a server at a time, however many wait for it.
"""

import asyncio
from collections.abc import Callable, Sequence

from exporter.dns.canary import Canary, Verified
from exporter.dns.health import Server

_LEAST_WAIT_SECONDS = 0.001


class Watch:
    """Watches *servers*, each by the one of *canaries* at the same place.

    *reach* is called before a server is asked, *checked* after each check.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        canaries: Sequence[Canary],
        *,
        clock: Callable[[], float],
        reach: Callable[[Server], None],
        checked: Callable[[], None],
    ) -> None:
        self._servers = servers
        self._canaries = canaries
        self._clock = clock
        self._reach = reach
        self._checked = checked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_informed(self) -> bool:
        """Whether a server is known to tell the truth, or nothing more is to be heard of any."""
        return any(server.canary_ok for server in self._servers) or all(canary.was_checked for canary in self._canaries)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to ask: now, and then whenever somebody calls `look`."""
        self._loop = loop
        self.look()

    def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        for canary in self._canaries:
            canary.close()

    def verify(self, server: int, verified: Verified) -> None:
        """See `Canary.verify`."""
        self._canaries[server].verify(verified)
        if self._loop is None:
            self._canaries[server].close()
        self.look()

    def look(self) -> None:
        """Check the servers whose canary is due, that are suspected of being down, or that may be back."""
        if self._loop is None:
            return
        now = self._clock()
        for server, canary in zip(self._servers, self._canaries, strict=True):
            if canary.is_checking:
                continue
            is_due = now >= (canary.due_at if server.up or canary.is_wanted else server.down_until)
            if is_due or (server.up and server.is_suspected):
                self._reach(server)
                canary.check(now, self._was_checked)
        wanted = [canary.due_at for canary in self._canaries if canary.is_wanted and not canary.is_checking]
        if wanted and self._timer is None:
            self._timer = self._loop.call_later(max(_LEAST_WAIT_SECONDS, min(wanted) - now), self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self.look()

    def _was_checked(self) -> None:
        self._checked()
        self.look()
