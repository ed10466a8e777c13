"""Builds a release, apart from the image: `python -m deploy.release dist`, or `make dist`.

A release is an sdist, a wheel built from it, the chart, a bill of materials (CycloneDX) of the run-time lock, and
SHA256SUMS. Nothing is downloaded: the development environment has all tools. The release workflow publishes the files.
"""
# ruff: noqa: INP001

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import helm_python

from exporter import __version__
from helm.build import ROOT, complete_chart


def build_packages(folder: Path) -> None:
    """Build the sdist, and the wheel from the sdist, with the build backend that the locks pin."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def build_chart(folder: Path) -> None:
    """Pack the chart, with the rules and dashboards."""
    with TemporaryDirectory() as scratch:
        helm_python.package(complete_chart(Path(scratch)), destination=folder)


def build_bill_of_materials(folder: Path) -> None:
    """List what `requirements/run.lock` installs, with versions and hashes."""
    file = folder / f"maildns-exporter-{__version__}.cdx.json"
    lock = ROOT / "requirements" / "run.lock"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock)]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--output-file", str(file)]
    subprocess.run(command, check=True)  # noqa: S603
    bill = json.loads(file.read_text())
    product = bill["metadata"]["component"]
    product |= {"version": __version__, "purl": f"pkg:pypi/maildns-exporter@{__version__}"}
    everything = [component["bom-ref"] for component in bill["components"]]
    bill["dependencies"] = [
        {"ref": product["bom-ref"], "dependsOn": everything},
        *[{"ref": reference} for reference in everything],
    ]
    file.write_text(json.dumps(bill, indent=2) + "\n")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS in the format of sha256sum."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS" and not path.name.startswith("."))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def main() -> None:
    """Build a release in the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Build a release, apart from the image.")
    parser.add_argument("folder", type=Path, help="a folder that is empty or does not exist")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder} is not empty: name an empty folder, so that only new files are released")
    build_packages(folder)
    build_chart(folder)
    build_bill_of_materials(folder)
    write_sums(folder)


if __name__ == "__main__":
    main()
