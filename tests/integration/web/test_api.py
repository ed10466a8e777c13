"""The JSON API, held to docs/openapi.yaml."""

import asyncio
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest

from exporter import service
from exporter.demo.world import load_domain_scenarios, load_scenarios
from exporter.state.board import Board
from exporter.views.documents import EVIDENCE_NOT_KEPT
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import Exporter
from tests.integration.web.demo import WorldClock, watched_demo
from tests.yaml_files import read_yaml

pytestmark = [pytest.mark.integration]

OPENAPI = read_yaml(Path("docs/openapi.yaml").read_text())

VALUES = {
    "limit": ["1", "7", "500", "0", "-1", "501", "x", "NaN", "1e3", ""],
    "cursor": ["0-0", "3-2", "99-0", "1-999999", "x", "-1", "5", "0", "", "9" * 30, "0-0-0"],
    "q": ["", "mta", "198.51.100.0/28", "::/0", "</script>", "%00", "\\027", "x" * 300, "x" * 301, "ü", "0.0.0.0/0"],
    "pool": ["newsletter", "nothing", "", "../../etc"],
    "health": ["healthy", "failing", "unknown", "not-sampled", "ill", ""],
    "check": ["fcrdns", "dmarc", "nothing", ""],
    "ip": ["198.51.100.1", "2001:db8::10", "8.8.8.8", "x", "1.2.3", "%2e%2e", "::ffff:1.2.3.4", "a" * 200],
    "domain": ["right.example", "nothing.example", "", "RIGHT.example."],
    "name": ["newsletter", "right.example", "keys.example", "nothing", "%2F", "%00", "<b>"],
}


