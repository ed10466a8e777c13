"""A base image where no registry is to be had: Debian's own Python, in the release that the real base is made of.

The rule of this file: it says what the stand-in is. It is Debian 13, made by debootstrap (as root), with Debian's
Python 3.13 and pip, and with the certificates that this machine trusts; the real one is Debian 13 with a Python 3.13
that was compiled for it. What differs is the Python's build and its place.
"""

import shutil
import subprocess
from pathlib import Path

from tests.image.engine import STORE, Engine

NAME = "localhost/maildns-exporter-stand-in"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
_CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def stand_in(engine: Engine) -> str:
    """Make it, unless it is there from the last time; its name."""
    if not engine.call("image", "inspect", NAME, check=False).returncode:
        return NAME
    folder = STORE / "debian"
    archive = STORE / "debian.tar"
    if not archive.exists():
        shutil.rmtree(folder, ignore_errors=True)
        made = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "trixie", str(folder)]
        subprocess.run(made, check=True, timeout=1800, stdout=subprocess.DEVNULL)
        (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        shutil.copy(Path("/") / _CERTIFICATES, folder / _CERTIFICATES)
        without = ["--exclude=./var/cache/apt", "--exclude=./var/lib/apt/lists", "--exclude=./usr/share/doc"]
        partial = archive.with_suffix(".part")
        subprocess.run(["tar", "-C", folder, *without, "-cf", partial, "."], check=True, timeout=600)
        partial.rename(archive)
        shutil.rmtree(folder)
    engine.call("import", "--change", f"ENV {_PATH}", archive, NAME)
    return NAME
