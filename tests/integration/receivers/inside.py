"""What runs inside the test's own network and mount namespaces: the DNS, a mail server, and the clients.

Nothing that it does is seen outside. It has a loopback interface with the scenarios' addresses,
and its own resolv.conf, hosts, nsswitch.conf, passwd and group bound over the system's.

Usage, behind ``unshare --net --mount --pid --fork --kill-child``:
``python -m tests.integration.receivers.inside postfix``, or ``exim``. It prints one JSON object: for each scenario and
receiver, the replies of as many connections as the client has PTR names.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.receivers import Receiver
from tests.integration.receivers.dns_server import DnsServer
from tests.integration.receivers.mail_servers import HOST_NAME, SERVERS, USERS, MailServer
from tests.integration.receivers.smtp_client import first_refusal
from tests.unit.checks.receivers.scenarios import SCENARIOS, Scenario

LISTEN = {4: "192.0.2.250", 6: "2001:db8::250"}
RESOLVER = "127.0.0.1"
_START_SECONDS = 300


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder that the servers' users can look into, and that does not stay."""
    with tempfile.TemporaryDirectory(prefix="maildns-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        yield folder


def enter(folder: Path) -> None:
    """Make the namespaces a machine of their own."""
    addresses = {str(scenario.address) for scenario in SCENARIOS} | set(LISTEN.values())
    commands = [
        "link set lo up",
        *[f"address add {address} dev lo{' nodad' if ':' in address else ''}" for address in sorted(addresses)],
    ]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
    system = {name: Path("/etc", name).read_text() for name in ("passwd", "group")}
    users = {name: uid for name, uid in USERS.items() if f"\n{name}:" not in system["passwd"]}
    groups = {name: gid for name, gid in USERS.items() if f"\n{name}:" not in system["group"]}
    files = {
        "resolv.conf": f"nameserver {RESOLVER}\nsearch .\noptions timeout:2 attempts:1\n",
        "hosts": f"127.0.0.1 localhost {HOST_NAME}\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
        "passwd": system["passwd"] + "".join(f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, uid in users.items()),
        "group": system["group"] + "".join(f"{name}:x:{gid}:\n" for name, gid in groups.items()),
    }
    for name, text in files.items():
        mine = folder / name
        mine.write_text(text)
        mine.chmod(0o644)
        subprocess.run(["mount", "--bind", mine, Path("/etc", name)], check=True)


@contextlib.asynccontextmanager
async def running(server: MailServer, folder: Path) -> AsyncIterator[None]:
    """Run a mail server until it is no longer needed."""
    command = server.set_up(folder, list(LISTEN.values()))
    environment = {**os.environ, **server.environment()}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=sys.stderr, start_new_session=True)
    try:
        deadline = time.monotonic() + _START_SECONDS
        for port in server.ports.values():
            for address in LISTEN.values():
                while True:
                    try:
                        (await asyncio.open_connection(address, port))[1].close()
                        break
                    except OSError:
                        if process.returncode is not None or time.monotonic() > deadline:
                            raise
                        await asyncio.sleep(0.02)
        yield
    finally:
        if process.returncode is None:
            process.kill()  # its children end with the process namespace
            await process.wait()


async def compare(server: MailServer, resolver: DnsServer) -> dict[str, dict[str, list[str]]]:
    """Send every scenario to every listener."""
    replies: dict[str, dict[str, list[str]]] = {}
    for scenario in SCENARIOS:
        resolver.world = scenario.world
        connections = max(1, len(scenario.world(Question(scenario.address.reverse_name, "PTR")).records))
        listeners = [_ask(scenario, port, connections) for port in server.ports.values()]
        # One listener after the other where there are several names: the records are turned with every question.
        together = [listeners] if connections == 1 else [[listener] for listener in listeners]
        helo = [reply for some in together for reply in await asyncio.gather(*some)]
        replies[scenario.name] = dict(zip(map(str, server.ports), helo, strict=True))
    return replies


async def _ask(scenario: Scenario, port: int, connections: int) -> list[str]:
    address: Address = scenario.address
    return [
        await first_refusal(str(address), LISTEN[address.family], port, scenario.helo.text, f"postmaster@{HOST_NAME}")
        for _ in range(connections)
    ]


async def main(name: str) -> None:
    """Enter, run, ask, report."""
    server = SERVERS[name].find()
    if server is None:
        raise SystemExit(f"{name} is not installed")
    with own_folder() as folder:
        enter(folder)
        resolver = DnsServer()
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: resolver, (RESOLVER, 53))
        try:
            async with running(server, folder):
                replies = await compare(server, resolver)
        except BaseException:
            print(server.log(folder), file=sys.stderr)
            raise
    json.dump({"server": name, "receivers": [str(Receiver(it)) for it in server.ports], "replies": replies}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