def schema_of(path: str, status: int):
    """The schema of an operation's answer; a status that is not documented fails the test."""
    responses = OPENAPI["paths"][path]["get"]["responses"]
    assert str(status) in responses, f"{path} answers {status}, which is not documented"
    answer = responses[str(status)]
    if "$ref" in answer:
        answer = OPENAPI["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer["content"]["application/json"]["schema"] | {"components": OPENAPI["components"]}


async def fits(exporter: Exporter, path: str, url: str):
    """Ask for a URL of an operation, and hold what comes to its schema."""
    status, body = await exporter.ask(url)
    document = json.loads(body)
    jsonschema.validate(document, schema_of(path, status), jsonschema.Draft202012Validator)
    return status, document


async def shown(exporter: Exporter, url: str, condition: Callable[[list[Any]], bool]):
    """Ask for changes until what comes meets a condition."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition((found := (await fits(exporter, "/api/v1/changes", url))[1])["data"]):
            await asyncio.sleep(0.2)
    return found


async def test_every_operation_answers_as_documented():
    """Any mixture of good and bad parameters, in paths and queries: what comes fits, and is no 5xx."""
    choose = random.Random(5).choice
    async with watched_demo() as exporter:
        reads = {path: item["get"] for path, item in OPENAPI["paths"].items() if "get" in item}
        for path, read in reads.items():
            parameters = read.get("parameters", [])
            names = [one.get("name") or one["$ref"].rpartition("/")[2].replace("place", "cursor") for one in parameters]
            for _ in range(60):
                url, query = path, []
                for name in names:
                    value = choose(VALUES[name])
                    if f"{{{name}}}" in url:
                        url = url.replace(f"{{{name}}}", value if "%" in value else quote(value or "x", safe=""))
                    elif choose([True, False]):
                        query.append(f"{name}={quote(value, safe='%')}")
                status, _ = await fits(exporter, path, f"{url}?{'&'.join(query)}")
                assert status < 500


async def test_helo_names_say_which_share_of_their_pool_they_cover():
    """The name of Microsoft's example: ten addresses, all confirmed, all of the pool, which has one more."""
    async with watched_demo() as exporter:
        path = "/api/v1/pools/{name}/helo-names"
        _, page = await fits(exporter, path, path.format(name="microsoft-365"))
        _, first = await fits(exporter, path, path.format(name="newsletter") + "?limit=3")
        _, second = await fits(exporter, path, path.format(name="newsletter") + f"?limit=3&cursor={first['next']}")

    (name,) = page["data"]
    assert name["helo"] == "na01-bn1-obe.outbound.protection.outlook.com"
    assert (name["addresses"], name["confirmed_addresses"], name["addresses_outside_pool"]) == (10, 10, 0)
    assert (name["pool_addresses"], name["pool_share"]) == (10, 10 / 11)
    assert [one["helo"] for one in first["data"] + second["data"]] == [f"mta{n}.news.example.net" for n in range(6)]


async def test_every_address_is_there_once_with_all_that_is_known():
    """Pages of ten make the whole fleet; each address has its objects, hostile names and all."""
    async with watched_demo() as exporter:
        found, cursor = [], ""
        while cursor is not None:
            _, page = await fits(exporter, "/api/v1/addresses", f"/api/v1/addresses?limit=10&cursor={cursor}")
            found += page["data"]
            cursor = page["next"]

        assert sorted(one["ip"] for one in found) == sorted({str(it.target.address) for it in load_scenarios()})
        for one in found:
            _, page = await fits(exporter, "/api/v1/addresses/{ip}", f"/api/v1/addresses/{one['ip']}")
            assert [known["helo"] for known in page["data"]] == (one["helos"] or [None])


async def test_an_address_of_a_pool_that_is_kept_in_numbers_says_what_is_not_kept(monkeypatch):
    """Where there is room for little, results and names are there, and a note stands for evidence; the page says so."""
    monkeypatch.setattr(service, "Board", partial(Board, full_addresses=0, detailed_addresses=2))
    notes = {}
    async with watched_demo() as exporter:
        _, page = await fits(exporter, "/api/v1/addresses", "/api/v1/addresses?limit=500")
        for one in page["data"]:
            _, found = await fits(exporter, "/api/v1/addresses/{ip}", f"/api/v1/addresses/{one['ip']}")
            for known in found["data"]:
                assert (known["evidence"] is None) == (known["evidence_note"] is not None)
                notes[one["ip"]] = known["evidence_note"]
            if one["health"] == "healthy":
                assert found["data"][0]["iprev"]["confirmed_names"]
        ip = next(ip for ip, note in notes.items() if note)
        _, text = await exporter.ask(f"/addresses/{ip}")

    assert sum(note is None for note in notes.values()) == 2
    assert EVIDENCE_NOT_KEPT in text


async def test_changes_are_told_newest_first():
    """What changed, when, from what to what; by pool and by address."""
    clock = WorldClock()
    async with watched_demo(clock) as exporter:
        clock.age = 100
        await exporter.wait_for(lambda series: sum(series["maildns_pool_changes_total"].values()) >= 3, "changes")

        url = "/api/v1/changes?pool=corporate&ip=192.0.2.20"
        page = await shown(exporter, url, lambda changes: "fcrdns" in {one["check"] for one in changes})
        _, first = await fits(exporter, "/api/v1/changes", "/api/v1/changes?limit=1")
        _, second = await fits(exporter, "/api/v1/changes", f"/api/v1/changes?limit=1&cursor={first['next']}")
        _, only = await fits(exporter, "/api/v1/changes", "/api/v1/changes?check=fcrdns")
        _, none = await fits(exporter, "/api/v1/changes", "/api/v1/changes?ip=192.0.2.10")

    changes = {one["check"]: (one["before"]["result"], one["after"]["reason"]) for one in page["data"]}
    assert changes["fcrdns"] == ("pass", "ptr-nxdomain")
    assert first["data"][0]["number"] > second["data"][0]["number"]
    assert {it["type"] for one in page["data"] for it in one["evidence"]} >= {"PTR"}
    assert {one["check"] for one in only["data"]} == {"fcrdns"}
    assert none == {"data": [], "next": None}


async def test_links_begin_with_the_prefix():
    """Behind a prefix the pages are whole, and nothing leads out of it."""
    async with watched_demo(route_prefix="/mail/dns/") as exporter:
        status, page = await exporter.ask("/mail/dns/")
        assert status == 200
        assert 'href="/mail/dns/pools/newsletter"' in page
        assert 'href="/p' not in page
        assert (await exporter.ask("/mail/dns/static/style.css"))[0] == 200
        assert (await exporter.ask("/pools/newsletter"))[0] == 404
        assert (await exporter.ask("/mail/dns/-/healthy"))[0] == 200


def failing_in(series, pool):
    """How many addresses of a pool are known not to be forward-confirmed."""
    found = series.get("maildns_fcrdns_match", {}).items()
    return sum(value == 0 for labels, value in found if dict(labels)["pool"] == pool)


async def test_every_domain_has_all_that_is_known_of_it():
    """Each domain of the demo world, held to its scenario; its object fits, outage, hostile records and all."""
    expected = {it.domain: it for it in load_domain_scenarios() if not it.at}
    lost = [it for it in load_scenarios() if it.pool == "newsletter" and it.iprev in {"fail", "permerror"}]
    async with watched_demo() as exporter:
        async with asyncio.timeout(DEADLINE_SECONDS):  # on a busy machine, a first sample may go unanswered
            while failing_in(await exporter.series(), "newsletter") < len(lost):
                await asyncio.sleep(0.1)
        _, page = await fits(exporter, "/api/v1/domains", "/api/v1/domains?limit=500")
        known = {
            one["domain"]: (await fits(exporter, "/api/v1/domains/{name}", f"/api/v1/domains/{one['domain']}"))[1]
            for one in page["data"]
        }

    assert list(known) == list(expected)
    for name, one in known.items():
        faults = {(it["check"], it["reason"]) for it in one["checks"] if it["expected"] and it["result"] != "pass"}
        assert faults == {(check, reason) for check, _, reason in expected[name].faults}
        healths = {"unknown"} if name == "silent.example" else {"failing"} if faults else {"healthy"}
        assert one["health"] in healths, name
    right = known["right.example"]
    assert right["spf"]["authorised"]["ipv4"] == {
        "addresses": 32,
        "ranges": ["198.51.100.0/28", "203.0.113.224/28"],
        "more_ranges": 0,
    }
    assert right["spf_coverage"]["unused"]["ranges"] == ["203.0.113.224/28", "2001:db8:5::/64"]
    newsletter = next(one for one in right["spf_coverage"]["pools"] if one["pool"] == "newsletter")
    assert newsletter["unconfirmed"]["addresses"] == len(lost) > 5
    assert "198.51.100.1" in newsletter["unconfirmed"]["examples"]


async def test_changes_of_a_domain_are_told():
    """A key that is lost, and nothing of any address; with the evidence, and whether anybody expects it."""
    clock = WorldClock()
    async with watched_demo(clock) as exporter:
        clock.age = 100
        page = await shown(exporter, "/api/v1/changes?domain=rotating.example", bool)
        key = {"rotating.example", "dkim", "dkim-missing", "s1"}
        series = await exporter.series()
        assert any(key <= set(dict(labels).values()) for labels in series["maildns_domain_problem"])
        _, other = await fits(exporter, "/api/v1/changes", "/api/v1/changes?domain=right.example")

    (change,) = page["data"]
    assert (change["domain"], change["subject"], change["after"]["reason"]) == (
        "rotating.example",
        "s1",
        "dkim-missing",
    )
    assert change["expected"] is True
    assert (change["pool"], change["ip"]) == (None, None)
    assert other["data"] == []
