"""Basic authentication: names and bcrypt hashes.

The rule of this file: how long an answer takes says nothing about which names exist. Whoever asks, known or not, costs
one bcrypt check against one of the configured hashes, or one look into the memory of such checks.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

_REMEMBERED = 256
_THREADS = 2
_WAITING = 16
_MAX_OCTETS = 72
"""What bcrypt looks at of a password; Go refuses longer ones when it makes a hash, so none can be right."""
_MAX_HEADER = 4096


class BusyError(Exception):
    """Too many passwords are being checked already."""


class Passwords:
    """Checks credentials against *users*, bcrypt hashes by name. Checks run in threads of their own, few at a time."""

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._hashes = [users[name] for name in sorted(users)]
        self._secret = os.urandom(32)
        self._known: OrderedDict[bytes, bool] = OrderedDict()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt")
        self._waiting = 0

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def are_right(self, authorization: str) -> bool:
        """Whether an `Authorization` header has a right name and password. Raises `BusyError`."""
        credentials = read_basic(authorization)
        if credentials is None:
            return False
        name, password = credentials
        hashed = self._users.get(name) or self._stand_in(name)
        digest = self._digest(name, password, hashed)
        known = self._known.get(digest)
        if known is None:
            known = await self._check(password, hashed)
            self._remember(digest, is_right=known)
        return known and name in self._users

    def _stand_in(self, name: str) -> bytes:
        """The hash that an unknown name is checked against: always the same one for a name, as if it were a user's."""
        number = int.from_bytes(hmac.digest(self._secret, name.encode(), "sha256")[:8], "big")
        return self._hashes[number % len(self._hashes)]

    def _digest(self, name: str, password: bytes, hashed: bytes) -> bytes:
        parts = b"".join([len(part).to_bytes(4, "big") + part for part in (name.encode(), password, hashed)])
        return hmac.digest(self._secret, parts, hashlib.sha256)

    async def _check(self, password: bytes, hashed: bytes) -> bool:
        if self._waiting >= _THREADS + _WAITING:
            raise BusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _matches, password, hashed)
        finally:
            self._waiting -= 1

    def _remember(self, digest: bytes, *, is_right: bool) -> None:
        """Keep the latest outcomes. Wrong ones too: else a second try would tell a known name from an unknown one."""
        self._known[digest] = is_right
        self._known.move_to_end(digest)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def _matches(password: bytes, hashed: bytes) -> bool:
    """One bcrypt check, also for a password that cannot be right."""
    import bcrypt

    is_possible = len(password) <= _MAX_OCTETS and b"\0" not in password
    matches = bcrypt.checkpw(password.replace(b"\0", b"\1")[:_MAX_OCTETS], hashed)
    return matches and is_possible


def read_basic(authorization: str) -> tuple[str, bytes] | None:
    """Name and password of an `Authorization` header (RFC 7617); None if it has none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _MAX_HEADER:
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode("utf-8"), password) if colon else None
    except (binascii.Error, ValueError):
        return None
