"""Certificates for tests of TLS, made by openssl for each run."""

import ssl
import subprocess
from pathlib import Path

from tests.integration.servers.tools import require


def make_certificate(folder: Path, subject: str) -> Path:
    """A PEM file with a key and its self-signed certificate for *subject* ("IP:127.0.0.1", "DNS:dns.example.org")."""
    openssl = require("openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", "/CN=dns.example.org", "-addext", f"subjectAltName={subject}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    both = folder / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both


def serving_context(certificate: Path) -> ssl.SSLContext:
    """A TLS context for a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
