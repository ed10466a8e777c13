"""Zones that fail DNSSEC validation, with a real signer and a real validating resolver: unknown, and why."""

import asyncio
import json
from collections.abc import Iterator

import pytest
import yaml

from exporter.checks.result import SIGN_AGAIN
from exporter.config.load import parse
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.servers.unbound import Unbound
from tests.integration.serving import serving
from tests.unit.cli.checking import run

pytestmark = pytest.mark.integration

REVERSE = "2.0.192.in-addr.arpa"
ZONES = {
    REVERSE: ["10 PTR mail.example.org."],
    "example.org": ["mail A 192.0.2.10", '@ TXT "v=spf1 a:mail.example.org -all"', "@ MX 10 mail.example.org."],
}
WHEN_EXPIRED = 'val-override-date: "21060101000000"'
"""For the validator it is a day on which no signature of Knot's is valid any more."""


@pytest.fixture(scope="module")
def signed() -> Iterator[Knot]:
    """Knot with the zones, signed."""
    with Knot(ZONES, signed=ZONES) as server:
        yield server


def validating(knot: Knot, origins: list[str], *more: str) -> Unbound:
    """Unbound with the keys of these zones, which says what is wrong (RFC 8914)."""
    anchors = [f'trust-anchor: "{knot.key(origin)}"' for origin in origins]
    return Unbound(knot.port, options=['module-config: "validator iterator"', "ede: yes", *anchors, *more])


async def test_a_signed_zone_passes(signed):
    """While the signatures are valid, validation changes nothing."""
    with validating(signed, list(ZONES)) as unbound:
        done = await run("check", "--resolver", unbound.address, "192.0.2.10", "--helo", "mail.example.org")

    assert (done.code, "dnssec-bogus" in done.out) == (0, False)


@pytest.mark.parametrize("origin", ZONES)
async def test_expired_signatures_are_unknown_and_the_zone_is_named(signed, origin):
    """`check` names the zone that has to be signed again, and no record to publish."""
    arguments = ("192.0.2.10", "--helo", "mail.example.org")
    with validating(signed, [origin], WHEN_EXPIRED) as unbound:
        text = await run("check", "--resolver", unbound.address, *arguments)
        document = json.loads((await run("check", "--output=json", "--resolver", unbound.address, *arguments)).out)

    findings = [one for one in document["checks"] if one["reason"] == "dnssec-bogus"]
    assert text.code == 4
    assert f"The zone that fails DNSSEC validation is {origin}." in text.out
    assert {one["result"] for one in findings} == {"unknown"}
    assert {one["fix"]["advice"] for one in findings} == {SIGN_AGAIN.advice}
    assert [one["fix"]["records"] + one["fix"]["replaces"] for one in findings] == [[]] * len(findings)
    assert "extended DNS error" in text.out


async def test_another_server_is_asked(signed):
    """A server that does not validate has an answer, which counts as before."""
    with validating(signed, list(ZONES), WHEN_EXPIRED) as unbound:
        servers = ("--resolver", unbound.address, "--resolver", signed.address)
        done = await run("check", *servers, "192.0.2.10", "--helo", "mail.example.org")

    assert (done.code, "dnssec-bogus" in done.out) == (0, False)


async def test_the_exporter_shows_what_to_do_about_an_address_and_a_domain(signed):
    """The pages, the API and the metrics have the reason."""
    with validating(signed, list(ZONES), WHEN_EXPIRED) as unbound:
        resolver = {"name": "only", "servers": [unbound.address], "timeout": "5s", "canary": False}
        pool = {"name": "test", "interval": "10s", "addresses": [{"ip": "192.0.2.10", "helo": "mail.example.org"}]}
        domains = [{"name": "example.org", "interval": "1m"}]
        text = yaml.safe_dump({"resolvers": [resolver], "pools": [pool], "domains": domains})
        async with serving(lambda: parse(text, "dnssec.yml")) as exporter, asyncio.timeout(DEADLINE_SECONDS):
            for page in ("/addresses/192.0.2.10", "/domains/example.org"):
                while "dnssec-bogus" not in (shown := (await exporter.ask(page))[1]):
                    await asyncio.sleep(0.1)
                assert "fails DNSSEC validation" in shown
                assert SIGN_AGAIN.advice in shown
                assert "dnssec-bogus" in (await exporter.ask(f"/api/v1{page}"))[1]
            metrics = (await exporter.ask("/metrics"))[1]

    assert 'outcome="dnssec-bogus",qtype="PTR",resolver="only"' in metrics
    assert "maildns_address_problem{" not in metrics
