"""`make walks`: four users' walks in real time, with the defaults, a real Prometheus and a real Alertmanager.

It breaks records and repairs them, and measures how long it takes until somebody is paged and until the alert resolves.
The rules, the route and the intervals are those that are delivered, so it takes about half an hour.
"""

import argparse
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import yaml

from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.alerting.stack import RULES, Dns, ProgramExporter, Webhook, delivered_route
from tests.integration.misbehaving import Misbehaving
from tests.integration.servers.alertmanager import Alertmanager
from tests.integration.servers.process import wait_until
from tests.integration.servers.prometheus import Prometheus

PAGE_MINUTES = 8.0
"""From a broken record to a page, at most."""
RESOLVE_MINUTES = 10.0
"""From a repaired record to the notice that the alert is resolved, at most."""
_DEADLINE_SECONDS = 2_400.0
_SCRAPE_SECONDS = 30
"""kube-prometheus-stack's default; Prometheus' own is 60."""

_PTR = "12.2.0.192.in-addr.arpa"
_DKIM = "s1._domainkey.example.org"
_KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def records() -> Iterator[str]:
    """A postmaster's zone: twelve servers and a domain, all right."""
    yield ". 3600 SOA ns.example.org. hostmaster.example.org. 1 3600 900 604800 60"
    yield ". 3600 NS ns.example.org."
    for number in range(10, 22):
        yield f"{number}.2.0.192.in-addr.arpa. 3600 PTR mail{number}.example.org."
        yield f"mail{number}.example.org. 3600 A 192.0.2.{number}"
    yield "example.org. 3600 MX 10 mail10.example.org."
    yield 'example.org. 3600 TXT "v=spf1 ip4:192.0.2.0/27 -all"'
    yield f'{_DKIM}. 3600 TXT "{_KEY}"'
    yield '_dmarc.example.org. 3600 TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.org"'


def configuration(server: str) -> str:
    """What a postmaster writes: nothing that has a default."""
    addresses = [{"ip": f"192.0.2.{number}", "helo": f"mail{number}.example.org"} for number in range(10, 22)]
    return yaml.safe_dump(
        {
            "resolvers": [{"name": "local", "servers": [server], "canary": {"must_resolve": ["example.org MX"]}}],
            "pools": [{"name": "corporate", "addresses": addresses}],
            "domains": [{"name": "example.org", "dkim_selectors": ["s1"]}],
        }
    )


@dataclass
class Walk:
    """What was measured and seen.

    Attributes:
        rows: What, the minutes that it took, and the most that it may take.
        complaints: What is not as it should be.
    """

    rows: list[tuple[str, float, float]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, what: str, most: float) -> Iterator[None]:
        """Measure what happens inside."""
        began = time.monotonic()
        yield
        minutes = (time.monotonic() - began) / 60
        self.rows.append((what, minutes, most))
        print(f"{what:<62} {minutes:5.1f} min, at most {most:g}", flush=True)
        if minutes > most:
            self.complaints.append(f"{what}: {minutes:.1f} minutes, more than {most:g}")

    def expect(self, holds: bool, what: str) -> None:  # reads like an assertion
        """Note *what* if it does not hold."""
        if not holds:
            print(f"NOT SO: {what}", flush=True)
            self.complaints.append(what)


def change(dns: Dns, do: Callable[[World], None]) -> None:
    """Change the zone."""

    def doing(server: DemoServer) -> None:
        do(server.world)

    dns.do(doing)


