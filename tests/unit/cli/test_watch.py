"""A changed configuration file is noticed by its content."""

import asyncio
from collections.abc import Iterable

from exporter.cli.serve import content_hash, watching

DEADLINE_SECONDS = 300
OFTEN = 0.001


async def changes(looks: Iterable[bytes | None]) -> int:
    """How many changes are done while the given looks are taken, one after the other."""
    script = iter(looks)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    done = []

    def look() -> bytes | None:
        try:
            return next(script)
        except StopIteration:
            loop.call_soon_threadsafe(over.set)
            return None

    async def changed() -> None:
        done.append(None)

    async with watching(look, OFTEN, changed):
        await asyncio.wait_for(over.wait(), DEADLINE_SECONDS)
    return len(done)


async def test_every_new_content_is_told_once():
    """What is seen again, or not at all for a while, is no change; what was there before the last change is one."""
    assert await changes([b"a", b"a", None, b"a", b"b", b"b", None, b"a", b"c"]) == 3


async def test_a_file_that_appears_is_told():
    """Without a file at the start, the first content is news."""
    assert await changes([None, None, b"a"]) == 1


async def test_never_means_never():
    """Without an interval nothing is looked at."""

    def look() -> bytes:
        raise AssertionError

    async with watching(look, 0, asyncio.Event().wait):
        assert len(asyncio.all_tasks()) == 1


def test_a_switched_link_is_another_content_only_if_it_is(tmp_path):
    """Kubernetes replaces no file: it points a link at another folder."""
    for generation, content in {"one": "first", "two": "first", "three": "second", "four": None}.items():
        (tmp_path / generation).mkdir()
        if content:
            (tmp_path / generation / "maildns.yml").write_text(content)
    file = tmp_path / "maildns.yml"
    file.symlink_to("..data/maildns.yml")
    prints = []
    for generation in ("one", "two", "three", "four"):
        (tmp_path / "..tmp").symlink_to(generation)
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        prints.append(content_hash(file))

    first, second, third, fourth = prints
    assert first == second != third
    assert fourth is None
