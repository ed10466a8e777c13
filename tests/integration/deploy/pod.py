"""The exporter's pod without a cluster: bubblewrap runs the container that the chart renders, in a sandbox.

As in a pod, the user is unprivileged and has no capabilities, and everything is read-only. The ConfigMap is a folder
with a link to the current generation of its files, which the kubelet switches. The sandbox has its own network with a
loopback interface only, so that tests can use the container's ports at the same time.
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
    """A running pod with the container's *arguments* and the ConfigMap's *files*. The demo DNS listens on *dns_port*.

    *secrets* maps mount paths to folders. *scheme* is the scheme of requests to the exporter. *volume* is a mount path
    in /var/lib and the writable folder that is mounted there.
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
        """Switch atomically to a new generation of the files, as the kubelet does."""
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
        """Stop the exporter with SIGTERM and return its exit status."""
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

    def get(self, path: str, credentials: str = "") -> tuple[int, str]:
        """Request a path of the exporter from within the pod. Returns status (0 while it does not listen) and body.

        *credentials* are ``user:password``, if a password is needed.
        """
        answer = self._order(f"get {path} {credentials}")
        assert answer["ended"] is None, f"the exporter ended with status {answer['ended']}"
        return answer["status"], answer["body"]

    def helm_test(self, container: Mapping[str, Any]) -> dict[str, Any]:
        """Run the container of `helm test` with the pod in place of the Service. Returns `exit` and `errors`."""
        program, *options = container["command"]
        assert program == "python"
        *arguments, url = container["args"]
        scheme, _, rest = url.partition("://")
        _, _, port_and_path = rest.partition(":")
        here = f"{scheme}://127.0.0.1:{port_and_path}"
        return self._order(f"python {json.dumps([*options, *arguments, here])}")

    def privileges(self) -> dict[str, Any]:
        """The user, its capabilities, and the usual folders in which it may write."""
        return self._order("writable")

    def wait_for(self, path: str, text: str, credentials: str = "") -> str:
        """Wait until the exporter answers 200 and the body contains *text*. Returns the body."""
        seen: list[str] = []

        def is_there() -> bool:
            status, body = self.get(path, credentials)
            seen[:] = [body]
            return status == 200 and text in body

        wait_until(is_there, f"{path} with {text!r}")
        return seen[0]
