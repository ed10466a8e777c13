"""SPF records that many addresses share are compiled once, and used only after they were confirmed."""

import asyncio
from collections import Counter

import pytest

from exporter.checks.answers import Status
from exporter.checks.spf.results import SpfResult
from exporter.sampling.spf_cache import MIN_SECONDS, MIN_USES, SpfCache
from tests.factories import World, address
from tests.fakes import FakeResolver, run, silent

DOMAIN = "example.org"
PASSES = World.parse(
    "example.org TXT v=spf1 include:_spf.example.org -all\n_spf.example.org TXT v=spf1 ip4:192.0.2.0/24"
)
FAILS = World.parse("example.org TXT v=spf1 -all")
MAX_AGE = 200.0


async def used(cache, times=MIN_USES, domain=DOMAIN):
    """The record after so many uses, when the compilation that they started has ended."""
    for _ in range(times):
        cache.compiled(domain, MAX_AGE)
    await asyncio.sleep(1)
    return cache.compiled(domain, MAX_AGE)


def cached(resolver, act):
    """Run *act* with a cache that asks *resolver*."""

    async def main():
        return await act(SpfCache(lambda: resolver, asyncio.get_running_loop().time))

    return run(main())


def result(compiled):
    """The result of a compiled record for one address."""
    return compiled and compiled.outcome(address("192.0.2.1")).result


def test_a_record_with_few_uses_is_not_compiled():
    """Evaluating it for each address is cheaper."""
    resolver = FakeResolver(PASSES)
    assert cached(resolver, lambda cache: used(cache, MIN_USES - 2)) is None
    assert not resolver.asked


def test_a_record_is_compiled_twice_and_verified():
    """Every question is asked once with the DNS cache and once without."""
    resolver = FakeResolver(PASSES)
    assert result(cached(resolver, used)) is SpfResult.PASS
    assert Counter(map(str, resolver.asked)) == {f"{name} TXT": 2 for name in (DOMAIN, "_spf.example.org")}
    assert Counter(map(str, resolver.confirmed)) == {f"{name} TXT": 1 for name in (DOMAIN, "_spf.example.org")}
    assert len(resolver.verified) == 1


@pytest.mark.parametrize(
    ("resolver", "failures"),
    [
        pytest.param(FakeResolver(PASSES, confirming=FAILS), [], id="two-answers-differ"),
        pytest.param(FakeResolver(FAILS, confirming=PASSES), [], id="fails-first"),
        pytest.param(FakeResolver(FAILS), [Status.CANARY], id="the-server-lies"),
    ],
)
def test_an_unconfirmed_record_is_not_used(resolver, failures):
    """Every address then evaluates SPF by itself."""
    resolver.failures = failures
    assert cached(resolver, used) is None


def test_only_a_change_is_confirmed():
    """A record that is the same as before needs no confirmation."""
    resolver = FakeResolver(PASSES)

    async def main(cache):
        await used(cache)
        resolver.confirmed.clear()
        await asyncio.sleep(MAX_AGE + 400)
        same = await used(cache)
        unconfirmed = not resolver.confirmed
        resolver.world = FAILS
        await asyncio.sleep(MAX_AGE + 400)
        return result(same), unconfirmed, result(await used(cache)), bool(resolver.confirmed)

    assert cached(resolver, main) == (SpfResult.PASS, True, SpfResult.FAIL, True)


def test_a_record_is_not_older_than_asked_for_nor_than_its_ttl():
    """The world's TTL is 300 s; a pool with a shorter interval wants it newer."""

    async def main(cache):
        await used(cache)
        await asyncio.sleep(MAX_AGE - 10)
        young = cache.compiled(DOMAIN, MAX_AGE)
        old = cache.compiled(DOMAIN, 60.0)
        await asyncio.sleep(150)
        return result(young), old, cache.compiled(DOMAIN, 10_000.0)

    assert cached(FakeResolver(PASSES), main) == (SpfResult.PASS, None, None)


def test_a_record_that_was_not_answered_is_tried_again_soon():
    """It is unknown for seconds, not for an interval."""
    resolver = FakeResolver(silent)

    async def main(cache):
        open_ = await used(cache)
        resolver.world = PASSES
        await asyncio.sleep(MIN_SECONDS + 1)
        return result(open_), result(await used(cache))

    assert cached(resolver, main) == (SpfResult.TEMPERROR, SpfResult.PASS)


def test_a_stopped_cache_asks_nothing():
    """It still gives the records that it has."""
    resolver = FakeResolver(PASSES)

    async def main(cache):
        cache.stop()
        return await used(cache)

    assert cached(resolver, main) is None
    assert not resolver.asked


def test_the_cache_is_bounded():
    """There may be as many HELO names as addresses."""

    async def main(cache):
        for number in range(10_000):
            cache.compiled(f"mta{number}.example.org", MAX_AGE)
        return len(cache._records)  # not visible from outside

    assert cached(FakeResolver(PASSES), main) <= 4096
