"""Unbound: the recursive resolver of the tests. It asks one authoritative server on loopback, and nobody else."""

import socket
import subprocess
from collections.abc import Mapping, Sequence

import dns.message

from tests.integration.servers.process import Server
from tests.integration.servers.tools import require


class Unbound(Server):
    """Unbound on a port of its own, resolving everything through the server at *upstream* (a port of 127.0.0.1).

    *options* are further lines of its ``server:`` clause; *stubs* are zones that it asks of another port of 127.0.0.1.
    Nothing is validated, and nothing leaves the machine.
    """

    def __init__(self, upstream: int, *, options: Sequence[str] = (), stubs: Mapping[str, int] | None = None) -> None:
        super().__init__()
        self._stubs = {".": upstream, **(stubs or {})}
        self._options = options
        self._unbound = require("unbound")
        self._control = require("unbound-control")

    def command(self) -> list[str]:
        """Write unbound.conf."""
        options = "\n".join(f"    {option}" for option in self._options)
        stubs = "\n".join(
            f'stub-zone:\n    name: "{name}"\n    stub-addr: {self.host}@{port}' for name, port in self._stubs.items()
        )
        (self.folder / "unbound.conf").write_text(
            f"""server:
    directory: "{self.folder}"
    chroot: ""
    username: ""
    pidfile: "{self.folder}/pid"
    do-daemonize: no
    use-syslog: no
    logfile: ""
    verbosity: 0
    interface: {self.host}@{self.port}
    port: {self.port}
    do-ip6: no
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    module-config: "iterator"
    num-threads: 1
    num-queries-per-thread: 4096
    outgoing-range: 4096
    so-rcvbuf: 4m
    msg-cache-size: 32m
    rrset-cache-size: 64m
    unblock-lan-zones: yes
    insecure-lan-zones: yes
    local-zone: "test." nodefault
    local-zone: "invalid." nodefault
    local-zone: "localhost." nodefault
    qname-minimisation: no
    rrset-roundrobin: yes
    target-fetch-policy: "0 0 0 0 0"
{options}
{stubs}
remote-control:
    control-enable: yes
    control-interface: {self.folder}/control
    control-use-cert: no
"""
        )
        return [self._unbound, "-d", "-p", "-c", str(self.folder / "unbound.conf")]

    def answers(self) -> bool:
        """Whether it answers at all; what its upstream says of the root does not matter."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            try:
                client.connect((self.host, self.port))
                client.send(dns.message.make_query("version.bind", "TXT", "CH").to_wire())
                client.recv(4096)
            except OSError:
                return False
        return True

    def flush(self) -> None:
        """Forget everything that it has cached, and what it holds of its upstream's health."""
        for order in (["flush_zone", "."], ["flush_infra", "all"]):
            subprocess.run(
                [self._control, "-c", str(self.folder / "unbound.conf"), *order],
                check=True,
                capture_output=True,
                timeout=300,
            )
