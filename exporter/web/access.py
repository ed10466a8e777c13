"""`--web.config.file`: TLS, passwords, headers and a rate limit, in the format of Prometheus' exporter-toolkit.

A file that exporter-toolkit accepts is accepted here, or refused with what would be right. The only key without effect
is ``http2``: the server speaks HTTP/1.1.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import ssl
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import structlog

from exporter.config.load import read_regular
from exporter.config.tree import Node, path_text, read_tree
from exporter.config.values import Duration
from exporter.errors import ConfigError, Problem
from exporter.tasks import supervised

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""The time between two looks for changed files."""
MAX_BYTES = 1 << 20
HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
CLIENT_AUTH = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_INSECURE = ("RequestClientCert", "RequireAnyClientCert")
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
CIPHERS = {
    f"TLS_ECDHE_{key}_WITH_{go}": f"ECDHE-{key}-{openssl}"
    for key in ("RSA", "ECDSA")
    for go, openssl in (
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("CHACHA20_POLY1305", "CHACHA20-POLY1305"),
    )
} | {
    "TLS_AES_128_GCM_SHA256": "",  # those of TLS 1.3 are always on, here as in Go
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """`tls_server_config`. Certificates and keys are paths, or PEM text.

    Attributes:
        certificate: the server's certificate and intermediate certificates.
        key: the server's private key.
        client_ca: the CA that signs the certificates of clients.
        client_auth: whether clients must have a certificate.
        client_allowed_sans: subject alternative names, of which a client's certificate must have one; empty for any.
        minimum: the lowest version of TLS.
        maximum: the highest version of TLS.
        ciphers: OpenSSL names of cipher suites up to TLS 1.2; empty for the defaults.
        prefer_server_ciphers: whether the server's order of cipher suites counts.
        curve: the OpenSSL name of the curve; None for the defaults.
    """

    certificate: Path | str
    key: Path | str
    client_ca: Path | str | None = None
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_allowed_sans: tuple[str, ...] = ()
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    prefer_server_ciphers: bool = True
    curve: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it names."""
        return tuple([one for one in (self.certificate, self.key, self.client_ca) if isinstance(one, Path)])


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: *burst* requests at once, and one more every *interval_seconds*."""

    interval_seconds: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The web configuration.

    Attributes:
        tls: None for plain HTTP.
        users: bcrypt hashes by user name; empty for no authentication.
        headers: response headers by name; an empty value removes a default header.
        rate_limit: for all requests together.
    """

    tls: TlsSettings | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_limit: RateLimit | None = None


class Access:
    """The web configuration in use; *path* None for an exporter without one.

    A file, certificate or key that becomes bad changes nothing: the last good one stays in use.
    Raises `ConfigError` for a file that is bad from the start.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.config = WebConfig()
        self.tls: ssl.SSLContext | None = None
        self.passwords: Passwords | None = None
        self.bucket: Bucket | None = None
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file now, if the configuration in use is an older one."""
        if path is not None:
            self._use(*_load(path))
        self._seen = self._fingerprint()

    @contextlib.asynccontextmanager
    async def followed(self, changed: Callable[[ssl.SSLContext | None], Awaitable[None]]) -> AsyncIterator[None]:
        """While inside, reload changed files, and await *changed* with the TLS context for new connections."""
        watch = None if self._path is None else partial(self._watch, self._path, changed)
        watching = None if watch is None else asyncio.create_task(supervised("watching the web configuration", watch))
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
                config, tls = await asyncio.to_thread(_load, path, may_be_empty=self.config == WebConfig())
            except ConfigError as bad:
                self.problems = tuple(map(str, bad.problems))
                log.warning("the new web configuration is bad, the old one stays in use", problems=list(self.problems))
                continue
            self._use(config, tls)
            await changed(tls)
            log.info("the web configuration was read again")

    def _use(self, config: WebConfig, tls: ssl.SSLContext | None) -> None:
        old = self.config
        self.config, self.tls, self.problems = config, tls, ()
        if config.users != old.users:
            if self.passwords is not None:
                self.passwords.close()
            self.passwords = Passwords(config.users) if config.users else None
        if config.rate_limit != old.rate_limit:
            self.bucket = Bucket(config.rate_limit) if config.rate_limit else None

    def _fingerprint(self) -> bytes:
        """A digest of all files, to notice changes."""
        if self._path is None:
            return b""
        files = (self._path, *(self.config.tls.files if self.config.tls is not None else ()))
        seen = hashlib.sha256()
        for file in files:
            try:
                content = read_regular(file, MAX_BYTES, "")
            except ConfigError as error:
                content = str(error).encode()
            seen.update(len(content).to_bytes(8, "big") + content)
        return seen.digest()


def _load(path: Path, *, may_be_empty: bool = True) -> tuple[WebConfig, ssl.SSLContext | None]:
    config = load_web_config(path)
    if not may_be_empty and config == WebConfig():  # a file that is being replaced, or was emptied by mistake
        what = "is empty: to serve without TLS and passwords, restart without --web.config.file"
        raise ConfigError([Problem(str(path), 0, 0, "", what)])
    return config, None if config.tls is None else build_context(config.tls, str(path))


_REMEMBERED = 256
_THREADS = 2
_WAITING = 32
_WAITING_OF_ONE = 8
_MAX_BYTES = 72
"""The bytes of a password that bcrypt uses. Go makes no hash of a longer one, so none can be right."""
_MAX_HEADER = 4096


class BusyError(Exception):
    """Too many passwords are being checked."""


class Passwords:
    """Basic authentication against *users*, bcrypt hashes by name. A few threads check passwords.

    The response time does not show which names exist: an unknown name costs one bcrypt check too, or one look into the
    cache of results. Wrong passwords from one client leave room for those of others, and never displace a right one.
    """

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._hashes = [users[name] for name in sorted(users)]
        self._secret = os.urandom(32)
        self._right: set[bytes] = set()  # at most one for each user
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt")
        self._waiting: Counter[str] = Counter()

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def are_right(self, authorization: str, client: str) -> bool:
        """Whether an `Authorization` header of *client*, an address, has a right name and password.

        Raises `BusyError`.
        """
        credentials = read_basic(authorization)
        if credentials is None:
            return False
        name, password = credentials
        hashed = self._users.get(name) or self._substitute(name)
        digest = self._digest(name, password, hashed)
        if digest not in self._right and digest not in self._wrong:
            self._remember(digest, is_right=await self._check(password, hashed, client) and name in self._users)
        return digest in self._right

    def _substitute(self, name: str) -> bytes:
        """The hash to check an unknown name against: always the same one for a name."""
        number = int.from_bytes(hmac.digest(self._secret, name.encode(), "sha256")[:8], "big")
        return self._hashes[number % len(self._hashes)]

    def _digest(self, name: str, password: bytes, hashed: bytes) -> bytes:
        message = b"".join([len(one).to_bytes(4, "big") + one for one in (name.encode(), password, hashed)])
        return hmac.digest(self._secret, message, hashlib.sha256)

    async def _check(self, password: bytes, hashed: bytes, client: str) -> bool:
        if self._waiting[client] >= _WAITING_OF_ONE or self._waiting.total() >= _WAITING:
            raise BusyError
        self._waiting[client] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _matches, password, hashed)
        finally:
            self._waiting -= Counter([client])  # drops clients without any

    def _remember(self, digest: bytes, *, is_right: bool) -> None:
        """Cache a result, a wrong one too: otherwise a second try would show whether the name exists."""
        if is_right:
            self._right.add(digest)
            return
        self._wrong[digest] = None
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)


def _matches(password: bytes, hashed: bytes) -> bool:
    """One bcrypt check, even for a password that cannot be right."""
    import bcrypt

    is_possible = len(password) <= _MAX_BYTES and b"\0" not in password
    matches = bcrypt.checkpw(password.replace(b"\0", b"\1")[:_MAX_BYTES], hashed)
    return matches and is_possible


def read_basic(authorization: str) -> tuple[str, bytes] | None:
    """The name and password in an `Authorization` header (RFC 7617); None if it has none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _MAX_HEADER:
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode("utf-8"), password) if colon else None
    except (binascii.Error, ValueError):
        return None