def page(url: str) -> tuple[int, str]:
    """A page's status and text."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def postmaster(walk: Walk, dns: Dns, webhook: Webhook) -> None:
    """A PTR record goes and comes back."""
    lost = {"alertname": "MailDnsForwardConfirmationLost", "ip": "192.0.2.12"}
    change(dns, lambda world: world.remove(_PTR, "PTR"))
    with walk.timed("a PTR record is gone: until the page", PAGE_MINUTES):
        wait_until(lambda: webhook.heard_of("firing", **lost), "the page for the address", _DEADLINE_SECONDS)
    (alert,) = [one for one in webhook.heard if lost.items() <= one["labels"].items()][:1]
    text = " ".join(alert["annotations"].values())
    for wanted in ("192.0.2.12", "mail12.example.org", "PTR", "http"):
        walk.expect(wanted in text, f"the alert has {wanted!r}: {alert['annotations']}")
    change(dns, lambda world: world.apply([f"{_PTR}. 3600 PTR mail12.example.org."]))
    with walk.timed("the PTR record is back: until the resolved notice", RESOLVE_MINUTES):
        wait_until(lambda: webhook.heard_of("resolved", **lost), "the alert resolves", _DEADLINE_SECONDS)


def domain_owner(walk: Walk, dns: Dns, webhook: Webhook) -> None:
    """A DKIM key goes and comes back."""
    lost = {"alertname": "MailDnsDkimKeyGone", "domain": "example.org"}
    change(dns, lambda world: world.remove(_DKIM, "TXT"))
    with walk.timed("a DKIM key is gone: until the page", PAGE_MINUTES):
        wait_until(lambda: webhook.heard_of("firing", **lost), "the page for the key", _DEADLINE_SECONDS)
    change(dns, lambda world: world.apply([f'{_DKIM}. 3600 TXT "{_KEY}"']))
    with walk.timed("the DKIM key is back: until the resolved notice", RESOLVE_MINUTES):
        wait_until(lambda: webhook.heard_of("resolved", **lost), "the alert resolves", _DEADLINE_SECONDS)


def blind(walk: Walk, exporter: ProgramExporter, server: str) -> None:
    """An exporter whose resolver answers SERVFAIL to everything says so on every page, and is never ready."""
    wait_until(lambda: "SERVFAIL" in page(f"{exporter.url}/")[1].upper(), "the home page names the failure", 600)
    paths = [
        "/",
        "/pools/corporate",
        "/addresses/192.0.2.12",
        "/domains",
        "/domains/example.org",
        "/changes",
        "/exporter",
    ]
    for path in paths:
        status, text = page(f"{exporter.url}{path}")
        walk.expect(status == 200, f"{path} is a page: {status}")
        walk.expect(server in text, f"{path} names the resolver that fails")
        walk.expect(not re.search(r"\ball\b[^.<]*\bhealthy\b", text, re.IGNORECASE), f"{path} calls nothing healthy")
    walk.expect(page(f"{exporter.url}/-/ready")[0] == 503, "an exporter that was blind from the start is not ready")


def walks(_options: argparse.Namespace) -> int:
    """Run all of them at once. Return the exit code."""
    walk = Walk()
    with ExitStack() as stack:
        dns = stack.enter_context(Dns(World(list(records()))))
        dead = stack.enter_context(Misbehaving(always="servfail"))
        server = f"127.0.0.1:{dead.port}"
        good = stack.enter_context(ProgramExporter(configuration(dns.server.address)))
        lost = stack.enter_context(ProgramExporter(configuration(server), is_ready_at_start=False))
        webhook = stack.enter_context(Webhook())
        alertmanager = stack.enter_context(Alertmanager(delivered_route(webhook)))
        seconds = f"{_SCRAPE_SECONDS}s"
        jobs = [
            {"job_name": name, "static_configs": [{"targets": [one.address]}]}
            for name, one in (("good", good), ("lost", lost))
        ]
        config = {"scrape_configs": jobs}
        prometheus = Prometheus(
            [], interval=seconds, rule_files=[RULES], alertmanagers=[alertmanager.address], config=config
        )
        stack.enter_context(prometheus)
        healthy = 'sum(maildns_fcrdns_match{job="good"}) == 12 and maildns_dkim_pass{job="good"} == 1'
        wait_until(lambda: bool(prometheus.query('sum(maildns_fcrdns_match{job="good"}) == 12')), healthy, 600)
        print(f"{len(list(records()))} records, a scrape every {seconds}; everything is right", flush=True)
        threads = [
            threading.Thread(target=run, args=arguments)
            for run, arguments in (
                (postmaster, (walk, dns, webhook)),
                (domain_owner, (walk, dns, webhook)),
                (blind, (walk, lost, server)),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        about = {one["labels"]["alertname"] for one in webhook.heard if one["labels"].get("job") == "good"}
        expected = {"MailDnsForwardConfirmationLost", "MailDnsDkimKeyGone"}
        walk.expect(about == expected, f"two causes have two alerts, not {sorted(about)}")
    walk.expect(len(walk.rows) == 4, "all four were measured")
    print(*([f"not so: {one}" for one in walk.complaints] or ["All is as promised."]), sep="\n")
    return 1 if walk.complaints else 0


if __name__ == "__main__":
    sys.exit(walks(argparse.ArgumentParser(description=__doc__).parse_args()))
