"""Builds everything that a release consists of, but for the image.

    python deploy/release.py dist

makes the sdist, the wheel (out of the sdist), the chart, a bill of materials of what the locks install (CycloneDX), and
SHA256SUMS. It needs the development environment and nothing from elsewhere; publishing is the workflow's business.
"""
# ruff: noqa: INP001

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import helm_python

ROOT = Path(__file__).resolve().parent.parent


def build_packages(folder: Path) -> None:
    """The sdist, and the wheel that is made of it, with the build backend that the locks pin."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def build_chart(folder: Path) -> None:
    """The chart's archive."""
    helm_python.package(ROOT / "helm" / "maildns-exporter", destination=folder)


def build_bill_of_materials(folder: Path, version: str) -> None:
    """What `requirements/run.lock` installs beside the exporter, each with the hashes that it may have."""
    file = folder / f"maildns-exporter-{version}.cdx.json"
    lock = ROOT / "requirements" / "run.lock"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock)]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--output-file", str(file)]
    subprocess.run(command, check=True)  # noqa: S603
    bill = json.loads(file.read_text())
    product = bill["metadata"]["component"]
    product |= {"version": version, "purl": f"pkg:pypi/maildns-exporter@{version}"}
    everything = [component["bom-ref"] for component in bill["components"]]
    bill["dependencies"] = [
        {"ref": product["bom-ref"], "dependsOn": everything},
        *[{"ref": reference} for reference in everything],
    ]
    file.write_text(json.dumps(bill, indent=2) + "\n")


def write_sums(folder: Path) -> None:
    """SHA256SUMS, as sha256sum checks it."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS" and not path.name.startswith("."))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def main() -> None:
    """Build all of it into the folder that is named, which has to be empty or new."""
    parser = argparse.ArgumentParser(description="Build what a release consists of.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder} is not empty: a release has nothing in it that was there before")
    sys.path.insert(0, str(ROOT))
    from exporter import __version__  # the version is in one place

    build_packages(folder)
    build_chart(folder)
    build_bill_of_materials(folder, __version__)
    write_sums(folder)


if __name__ == "__main__":
    main()
