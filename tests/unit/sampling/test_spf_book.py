"""Records that many addresses share are worked out once, and given out only when they can be believed."""

import asyncio
from collections import Counter

import pytest

from exporter.checks.answers import Status
from exporter.checks.spf.results import SpfResult
from exporter.sampling.spf_cache import LEAST_SECONDS, WORTH_USES, SpfBook
from tests.factories import World, address
from tests.fakes import FakeResolver, run, silent

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


def booked(resolver, act):
    """Run *act* with a book over *resolver*."""

    async def main():
        return await act(SpfBook(lambda: resolver, asyncio.get_running_loop().time))

    return run(main())


def result(compiled):
    """What a compiled record says of one address."""
    return compiled and compiled.outcome(address("192.0.2.1")).result


def test_a_record_that_few_ask_for_is_not_compiled():
    """Up to then, evaluating it is cheaper."""
    resolver = FakeResolver(PASSES)
    assert booked(resolver, lambda book: used(book, WORTH_USES - 2)) is None
    assert not resolver.asked


def test_what_is_given_out_was_asked_twice_and_verified():
    """Every question once from the cache, once past it; the record is then the same for everybody."""
    resolver = FakeResolver(PASSES)
    assert result(booked(resolver, used)) is SpfResult.PASS
    assert Counter(map(str, resolver.asked)) == {f"{name} TXT": 2 for name in (DOMAIN, "_spf.example.org")}
    assert Counter(map(str, resolver.confirmed)) == {f"{name} TXT": 1 for name in (DOMAIN, "_spf.example.org")}
    assert len(resolver.verified) == 1


@pytest.mark.parametrize(
    ("resolver", "failures"),
    [
        pytest.param(FakeResolver(PASSES, confirming=FAILS), [], id="two-answers-differ"),
        pytest.param(FakeResolver(FAILS, confirming=PASSES), [], id="the-other-way-round"),
        pytest.param(FakeResolver(FAILS), [Status.CANARY], id="whoever-said-it-is-a-liar"),
    ],
)
def test_what_is_not_believed_is_not_given_out(resolver, failures):
    """Every address is then evaluated by itself, and asked again before it is believed."""
    resolver.failures = failures
    assert booked(resolver, used) is None


def test_a_change_is_confirmed_and_no_change_is_not():
    """A record that says what it said before needs nobody's second opinion."""
    resolver = FakeResolver(PASSES)

    async def main(book):
        await used(book)
        resolver.confirmed.clear()
        await asyncio.sleep(MAX_AGE + 400)
        same = await used(book)
        unconfirmed = not resolver.confirmed
        resolver.world = FAILS
        await asyncio.sleep(MAX_AGE + 400)
        return result(same), unconfirmed, result(await used(book)), bool(resolver.confirmed)

    assert booked(resolver, main) == (SpfResult.PASS, True, SpfResult.FAIL, True)


def test_a_record_is_not_older_than_asked_for_nor_than_its_ttl():
    """The world's TTL is 300 s; a pool with a shorter interval wants it newer."""

    async def main(book):
        await used(book)
        await asyncio.sleep(MAX_AGE - 10)
        young = book.compiled(DOMAIN, MAX_AGE)
        old = book.compiled(DOMAIN, 60.0)
        await asyncio.sleep(150)
        return result(young), old, book.compiled(DOMAIN, 10_000.0)

    assert booked(FakeResolver(PASSES), main) == (SpfResult.PASS, None, None)


def test_what_the_dns_left_open_is_tried_again_soon():
    """A record that could not be read is unknown for seconds, not for its interval."""
    resolver = FakeResolver(silent)

    async def main(book):
        open_ = await used(book)
        resolver.world = PASSES
        await asyncio.sleep(LEAST_SECONDS + 1)
        return result(open_), result(await used(book))

    assert booked(resolver, main) == (SpfResult.TEMPERROR, SpfResult.PASS)


def test_nothing_is_asked_after_the_end():
    """A book that was stopped gives out what it has, and is silent."""
    resolver = FakeResolver(PASSES)

    async def main(book):
        book.stop()
        return await used(book)

    assert booked(resolver, main) is None
    assert not resolver.asked


def test_it_does_not_grow_without_end():
    """HELO names may be as many as there are addresses."""

    async def main(book):
        for number in range(10_000):
            book.compiled(f"mta{number}.example.org", MAX_AGE)
        return len(book._entries)  # no outside shows it

    assert booked(FakeResolver(PASSES), main) <= 4096
