"""From the TLS settings to what greets clients.

The rule of this file: a context is built whole or not at all, so that whoever has a good one can go on with it.
"""

import os
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from exporter.errors import ConfigError, Problem
from exporter.web.web_config import TlsSettings


def build_context(settings: TlsSettings, source: str) -> ssl.SSLContext:
    """The context for new connections. Raises `ConfigError` for files that cannot be used."""
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
    """Python's ssl loads files alone: a text is given to it as a file in memory, which no disk ever sees."""
    if isinstance(settings.certificate, Path) and isinstance(settings.key, Path):
        context.load_cert_chain(settings.certificate, settings.key, password="")
        return
    memory = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(memory, f"{_text(settings.key)}\n{_text(settings.certificate)}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{memory}", password="")
    finally:
        os.close(memory)


def _text(pem: Path | str) -> str:
    return pem.read_text(encoding="ascii") if isinstance(pem, Path) else pem


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
