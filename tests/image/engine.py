"""The container engine: podman or docker, by their common command line.

The rule of this file: it knows the engine, and nothing of the exporter. Podman keeps its images below build/, apart
from those of whoever runs this, and is told to do without what a container inside a container does not have: a
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
"""How docs/install.md and the Compose file tell to run it."""


class Engine:
    """Builds images and runs containers; on leaving it, those that it started are gone, and their volumes."""

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
        for container in reversed(self._started):  # one that lends its network cannot go first
            gone = self.call("rm", "--force", "--volumes", container, check=False)
            if gone.returncode:
                sys.stderr.write(f"{container} may be left: {gone.stderr[-500:]}\n")
        for volume in self._volumes:
            self.call("volume", "rm", "--force", volume, check=False)

    def call(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the engine's program; what it says is in the error, if *check* finds one."""
        words = [*self._command, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900, env=self._environment)
        if check and done.returncode:
            raise SystemExit(f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    def build(self, tag: str, **arguments: str) -> None:
        """Build the Dockerfile with its *arguments*."""
        given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        self.call("build", *self._build, *given, "--tag", tag, ROOT)

    def inspect(self, what: str) -> dict[str, Any]:
        """What the engine knows of an image or a container."""
        (found,) = json.loads(self.call("inspect", what).stdout)
        return found

    def start(self, name: str, image: str, flags: Sequence[object], command: Sequence[str]) -> str:
        """Start a container as the Compose file does, with more *flags*; its name, which begins with *name*."""
        self._number += 1
        name = f"{name}-{os.getpid()}-{self._number}"
        self._started.append(name)
        self.call("run", "--detach", "--name", name, *self.limits, *RESTRICTED, *flags, image, *command)
        return name

    def volume(self) -> str:
        """A volume that was not there before; its name."""
        self._volumes.append(f"maildns-check-{os.getpid()}-{len(self._volumes)}")
        return self._volumes[-1]

    def python(self, container: str, program: str, *arguments: str) -> str:
        """What a Python program prints inside the container; empty if it fails."""
        return self.call("exec", container, "python", "-c", program, *arguments, check=False).stdout

    def health(self, container: str) -> str:
        """How the image's health check finds the container: asked for now, where the engine has no clock for it."""
        if self._command[0] == "podman":
            return "starting" if self.call("healthcheck", "run", container, check=False).returncode else "healthy"
        return str(self.inspect(container)["State"]["Health"]["Status"])

    def stop(self, container: str) -> int:
        """End it with SIGTERM; what it exits with."""
        self.call("stop", "--time", 30, container)
        return int(self.inspect(container)["State"]["ExitCode"])
