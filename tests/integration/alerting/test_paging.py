"""From a record to a page, and back: what is told to whoever carries the pager, and what is not."""

import pytest

from exporter.demo.server import DemoServer
from tests.integration.alerting.conftest import Stack
from tests.integration.alerting.stack import IP, PTR_OWNER, PTR_RECORD
from tests.integration.servers.process import wait_until

pytestmark = pytest.mark.integration

LOST = {"alertname": "MailDnsForwardConfirmationLost", "job": "healthy", "ip": IP}
BLIND = {"alertname": "MailDnsResolverFailing", "job": "healthy"}


def _is_quiet(stack: Stack) -> bool:
    return bool(stack.prometheus.query('maildns_pool_rounds_total{job="healthy"}')) and not stack.alerts("healthy")


def test_a_lost_ptr_record_pages_and_resolves_after_the_fix(stack: Stack):
    """The record goes, the alert about its address reaches the webhook, alone; the record comes back, it resolves."""
    wait_until(lambda: _is_quiet(stack), "all is well before")

    stack.healthy_dns.do(lambda dns: dns.world.remove(PTR_OWNER, "PTR"))
    wait_until(lambda: stack.webhook.heard_of("firing", **LOST), "somebody is paged for the address")
    wait_until(lambda: stack.alerts("healthy") == {LOST["alertname"]: "firing"}, "the alert is alone")
    stack.healthy_dns.do(lambda dns: dns.world.apply([PTR_RECORD]))
    wait_until(lambda: stack.webhook.heard_of("resolved", **LOST), "the alert resolves")

    assert stack.told("healthy") <= {BLIND["alertname"], LOST["alertname"]}


def test_a_dead_resolver_pages_once_for_the_resolver(stack: Stack):
    """Every sample of the fleet goes unanswered, long enough for any alert; the one about the resolver is alone."""
    wait_until(lambda: _is_quiet(stack), "all is well before")
    watched = len(stack.prometheus.query('maildns_fcrdns_match{job="healthy"}'))

    stack.healthy_dns.do(DemoServer.stop_answering)
    try:
        wait_until(lambda: stack.webhook.heard_of("firing", **BLIND), "somebody is paged for the resolver")
        unanswered = 'count(max_over_time(maildns_fcrdns_conclusive{job="healthy"}[5s]) == 0)'
        stack.until(f"{unanswered} == {watched}", "no sample is answered any more, for longer than alerts wait")
        wait_until(lambda: stack.alerts("healthy") == {BLIND["alertname"]: "firing"}, "the alert is alone")
        known = stack.prometheus.query('sum(maildns_fcrdns_match{job="healthy"})')[0].value
    finally:
        stack.healthy_dns.do(DemoServer.resume)
    wait_until(lambda: stack.webhook.heard_of("resolved", **BLIND), "the alert resolves")
    wait_until(lambda: _is_quiet(stack), "all is well after")

    assert known == watched
    assert stack.told("healthy") <= {BLIND["alertname"], LOST["alertname"]}
