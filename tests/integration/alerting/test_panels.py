"""Every query of every panel, asked of a Prometheus that scraped the demo world: it has data, or a known reason."""

import re
import time
import urllib.parse
from collections.abc import Callable
from typing import TypeVar

import pytest

from dashboards.generator import address, domains, exporter, fleet
from exporter.demo.world import demo_configuration
from tests.assets.dashboard_files import PanelQuery, all_queries
from tests.integration.alerting.conftest import Stack
from tests.integration.alerting.stack import IP, PTR_OWNER, PTR_RECORD
from tests.integration.servers.http import get_json
from tests.integration.servers.process import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.integration

Found = TypeVar("Found")
LOST = f'maildns_address_problem{{job="demo", check="fcrdns", ip="{IP}"}}'

_NO_STORAGE = "the demo keeps what it knows in memory"
_NOT_IN_THE_DEMO = {
    pattern: why
    for key, pattern, why in (
        ("    spf: ", "maildns_pool_source_", "no pool of the demo is fed by a file or an SPF record"),
        ("dnsbls:", r"sum by \(dnsbl\)|maildns_dnsbl_usable", "the demo asks no block list"),
        ("mail_from_domains:", "maildns_domain_spf_(unauthorised|open)_", "no pool of the demo sends for a domain"),
    )
    if key not in demo_configuration(53)
}
WITHOUT_DATA: dict[str, str] = {
    "address: SPF over time (A)": "the address sends for no domain, and its HELO name has no SPF record and needs none",
    "address: Block lists over time (A)": "the pool of the address asks no block list",
    "domains: Latest changes by domain (A)": "the demo world is stopped, and no test changes a record of its domains",
    "exporter: Storage over time (A)": _NO_STORAGE,
    "exporter: Time since the last write (A)": _NO_STORAGE,
    "exporter: Storage size (A)": _NO_STORAGE,
} | {
    str(query): why
    for query in all_queries()
    for pattern, why in _NOT_IN_THE_DEMO.items()
    if re.search(pattern, query.expr)
}
"""The queries that give nothing, each with the reason why."""

_ALL_WELL = {
    "fleet: Failing addresses": fleet.NO_PROBLEM,
    "fleet: Problems by reason": fleet.NO_PROBLEM,
    "fleet: Prefixes not forward-confirmed": "Every address that is expected to be is forward-confirmed.",
    "fleet: Worst prefixes": "No prefix has an address that fails an expected check.",
    "address: Failing checks": address.NO_PROBLEM,
    "address: Failing checks over time": address.NO_PROBLEM,
}
_NOT_CONFIGURED = {
    "fleet: Domains with a problem": domains.NO_DOMAIN,
    "fleet: Block lists": "These pools ask no block list (dnsbls).",
    "fleet: Address sources (files and SPF)": fleet.NO_SOURCE,
    "fleet: Addresses added and removed by sources": fleet.NO_SOURCE,
    "domains: Domains with a problem": domains.NO_DOMAIN,
    "domains: Most SPF lookups": domains.NO_DOMAIN,
    "domains: Unusable DKIM keys": domains.NO_DOMAIN,
    "domains: Domains without DMARC": domains.NO_DOMAIN,
    "domains: DMARC policy none": domains.NO_DOMAIN,
    "domains: Unanswered domains": domains.NO_DOMAIN,
    "domains: Domains": domains.NO_DOMAIN,
    "domains: Failing checks of domains": domains.NO_PROBLEM,
    "domains: SPF coverage of the pools": domains.NO_RECORD,
    "domains: DKIM keys": "No selector is configured (dkim_selectors), or nothing is known about its key yet.",
    "domains: SPF lookups over time (limit 10)": domains.NO_DOMAIN,
    "domains: Domains over time": domains.NO_DOMAIN,
    "domains: Hints": "Nothing, or no domain is configured (domains).",
    "domains: Changed results of domains": domains.NO_DOMAIN,
    "domains: Latest changes by domain": "No result has changed since it was first known.",
    "address: SPF over time": address.NO_SPF,
    "address: Block lists over time": address.NO_LIST,
    "exporter: Storage over time": exporter.NO_STORAGE,
    "exporter: Time since the last write": exporter.NO_STORAGE,
    "exporter: Storage size": exporter.NO_STORAGE,
}
EMPTY_WHEN_WELL = _ALL_WELL | _NOT_CONFIGURED
"""The panels without data on a healthy fleet of one pool, without domains and lists, and what they say instead."""
UNTIL_A_CHANGE = {
    "fleet: Latest changes by address": "No result has changed since it was first known.",
    "address: Last change": "not since it was first known",
}
"""And those that are empty until anything was otherwise once: another test may have seen to that."""


