"""The parts of `make image-test` that need no engine."""

from tests.assets.charts import ROOT
from tests.image.compose import FILE, flags
from tests.image.engine import RESTRICTED
from tests.yaml_files import read_yaml

SERVICES = read_yaml(FILE.read_text())["services"]


def test_every_container_has_the_same_restrictions():
    """Compose file, documentation and `make image-test` restrict a container in the same way."""
    documented = (ROOT / "docs" / "install.md").read_text()

    assert " ".join(RESTRICTED) in documented
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_mounts_are_those_of_the_compose_file():
    """Files and folders are mounted as in the Compose file, and a tmpfs replaces a volume."""
    arguments = flags(SERVICES["prometheus"])

    assert f"{FILE.parent / 'prometheus.yml'}:/etc/prometheus/prometheus.yml:ro" in arguments
    assert "type=tmpfs,destination=/prometheus,tmpfs-mode=1777" in arguments
    assert flags({"tmpfs": ["/tmp"]}) == ["--tmpfs", "/tmp"]
