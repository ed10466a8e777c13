"""Which files are written, and what is in each.

The rule of this file: it is the list. The drift test and the program write nothing that is not on it.
"""

from pathlib import Path

from dashboards.generator import (
    address_rules,
    authentication_rules,
    domain_rules,
    grafana_rules,
    prometheus_rules,
    runbooks,
    sample_rules,
    source_rules,
    watcher_rules,
)
from dashboards.generator.address import address
from dashboards.generator.exporter_board import exporter
from dashboards.generator.fleet import fleet

FOLDER = Path(__file__).resolve().parent.parent
GROUPS = (
    address_rules.GROUP,
    authentication_rules.GROUP,
    domain_rules.GROUP,
    source_rules.GROUP,
    sample_rules.GROUP,
    watcher_rules.GROUP,
)


def outputs() -> dict[Path, str]:
    """The text of every generated file, by its path below dashboards/."""
    return {
        Path("grafana/fleet.json"): fleet(),
        Path("grafana/address.json"): address(),
        Path("grafana/exporter.json"): exporter(),
        Path("prometheus/maildns.rules.yml"): prometheus_rules.rule_file(GROUPS),
        Path("../docs/runbooks/README.md"): runbooks.index(GROUPS),
        Path("grafana-alerting/maildns.alerts.yml"): grafana_rules.provisioning_file(GROUPS),
    }
