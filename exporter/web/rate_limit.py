"""A rate limit for all requests together, as exporter-toolkit has it: a token bucket."""

import time
from collections.abc import Callable

from exporter.web.web_config import RateLimit


class Bucket:
    """Holds *burst* tokens at most, and gets one every *interval_seconds*."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._filled_at = clock()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._clock()
        self._tokens = min(self._limit.burst, self._tokens + (now - self._filled_at) / self._limit.interval_seconds)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
