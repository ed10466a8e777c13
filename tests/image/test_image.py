"""What `make image-test` is made of, without an engine."""

from tests.assets.charts import ROOT
from tests.image.compose import FILE, flags
from tests.image.engine import RESTRICTED
from tests.yaml_files import read_yaml

SERVICES = read_yaml(FILE.read_text())["services"]


def test_every_container_is_run_as_it_is_told_to():
    """Compose file, documentation and `make image-test` take the same away from a container."""
    told = (ROOT / "docs" / "install.md").read_text()

    assert " ".join(RESTRICTED) in told
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_mounts_are_those_of_the_compose_file():
    """Files and folders are bound where the Compose file has them; a volume is a folder in memory."""
    words = flags(SERVICES["prometheus"])

    assert f"{FILE.parent / 'prometheus.yml'}:/etc/prometheus/prometheus.yml:ro" in words
    assert "type=tmpfs,destination=/prometheus,tmpfs-mode=1777" in words
    assert flags({"tmpfs": ["/tmp"]}) == ["--tmpfs", "/tmp"]
