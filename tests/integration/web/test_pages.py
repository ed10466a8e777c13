"""The status page in a real browser, over the demo world."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe

from exporter.demo.world import load_scenarios
from exporter.errors import Problem
from tests.integration.web.browser import chromium, visiting
from tests.integration.web.demo import WorldClock, watched_demo

pytestmark = [pytest.mark.integration]

PAGES = [
    "/",
    "/pools/newsletter",
    "/addresses/198.51.100.5",
    "/domains/keys.example",
    "/domains/right.example",
    "/search?q=mta",
    "/changes",
    "/exporter",
    "/pools/nothing",
]
PHONE = {"width": 390, "height": 844}
HOSTILE = {
    "203.0.113.129": r"say\"hello\".vps.example.net",
    "203.0.113.130": r"line\010break.vps.example.net",
    "203.0.113.131": r"nul\000byte.vps.example.net",
    "203.0.113.132": r"\027[31mred\027[0m.vps.example.net",
    "203.0.113.133": r"</script><script>alert\(1\)</script>.vps.example.net",
    "203.0.113.134": r"\255\254\128.vps.example.net",
    "203.0.113.137": r"back\\slash{{7*7}}%s.vps.example.net",
}


async def test_from_the_front_page_to_the_broken_edge_in_two_clicks():
    """Pool, address: there the edge is red, with the reason on it, and what to publish beneath."""
    async with (
        watched_demo() as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/") as visit,
    ):
        page = visit.page
        known = {it.target.address for it in load_scenarios()}
        pattern = rf"[1-9]\d* of {len(known)} addresses and [1-9]\d* of [1-9]\d* domains need fixing"
        assert re.fullmatch(pattern, await page.locator("h1").inner_text())
        await page.get_by_role("link", name="newsletter", exact=True).first.click()
        await page.get_by_role("link", name="198.51.100.11", exact=True).click()

        broken = page.locator(".edge.broken")
        assert await broken.first.locator("text").inner_html() == "NXDOMAIN"
        assert await broken.first.locator(".line").evaluate("it => getComputedStyle(it).stroke") == "rgb(224, 68, 62)"
        assert "mta11.news.example.net" in await page.locator("svg.chain").text_content()
        assert await page.locator(".fix pre").first.inner_text() == "gone.news.example.net. A 198.51.100.11\n"


async def test_a_pages_refresh_shows_an_address_break_and_heal():
    """Without a reload and without losing what is open, within the rounds that find it out."""
    clock = WorldClock()
    async with (
        watched_demo(clock) as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/addresses/192.0.2.20") as visit,
    ):
        page = visit.page
        await page.locator("#chain-text summary").click()
        await page.evaluate("document.activeElement.blur(), window.here = true")
        assert await page.locator("h1 .badge").inner_text() == "healthy"

        clock.age = 100
        await page.wait_for_selector("h1 .badge.bad")
        await page.wait_for_selector(".edge.broken")
        assert await page.locator("#chain-text").get_attribute("open") is not None
        await page.wait_for_selector("#changes li.worse")

        clock.age = 250
        await page.wait_for_selector("h1 .badge.good")
        await page.wait_for_selector("#changes li.better")
        await page.wait_for_selector(".edge.broken", state="detached")
        assert await page.evaluate("window.here")


async def test_search_by_address_prefix_and_name():
    """An address leads to its page at once, the others to a list."""
    async with (
        watched_demo() as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/") as visit,
    ):
        page = visit.page

        async def search(query: str) -> list[str]:
            await page.keyboard.press("/")
            await page.keyboard.press("Control+a")
            await page.keyboard.type(query)
            async with page.expect_navigation():
                await page.keyboard.press("Enter")
            return await page.locator("tbody .address").all_inner_texts()

        assert len(await search("198.51.100.0/28")) == 16
        assert await search("RELAY-a") == ["192.0.2.21"]
        assert await search("2001:db8:b::") == []
        for query, path in {
            "2001:db8::10": "/addresses/2001:db8::10",
            "[2001:db8::10%eth0]:25": "/addresses/2001:db8::10",
            "192.0.2.20:25": "/addresses/192.0.2.20",
            "mail.example.org[192.0.2.20]": "/addresses/192.0.2.20",
            "keys.example.": "/domains/keys.example",
            "Newsletter": "/pools/newsletter",
        }.items():
            await page.goto(f"http://{exporter.address}/")
            await search(query)
            await page.wait_for_url(f"**{path}")
        await search("lookups")
        names = await page.locator("tbody .name").all_inner_texts()
        assert {"many-lookups.example", "void-lookups.example"} <= set(names)
        assert all("lookups" in name for name in names)
        await search("<script>alert(1)</script>")
        assert await page.locator("h1 q").inner_text() == "<script>alert(1)</script>"


async def test_without_a_script_the_pages_say_the_same():
    """Times in full, lists, chains and links are there; the search form works."""
    async with (
        watched_demo() as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/", java_script_enabled=False) as visit,
    ):
        page = visit.page
        await page.locator("input[name=q]").fill("198.51.100.1")
        await page.locator("input[name=q]").press("Enter")
        await page.wait_for_url("**/addresses/198.51.100.1")
        assert await page.locator(".edge.broken").count() == 1
        times = await page.locator("time").all_inner_texts()
        assert times
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", time) for time in times)


async def test_no_page_overflows_on_a_phone():
    """At 390 pixels nothing but the chain scrolls sideways, and no word is cut off."""
    overflowing = """[...document.querySelectorAll("main *")].filter(it =>
        !it.closest("svg") && !it.querySelector("svg.chain") && it.scrollWidth > it.clientWidth + 1
        && getComputedStyle(it).overflowX !== "visible" && !it.closest(".hidden, .stack thead"))
        .map(it => it.outerHTML)"""
    async with watched_demo() as exporter, chromium() as browser:
        for path in PAGES[:-1]:
            async with visiting(browser, f"http://{exporter.address}{path}", viewport=PHONE) as visit:
                assert await visit.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], path
                assert await visit.page.evaluate(overflowing) == [], path


async def test_a_record_is_copied_whole():
    """On a phone, a button copies the record to publish in one line, though it is shown in several."""
    async with watched_demo() as exporter, chromium() as browser:
        url = f"http://{exporter.address}/domains/keys.example"
        permissions = ["clipboard-read", "clipboard-write"]
        async with visiting(browser, url, viewport=PHONE, permissions=permissions) as visit:
            shown = visit.page.locator(".fix .copyable").filter(has_text="oldhash._domainkey").first
            await shown.get_by_role("button", name="Copy").click()
            await shown.get_by_role("button", name="Copied").wait_for()
            copied = await visit.page.evaluate("navigator.clipboard.readText()")
            assert re.fullmatch(r'oldhash\._domainkey\.keys\.example\. TXT "v=DKIM1; p=[A-Za-z0-9+/=]{200,}"', copied)
            box = await shown.locator("pre").bounding_box()
            assert box is not None
            assert box["height"] > 100
            assert box["x"] + box["width"] < PHONE["width"]


async def test_a_failed_reload_is_shown_on_every_page():
    """Each page says which configuration is in use, until a reload succeeds."""
    problems: list[Problem] = []
    async with watched_demo(problems=problems) as exporter:
        problems.append(Problem("demo.yml", 3, 1, "", "unknown key"))
        await exporter.service.reload()
        for path in PAGES[:-1]:
            assert "The last reload failed: the configuration from" in (await exporter.ask(path))[1], path
        problems.clear()
        await exporter.service.reload()
        assert "The last reload failed" not in (await exporter.ask("/"))[1]


async def test_what_fails_comes_first():
    """Failing pools, addresses and domains stand above all that is healthy; each failure has a time."""
    async with (
        watched_demo() as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/") as visit,
    ):
        titles = await visit.page.locator("main h2").all_inner_texts()
        assert titles == [
            *("Failing pools", "Failing addresses", "Failing domains"),
            *("Other pools", "Latest changes", "Other domains"),
        ]
        times = await visit.page.locator("#failing .since").all_inner_texts()
        assert times
        assert all(re.fullmatch(r"\d\d:\d\d, (\d+ (s|min) ago|just now)|before \d\d:\d\d", time) for time in times), (
            times
        )


async def test_a_finding_says_at_which_name_to_publish_and_how_to_find_out_who_can():
    """The name of a record is no zone; `check` knows the zone. A receiver's name stands once in its row."""
    async with (
        watched_demo() as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/addresses/198.51.100.10") as visit,
    ):
        fix = await visit.page.locator(".fix").first.inner_text()
        reasons = await visit.page.locator("#receivers td.wide").all_inner_texts()

    assert "At cluster.news.example.net:" in fix
    assert "maildns-exporter check 198.51.100.10 names the zone and who operates it." in fix
    assert "No PTR name of 198.51.100.10 resolves to it." in reasons
    assert not [reason for reason in reasons if "gmail" in reason or "postfix" in reason]


