"""Many scrapers at once."""

import asyncio
import threading

from exporter.web.scrapes import Scrapes

SECONDS = 30.0


class Renderer:
    """Renders when it is told to, and counts."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.forms = []

    def __call__(self, accept, compress):
        self.forms.append((accept, compress))
        self.began.set()
        assert self.may_end.wait(SECONDS)
        return f"{len(self.forms)}".encode(), accept


async def test_forty_scrapers_at_once_share_a_rendering():
    """Who comes before one has begun gets the same; who wants another form, or comes later, gets another one."""
    renderer = Renderer()
    scrapes = Scrapes(renderer)
    many = [asyncio.create_task(scrapes.get("text", compress=True)) for _ in range(40)]
    assert await asyncio.to_thread(renderer.began.wait, SECONDS)
    plain = asyncio.create_task(scrapes.get("text", compress=False))
    late = [asyncio.create_task(scrapes.get("text", compress=True)) for _ in range(40)]
    await asyncio.sleep(0)
    many[0].cancel()
    late[0].cancel()
    await asyncio.sleep(0)
    renderer.may_end.set()

    assert {await one for one in many[1:]} == {(b"1", "text")}
    assert await plain == (b"2", "text")
    assert {await one for one in late[1:]} == {(b"3", "text")}
    assert await scrapes.get("text", compress=True) == (b"4", "text")
    assert renderer.forms == [("text", True), ("text", False), ("text", True), ("text", True)]


async def test_a_scrape_shows_what_was_there_when_it_was_asked_for():
    """A rendering that has begun before a reload is not given to who comes after it."""
    began, may_end = threading.Event(), threading.Event()
    shown = [b"old"]

    def render(_accept, _compress):
        text = shown[0]
        began.set()
        assert may_end.wait(SECONDS)
        return text, "text"

    scrapes = Scrapes(render)
    before = asyncio.create_task(scrapes.get("text", compress=False))
    assert await asyncio.to_thread(began.wait, SECONDS)
    shown[0] = b"new"
    after = asyncio.create_task(scrapes.get("text", compress=False))
    await asyncio.sleep(0)
    may_end.set()

    assert [await before, await after] == [(b"old", "text"), (b"new", "text")]


async def test_a_rendering_that_fails_is_not_kept():
    """Everybody who waited hears of it, and the next scrape is rendered anew."""
    outcomes = iter([None, (b"fine", "text")])

    def render(_accept, _compress):
        outcome = next(outcomes)
        if outcome is None:
            raise RuntimeError("broken")
        return outcome

    scrapes = Scrapes(render)
    both = await asyncio.gather(*[scrapes.get("", compress=False) for _ in range(2)], return_exceptions=True)

    assert [str(one) for one in both] == ["broken", "broken"]
    assert await scrapes.get("", compress=False) == (b"fine", "text")
