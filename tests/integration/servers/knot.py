"""Knot DNS: the authoritative server of the tests. It serves whatever zones it is given, and the root."""

import socket
import subprocess
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import dns.message
import dns.query

from tests.integration.servers.process import DEADLINE_SECONDS, Server, wait_until
from tests.integration.servers.tools import require

TTL_SECONDS = 60


def zone_text(origin: str, lines: Iterable[str], *, serial: int = 1, ttl: int = TTL_SECONDS) -> str:
    """Build a zone file: its SOA and NS, and these lines, whose owners may be relative to the origin."""
    origin = "." if origin == "." else f"{origin.removesuffix('.')}."
    head = [
        f"$ORIGIN {origin}",
        f"$TTL {ttl}",
        f"@ SOA ns.invalid. hostmaster.invalid. {serial} 3600 600 86400 {ttl}",
        "@ NS ns.invalid.",
    ]
    return "\n".join([*head, *lines, ""])


class Knot(Server):
    """Knot on a port of its own, with *zones* (origin to lines in zone-file format, or None for one that is broken).

    A name in no zone is NXDOMAIN from the root zone, which is added; a name in a broken zone is SERVFAIL. The zones in
    *signed* are signed with DNSSEC: `key` is the trust anchor of one.
    """

    def __init__(self, zones: Mapping[str, Iterable[str] | None], *, signed: Collection[str] = ()) -> None:
        super().__init__()
        self._signed = signed
        self._zones = {".": (), **zones}
        self._serial = 1
        self._knotd = require("knotd")
        self._knotc = require("knotc")

    @property
    def origins(self) -> list[str]:
        """The origins of its zones."""
        return list(self._zones)

    def command(self) -> list[str]:
        """Write knot.conf and the zone files."""
        (self.folder / "db").mkdir(exist_ok=True)
        zones = []
        for number, (origin, lines) in enumerate(self._zones.items()):
            signing = "\n    dnssec-signing: on\n    dnssec-policy: signed" if origin in self._signed else ""
            zones.append(f"  - domain: {origin}\n    file: zone{number}{signing}")
            if lines is not None and not (self.folder / f"zone{number}").exists():
                self._write(number, origin, lines)
        (self.folder / "knot.conf").write_text(
            f"""server:
    rundir: {self.folder}
    listen: {self.host}@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-max-clients: 1000
log:
  - target: stderr
    any: warning
database:
    storage: {self.folder}/db
control:
    listen: {self.folder}/control
policy:
  - id: signed
    single-type-signing: on
template:
  - id: default
    storage: {self.folder}
    semantic-checks: off
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
"""
            + "\n".join(zones)
            + "\n"
        )
        return [self._knotd, "-c", str(self.folder / "knot.conf")]

    def answers(self) -> bool:
        """Whether it answers for every zone that is not meant to be broken, over UDP."""
        if not self._bound() & self._own_sockets():
            return False  # whoever answers on the port, it is another one
        return all(self._serial_of(origin) for origin, lines in self._zones.items() if lines is not None)

    def shares_its_port(self) -> bool:
        """Whether another Knot has the port too: with SO_REUSEPORT both start, and each gets some of the questions."""
        return len(self._bound()) > 1

    def _bound(self) -> set[str]:
        """The sockets that are bound to the port, by their inodes."""
        lines = map(str.split, Path("/proc/net/udp").read_text().splitlines()[1:])
        return {f"socket:[{line[9]}]" for line in lines if line[1].endswith(f":{self.port:04X}")}

    def _own_sockets(self) -> set[str]:
        found = set()
        with suppress(OSError):  # it closes files, or ends, while we look
            for one in Path(f"/proc/{self.pid}/fd").iterdir():
                found.add(str(one.readlink()))
        return found

    def _serial_of(self, origin: str) -> int:
        """The serial number of the zone that it serves; 0 for none."""
        query = dns.message.make_query(origin, "SOA")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            try:
                client.connect((self.host, self.port))
                client.send(query.to_wire())
                answer = dns.message.from_wire(client.recv(4096)).answer
            except OSError:
                return 0
        return answer[0][0].serial if answer else 0  # type: ignore[attr-defined]  # an SOA record

    def key(self, origin: str) -> str:
        """The DNSKEY record of a signed zone, as in a zone file."""
        query = dns.message.make_query(origin, "DNSKEY")
        answer = dns.query.udp(query, self.host, timeout=DEADLINE_SECONDS, port=self.port).answer
        return str(answer[0]).replace(" IN ", " ")

    def publish(self, origin: str, lines: Iterable[str]) -> None:
        """Replace the records of a zone, and wait until Knot serves them."""
        self._serial += 1
        self._zones[origin] = tuple(lines)
        self._write(list(self._zones).index(origin), origin, self._zones[origin] or ())
        reload = [self._knotc, "-s", str(self.folder / "control"), "-b", "-f", "zone-reload", origin]
        subprocess.run(reload, check=True, capture_output=True, timeout=300)
        wait_until(lambda: self._serial_of(origin) == self._serial, f"knotd serves the new {origin}")

    def _write(self, number: int, origin: str, lines: Iterable[str]) -> None:
        (self.folder / f"zone{number}").write_text(zone_text(origin, lines, serial=self._serial))
