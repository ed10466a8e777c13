"""The container engine: podman or docker, through their common command line.

Podman stores its images below build/, separate from the user's. Its settings avoid what is missing inside a container:
systemd, limits to raise, the right to mount an overlay.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "build" / "image"

RESTRICTED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
"""The restrictions of docs/install.md and the Compose file."""


class Engine:
    """Builds images and runs containers. On exit, it removes the containers that it started and their volumes."""

    def __init__(self, name: str) -> None:
        self._command = [name]
        self.limits: list[str] = []
        self._build: list[str] = []
        self._started: list[str] = []
        self._volumes: list[str] = []
        self._number = 0
        self._environment = dict(os.environ)
        if name == "podman":
            self._command += ["--root", str(STORE / "root"), "--runroot", str(STORE / "run")]
            self._command += ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
            if runc := shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin"):
                self._command += ["--runtime", runc]
            self.limits = ["--ulimit", "host", "--read-only-tmpfs=false"]
            STORE.mkdir(parents=True, exist_ok=True)
            (STORE / "containers.conf").write_text("[containers]\ndefault_ulimits = []\n")
            self._environment["CONTAINERS_CONF"] = str(STORE / "containers.conf")
            self._build = ["--isolation", "chroot", "--format", "docker", "--layers=false"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for container in reversed(self._started):  # a container whose network another one uses must be removed last
            gone = self.call("rm", "--force", "--volumes", container, check=False)
            if gone.returncode:
                sys.stderr.write(f"{container} may be left: {gone.stderr[-500:]}\n")
        for volume in self._volumes:
            self.call("volume", "rm", "--force", volume, check=False)

    def call(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the engine's program. If *check* is true and it fails, exit with its output."""
        command = [*self._command, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=self._environment)
        if check and done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    def build(self, tag: str, **arguments: str) -> None:
        """Build the Dockerfile with these build arguments."""
        given = [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]
        self.call("build", *self._build, *given, "--tag", tag, ROOT)

    def inspect(self, what: str) -> dict[str, Any]:
        """The engine's metadata of an image or a container."""
        (found,) = json.loads(self.call("inspect", what).stdout)
        return found

    def start(self, name: str, image: str, flags: Sequence[object], command: Sequence[str]) -> str:
        """Start a restricted container with additional *flags*. Returns its name, which begins with *name*."""
        self._number += 1
        name = f"{name}-{os.getpid()}-{self._number}"
        self._started.append(name)
        self.call("run", "--detach", "--name", name, *self.limits, *RESTRICTED, *flags, image, *command)
        return name

    def volume(self) -> str:
        """The name of a new volume."""
        self._volumes.append(f"maildns-check-{os.getpid()}-{len(self._volumes)}")
        return self._volumes[-1]

    def python(self, container: str, program: str, *arguments: str) -> str:
        """The output of a Python program inside the container. Empty if it fails."""
        return self.call("exec", container, "python", "-c", program, *arguments, check=False).stdout

    def health(self, container: str) -> str:
        """The result of the image's health check. Podman has no timer for it here, so it runs now."""
        if self._command[0] == "podman":
            return "starting" if self.call("healthcheck", "run", container, check=False).returncode else "healthy"
        return str(self.inspect(container)["State"]["Health"]["Status"])

    def stop(self, container: str) -> int:
        """Stop the container with SIGTERM and return its exit status."""
        self.call("stop", "--time", 30, container)
        return int(self.inspect(container)["State"]["ExitCode"])
