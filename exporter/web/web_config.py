"""`--web.config.file`: TLS, passwords, headers and a rate limit, in exporter-toolkit's format.

The rule of this file: a file that exporter-toolkit takes is taken here, or refused with what would be right; nothing
that it asks for is quietly left out. Every problem is reported at once, with its place. The one key without an effect
is ``http2``: what is served is HTTP/1.1, as with any client that does not ask for more.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config.durations import Duration
from exporter.config.tree import read_tree
from exporter.errors import ConfigError, Problem
from exporter.web.reader import Reader

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
    """`tls_server_config`: where certificate, key and client CA are (a path, or the PEM text itself), and the rest."""

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
        """The files that it is made of."""
        return tuple([one for one in (self.certificate, self.key, self.client_ca) if isinstance(one, Path)])


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: *burst* requests at once, and one more every *interval_seconds*."""

    interval_seconds: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Who may come in, and how. *users* are bcrypt hashes by name."""

    tls: TlsSettings | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_limit: RateLimit | None = None


def load_web_config(path: Path) -> WebConfig:
    """Read the file; paths in it start at its folder. Raises `ConfigError` with every problem."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError([Problem(str(path), 0, 0, "", "is larger than 1 MiB, which no web configuration is")])
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), 0, 0, "", "is not UTF-8: save it as UTF-8")]) from None
    return parse_web_config(text, str(path), path.absolute().parent)


def parse_web_config(text: str, source: str, folder: Path) -> WebConfig:
    """Read a web configuration from *text*; *source* is what messages call it. Raises `ConfigError`."""
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
        reader.complain("client_auth_type", f"is {auth}, which lets anybody in: write RequireAndVerifyClientCert")
    elif auth not in CLIENT_AUTH:
        reader.complain("client_auth_type", f"is none of {', '.join(filter(None, CLIENT_AUTH))}")
    mode = CLIENT_AUTH.get(auth, ssl.CERT_NONE)
    if mode is not ssl.CERT_NONE and client_ca is None:
        reader.complain("client_auth_type", "needs client_ca_file: who signs the certificates of clients?")
    if mode is ssl.CERT_NONE and client_ca is not None and auth not in _INSECURE:
        reader.complain(
            None,
            "has a client CA, but asks no client for a certificate: set client_auth_type to RequireAndVerifyClientCert",
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
        reader.complain(key, f"stands beside {key}_file: one of them is enough")
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
        reader.complain("curve_preferences", "has several curves: write the one that is wanted, or leave it out")
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
            reader.complain(name, 'is no bcrypt hash, as `htpasswd -nBC 10 ""` makes it')
        if not name or ":" in name:
            reader.complain(name, "is no user name: it is empty, or has a colon in it")
    return users


def is_bcrypt(text: str) -> bool:
    """Whether *text* is a bcrypt hash of a cost that ends in this century."""
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
            section.complain(name, "has characters that no header can carry")
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
