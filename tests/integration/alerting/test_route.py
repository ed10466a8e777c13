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


DOMAIN = {"job": "maildns", "domain": "example.org"}
WATCHER = {"job": "maildns", "instance": "exporter:10047"}
WIDER = {
    ("MailDnsPoolForwardConfirmationLost", "MailDnsForwardConfirmationLost"): POOL,
    ("MailDnsPoolForwardConfirmationLost", "MailDnsPrefixForwardConfirmationLost"): POOL,
    ("MailDnsPoolForwardConfirmationLost", "MailDnsHeloBroken"): POOL,
    ("MailDnsPrefixForwardConfirmationLost", "MailDnsForwardConfirmationLost"): PREFIX,
    ("MailDnsPoolHeloBroken", "MailDnsHeloBroken"): POOL,
    ("MailDnsPoolSpfNotPassing", "MailDnsSpfNotPassing"): POOL,
    ("MailDnsPoolListed", "MailDnsListed"): POOL,
    ("MailDnsDomainGone", "MailDnsDomainSpfInvalid"): DOMAIN,
    ("MailDnsDomainGone", "MailDnsDkimKeyGone"): DOMAIN,
    ("MailDnsResolverFailing", "MailDnsQuestionsOverflow"): WATCHER,
    ("MailDnsResolverFailing", "MailDnsPoolSourceFailing"): WATCHER,
    ("MailDnsExporterDown", "MailDnsVerdictsStale"): WATCHER,
}
"""Pairs of alerts, the wider one first, and the labels that they share."""


def test_the_wider_alert_inhibits_the_narrower_one(webhook: Webhook):
    """Each of its kind, about the same pool, prefix, domain or exporter; and nobody else's."""
    posted, silenced, heard = [], set(), set()
    for number, ((wider, narrower), shared) in enumerate(WIDER.items()):
        there, elsewhere = ({**shared, "job": f"{place}-{number}"} for place in ("there", "elsewhere"))
        posted += [{"alertname": wider, **there}, {"alertname": narrower, **there, "ip": "192.0.2.1"}]
        posted += [{"alertname": narrower, **elsewhere, "ip": "192.0.2.9"}]
        silenced.add((narrower, there["job"]))
        heard |= {(wider, there["job"]), (narrower, elsewhere["job"])}

    with Alertmanager(alertmanager_config(webhook)) as alertmanager:
        alertmanager.post(*posted)

        def inhibited(by: bool) -> set[tuple[str, str]]:
            return {
                (alert["labels"]["alertname"], alert["labels"]["job"])
                for alert in alertmanager.alerts()
                if bool(alert["status"]["inhibitedBy"]) is by
            }

        wait_until(lambda: inhibited(by=True) == silenced, "each narrower alert is inhibited")
        assert inhibited(by=False) == heard


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