class Bucket:
    """A token bucket, as in exporter-toolkit: *burst* tokens at most, and one more every *interval_seconds*."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._filled_at = clock()

    def take(self) -> bool:
        """Take a token; False if there is none."""
        now = self._clock()
        self._tokens = min(self._limit.burst, self._tokens + (now - self._filled_at) / self._limit.interval_seconds)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def build_context(settings: TlsSettings, source: str) -> ssl.SSLContext:
    """The TLS context for new connections. Raises `ConfigError` for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if settings.prefer_server_ciphers:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.minimum_version = settings.minimum
        context.maximum_version = settings.maximum
        if settings.ciphers:
            context.set_ciphers(":".join(settings.ciphers))
        if settings.curve is not None:
            context.set_ecdh_curve(settings.curve)
        _load_certificate(context, settings)
        if settings.client_ca is not None:
            context.load_verify_locations(cadata=_text(settings.client_ca))
            context.verify_mode = settings.client_auth
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        where = getattr(error, "filename", None)
        what = f"cannot be used: {f'{where}: ' if where else ''}{reason}"
        raise ConfigError([Problem(source, 0, 0, "tls_server_config", what)]) from None
    return context


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Load certificate and key. Python's ssl loads only files, and might wait for one, so they become one in memory."""
    memory = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(memory, f"{_text(settings.key)}\n{_text(settings.certificate)}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{memory}", password="")
    finally:
        os.close(memory)


