"""Records that many addresses share are worked out once, and given out only when they can be believed."""

import asyncio

import pytest

from exporter.checks.answers import Status
from exporter.checks.spf.results import SpfResult
from exporter.sampling.spf_cache import LEAST_SECONDS, WORTH_USES, SpfBook
from tests import clock
from tests.factories import World, address
from tests.unit.sampling.askers import WorldAsker

DOMAIN = "example.org"
PASSES = World.parse(
    "example.org TXT v=spf1 include:_spf.example.org -all\n_spf.example.org TXT v=spf1 ip4:192.0.2.0/24"
)
FAILS = World.parse("example.org TXT v=spf1 -all")
MAX_AGE = 200.0


async def used(book, times=WORTH_USES, domain=DOMAIN):
    """What the last of so many uses gives, after what it set off is over."""
    for _ in range(times):
        book.compiled(domain, MAX_AGE)
    await asyncio.sleep(1)
    return book.compiled(domain, MAX_AGE)


def booked(asker, act):
    """Run *act* with a book over *asker*."""

    async def main():
        return await act(SpfBook(lambda: asker, asyncio.get_running_loop().time))

    return clock.run(main())


def result(compiled):
    """What a compiled record says of one address."""
    return compiled and compiled.outcome(address("192.0.2.1")).result


def test_a_record_that_few_ask_for_is_not_compiled():
    """Up to then, evaluating it is cheaper."""
    asker = WorldAsker(PASSES)
    assert booked(asker, lambda book: used(book, WORTH_USES - 2)) is None
    assert not asker.asked


def test_what_is_given_out_was_asked_twice_and_verified():
    """Every question once from the cache, once past it; the record is then the same for everybody."""
    asker = WorldAsker(PASSES)
    assert result(booked(asker, used)) is SpfResult.PASS
    assert sorted(set(asker.asked)) == sorted(
        (f"{name} TXT", confirm) for name in (DOMAIN, "_spf.example.org") for confirm in (False, True)
    )
    assert asker.verifications == 1


@pytest.mark.parametrize(
    ("asker", "doubts"),
    [
        pytest.param(WorldAsker(PASSES, past_the_cache=FAILS), [], id="two-answers-differ"),
        pytest.param(WorldAsker(FAILS, past_the_cache=PASSES), [], id="the-other-way-round"),
        pytest.param(WorldAsker(FAILS), [Status.CANARY], id="whoever-said-it-is-a-liar"),
    ],
)
def test_what_is_not_believed_is_not_given_out(asker, doubts):
    """Every address is then evaluated by itself, and asked again before it is believed."""
    asker.doubts = doubts
    assert booked(asker, used) is None


def test_a_change_is_confirmed_and_no_change_is_not():
    """A record that says what it said before needs nobody's second opinion."""
    asker = WorldAsker(PASSES)

    async def main(book):
        await used(book)
        asker.asked.clear()
        await asyncio.sleep(MAX_AGE + 400)
        same = await used(book)
        unconfirmed = not any(confirm for _, confirm in asker.asked)
        asker.world = FAILS
        await asyncio.sleep(MAX_AGE + 400)
        return result(same), unconfirmed, result(await used(book)), any(confirm for _, confirm in asker.asked)

    assert booked(asker, main) == (SpfResult.PASS, True, SpfResult.FAIL, True)


def test_a_record_is_not_older_than_asked_for_nor_than_its_ttl():
    """The world's TTL is 300 s; a pool with a shorter interval wants it newer."""

    async def main(book):
        await used(book)
        await asyncio.sleep(MAX_AGE - 10)
        young = book.compiled(DOMAIN, MAX_AGE)
        old = book.compiled(DOMAIN, 60.0)
        await asyncio.sleep(150)
        return result(young), old, book.compiled(DOMAIN, 10_000.0)

    assert booked(WorldAsker(PASSES), main) == (SpfResult.PASS, None, None)


def test_what_the_dns_left_open_is_tried_again_soon():
    """A record that could not be read is unknown for seconds, not for its interval."""
    asker = WorldAsker(None)

    async def main(book):
        open_ = await used(book)
        asker.world = PASSES
        await asyncio.sleep(LEAST_SECONDS + 1)
        return result(open_), result(await used(book))

    assert booked(asker, main) == (SpfResult.TEMPERROR, SpfResult.PASS)


def test_nothing_is_asked_after_the_end():
    """A book that was stopped gives out what it has, and is silent."""
    asker = WorldAsker(PASSES)

    async def main(book):
        book.stop()
        return await used(book)

    assert booked(asker, main) is None
    assert not asker.asked


def test_it_does_not_grow_without_end():
    """HELO names may be as many as there are addresses."""

    async def main(book):
        for number in range(10_000):
            book.compiled(f"mta{number}.example.org", MAX_AGE)
        return len(book._entries)  # no outside shows it

    assert booked(WorldAsker(PASSES), main) <= 4096
