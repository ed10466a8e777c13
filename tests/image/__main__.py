"""`make image-test`: builds the image, runs it as documented, and checks it.

    python -m tests.image                               podman, and a base image from debootstrap, without a registry
    python -m tests.image --engine docker --base ""     docker, and the base image of the Dockerfile

A check is a sentence, whether it is true, and what was found. All checks run, even if some fail.
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
PRIVILEGES = f"""
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
    """Its metadata, and how much it adds to its base."""
    image = engine.inspect(TAG)
    config = image["Config"]
    labels = {name.rpartition(".")[2]: value for name, value in (config["Labels"] or {}).items()}
    yield "the user is a number and not root", config["User"] == "65532:65532", config["User"]
    yield "it is started without a shell", config["Entrypoint"] == ["maildns-exporter"], config["Entrypoint"]
    yield (
        "its labels have the version and the revision",
        (labels["version"], labels["revision"])
        == (
            __version__,
            revision,
        ),
        labels,
    )
    wanted = {"title", "description", "source", "documentation", "licenses"}
    yield "its labels have title, source and license", all(map(labels.get, wanted)), sorted(labels)
    if base:
        added = (image["Size"] - engine.inspect(base)["Size"]) / 2**20
        yield "it adds less than 60 MiB to its base", added < 60, f"{added:.0f} MiB, {image['Size'] / 2**20:.0f} in all"


def the_demo(engine: Engine) -> Iterator[Check]:
    """Started as in docs/install.md, but without a network and without a shell."""
    began = time.monotonic()
    name = engine.start("maildns-check", TAG, [*ALONE, *NO_SHELL], ["demo"])
    wait_until(lambda: engine.health(name) == "healthy", "the health check passes", 120)
    yield "the health check passes, without a shell", True, f"after {time.monotonic() - began:.1f} s"
    privileges = json.loads(engine.python(name, PRIVILEGES))
    yield (
        "it is unprivileged and cannot write anywhere",
        privileges
        == {
            "uid": 65532,
            "capabilities": 0,
            "no_new_privileges": 1,
            "writable": [],
        },
        privileges,
    )
    wait_until(lambda: "ready" in engine.python(name, SCRAPE, "/-/ready"), "the first round", 120)
    lines = engine.python(name, SCRAPE, "/metrics").splitlines()
    pairs = [line for line in lines if line.startswith("maildns_fcrdns_match{")]
    yield "a scrape shows the demo world", len(pairs) > 50, f"{len(pairs)} addresses, {len(lines)} lines"
    code = engine.stop(name)
    yield "it exits with 0 after SIGTERM", code == 0, code


def the_state(engine: Engine, folder: Path) -> Iterator[Check]:
    """With a configuration and a new volume; then another container with the same volume."""
    (folder / "maildns.yml").write_text(yaml.safe_dump(CONFIGURATION))
    folder.chmod(0o755)
    flags = [*ALONE, "--volume", f"{folder}:/etc/maildns-exporter:ro", "--volume", f"{engine.volume()}:{STATE}"]
    for sentence, restored in (("the database works in a new volume", 0), ("a new container restores the results", 1)):
        name = engine.start("maildns-check", TAG, flags, [])
        wait_until(lambda name=name: "ready" in engine.python(name, SCRAPE, "/-/ready"), "the first round", 120)
        metrics = engine.python(name, SCRAPE, "/metrics")
        wanted = ("maildns_storage_ok 1", f"maildns_storage_restored_addresses {restored}")
        found = [
            line for line in metrics.splitlines() if line.startswith(("maildns_storage_ok", "maildns_storage_res"))
        ]
        yield sentence, all(f"\n{line}" in metrics for line in wanted), found
        engine.stop(name)


def without_a_configuration(engine: Engine) -> Iterator[Check]:
    """Without a mounted configuration, it exits with an error."""
    done = engine.call("run", "--rm", *ALONE, "--no-healthcheck", *engine.limits, TAG, check=False)
    output = done.stdout + done.stderr
    yield (
        "without a configuration it exits with 2 and names the missing file",
        (done.returncode == 2 and "/etc/maildns-exporter/maildns.yml" in output),
        (done.returncode, output.strip().splitlines()[-1:]),
    )


def main() -> int:
    """Build the image and print the checks. Returns 1 if one is false."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description="Build the image, and check it.")
    parser.add_argument("--engine", choices=["podman", "docker"], default="podman")
    parser.add_argument("--base", help="base image (empty: the Dockerfile's; default: a stand-in from Debian)")
    options = parser.parse_args()
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    failed = 0
    with Engine(options.engine) as engine, TemporaryDirectory() as folder:
        base = stand_in(engine) if options.base is None else options.base
        began = time.monotonic()
        arguments = {"VERSION": __version__, "REVISION": revision.strip()} | ({"PYTHON_IMAGE": base} if base else {})
        engine.build(TAG, **arguments)
        sys.stdout.write(f"built in {time.monotonic() - began:.0f} s on {base or 'the base of the Dockerfile'}\n")
        groups: list[Callable[[], Iterator[Check]]] = [
            lambda: the_image(engine, revision.strip(), base),
            lambda: the_demo(engine),
            lambda: the_state(engine, Path(folder)),
            lambda: without_a_configuration(engine),
            lambda: prometheus_sees(engine, TAG, Path(folder)),
        ]
        for group in groups:
            for sentence, is_true, seen in group():
                failed += not is_true
                sys.stdout.write(f"{'ok  ' if is_true else 'FAIL'} {sentence}: {seen}\n")
                sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