def _text(pem: Path | str) -> str:
    return read_regular(pem, MAX_BYTES, "is larger than 1 MiB").decode("ascii") if isinstance(pem, Path) else pem


def is_allowed(certificate: dict[str, Any] | None, allowed: tuple[str, ...]) -> bool:
    """Whether a client's certificate, as `SSLObject.getpeercert` gives it, has one of the *allowed* names."""
    names = (certificate or {}).get("subjectAltName", ())
    return any(_same(name, one) for _, name in names for one in allowed)


def _same(name: str, allowed: str) -> bool:
    if name == allowed:
        return True
    try:
        return ip_address(name) == ip_address(allowed)
    except ValueError:
        return False


class Reader:
    """Reads a mapping key by key. A bad value becomes a problem and a usable default."""

    def __init__(self, source: str, node: Node, problems: list[Problem], path: tuple[str, ...] = ()) -> None:
        self._source = source
        self._node = node
        self._problems = problems
        self._path = path
        self._taken: set[str] = set()
        self._children = node.content if isinstance(node.content, dict) else {}
        if not isinstance(node.content, dict):
            self.complain(None, "is not a mapping (`key: value`)")

    def complain(self, key: str | None, what: str) -> None:
        """Add a problem with *key*, or with the mapping itself."""
        child = None if key is None else self._children.get(key)
        node = child or self._node
        path = path_text([*self._path, *([] if key is None else [key])])
        self._problems.append(Problem(self._source, node.line, node.column, path, what))

    def names(self) -> tuple[str, ...]:
        """All keys."""
        return tuple(self._children)

    def section(self, key: str) -> "Reader | None":
        """The mapping at *key*; None if there is none."""
        self._taken.add(key)
        child = self._children.get(key)
        if child is None or child.content is None:
            return None
        return Reader(self._source, child, self._problems, (*self._path, key))

    def text(self, key: str, default: str = "") -> str:
        """The string at *key*."""
        self._taken.add(key)
        content = self._content(key)
        if content is None:
            return default
        if isinstance(content, str):
            return content
        self.complain(key, "is not a string: put it in quotes")
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        """The boolean at *key*."""
        self._taken.add(key)
        content = self._content(key)
        if content is None:
            return default
        if not isinstance(content, bool):
            self.complain(key, "is neither true nor false")
            return default
        return content

    def whole(self, key: str, low: int, high: int) -> int:
        """The integer at *key*, from *low* to *high*."""
        self._taken.add(key)
        content = self._content(key)
        if isinstance(content, bool) or not isinstance(content, int) or not low <= content <= high:
            self.complain(key, f"is not a whole number from {low} to {high}")
            return low
        return content

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of strings at *key*."""
        self._taken.add(key)
        content = self._content(key)
        if content is None:
            return ()
        if not isinstance(content, list) or not all(isinstance(one.content, str) for one in content):
            self.complain(key, "is not a list of strings")
            return ()
        return tuple([str(one.content) for one in content])

    def finish(self) -> None:
        """Add a problem for each key that was not read."""
        for key in self._children.keys() - self._taken:
            self.complain(key, f"is not a known key; known are {', '.join(sorted(self._taken))}")

    def _content(self, key: str) -> object:
        child = self._children.get(key)
        return None if child is None else child.content


def load_web_config(path: Path) -> WebConfig:
    """Read the file; its paths are relative to its folder. Raises `ConfigError` with all problems."""
    content = read_regular(path, MAX_BYTES, "is larger than 1 MiB, the maximum")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), 0, 0, "", "is not UTF-8: save it as UTF-8")]) from None
    return parse_web_config(text, str(path), path.absolute().parent)


def parse_web_config(text: str, source: str, folder: Path) -> WebConfig:
    """Parse a web configuration; *source* is its name in messages. Raises `ConfigError` with all problems."""
    root, problems = read_tree(text, source)
    if root is None or root.content is None:
        if problems:
            raise ConfigError(problems)
        return WebConfig()
    reader = Reader(source, root, problems)
    tls = reader.section("tls_server_config")
    http = reader.section("http_server_config")
    rate = reader.section("rate_limit")
    config = WebConfig(
        tls=None if tls is None else _tls(tls, folder),
        users=_users(reader.section("basic_auth_users")),
        headers={} if http is None else _headers(http),
        rate_limit=None if rate is None else _rate(rate),
    )
    reader.finish()
    if problems:
        raise ConfigError(problems)
    return config


def _tls(reader: Reader, folder: Path) -> TlsSettings:
    certificate = _pem(reader, "cert", folder, required=True)
    key = _pem(reader, "key", folder, required=True)
    client_ca = _pem(reader, "client_ca", folder, required=False)
    auth = reader.text("client_auth_type")
    if auth in _INSECURE:
        reader.complain("client_auth_type", f"is {auth}, which verifies no client: write RequireAndVerifyClientCert")
    elif auth not in CLIENT_AUTH:
        reader.complain("client_auth_type", f"is none of {', '.join(filter(None, CLIENT_AUTH))}")
    mode = CLIENT_AUTH.get(auth, ssl.CERT_NONE)
    if mode is not ssl.CERT_NONE and client_ca is None:
        reader.complain("client_auth_type", "needs client_ca_file, the CA that signs the certificates of clients")
    if mode is ssl.CERT_NONE and client_ca is not None and auth not in _INSECURE:
        reader.complain(
            None,
            "has a client CA, but requires no client certificate: set client_auth_type to RequireAndVerifyClientCert",
        )
    sans = reader.texts("client_allowed_sans")
    if sans and mode is not ssl.CERT_REQUIRED:
        reader.complain("client_allowed_sans", "needs client_auth_type: RequireAndVerifyClientCert")
    minimum = _version(reader, "min_version", "TLS12")
    maximum = _version(reader, "max_version", "TLS13")
    if minimum > maximum:
        reader.complain("max_version", "is below min_version")
    settings = TlsSettings(
        certificate=certificate or "",
        key=key or "",
        client_ca=client_ca,
        client_auth=mode,
        client_allowed_sans=sans,
        minimum=minimum,
        maximum=maximum,
        ciphers=_ciphers(reader),
        prefer_server_ciphers=reader.flag("prefer_server_cipher_suites", default=True),
        curve=_curve(reader),
    )
    reader.finish()
    return settings


def _pem(reader: Reader, key: str, folder: Path, *, required: bool) -> Path | str | None:
    inline, file = reader.text(key), reader.text(f"{key}_file")
    if inline and file:
        reader.complain(key, f"is set together with {key}_file: remove one of them")
    elif not inline and not file and required:
        reader.complain(None, f"needs {key}_file")
    if inline:
        return inline
    return folder / file if file else None


def _version(reader: Reader, key: str, default: str) -> ssl.TLSVersion:
    version = reader.text(key, default)
    if version not in VERSIONS:
        reader.complain(key, f"is none of {', '.join(VERSIONS)}")
    return VERSIONS.get(version, VERSIONS[default])


def _ciphers(reader: Reader) -> tuple[str, ...]:
    names = reader.texts("cipher_suites")
    for name in names:
        if name not in CIPHERS:
            reader.complain("cipher_suites", f"has {name}, which is none of {', '.join(sorted(CIPHERS))}")
    return tuple([CIPHERS[name] for name in names if CIPHERS.get(name)])


def _curve(reader: Reader) -> str | None:
    names = reader.texts("curve_preferences")
    if len(names) > 1:
        reader.complain("curve_preferences", "has several curves: name one, or remove the key")
    for name in names:
        if name not in CURVES:
            reader.complain("curve_preferences", f"has {name}, which is none of {', '.join(CURVES)}")
    return CURVES.get(names[0]) if names else None


def _users(reader: Reader | None) -> Mapping[str, bytes]:
    if reader is None:
        return {}
    users: dict[str, bytes] = {}
    for name in reader.names():
        hashed = reader.text(name)
        if is_bcrypt(hashed):
            users[name] = hashed.encode("ascii")
        else:
            reader.complain(name, 'is not a bcrypt hash: make one with `htpasswd -nBC 10 ""`')
        if not name or ":" in name:
            reader.complain(name, "is not a user name: it is empty or has a colon")
    return users


def is_bcrypt(text: str) -> bool:
    """Whether *text* is a bcrypt hash with a cost from 4 to 18."""
    kind, _, rest = text[1:].partition("$")
    cost, _, digest = rest.partition("$")
    alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return (
        text.startswith("$")
        and kind in {"2a", "2b", "2y"}
        and cost in {f"{number:02}" for number in range(4, 19)}
        and len(digest) == 53
        and all(character in alphabet for character in digest)
    )


def _headers(reader: Reader) -> Mapping[str, str]:
    reader.flag("http2", default=True)
    section = reader.section("headers")
    reader.finish()
    if section is None:
        return {}
    headers = {name: section.text(name) for name in HEADERS}
    headers = {name: value for name, value in headers.items() if name in section.names()}
    for name, value in headers.items():
        if not value.isprintable() or not value.isascii():
            section.complain(name, "has characters that are not allowed in a header")
    if headers.get("X-Frame-Options", "").lower() not in {"", "deny", "sameorigin"}:
        section.complain("X-Frame-Options", "is neither deny nor sameorigin")
    if headers.get("X-Content-Type-Options", "").lower() not in {"", "nosniff"}:
        section.complain("X-Content-Type-Options", "is not nosniff")
    section.finish()
    return headers


def _rate(reader: Reader) -> RateLimit | None:
    text = reader.text("interval", "0s")
    burst = reader.whole("burst", 1, 1_000_000)
    reader.finish()
    try:
        interval = Duration(0) if text == "0" else Duration.parse(text)
    except ValueError as error:
        reader.complain("interval", str(error))
        return None
    return RateLimit(interval.seconds, burst) if interval.seconds else None
