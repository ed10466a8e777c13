"""The exporter's pod without a cluster: what the chart renders, run in a sandbox by bubblewrap.

As in the pod, it is an unprivileged user without capabilities, everything is read-only, and the ConfigMap is a folder
with a link to the present generation of its files, which the kubelet switches. The sandbox has a network of its own, in
which nothing but its loopback exists: the ports are those of the container, and no test is in another's way.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.assets.charts import ROOT
from tests.integration.servers.process import wait_until
from tests.integration.servers.tools import require

INSIDE = Path(__file__).with_name("inside.py")
MOUNT = "/etc/maildns-exporter"


class Pod:
    """A running pod with the container's *arguments* and the ConfigMap's *files*; the demo DNS is on *dns_port*.

    *secrets* are folders by where they are mounted; *scheme* is what the exporter is asked with. *volume* is where the
    container may write, in /var/lib.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        files: dict[str, str],
        dns_port: int,
        *,
        secrets: Mapping[str, Path] | None = None,
        scheme: str = "http",
        volume: tuple[str, Path] | None = None,
    ) -> None:
        self._volume = volume
        self._secrets = secrets or {}
        self._scheme = scheme
        self._folder = folder
        self._generation = 0
        self._arguments = arguments
        self._dns_port = dns_port
        self._bubblewrap = require("bwrap")
        for name in files:
            (folder / name).symlink_to(f"..data/{name}")
        self.publish(files)

    def publish(self, files: dict[str, str]) -> None:
        """Switch to another generation of the files, atomically, as the kubelet does."""
        self._generation += 1
        generation = self._folder / f"..{self._generation}"
        generation.mkdir()
        for name, content in files.items():
            (generation / name).write_text(content)
        (self._folder / "..data_tmp").symlink_to(generation.name)
        (self._folder / "..data_tmp").rename(self._folder / "..data")

    def __enter__(self) -> Self:
        sandbox = [self._bubblewrap, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
        sandbox += ["--uid", "65532", "--gid", "65532", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
        sandbox += ["--tmpfs", "/etc", "--ro-bind", str(self._folder), MOUNT]
        for mount, secret in self._secrets.items():
            sandbox += ["--ro-bind", str(secret), mount]
        if self._volume is not None:
            mount, volume = self._volume
            sandbox += ["--tmpfs", "/var/lib", "--bind", str(volume), mount, "--remount-ro", "/var/lib"]
        sandbox += ["--remount-ro", "/etc", "--clearenv", "--setenv", "SCHEME", self._scheme]
        sandbox += ["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "PYTHONPATH", str(ROOT), "--chdir", str(ROOT)]
        python = [sys.executable, "-B"]
        command = [*sandbox, *python, str(INSIDE), str(self._dns_port), *python, "-m", "exporter", *self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:  # closes its streams, and waits for it
            if self._process.poll() is None:
                self.exit_code()

    def exit_code(self) -> int:
        """End the exporter with SIGTERM; what it exits with."""
        code = int(self._order("stop")["exit"])
        self._process.wait(300)
        return code

    def _order(self, text: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def get(self, path: str, who: str = "") -> tuple[int, str]:
        """Ask the exporter, from within the pod: the status (0 while it does not listen), and the body.

        *who* is ``user:password``, if a password is to be given.
        """
        answer = self._order(f"get {path} {who}")
        assert answer["ended"] is None, f"the exporter ended with status {answer['ended']}"
        return answer["status"], answer["body"]

    def helm_test(self, container: Mapping[str, Any]) -> dict[str, Any]:
        """What the container of `helm test` comes to, with the pod for the Service: `exit`, and `errors`."""
        program, *options = container["command"]
        assert program == "python"
        *arguments, url = container["args"]
        scheme, _, rest = url.partition("://")
        _, _, port_and_path = rest.partition(":")
        here = f"{scheme}://127.0.0.1:{port_and_path}"
        return self._order(f"python {json.dumps([*options, *arguments, here])}")

    def who(self) -> dict[str, Any]:
        """Which user it is, with which capabilities, and which of the usual folders it may write in."""
        return self._order("writable")

    def wait_for(self, path: str, text: str, who: str = "") -> str:
        """Wait until the exporter answers 200 with *text* in it; the whole answer."""
        seen: list[str] = []

        def is_there() -> bool:
            status, body = self.get(path, who)
            seen[:] = [body]
            return status == 200 and text in body

        wait_until(is_there, f"{path} with {text!r}")
        return seen[0]
