"""The configuration of the demo: the YAML that an operator of the demo world would have written.

The rule of this file: it writes text for the ordinary loader; the demo has no way of its own into the exporter.
"""

import json
from collections.abc import Sequence

from exporter.demo.domain_scenarios import DomainScenario, load_domain_scenarios
from exporter.demo.scenarios import DNSBLS, MAIL_FROM_DOMAINS, Scenario, load_scenarios

_HEAD = """\
# The demo world, as its operator would watch it.
resolvers:
  - name: demo
    servers: ["127.0.0.1:{port}"]
    timeout: 1s
    attempts: 2
dnsbls:
  - {{zone: bl.example.org, interval: 1m, codes: {{127.0.0.2: SBL, 127.0.0.4: XBL}}}}
  - {{zone: blocked.example.org, interval: 1m}}
  - {{zone: dead.example.org, interval: 1m}}
pools:
"""

_POOLS = {
    "corporate": "profile: dedicated",
    "microsoft-365": "profile: microsoft-365",
    "newsletter": "profile: dedicated",
    "branch-offices": "",
    "acquired": "profile: dedicated",
    "hosting-customers": "expect: [fcrdns]",
    "campaigns": "helo_spf_required: true",
    "blocked-list": "",
    "dead-list": "",
    "provider": "expect: [fcrdns]",
}

_NETWORKS = {"newsletter": '{network: 198.51.100.0/28, helo: "mta{octet4}.news.example.net"}'}
_HELO_NAMES = {"microsoft-365": "na01-bn1-obe.outbound.protection.outlook.com"}
_SPF = {"provider": "_spf.provider.example"}
_SUFFIXES = {"microsoft-365": "outbound.protection.outlook.com"}


def demo_configuration(dns_port: int, *, interval: str = "15s") -> str:
    """The configuration file that watches the demo world, served on *dns_port*."""
    scenarios = load_scenarios()
    pools = [
        _pool(name, settings, interval, [scenario for scenario in scenarios if scenario.pool == name])
        for name, settings in _POOLS.items()
    ]
    domains = [_domain(scenario, interval) for scenario in load_domain_scenarios() if not scenario.at]
    return "".join([_HEAD.format(port=dns_port), *pools, "domains:\n", *domains])


def _pool(name: str, settings: str, interval: str, scenarios: Sequence[Scenario]) -> str:
    lines = [f"  - name: {name}"]
    if settings:
        lines.append(f"    {settings}")
    lines.append(f"    interval: {interval}")
    if name in _SUFFIXES:
        lines.append(f"    aligned_suffix: {_SUFFIXES[name]}")
    if name in _HELO_NAMES:
        lines.append(f"    helo_names: [{_HELO_NAMES[name]}]")
    if name in MAIL_FROM_DOMAINS:
        lines.append(f"    mail_from_domains: {MAIL_FROM_DOMAINS[name]}")
    lines.append(f"    dnsbls: {DNSBLS.get(name, '[]')}")
    if name in _SPF:
        return "\n".join([*lines, f"    spf: {_SPF[name]}"]) + "\n"
    lines.append("    addresses:")
    if name in _NETWORKS:
        lines.append(f"      - {_NETWORKS[name]}")
    else:
        lines += [f"      - {_address(scenario)}" for scenario in scenarios if not scenario.at]
    return "\n".join(lines) + "\n"


def _domain(scenario: DomainScenario, interval: str) -> str:
    keys = f", dkim_selectors: [{', '.join(scenario.selectors)}]" if scenario.selectors else ""
    expect = ", expect: {add: [mta-sts, tls-rpt]}" if scenario.is_strict else ""
    return f"  - {{name: {scenario.domain}, interval: {interval}{keys}{expect}}}  # {scenario.what}\n"


def _address(scenario: Scenario) -> str:
    helo = "" if not scenario.helo else f", helo: {json.dumps(scenario.helo)}"
    return f"{{ip: {json.dumps(str(scenario.target.address))}{helo}}}  # {scenario.what}"
