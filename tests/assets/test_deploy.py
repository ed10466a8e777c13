"""Dockerfile, Compose file and workflows: pinned versions, few privileges, and files that exist."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import check_jsonschema
import pytest
from click.testing import CliRunner

from tests.assets import charts
from tests.assets.charts import CHART, ROOT, render
from tests.integration.servers.prometheus import promtool
from tests.yaml_files import read_yaml

COMPOSE = ROOT / "deploy" / "compose" / "compose.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instructions(name):
    """The arguments of each instruction of that name in the Dockerfile."""
    return re.findall(rf"^{name} ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)


def test_the_base_is_pinned_and_the_same_in_both_stages():
    """Every stage starts from the image of the build argument, which has a digest."""
    (argument,) = [text for text in instructions("ARG") if text.startswith("PYTHON_IMAGE=")]

    assert re.search(r"@sha256:[0-9a-f]{64}$", argument)
    assert {text.split()[0] for text in instructions("FROM")} == {"${PYTHON_IMAGE}"}


def test_no_instruction_needs_a_shell():
    """All commands, at build time and at run time, are lists of arguments."""
    commands = instructions("RUN") + instructions("CMD") + instructions("ENTRYPOINT")
    commands += [text.rpartition("CMD ")[2] for text in instructions("HEALTHCHECK")]

    assert len(commands) > 5
    assert all(isinstance(json.loads(text), list) for text in commands)


def test_the_image_runs_as_the_user_of_the_chart():
    """Image and pod have the same user. It is a number, so that Kubernetes can check that it is not root."""
    context = read_yaml((CHART / "values.yaml").read_text())["podSecurityContext"]

    assert instructions("USER") == [f"{context['runAsUser']}:{context['runAsGroup']}"]


def test_the_state_has_the_same_path_everywhere():
    """Chart, unit and image use the same folder, and in the image it belongs to the exporter's user."""
    unit = (ROOT / "deploy" / "systemd" / "maildns-exporter.service").read_text()
    objects = render({"persistence": {"enabled": True}})
    (mount,) = [mount for mount in charts.exporter_container(objects)["volumeMounts"] if mount["name"] == "data"]
    path = mount["mountPath"]
    (made,) = [json.loads(text)[-1] for text in instructions("RUN") if "makedirs" in text]
    (copied,) = [text.split() for text in instructions("COPY") if "/state" in text]

    assert f"/var/lib/{re.search(r'^StateDirectory=(.*)$', unit, re.MULTILINE)[1]}" == path
    assert f"path: {path}/maildns.db" in unit
    assert f"'/state/{Path(path).name}'" in made
    assert copied == ["--from=build", f"--chown={instructions('USER')[0]}", "/state", str(Path(path).parent)]


def test_dependencies_are_hashed_and_nothing_is_compiled():
    """Every download of pip for the image has a hash in a lock."""
    for text in instructions("RUN"):
        command = json.loads(text)
        if "install" in command and "--no-index" not in command:
            assert "--require-hashes" in command
            assert "--only-binary" in command
            lock = (ROOT / command[command.index("-r") + 1]).read_text()
            assert lock.count("==") <= lock.count("--hash=sha256:")


def test_the_build_sees_what_it_copies():
    """Each file that the Dockerfile copies exists, and .dockerignore does not exclude it."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [source for text in instructions("COPY") if "--from" not in text for source in text.split()[:-1]]

    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        pytest.param("github-workflows", WORKFLOWS, id="workflows"),
        pytest.param("renovate", [ROOT / "renovate.json"], id="renovate"),
        pytest.param("compose-spec", [COMPOSE], id="compose"),
    ],
)
def test_files_keep_their_schemas(schema, files):
    """Each file is valid for the program that reads it."""
    checked = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", f"vendor.{schema}", *map(str, files)])

    assert checked.exit_code == 0, checked.output


def test_workflows_are_audited():
    """zizmor, with its strictest persona, finds no unpinned action, no excess permission, no injection."""
    zizmor = Path(sys.executable).with_name("zizmor")
    command = [zizmor, "--offline", "--no-progress", "--persona", "pedantic", *WORKFLOWS]

    audited = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert audited.returncode == 0, audited.stdout


def test_workflows_use_existing_targets():
    """Every make target of a workflow is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [line for path in WORKFLOWS for line in re.findall(r"run: (.*\bmake .*)", path.read_text())]
    arguments = [shlex.split(re.split(r"\bmake ", line, maxsplit=1)[1]) for line in runs]
    called = {argument for line in arguments for argument in line if "=" not in argument}

    assert called
    assert called <= targets


def test_the_workflow_installs_what_the_tests_need():
    """It installs every package of .ci/run, except the browser, which the runner already has."""
    wanted = re.search(r"^packages=\((.*?)^\)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE | re.DOTALL)[1].split()
    steps = read_yaml((ROOT / ".github" / "workflows" / "check.yml").read_text())["jobs"]["test"]["steps"]
    (installed,) = [step["run"].replace("\\\n", " ") for step in steps if "apt-get" in step.get("run", "")]
    (line,) = [line for line in installed.splitlines() if "apt-get install" in line]

    assert set(wanted) - set(line.split()) == {"chromium"}


def test_compose_mounts_existing_files():
    """Every mounted file and folder exists, and is mounted read-only."""
    services = read_yaml(COMPOSE.read_text())["services"]
    mounts = [mount.split(":") for service in services.values() for mount in service.get("volumes", [])]
    ours = [mount for mount in mounts if mount[0].startswith(".")]

    assert len(ours) == 6
    for source, _, *mode in ours:
        assert (COMPOSE.parent / source).exists(), source
        assert mode == ["ro"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service["ports"])


def test_compose_scrapes_and_shows_the_exporter():
    """promtool accepts Prometheus' configuration, and the alerts use Grafana's data source."""
    folder = COMPOSE.parent
    checked = promtool("check", "config", "--syntax-only", folder / "prometheus.yml")
    assert checked.returncode == 0, checked.stderr

    (datasource,) = read_yaml((folder / "grafana/datasources/prometheus.yml").read_text())["datasources"]
    alerting = (ROOT / "dashboards/grafana-alerting/maildns.alerts.yml").read_text()
    assert set(re.findall(r"datasourceUid: (\S+)", alerting)) == {"__expr__", datasource["uid"]}
