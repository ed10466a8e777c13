"""Domains with hostile and broken records, from a real Knot through the whole service."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from exporter.config.load import parse
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import serving

pytestmark = [pytest.mark.integration]

DISPUTED = 'maildns_domain_resolver_disagreement{domain="example.org"}'
LONG = b"v=DKIM1; k=rsa; n=" + b"x" * 60_000
HOSTILE = '\\000\\027[31m\\195\\188\\"</script>\\255'


def strings(text: str, size: int = 40) -> str:
    """A text in many character strings."""
    return " ".join(f'"{text[at : at + size]}"' for at in range(0, len(text), size))


RIGHT = (
    "example.org. 0 MX 0 .",
    f"example.org. 0 TXT {strings('v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all', 3)}",
    f"_dmarc.example.org. 0 TXT {strings('v=DMARC1; p=reject; rua=mailto:dmarc@example.org', 7)}",
    f"s1._domainkey.example.org. 0 TXT {strings('v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=')}",
)
ENDLESS = [
    'endless.example. 0 TXT "v=spf1 include:1.endless.example -all"',
    *[f'{n}.endless.example. 0 TXT "v=spf1 include:{n + 1}.endless.example ?all"' for n in range(1, 300)],
]
ZONES = {
    "example.org.": RIGHT,
    "endless.example.": ENDLESS,
    "hostile.example.": (
        f'hostile.example. 0 TXT "v=spf1 {HOSTILE} -all"',
        f'_dmarc.hostile.example. 0 TXT "v=DMARC1; p={HOSTILE}"',
        f'_mta-sts.hostile.example. 0 TXT "v=STSv1; id={HOSTILE}"',
        f'_smtp._tls.hostile.example. 0 TXT "v=TLSRPTv1; rua={HOSTILE}"',
        f'bad._domainkey.hostile.example. 0 TXT "v=DKIM1; k={HOSTILE}; p=AAAA"',
        f"long._domainkey.hostile.example. 0 TXT {strings(LONG.decode(), 255)}",
    ),
    "broken.example.": None,
}
CONFIGURATION = """
resolvers:
  - {{name: one, servers: ["127.0.0.1:{one}"], timeout: 1s, canary: false}}
{more}
domains:
  - {{name: example.org, interval: 10s, dkim_selectors: s1}}
  - {{name: endless.example, interval: 10s}}
  - {{name: hostile.example, interval: 10s, dkim_selectors: [bad, long]}}
  - {{name: broken.example, interval: 10s, dkim_selectors: s1}}
"""


@asynccontextmanager
async def watched(*servers: Knot):
    """The service over these servers, each a resolver of its own; every domain was sampled once."""
    more = "\n".join(
        f'  - {{name: r{number}, servers: ["127.0.0.1:{server.port}"], timeout: 1s, canary: false}}'
        for number, server in enumerate(servers[1:])
    )
    configuration = parse(CONFIGURATION.format(one=servers[0].port, more=more), "test.yml")
    async with serving(lambda: configuration) as exporter:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await exporter.ask("/-/ready"))[0] != 200:
                await asyncio.sleep(0.05)
        yield exporter


async def known(exporter, name):
    """What the API has of a domain."""
    status, body = await exporter.ask(f"/api/v1/domains/{name}")
    assert status == 200
    return json.loads(body)


async def test_texts_in_pieces_are_read_and_hostile_ones_harm_nobody():
    """Each record in many strings is one text; control characters, 60 kB and endless includes get their findings."""
    with Knot(ZONES) as knot:
        async with watched(knot) as exporter:
            right, endless = await known(exporter, "example.org"), await known(exporter, "endless.example")
            hostile, broken = await known(exporter, "hostile.example"), await known(exporter, "broken.example")
            _, metrics = await exporter.ask("/metrics")
            _, page = await exporter.ask("/domains/hostile.example")
            _, front = await exporter.ask("/")

    assert right["health"] == "healthy", right["problems"]
    assert right["spf"]["authorised"]["ipv4"]["ranges"] == ["192.0.2.0/24"]
    assert {one["reason"] for one in endless["checks"] if one["check"] == "spf"} == {"spf-lookup-limit"}
    assert endless["spf"]["lookups"] >= 50
    reasons = {(one["check"], one["subject"]): one["reason"] for one in hostile["checks"]}
    assert reasons["spf", "hostile.example"] == "spf-syntax"
    assert reasons["dmarc", "hostile.example"] == "dmarc-policy"
    assert reasons["dkim", "bad"] == "dkim-key-type"
    assert reasons["dkim", "long"] == "dkim-syntax"
    assert reasons["mta-sts", "hostile.example"] == "mta-sts-syntax"
    assert reasons["tls-rpt", "hostile.example"] == "tls-rpt-syntax"
    assert broken["health"] == "unknown"
    assert {one["reason"] for one in broken["checks"]} == {"servfail"}
    assert 'maildns_domain_healthy{domain="broken.example"}' not in metrics
    for text in (page, front, metrics):
        assert "</script><" not in text.replace("defer></script>", "")
        assert "\x1b" not in text
        assert "\x00" not in text


async def test_servers_that_contradict_each_other_are_told_and_move_nothing():
    """One resolver has lost the records that the other still has: unknown, with both named, and healthy as before."""
    with Knot(ZONES) as first, Knot(ZONES) as second:
        async with watched(first, second) as exporter:
            before = await known(exporter, "example.org")
            left = [line for line in RIGHT if not line.startswith("_dmarc")]
            with capture_logs() as logged:
                await asyncio.to_thread(first.publish, "example.org.", left)
                async with asyncio.timeout(DEADLINE_SECONDS):
                    while True:
                        now = await known(exporter, "example.org")
                        dmarc = next(one for one in now["checks"] if one["check"] == "dmarc")
                        if dmarc["reason"] == "disagreement":
                            break
                        await asyncio.sleep(0.2)
                _, metrics = await exporter.ask("/metrics")
                (told,) = json.loads((await exporter.ask("/api/v1/disagreements"))[1])["data"]
                pages = [(await exporter.ask(path))[1] for path in ("/", "/exporter")]
                changes = json.loads((await exporter.ask("/api/v1/changes"))[1])["data"]

                await asyncio.to_thread(second.publish, "example.org.", left)
                async with asyncio.timeout(DEADLINE_SECONDS):
                    while (after := await known(exporter, "example.org"))["health"] != "failing":
                        await asyncio.sleep(0.2)
                _, later = await exporter.ask("/metrics")

    assert before["health"] == now["health"] == "healthy"
    assert dmarc["result"] == "unknown"
    assert "one" in dmarc["sentence"]
    assert now["dmarc"]["policy"] == "reject"
    assert f"{DISPUTED} 1.0" in metrics
    assert 'maildns_resolver_disagreements_total{other="r0",resolver="one"} 0.0' not in metrics
    assert (told["domain"], told["pool"], told["ip"], told["helo"]) == ("example.org", None, None, None)
    assert (told["check"], told["subject"], told["reason"]) == ("dmarc", "example.org", "dmarc-missing")
    assert (told["failing"]["resolver"], told["passing"]["resolver"]) == ("one", "r0")
    assert "Resolvers disagree about 1 address, HELO name or domain" in pages[0]
    assert "/domains/example.org" in pages[1]
    assert changes == []
    assert after["dmarc"]["policy"] is None
    assert f"{DISPUTED} 0.0" in later
    events = [one["event"] for one in logged if one.get("domain") == "example.org"]
    assert events == ["resolvers disagree", "resolvers agree again", "changed"]
