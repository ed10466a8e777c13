"""A small authority for the tests of TLS, made anew by openssl for each run."""

import subprocess
from pathlib import Path

from tests.integration.servers.tools import require


class Authority:
    """Signs certificates for servers and clients; its own is ``authority.crt`` in *folder*."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self._name = name
        self._openssl = require("openssl")
        self._run("req", "-x509", *self._new(name), "-subj", f"/CN={name}", "-days", "2", "-out", str(self.certificate))

    @property
    def certificate(self) -> Path:
        """Its own certificate."""
        return self.folder / f"{self._name}.crt"

    def sign(self, name: str, subject: str) -> tuple[Path, Path]:
        """A certificate for *subject* ("IP:127.0.0.1", "DNS:prometheus.example.org"), and its key."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject}\n")
        self._run("req", *self._new(name), "-subj", f"/CN={name}", "-out", str(request))
        signing = ("-CA", str(self.certificate), "-CAkey", str(self.folder / f"{self._name}.key"), "-CAcreateserial")
        self._run("x509", "-req", "-in", str(request), *signing, "-days", "2", "-extfile", str(extensions), "-out",
                  str(certificate))  # fmt: skip
        return certificate, key

    def _new(self, name: str) -> tuple[str, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        return (*curve, "-keyout", str(self.folder / f"{name}.key"))

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._openssl, *arguments], check=True, capture_output=True, timeout=300)
