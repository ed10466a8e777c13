"""The example route for Alertmanager: what it inhibits, and whom it tells."""

from collections.abc import Iterator

import pytest

from tests.integration.alerting.stack import Webhook, alertmanager_config
from tests.integration.servers.alertmanager import Alertmanager
from tests.integration.servers.process import wait_until

pytestmark = pytest.mark.integration

POOL = {"job": "maildns", "pool": "corporate"}
PREFIX = {**POOL, "prefix": "192.0.2.0/24"}


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A pager."""
    with Webhook() as listening:
        yield listening


def test_the_wider_alert_inhibits_the_narrower_one(webhook: Webhook):
    """A pool's alert silences those about its prefixes and addresses, and nobody else's."""
    inhibited = {
        "address": {"alertname": "MailDnsForwardConfirmationLost", **PREFIX, "ip": "192.0.2.1"},
        "prefix": {"alertname": "MailDnsPrefixForwardConfirmationLost", **PREFIX},
        "helo": {"alertname": "MailDnsHeloBroken", **POOL, "ip": "192.0.2.1"},
    }
    elsewhere = {"alertname": "MailDnsForwardConfirmationLost", **PREFIX, "pool": "other", "ip": "192.0.2.9"}
    wider = {"alertname": "MailDnsPoolForwardConfirmationLost", **POOL}

    with Alertmanager(alertmanager_config(webhook)) as alertmanager:
        alertmanager.post(wider, elsewhere, *inhibited.values())

        def silenced() -> set[tuple[str, str]]:
            return {
                (alert["labels"]["alertname"], alert["labels"]["pool"])
                for alert in alertmanager.alerts()
                if alert["status"]["inhibitedBy"]
            }

        wanted = {(alert["alertname"], alert["pool"]) for alert in inhibited.values()}
        wait_until(lambda: silenced() == wanted, "three alerts are inhibited")


def test_critical_pages_and_info_does_not(webhook: Webhook):
    """The pager hears of what is critical; what is only worth knowing is told to nobody."""
    critical = {"alertname": "MailDnsResolverFailing", "severity": "critical", "job": "maildns"}
    info = {"alertname": "MailDnsSeriesDropped", "severity": "info", "job": "maildns"}

    with Alertmanager(alertmanager_config(webhook)) as alertmanager:
        alertmanager.post(info, critical)
        wait_until(lambda: webhook.heard_of("firing", **critical), "the pager is told")
        receivers = {alert["labels"]["alertname"]: alert["receivers"][0]["name"] for alert in alertmanager.alerts()}

    assert receivers == {critical["alertname"]: "pager", info["alertname"]: "nobody"}
    assert not webhook.heard_of("firing", **info)
