"""Every query of every panel, asked of a Prometheus that scraped the demo world: it has data, or a known reason."""

import re
import time
import urllib.parse

import pytest

from exporter.demo.configuration import demo_configuration
from tests.assets.dashboard_files import PanelQuery, all_queries
from tests.integration.alerting.conftest import Stack
from tests.integration.alerting.stack import IP, PTR_OWNER
from tests.integration.servers.http import get_json

pytestmark = pytest.mark.integration

LOST = f'maildns_address_problem{{job="demo", check="fcrdns", ip="{IP}"}}'

_NO_STORAGE = "the demo keeps what it knows in memory"
_NOT_IN_THE_DEMO = {
    pattern: why
    for key, pattern, why in (
        ("dnsbls:", r"sum by \(dnsbl\)|maildns_dnsbl_usable", "the demo asks no block list"),
        ("mail_from_domains:", "maildns_domain_spf_(unauthorised|open)_", "no pool of the demo sends for a domain"),
    )
    if key not in demo_configuration(53)
}
WITHOUT_DATA: dict[str, str] = {
    "address: SPF over time (A)": "the address sends for no domain, and its HELO name has no SPF record and needs none",
    "address: Block lists over time (A)": "the pool of the address asks no block list",
    "exporter: Storage (A)": _NO_STORAGE,
    "exporter: Since it was last written (A)": _NO_STORAGE,
    "exporter: Size of the file (A)": _NO_STORAGE,
} | {
    str(query): why
    for query in all_queries()
    for pattern, why in _NOT_IN_THE_DEMO.items()
    if re.search(pattern, query.expr)
}
"""The queries that give nothing, each with the reason why."""


def test_every_panel_has_data(stack: Stack):
    """Over the last minute of the demo world, which has every kind of problem, and in which a record was lost."""
    stack.until(f'maildns_ptr_info{{job="demo", ip="{IP}"}}', "the address is seen with its PTR name")
    stack.demo_dns.do(lambda dns: dns.world.remove(PTR_OWNER, "PTR"))
    stack.until(LOST, "its record is lost")
    stack.until('increase(maildns_result_changes_total{job="demo", result="fail"}[30s]) > 0', "that is counted")

    empty = {str(query) for query in all_queries() if not _ask(stack, query)}

    assert empty == set(WITHOUT_DATA)


def test_no_reason_is_kept_for_a_query_that_is_gone():
    """The list of exceptions names queries that exist."""
    assert set(WITHOUT_DATA) <= {str(query) for query in all_queries()}


def _ask(stack: Stack, query: PanelQuery) -> list[object]:
    expr = query.expr.replace("$__rate_interval", "30s")
    for variable, value in (("$job", "demo"), ("$instance", ".+"), ("$pool", ".+"), ("$ip", IP)):
        expr = expr.replace(f'"{variable}"', f'"{value}"')
    now = time.time()
    if query.target.get("instant"):
        path, arguments = "query", {"query": expr, "time": str(now)}
    else:
        path, arguments = "query_range", {"query": expr, "start": str(now - 60), "end": str(now), "step": "1"}
    answer = get_json(f"{stack.prometheus.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
    result: list[object] = answer["data"]["result"]
    return result
