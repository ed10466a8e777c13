"""What is released works: installed into an empty environment, it runs with what the lock names and nothing else."""

import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import helm_python
import pytest

from exporter import __version__
from tests.assets import charts
from tests.assets.charts import ROOT
from tests.integration.servers.http import is_ok
from tests.integration.servers.process import free_port, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

WHEEL = f"maildns_exporter-{__version__}-py3-none-any.whl"
SDIST = f"maildns_exporter-{__version__}.tar.gz"
CHART = f"maildns-exporter-{__version__}.tgz"
BILL = f"maildns-exporter-{__version__}.cdx.json"
LOCKED = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; ([^\\]+))?", (ROOT / "requirements/run.lock").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A folder with everything that a release consists of."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    subprocess.run([sys.executable, "-m", "deploy.release", folder], cwd=ROOT, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def installed(release, tmp_path_factory):
    """The programs of an environment with the wheel in it, and the distributions of run.lock; no registry is asked.

    They are linked from the environment that the tests run in, one by one: whatever else is there stays out of sight.
    """
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False)
    packages = next((folder / "lib").glob("python3.*")) / "site-packages"
    for name, _, marker in LOCKED:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            assert marker, f"{name} is in the lock, and not installed"
            continue
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution.locate_file(top))
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, release / WHEEL], check=True, timeout=300)
    return folder / "bin"


def test_it_consists_of_what_it_should(release):
    """Wheel, sdist, chart, bill of materials, and the sums of all of them."""
    assert {path.name for path in release.iterdir()} == {WHEEL, SDIST, CHART, BILL, "SHA256SUMS"}
    for line in (release / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest


def test_the_wheel_has_the_package_and_nothing_else(release):
    """Every file of exporter/ is in it, data included; no tests, no charts."""
    with zipfile.ZipFile(release / WHEEL) as wheel:
        names = set(wheel.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "exporter"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()

    assert set(tracked) <= names
    assert {name.split("/")[0] for name in names} == {"exporter", f"maildns_exporter-{__version__}.dist-info"}


def test_the_sdist_has_what_tests_and_packagers_need(release):
    """The tests, the chart, the locks and the unit are in it, and nothing of what only a checkout has."""
    with tarfile.open(release / SDIST) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    assert {"LICENSE", "pyproject.toml", "requirements/run.lock", "tests/conftest.py"} <= names
    assert {"deploy/systemd/maildns-exporter.service", "helm/maildns-exporter/Chart.yaml"} <= names
    assert not any(re.match(r"(\.git|\.venv|build|dist|data)/", name) for name in names)


def test_the_chart_renders(release):
    """The archive is a chart of this version, and has the rules and dashboards that a git checkout lacks."""
    values = {section: {"enabled": True} for section in ("prometheusRule", "dashboards", "grafanaAlerts")}
    with helm_python.Chart.load(release / CHART) as chart:
        assert chart.version == __version__
        assert chart.render(values, name="mail") == charts.chart().render(values, name="mail")


def test_the_bill_of_materials_names_every_locked_distribution(release):
    """Each has its version and hashes, and hangs on the exporter."""
    bill = json.loads((release / BILL).read_text())

    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == __version__
    assert {(part["name"], part["version"]) for part in bill["components"]} == {(name, v) for name, v, _ in LOCKED}
    assert all(part["externalReferences"][0]["hashes"] for part in bill["components"])
    (root,) = [entry for entry in bill["dependencies"] if entry["ref"] == "root-component"]
    assert len(root["dependsOn"]) == len(LOCKED)


def test_it_runs_from_an_empty_environment(installed, tmp_path):
    """The installed program tells its version, checks a configuration, and serves the demo until it is told to stop."""
    program = installed / "maildns-exporter"
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=300).stdout
    assert version.strip().endswith(__version__)

    (tmp_path / "maildns.yml").write_text("pools: [{name: a, addresses: [{ip: 192.0.2.1, helo: mail.example.org}]}]")
    subprocess.run([program, "check-config", "maildns.yml"], cwd=tmp_path, check=True, timeout=300, capture_output=True)

    port = free_port()
    with subprocess.Popen([program, "demo", f"--web.listen-address=127.0.0.1:{port}"], cwd=tmp_path) as exporter:
        try:
            wait_until(lambda: is_ok(f"http://127.0.0.1:{port}/metrics"), "the demo is scraped")
        finally:
            exporter.terminate()
    assert exporter.returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_completes_for_a_shell(installed, shell):
    """The program writes its own completion, as docs/install.md says."""
    completion = subprocess.run(
        [installed / "maildns-exporter"],
        env={"_MAILDNS_EXPORTER_COMPLETE": f"{shell}_source", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert completion.returncode == 0, completion.stderr
    assert "maildns-exporter" in completion.stdout


def test_nothing_is_written_over(tmp_path):
    """A folder with something in it is refused: who knows what it was."""
    (tmp_path / "old").touch()
    command = [sys.executable, "-m", "deploy.release", tmp_path]

    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)

    assert refused.returncode == 2
    assert "is not empty" in refused.stderr
    assert [path.name for path in Path(tmp_path).iterdir()] == ["old"]