async def test_the_buttons_of_a_page_look_alike():
    """*Check again now* is no button of the browser's own style."""
    async with (
        watched_demo() as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/addresses/198.51.100.10") as visit,
    ):
        radius = "one => getComputedStyle(one).borderRadius + getComputedStyle(one).backgroundColor"
        looks = {await one.evaluate(radius) for one in await visit.page.locator("main button").all()}
        assert await visit.page.locator("main form button").count() == 1

    assert len(looks) == 1, looks


async def test_a_page_that_is_not_there_leads_on():
    """It names the search and the fleet."""
    async with watched_demo() as exporter:
        status, page = (await exporter.ask("/addresses/192.0.2.250"))[:2]

    assert status == 404
    assert "Search at the top of the page" in page
    assert '<a href="/">fleet</a>' in page


async def test_dark_is_dark():
    """The page follows the reader's system."""
    async with watched_demo() as exporter, chromium() as browser:
        for scheme, is_dark in (("light", False), ("dark", True)):
            async with visiting(browser, f"http://{exporter.address}/", color_scheme=scheme) as visit:
                colour = await visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (sum(map(int, re.findall(r"\d+", colour))) < 128 * 3) is is_dark


async def test_no_verdict_is_told_by_colour_alone():
    """In the bars what fails is taller than what passes, and failing cells of the map carry a sign."""
    async with (
        watched_demo() as exporter,
        chromium() as browser,
        visiting(browser, f"http://{exporter.address}/pools/newsletter") as visit,
    ):
        page = visit.page
        await page.wait_for_selector("#headline .bar-good")
        await page.wait_for_selector("#headline .bar-bad")
        heights = await page.evaluate(
            "['open', 'good', 'bad'].map(kind => "
            "document.querySelector(`#headline .bar-${kind}`).getBoundingClientRect().height)"
        )
        assert sorted(set(heights)) == heights
        await page.wait_for_selector(".map a .cell")
        fills = await page.evaluate(
            "['.map a .cell', '#level-4 .sign'].map(part => getComputedStyle(document.querySelector(part)).fill)"
        )
        assert fills == ['url("#level-4")', "rgb(255, 255, 255)"]


