"""Many scrapers at once."""

import asyncio
import threading

from exporter.web.server import Scrapes

SECONDS = 30.0


class Quiet:
    """A rendering of which nothing can be done ahead."""

    def writing_ahead(self):
        return iter(())


class Function(Quiet):
    """One that is a function."""

    def __init__(self, render) -> None:
        self._render = render

    def render(self, accept, *, compress):
        return self._render(accept, compress)


class Renderer(Quiet):
    """Renders when it is told to, and counts."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.forms = []

    def render(self, accept, *, compress):
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

    scrapes = Scrapes(Function(render))
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

    scrapes = Scrapes(Function(render))
    both = await asyncio.gather(*[scrapes.get("", compress=False) for _ in range(2)], return_exceptions=True)

    assert [str(one) for one in both] == ["broken", "broken"]
    assert await scrapes.get("", compress=False) == (b"fine", "text")


class Ahead:
    """Counts, and has three steps ahead of each rendering; *fails* says in which of all steps it fails."""

    def __init__(self, fails=()) -> None:
        self._fails = fails
        self.renderings = 0
        self.looks = 0
        self.steps = 0
        self.running = threading.Lock()

    def render(self, accept, *, compress):  # one form is enough here
        assert self.running.acquire(blocking=False), "a step runs beside it"
        self.renderings += 1
        self.running.release()
        return b"", accept

    def writing_ahead(self):
        self.looks += 1
        for _ in range(3):
            assert self.running.acquire(blocking=False), "a rendering runs beside it"
            self.steps += 1
            self.running.release()
            if self.steps in self._fails:
                raise RuntimeError("broken")
            yield True


PAUSE_SECONDS = 0.001


async def until(is_so):
    """Wait for something that other tasks do."""
    async with asyncio.timeout(SECONDS):
        while not is_so():
            await asyncio.sleep(0.001)


async def test_between_scrapes_what_can_be_is_written_ahead():
    """Again and again, a step at a time, never beside a rendering; and nothing before the first scrape."""
    rendering = Ahead()
    scrapes = Scrapes(rendering, pause_seconds=PAUSE_SECONDS)
    await asyncio.sleep(0.01)
    assert rendering.looks == 0

    for _ in range(20):
        await scrapes.get("", compress=True)
    await until(lambda: rendering.looks >= 3)
    scrapes.stop()
    await asyncio.sleep(0)

    assert rendering.renderings == 20
    assert rendering.steps >= 6


async def test_a_scrape_goes_before_the_next_step():
    """It waits for one step at the most, however many there are."""
    may_go_on = threading.Semaphore(0)
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Endless(Quiet):
        steps = 0

        def render(self, accept, *, compress):
            return str(self.steps).encode(), accept

        def writing_ahead(self):
            while True:
                self.steps += 1
                loop.call_soon_threadsafe(began.set)
                assert may_go_on.acquire(timeout=SECONDS)
                yield True

    scrapes = Scrapes(Endless(), pause_seconds=PAUSE_SECONDS)
    assert await scrapes.get("", compress=True) == (b"0", "")
    async with asyncio.timeout(SECONDS):
        await began.wait()
    waiting = asyncio.create_task(scrapes.get("", compress=True))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    may_go_on.release(1000)

    assert await waiting == (b"1", "")
    scrapes.stop()


async def test_what_fails_ahead_of_a_scrape_is_tried_again():
    """And takes no scrape with it."""
    rendering = Ahead(fails={1, 2})
    scrapes = Scrapes(rendering, pause_seconds=PAUSE_SECONDS)
    await scrapes.get("", compress=True)
    await until(lambda: rendering.steps >= 4)

    assert await scrapes.get("", compress=True) == (b"", "")
    scrapes.stop()


async def test_nothing_is_rendered_ahead_when_no_scrape_is_expected():
    """A time that is over at once renders nothing ahead; a long one does."""
    rendering = Ahead()
    over = Scrapes(rendering, pause_seconds=PAUSE_SECONDS, expected_seconds=0.0)
    await over.get("", compress=True)
    await until(lambda: over._ahead.done())
    assert rendering.looks == 0

    scrapes = Scrapes(rendering, pause_seconds=PAUSE_SECONDS)
    await scrapes.get("", compress=True)
    await until(lambda: rendering.looks > 0)
    scrapes.stop()
