"""`make image-test`: builds the image, runs it as the documentation says, and holds it to what is said of it.

    python -m tests.image                       podman, and a base image made by debootstrap: no registry is asked
    python -m tests.image --engine docker --base ""     the base that the Dockerfile names

The rule of this file: a check is a sentence, and true or false; all of them are made, whatever the first ones say.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from exporter import __version__
from tests.image.compose import prometheus_sees
from tests.image.engine import ROOT, Engine
from tests.image.stand_in import stand_in
from tests.integration.servers.process import wait_until

TAG = "localhost/maildns-exporter:check"
STATE = "/var/lib/maildns-exporter"
ALONE = ["--network", "none"]
NO_SHELL = ["--volume", "/dev/null:/bin/sh:ro"]
SCRAPE = "import sys, urllib.request as u; print(u.urlopen(f'http://127.0.0.1:10047{sys.argv[1]}').read().decode())"
WHO = f"""
import json, os
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
folders = ["/", "/tmp", "/var/tmp", "/run", "/etc", "/etc/maildns-exporter", "{STATE}", "/opt/maildns-exporter"]
print(json.dumps({{
    "uid": os.getuid(),
    "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "writable": [folder for folder in folders if os.access(folder, os.W_OK)],
}}))
"""
CONFIGURATION = {
    "resolvers": [{"name": "none", "servers": ["127.0.0.1:1"], "canary": False, "timeout": "10ms", "attempts": 1}],
    "storage": {"path": f"{STATE}/maildns.db"},
    "pools": [{"name": "a", "addresses": [{"ip": "192.0.2.1", "helo": "mail.example.org"}]}],
}

Check = tuple[str, bool, object]


def the_image(engine: Engine, revision: str, base: str) -> Iterator[Check]:
    """What it says of itself, and how much it adds to its base."""
    image = engine.inspect(TAG)
    config = image["Config"]
    labels = {name.rpartition(".")[2]: value for name, value in (config["Labels"] or {}).items()}
    yield "the user is a number, and not root", config["User"] == "65532:65532", config["User"]
    yield "it is started without a shell", config["Entrypoint"] == ["maildns-exporter"], config["Entrypoint"]
    yield (
        "the version and the revision are on it",
        (labels["version"], labels["revision"])
        == (
            __version__,
            revision,
        ),
        labels,
    )
    wanted = {"title", "description", "source", "documentation", "licenses"}
    yield "it says what it is and where it comes from", all(map(labels.get, wanted)), sorted(labels)
    if base:
        added = (image["Size"] - engine.inspect(base)["Size"]) / 2**20
        yield "it adds less than 60 MiB to its base", added < 60, f"{added:.0f} MiB, {image['Size'] / 2**20:.0f} in all"


def the_demo(engine: Engine) -> Iterator[Check]:
    """Started as docs/install.md says, in a network of its own, with nothing where the shell was."""
    began = time.monotonic()
    name = engine.start("maildns-check", TAG, [*ALONE, *NO_SHELL], ["demo"])
    wait_until(lambda: engine.health(name) == "healthy", "the health check passes", 120)
    yield "the health check passes, without a shell", True, f"after {time.monotonic() - began:.1f} s"
    who = json.loads(engine.python(name, WHO))
    yield (
        "it is unprivileged, and may write nowhere",
        who
        == {
            "uid": 65532,
            "capabilities": 0,
            "no_new_privileges": 1,
            "writable": [],
        },
        who,
    )
    wait_until(lambda: "ready" in engine.python(name, SCRAPE, "/-/ready"), "the first round", 120)
    lines = engine.python(name, SCRAPE, "/metrics").splitlines()
    pairs = [line for line in lines if line.startswith("maildns_fcrdns_match{")]
    yield "it is scraped, and shows the demo world", len(pairs) > 50, f"{len(pairs)} addresses, {len(lines)} lines"
    code = engine.stop(name)
    yield "SIGTERM ends it with 0", code == 0, code


def the_state(engine: Engine, folder: Path) -> Iterator[Check]:
    """With a configuration and a fresh volume; then another container with the same volume."""
    (folder / "maildns.yml").write_text(yaml.safe_dump(CONFIGURATION))
    folder.chmod(0o755)
    flags = [*ALONE, "--volume", f"{folder}:/etc/maildns-exporter:ro", "--volume", f"{engine.volume()}:{STATE}"]
    for turn, known in (("the storage works in a fresh volume", 0), ("what was known is there again", 1)):
        name = engine.start("maildns-check", TAG, flags, [])
        wait_until(lambda name=name: "ready" in engine.python(name, SCRAPE, "/-/ready"), "the first round", 120)
        metrics = engine.python(name, SCRAPE, "/metrics")
        wanted = ("maildns_storage_ok 1", f"maildns_storage_restored_addresses {known}")
        found = [
            line for line in metrics.splitlines() if line.startswith(("maildns_storage_ok", "maildns_storage_res"))
        ]
        yield turn, all(f"\n{line}" in metrics for line in wanted), found
        engine.stop(name)


def without_a_configuration(engine: Engine) -> Iterator[Check]:
    """Nothing is mounted."""
    done = engine.call("run", "--rm", *ALONE, "--no-healthcheck", *engine.limits, TAG, check=False)
    said = done.stdout + done.stderr
    yield (
        "without a configuration it ends with 2, and says which file it wants",
        (done.returncode == 2 and "/etc/maildns-exporter/maildns.yml" in said),
        (done.returncode, said.strip().splitlines()[-1:]),
    )


def main() -> int:
    """Build, check, print; 1 if a check is false."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description="Build the image, and check it.")
    parser.add_argument("--engine", choices=["podman", "docker"], default="podman")
    parser.add_argument("--base", help="base image; empty: the Dockerfile's own; not given: a stand-in of Debian's")
    options = parser.parse_args()
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    failed = 0
    with Engine(options.engine) as engine, TemporaryDirectory() as folder:
        base = stand_in(engine) if options.base is None else options.base
        began = time.monotonic()
        arguments = {"VERSION": __version__, "REVISION": revision.strip()} | ({"PYTHON_IMAGE": base} if base else {})
        engine.build(TAG, **arguments)
        sys.stdout.write(f"built in {time.monotonic() - began:.0f} s on {base or 'the base of the Dockerfile'}\n")
        parts: list[Callable[[], Iterator[Check]]] = [
            lambda: the_image(engine, revision.strip(), base),
            lambda: the_demo(engine),
            lambda: the_state(engine, Path(folder)),
            lambda: without_a_configuration(engine),
            lambda: prometheus_sees(engine, TAG, Path(folder)),
        ]
        for part in parts:
            for sentence, is_true, seen in part():
                failed += not is_true
                sys.stdout.write(f"{'ok  ' if is_true else 'FAIL'} {sentence}: {seen}\n")
                sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
