"""Compiled and evaluated SPF say the same, of every address, in any world."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.check import run_check
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import OpenTerm, size
from exporter.checks.spf.evaluate import spf
from exporter.checks.spf.results import Limits, SpfResult
from tests.examples import examples
from tests.factories import World, address
from tests.strategies import any_addresses, outages
from tests.unit.checks.spf.worlds import DOMAINS, REAL, REAL_DOMAINS, spf_clients, spf_limits, spf_worlds


def evaluated(world, client, limits):
    """The outcome of an evaluation for one address."""
    return run_check(spf(client, "mailfrom", DOMAINS[0], limits=limits), world)[0].outcome


def edges(ranges, family):
    """The addresses at both ends of each range, and their neighbours."""
    octets = 4 if family == 4 else 16
    numbers = {number + near for pair in ranges for number in pair for near in (-1, 0, 1)}
    return [Address(number.to_bytes(octets, "big")) for number in numbers if 0 <= number < 1 << 8 * octets]


@examples(150)
@given(spf_worlds(), spf_limits, st.data())
def test_compiled_and_evaluated_agree(world, limits, data):
    """Whatever is published, and whatever goes unanswered, an outcome that is compiled is the one that is evaluated."""
    compiled, evidence = run_check(compile_spf(DOMAINS[0], limits=limits), world)
    if data.draw(st.booleans()):
        world = world.without_answers_to(data.draw(outages(list(evidence))))
        compiled, _ = run_check(compile_spf(DOMAINS[0], limits=limits), world)
    clients = [*data.draw(st.lists(spf_clients | any_addresses, min_size=1, max_size=8))]
    for family in (4, 6):
        clients += edges(compiled.authorised(family)[:4], family)

    for client in clients:
        if (outcome := compiled.outcome(client)) is not None:
            assert outcome == evaluated(world, client, limits)
        else:
            assert compiled.open_terms


@given(spf_worlds(enumerable=True))
def test_a_record_without_macros_ptr_and_the_like_is_open_nowhere(world):
    """What can be enumerated is, as a whole; of records that are woven past the limit of terms, not all."""
    compiled, _ = run_check(compile_spf(DOMAINS[0], limits=Limits(lookups=4)), world)

    assert compiled.open_terms == ()
    assert compiled.open(4) == compiled.open(6) == ()


def random_clients(compiled, count, seed):
    """Addresses of which half are near the edges of what is authorised, where errors would be."""
    draw = random.Random(seed)
    near = [*edges(compiled.authorised(4), 4), *edges(compiled.authorised(6), 6)]
    for _ in range(count):
        kind = draw.randrange(4)
        if kind == 0 and near:
            yield draw.choice(near)
        elif kind == 1 and compiled.authorised(4):
            low, high = draw.choice(compiled.authorised(4))
            yield Address(draw.randint(low, high).to_bytes(4, "big"))
        elif kind == 2:
            low, high = draw.choice(compiled.authorised(6) or ((0, 2**128 - 1),))
            yield Address(draw.randint(low, high).to_bytes(16, "big"))
        else:
            yield Address(draw.randbytes(4))


@pytest.mark.parametrize("count", [500, pytest.param(25_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("domain", REAL_DOMAINS)
def test_both_ways_agree_on_random_addresses(domain, count):
    """Addresses against each of four records shaped like those of big senders: 100,000 in all, with the slow ones."""
    compiled, _ = run_check(compile_spf(domain), REAL)
    seen = set()
    for client in random_clients(compiled, count, seed=domain):
        outcome = compiled.outcome(client)
        expected = run_check(spf(client, "mailfrom", domain), REAL)[0].outcome
        assert outcome == expected or (outcome is None and compiled.open_terms)
        seen.add(outcome and outcome.result)

    assert SpfResult.PASS in seen
    assert len(seen) > 1


def test_the_pool_of_microsoft_365_is_counted():
    """The published ranges hold 458,752 IPv4 addresses, and a tenant's record adds its own."""
    pool, _ = run_check(compile_spf("spf.protection.outlook.example"), REAL)
    tenant, _ = run_check(compile_spf("tenant.example"), REAL)

    assert size(pool.authorised(4)) == 458_752
    assert pool.open_terms == ()
    assert pool.outcome(address("40.92.0.1")).result == "pass"
    assert pool.outcome(address("40.91.255.255")).result == "fail"
    assert tenant.open_terms == (OpenTerm("_spf.crm.example", "exists:%{i}._spf.mta.crm.example"),)
    assert tenant.outcome(address("40.92.0.1")).result == "pass"
    assert tenant.outcome(address("192.0.2.200")) is None


def test_what_takes_too_many_lookups_is_left_to_evaluation():
    """However many lookups are allowed, a compilation follows a bounded number of terms, and says where it ends."""
    zone = "example.org TXT v=spf1 ip4:192.0.2.1 include:example.org -all"
    compiled, _ = run_check(compile_spf("example.org", limits=Limits(lookups=1_000)), World.parse(zone))

    assert compiled.outcome(address("192.0.2.1")).result == "pass"
    assert compiled.outcome(address("192.0.2.2")) is None
    assert compiled.open_terms == (OpenTerm("example.org", "include:example.org"),)


def test_answers_of_many_thousands_of_addresses_are_left_to_evaluation():
    """What fits is compiled. From the first term on that is too long, an address has its outcome all the same."""
    zone = ["example.org TXT v=spf1 a:m1.example.org a:m2.example.org a:m3.example.org -all"]
    zone += [f"m{host}.example.org A 10.{host}.{n >> 8}.{n & 255}" for host in (1, 2, 3) for n in range(1, 8_000, 2)]
    world = World.parse("\n".join(zone))
    compiled, _ = run_check(compile_spf("example.org"), world)

    assert size(compiled.authorised(4)) == 8_000
    assert compiled.open_terms == (OpenTerm("example.org", "a:m3.example.org"),)
    assert compiled.outcome(last := address("10.3.31.63")) is None
    assert run_check(spf(last, "mailfrom", "example.org"), world)[0].result == "pass"


def test_lookups_count_by_the_way_that_an_address_takes():
    """An address that an include matches has fewer lookups behind it than one that gets past all of them."""
    includes = " ".join(f"include:i{number}.example.org" for number in range(10))
    zone = [f"example.org TXT v=spf1 {includes} a -all", "example.org A 192.0.2.99"]
    zone += [f"i{number}.example.org TXT v=spf1 ip4:192.0.2.{number} -all" for number in range(10)]
    compiled, _ = run_check(compile_spf("example.org"), World.parse("\n".join(zone)))

    assert compiled.outcome(address("192.0.2.9")).result == "pass"
    assert compiled.outcome(address("192.0.2.99")).result == "permerror"
