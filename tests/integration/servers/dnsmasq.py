"""The resolvers of most Linux systems, which answer from a hosts file first: dnsmasq and systemd-resolved."""

import socket
from collections.abc import Sequence
from pathlib import Path

import dns.message

from tests.integration.servers.process import Server
from tests.integration.servers.tools import HOW_TO_UNPACK, UNPACKED, missing, require


class _Stub(Server):
    """A resolver that knows the lines *hosts*, and asks the server at *upstream* (a port of 127.0.0.1) otherwise."""

    def __init__(self, upstream: int, hosts: Sequence[str]) -> None:
        super().__init__()
        self._upstream = upstream
        self._hosts = hosts

    def write(self, name: str, text: str) -> Path:
        """Write a file of its folder."""
        path = self.folder / name
        path.write_text(text)
        return path

    def hosts_file(self) -> Path:
        """Write the hosts file."""
        return self.write("hosts", "\n".join(["127.0.0.1 localhost", *self._hosts, ""]))

    def answers(self) -> bool:
        """Whether it answers at all."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            try:
                client.connect((self.host, self.port))
                client.send(dns.message.make_query("localhost.", "A").to_wire())
                client.recv(4096)
            except OSError:
                return False
            return True


class Dnsmasq(_Stub):
    """dnsmasq."""

    def command(self) -> list[str]:
        """The command line has all of its configuration."""
        options = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--user="]
        options += [f"--listen-address={self.host}", f"--port={self.port}", f"--addn-hosts={self.hosts_file()}"]
        return [require("dnsmasq"), *options, f"--server={self.host}#{self._upstream}"]


class SystemdResolved(_Stub):
    """systemd-resolved, in a mount namespace with configuration, users and hosts file of its own."""

    def command(self) -> list[str]:
        """Write its files, and bind them over those of the system."""
        program = UNPACKED / "systemd-resolved" / "lib" / "systemd" / "systemd-resolved"
        if not program.exists():
            missing(f"systemd-resolved is not there: {HOW_TO_UNPACK}")
        options = f"DNS={self.host}:{self._upstream}\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nDNSStubListener=no"
        files = {
            "/etc/systemd/resolved.conf": f"[Resolve]\n{options}\nDNSStubListenerExtra={self.host}:{self.port}\n",
            "/etc/passwd": "root:x:0:0::/:/bin/sh\nsystemd-resolve:x:995:995::/:/usr/sbin/nologin\n",
            "/etc/group": "root:x:0:\nsystemd-resolve:x:995:\n",
        }
        binds = ["--ro-bind", str(self.hosts_file()), "/etc/hosts"]
        for path, text in files.items():
            binds += ["--ro-bind", str(self.write(Path(path).name, text)), path]
        return [
            *[require("bwrap"), "--die-with-parent", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"],
            *["--tmpfs", "/run", "--dir", "/run/systemd", "--tmpfs", "/etc/systemd", *binds, str(program)],
        ]
