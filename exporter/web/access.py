"""Who may come in: what `--web.config.file` says, from the start on and whenever it changes.

The rule of this file: a file, certificate or key that turns bad changes nothing; what was good last stays in force
until there is something good again.
"""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from exporter.errors import ConfigError
from exporter.web.passwords import Passwords
from exporter.web.rate_limit import Bucket
from exporter.web.tls import build_context
from exporter.web.web_config import WebConfig, load_web_config

log = structlog.get_logger()

LOOK_SECONDS = 1.0


class Access:
    """The web configuration in force. *path* None is the open house of an exporter without one.

    Raises `ConfigError` for a file that cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.config = WebConfig()
        self.tls: ssl.SSLContext | None = None
        self.passwords: Passwords | None = None
        self.bucket: Bucket | None = None
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file as it is now, if that is not what is in force."""
        if path is not None:
            self._adopt(*_load(path))
        self._seen = self._fingerprint()

    @contextlib.asynccontextmanager
    async def followed(self, changed: Callable[[ssl.SSLContext | None], Awaitable[None]]) -> AsyncIterator[None]:
        """While inside, use what changes; await *changed* with what is to greet new connections."""
        watching = None if self._path is None else asyncio.create_task(self._watch(self._path, changed))
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
            if self.passwords is not None:
                self.passwords.close()

    async def _watch(self, path: Path, changed: Callable[[ssl.SSLContext | None], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            seen = await asyncio.to_thread(self._fingerprint)
            if seen == self._seen:
                continue
            self._seen = seen
            try:
                config, tls = await asyncio.to_thread(_load, path)
            except ConfigError as bad:
                self.problems = tuple(map(str, bad.problems))
                log.warning("the new web configuration is bad, the old one stays", problems=list(self.problems))
                continue
            self._adopt(config, tls)
            await changed(tls)
            log.info("the web configuration was read again")

    def _adopt(self, config: WebConfig, tls: ssl.SSLContext | None) -> None:
        old = self.config
        self.config, self.tls, self.problems = config, tls, ()
        if config.users != old.users:
            if self.passwords is not None:
                self.passwords.close()
            self.passwords = Passwords(config.users) if config.users else None
        if config.rate_limit != old.rate_limit:
            self.bucket = Bucket(config.rate_limit) if config.rate_limit else None

    def _fingerprint(self) -> bytes:
        """What tells one state of all the files from another."""
        if self._path is None:
            return b""
        files = (self._path, *(self.config.tls.files if self.config.tls is not None else ()))
        seen = hashlib.sha256()
        for file in files:
            try:
                content = file.read_bytes()
            except OSError as error:
                content = str(error.errno).encode()
            seen.update(len(content).to_bytes(8, "big") + content)
        return seen.digest()


def _load(path: Path) -> tuple[WebConfig, ssl.SSLContext | None]:
    config = load_web_config(path)
    return config, None if config.tls is None else build_context(config.tls, str(path))