def test_every_panel_has_data(stack: Stack):
    """Over the last minute of the demo world, which has every kind of problem, and in which a record was lost."""
    stack.until(f'maildns_ptr_info{{job="demo", ip="{IP}"}}', "the address is seen with its PTR name")
    stack.demo_dns.do(lambda dns: dns.world.remove(PTR_OWNER, "PTR"))
    try:
        stack.until(LOST, "its record is lost")
        stack.until('increase(maildns_result_changes_total{job="demo", result="fail"}[2m]) > 0', "that is counted")
        empty = _settled(
            lambda: {str(query) for query in all_queries() if not _ask(stack, query, "demo")}, set(WITHOUT_DATA)
        )
    finally:
        stack.demo_dns.do(lambda dns: dns.world.apply([PTR_RECORD]))

    assert empty == set(WITHOUT_DATA)


def test_a_panel_that_is_empty_on_a_healthy_fleet_says_that_this_is_good_news(stack: Stack):
    """Or what is not configured; in its own words, and not in Grafana's "No data"."""
    stack.until('maildns_pool_rounds_total{job="healthy"} > 0', "a round of the healthy fleet has ended")
    wait_until(lambda: not stack.alerts("healthy"), "all is well")

    def empty() -> dict[str, str]:
        shown = {(query.dashboard, query.panel["id"]) for query in all_queries() if _ask(stack, query, "healthy")}
        empty = {
            f"{query.dashboard}: {query.panel['title']}": query.panel["fieldConfig"]["defaults"]["noValue"]
            for query in all_queries()
            if (query.dashboard, query.panel["id"]) not in shown
        }
        return UNTIL_A_CHANGE | empty

    wanted = UNTIL_A_CHANGE | EMPTY_WHEN_WELL
    assert _settled(empty, wanted, deadline_seconds=180) == wanted


def test_no_reason_is_kept_for_a_query_that_is_gone():
    """The list of exceptions names queries that exist."""
    assert set(WITHOUT_DATA) <= {str(query) for query in all_queries()}


def _settled(look: Callable[[], Found], wanted: object, deadline_seconds: float = DEADLINE_SECONDS) -> Found:
    """What *look* finds once that is *wanted*, or in the end: a scrape may fail on a busy machine, but not for long."""
    end = time.monotonic() + deadline_seconds
    while (found := look()) != wanted and time.monotonic() < end:
        time.sleep(0.5)
    return found


def _ask(stack: Stack, query: PanelQuery, job: str) -> list[object]:
    expr = query.expr.replace("$__rate_interval", "2m").replace("$__range", "60s")
    for variable, value in (("$job", job), ("$instance", ".+"), ("$pool", ".+"), ("$domain", ".+"), ("$ip", IP)):
        expr = expr.replace(f'"{variable}"', f'"{value}"')
    now = time.time()
    if query.target.get("instant"):
        path, arguments = "query", {"query": expr, "time": str(now)}
    else:
        path, arguments = "query_range", {"query": expr, "start": str(now - 60), "end": str(now), "step": "1"}
    answer = get_json(f"{stack.prometheus.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
    result: list[object] = answer["data"]["result"]
    return result
