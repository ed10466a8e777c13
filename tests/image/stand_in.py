"""A base image that needs no registry: Debian 13 from debootstrap (as root), with Debian's Python 3.13 and pip.

The base of the Dockerfile is also Debian 13, with another build of Python 3.13 in another folder. The stand-in has the
certificates that this machine trusts.
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
    """Create the image, unless it exists, and return its name."""
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
