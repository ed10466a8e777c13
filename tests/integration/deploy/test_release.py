"""A release works: its files are complete, and the wheel runs in an environment with the locked dependencies only."""

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
    """A folder with the files of a release."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    subprocess.run([sys.executable, "-m", "deploy.release", folder], cwd=ROOT, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def installed(release, tmp_path_factory):
    """The `bin` folder of an environment with the wheel and the distributions of run.lock, without downloads.

    The distributions are linked from the environment of the tests, so that its other packages are not visible.
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


def test_it_has_the_right_files(release):
    """Wheel, sdist, chart, bill of materials, and the checksums of all of them."""
    assert {path.name for path in release.iterdir()} == {WHEEL, SDIST, CHART, BILL, "SHA256SUMS"}
    for line in (release / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest


def test_the_wheel_has_the_package_and_nothing_else(release):
    """It has every file of exporter/, including data, and no tests or charts."""
    with zipfile.ZipFile(release / WHEEL) as wheel:
        names = set(wheel.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "exporter"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()

    assert set(tracked) <= names
    assert {name.split("/")[0] for name in names} == {"exporter", f"maildns_exporter-{__version__}.dist-info"}


def test_the_sdist_has_the_sources(release):
    """It has the tests, the chart, the locks and the unit, and no files that git ignores."""
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
    """Each has its version and hashes, and is a dependency of the exporter."""
    bill = json.loads((release / BILL).read_text())

    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == __version__
    assert {(part["name"], part["version"]) for part in bill["components"]} == {(name, v) for name, v, _ in LOCKED}
    assert all(part["externalReferences"][0]["hashes"] for part in bill["components"])
    (root,) = [entry for entry in bill["dependencies"] if entry["ref"] == "root-component"]
    assert len(root["dependsOn"]) == len(LOCKED)


def test_it_runs_from_an_empty_environment(installed, tmp_path):
    """The program prints its version, checks a configuration, and serves the demo until SIGTERM."""
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
    """The program prints its completion script, as docs/install.md describes."""
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


def test_nothing_is_overwritten(tmp_path):
    """A folder that is not empty is refused."""
    (tmp_path / "old").touch()
    command = [sys.executable, "-m", "deploy.release", tmp_path]

    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)

    assert refused.returncode == 2
    assert "is not empty" in refused.stderr
    assert [path.name for path in Path(tmp_path).iterdir()] == ["old"]
