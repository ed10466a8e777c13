"""Postfix and Exim as Debian packs them, each with a listener for every policy that is to be compared.

A server stands in a folder of its own, with every other setting at its default. The programs
are those of the system, or, since Debian installs only one mail server at a time, unpacked ones.
"""

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from exporter.checks.receivers import Receiver
from tests.integration.servers.tools import UNPACKED

HOST_NAME = "receiver.example"

USERS = {"postfix": 9101, "postdrop": 9102, "Debian-exim": 9103}
"""The users that the two want to be; the test's namespace has them in its own passwd and group."""


class MailServer(Protocol):
    """A mail server that can be written down and started."""

    ports: ClassVar[Mapping[Receiver, int]]

    def set_up(self, folder: Path, addresses: Sequence[str]) -> Sequence[str]:
        """Write the configuration, listening on *addresses*, and return the command that runs it in the foreground."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables that it needs."""

    def log(self, folder: Path) -> str:
        """Return what it wrote to its log."""


@dataclass(frozen=True)
class Postfix:
    """Postfix: a smtpd service for each restriction."""

    root: Path

    ports: ClassVar[Mapping[Receiver, int]] = {
        Receiver.POSTFIX_UNKNOWN_CLIENT: 2501,
        Receiver.POSTFIX_UNKNOWN_REVERSE_CLIENT: 2502,
        Receiver.POSTFIX_INVALID_HELO: 2503,
        Receiver.POSTFIX_NON_FQDN_HELO: 2504,
        Receiver.POSTFIX_UNKNOWN_HELO: 2505,
    }
    _restrictions: ClassVar[Mapping[Receiver, str]] = {
        Receiver.POSTFIX_UNKNOWN_CLIENT: "smtpd_client_restrictions=reject_unknown_client_hostname",
        Receiver.POSTFIX_UNKNOWN_REVERSE_CLIENT: "smtpd_client_restrictions=reject_unknown_reverse_client_hostname",
        Receiver.POSTFIX_INVALID_HELO: "smtpd_helo_restrictions=reject_invalid_helo_hostname",
        Receiver.POSTFIX_NON_FQDN_HELO: "smtpd_helo_restrictions=reject_non_fqdn_helo_hostname",
        Receiver.POSTFIX_UNKNOWN_HELO: "smtpd_helo_restrictions=reject_unknown_helo_hostname",
    }

    @classmethod
    def find(cls) -> "Postfix | None":
        """Find the program."""
        for root in (Path("/"), UNPACKED / "postfix"):
            if (root / "usr/lib/postfix/sbin/master").exists():
                return cls(root)
        return None

    def set_up(self, folder: Path, addresses: Sequence[str]) -> Sequence[str]:
        """Write main.cf and master.cf, and the queue that smtpd insists on."""
        spool, data = folder / "spool", folder / "data"
        owner = pwd.getpwnam("postfix")
        for name in ("pid", "private", "public", "maildrop", "incoming", "active", "deferred", "defer", "bounce"):
            (spool / name).mkdir(parents=True)
            if name != "pid":
                os.chown(spool / name, owner.pw_uid, 0)
        data.mkdir()
        os.chown(data, owner.pw_uid, 0)
        programs = self.root / "usr/lib/postfix/sbin"
        (folder / "main.cf").write_text(
            f"""compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
daemon_directory = {programs}
command_directory = {self.root / "usr/sbin"}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = {HOST_NAME}
mydestination = {HOST_NAME}
mynetworks =
inet_protocols = all
alias_maps =
local_recipient_maps =
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
in_flow_delay = 0
"""
        )
        services = [
            f"{_bracketed(address)}:{port} inet n - n - - smtpd -o {self._restrictions[receiver]}\n"
            for address in addresses
            for receiver, port in self.ports.items()
        ]
        (folder / "master.cf").write_text(
            "".join(services)
            + "cleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\nanvil unix - - n - 1 anvil\n"
            + "proxymap unix - - n - - proxymap\npostlog unix-dgram n - n - 1 postlogd\n"
        )
        return [str(programs / "master"), "-c", str(folder), "-d"]

    def environment(self) -> Mapping[str, str]:
        """Let the unpacked programs find their libraries."""
        return {"LD_LIBRARY_PATH": str(self.root / "usr/lib/postfix")}

    def log(self, folder: Path) -> str:
        """Return what it wrote to its log."""
        return _read(folder / "log")


@dataclass(frozen=True)
class Exim:
    """Exim: one daemon that tells its listeners apart by their port."""

    program: Path

    ports: ClassVar[Mapping[Receiver, int]] = {
        Receiver.EXIM_REVERSE_HOST_LOOKUP: 2601,
        Receiver.EXIM_VERIFY_HELO: 2602,
        Receiver.EXIM_HELO_VERIFY_HOSTS: 2603,
        Receiver.EXIM_HOST_LOOKUP: 2604,
    }

    @classmethod
    def find(cls) -> "Exim | None":
        """Find the program."""
        installed = shutil.which("exim4")
        for program in (Path(installed) if installed else None, UNPACKED / "exim4-daemon-light/usr/sbin/exim4"):
            if program is not None and program.exists():
                return cls(program)
        return None

    def set_up(self, folder: Path, addresses: Sequence[str]) -> Sequence[str]:
        """Write the configuration, and folders that the daemon may write to."""
        owner = pwd.getpwnam("Debian-exim")
        for name in ("spool", "log"):
            (folder / name).mkdir()
            os.chown(folder / name, owner.pw_uid, owner.pw_gid)
        (folder / "exim.conf").write_text(
            f"""primary_hostname = {HOST_NAME}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/spool/pid
local_interfaces = <; {" ; ".join(addresses)}
daemon_smtp_ports = {" : ".join(map(str, self.ports.values()))}
keep_environment =
tls_advertise_hosts =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
dns_retrans = 2s
dns_retry = 1
host_lookup = {self._only_on(Receiver.EXIM_HOST_LOOKUP, "{*}")}
helo_verify_hosts = {self._only_on(Receiver.EXIM_HELO_VERIFY_HOSTS, "{*}")}
acl_smtp_rcpt = at_rcpt

begin acl

at_rcpt:
  deny    condition = {self._only_on(Receiver.EXIM_REVERSE_HOST_LOOKUP)}
          !verify   = reverse_host_lookup
  deny    condition = {self._only_on(Receiver.EXIM_VERIFY_HELO)}
          !verify   = helo
  deny    condition = {self._only_on(Receiver.EXIM_HOST_LOOKUP)}
          condition = ${{if eq{{$sender_host_name}}{{}}}}
  accept
"""
        )
        return [str(self.program), "-C", str(folder / "exim.conf"), "-bdf"]

    def _only_on(self, receiver: Receiver, then: str = "") -> str:
        return f"${{if eq{{$received_port}}{{{self.ports[receiver]}}}{then}}}"

    def environment(self) -> Mapping[str, str]:
        """Need nothing."""
        return {}

    def log(self, folder: Path) -> str:
        """Return what it wrote to its logs."""
        return "".join(map(_read, sorted((folder / "log").glob("*log"))))


SERVERS: Mapping[str, type[Postfix] | type[Exim]] = {"postfix": Postfix, "exim": Exim}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
