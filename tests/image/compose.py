"""Runs the exporter and Prometheus of the Compose file, without Compose and without Prometheus' image.

Commands, mounts, limits and users come from the Compose file. Three things differ: Prometheus is Debian's program,
mounted into the exporter's image; both containers share a network with a loopback interface only; and the exporter's
name is an entry in the hosts file.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.image.engine import ROOT, Engine
from tests.integration.servers.process import wait_until
from tests.yaml_files import read_yaml

FILE = ROOT / "deploy" / "compose" / "compose.yml"
RULES = ROOT / "dashboards" / "prometheus" / "maildns.rules.yml"
ASK = "import sys, urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/api/v1/' + sys.argv[1]).read().decode())"


def flags(service: dict[str, Any]) -> list[str]:
    """The mounts of a service as flags of `run`. A tmpfs replaces each volume."""
    arguments: list[str] = []
    for mount in service.get("volumes", []):
        source, target, *mode = mount.split(":")
        if source.startswith("."):
            arguments += ["--volume", ":".join([str((FILE.parent / source).resolve()), target, *mode])]
        else:
            arguments += ["--mount", f"type=tmpfs,destination={target},tmpfs-mode=1777"]
    for folder in service.get("tmpfs", []):
        arguments += ["--tmpfs", folder]
    return arguments


def prometheus_sees(engine: Engine, image: str, folder: Path) -> Iterator[tuple[str, bool, object]]:
    """Whether Prometheus, with the Compose file's configuration, scrapes the exporter and loads the rules.

    The hosts file is written into *folder*.
    """
    program = shutil.which("prometheus")
    if program is None:
        yield "Prometheus of the Compose file", False, "not installed: apt-get install prometheus"
        return
    services = read_yaml(FILE.read_text())["services"]
    exporter, prometheus = services["maildns-exporter"], services["prometheus"]
    (folder / "hosts").write_text("127.0.0.1 localhost maildns-exporter\n")
    (folder / "hosts").chmod(0o644)
    first = engine.start("maildns-exporter", image, ["--network", "none", *flags(exporter)], exporter["command"])
    wait_until(lambda: engine.health(first) == "healthy", "what Prometheus depends on", 120)
    own = ["--network", f"container:{first}", "--user", "65534:65534", "--entrypoint", "/prometheus-program"]
    mounted = ["--volume", f"{folder / 'hosts'}:/etc/hosts:ro"]
    mounted += ["--volume", f"{program}:/prometheus-program:ro", "--no-healthcheck"]
    second = engine.start("maildns-prometheus", image, [*own, *mounted, *flags(prometheus)], prometheus["command"])

    def asked(path: str) -> Any:
        text = engine.python(second, ASK, path)
        return json.loads(text)["data"] if text else {}

    def health() -> dict[str, str]:
        targets = asked("targets").get("activeTargets", [])
        return {target["labels"]["job"]: target["health"] for target in targets}

    wait_until(lambda: set(health().values()) == {"up"}, "both targets are up", 120)
    yield (
        "Prometheus scrapes the exporter by name, and itself",
        health().keys() == {"maildns", "prometheus"},
        health(),
    )
    found = asked("query?query=count(maildns_fcrdns_match)")["result"]
    yield "Prometheus has the series of the demo world", bool(found), found
    wanted = sum(len(group["rules"]) for group in read_yaml(RULES.read_text())["groups"])
    loaded = [rule for group in asked("rules")["groups"] for rule in group["rules"]]
    yield "Prometheus has the rules", len(loaded) == wanted, f"{len(loaded)} of {wanted}"

    def healths() -> set[str]:
        return {rule["health"] for group in asked("rules")["groups"] for rule in group["rules"]}

    wait_until(lambda: "unknown" not in healths(), "every rule was evaluated", 120)
    yield "no evaluation of a rule fails", healths() == {"ok"}, healths()