async def test_hostile_names_are_text():
    """In boxes, tables and sentences each stands as the DNS's presentation format has it, and none of it runs."""
    async with watched_demo() as exporter, chromium() as browser:
        for ip, name in HOSTILE.items():
            async with visiting(browser, f"http://{exporter.address}/addresses/{ip}") as visit:
                page = visit.page
                page.on("dialog", lambda dialog: visit.complaints.append(f"a dialog: {dialog.message}"))
                assert name in await page.locator("#evidence").inner_text()
                assert name in "".join(await page.locator(".box text").all_text_contents())
                assert await page.locator("script").count() == 1
                assert await page.evaluate("document.querySelectorAll('main script, main b').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(scheme):
    """Every page, light and dark: contrast, names, roles, order."""
    async with watched_demo() as exporter, chromium() as browser:
        for path in PAGES:
            found = []
            async with visiting(browser, f"http://{exporter.address}/", color_scheme=scheme) as visit:
                await visit.page.goto(f"http://{exporter.address}{path}")
                results = await Axe().run(visit.page)
                found = [
                    (path, one["id"], [node["html"] for node in one["nodes"]])
                    for one in results.response["violations"]
                    if one["impact"] in {"serious", "critical"}
                ]
                visit.complaints = [one for one in visit.complaints if "404" not in one]
            assert found == []


async def test_pages_are_light():
    """The largest page, with style sheet, script and icon, is under 100 kB, and no address is loaded from elsewhere."""
    async with watched_demo() as exporter:
        parts = ["/static/style.css", "/static/script.js", "/static/icon.svg"]
        shared = sum([len((await exporter.ask(path))[1]) for path in parts])
        for path in PAGES:
            _, page = await exporter.ask(path)
            assert len(page) + shared < 100_000, path
            assert set(re.findall(r'(?:src|href)="([a-z]+:)?//', page)) == set()
