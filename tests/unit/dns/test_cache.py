"""The cache returns answers unchanged while they are valid, within its bounds."""

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, ExtendedError, MailExchange, Question, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName
from exporter.dns.resolver import ENTRY_BYTES, KEY_SUFFIXES, Cache
from tests.factories import address, name, names
from tests.strategies import domain_names, ipv4_addresses, ipv6_addresses

WWW = Question(DomainName("www.example.org"), "A")
SERVERS = ("192.0.2.53:53", "192.0.2.54:53")

records = st.one_of(
    st.lists(ipv4_addresses, min_size=1, max_size=4).map(tuple),
    st.lists(ipv6_addresses, min_size=1, max_size=4).map(tuple),
    st.lists(domain_names, min_size=1, max_size=4).map(tuple),
    st.lists(st.binary(max_size=9).map(Text), min_size=1, max_size=3).map(tuple),
    st.lists(st.builds(MailExchange, st.integers(0, 65_535), domain_names), min_size=1, max_size=3).map(tuple),
    st.builds(StartOfAuthority, domain_names, domain_names, st.integers(0, 2**32 - 1)).map(lambda it: (it,)),
)
chains = st.lists(domain_names, max_size=2).map(tuple)
errors = st.lists(st.builds(ExtendedError, st.integers(0, 65_535), st.text(max_size=9)), max_size=2).map(tuple)
ttls = st.integers(1, 86_400)
times = st.floats(0, 2e9)
answers = st.one_of(
    st.builds(Answer, st.just(Status.ANSWER), records, chains, ttls, st.sampled_from(SERVERS), times, errors),
    st.builds(
        Answer,
        st.sampled_from([Status.NODATA, Status.NXDOMAIN]),
        st.just(()),
        chains,
        ttls,
        st.sampled_from(SERVERS),
        times,
        errors,
    ),
)


def key(question):
    """The key of a question, as `Resolver.ask` builds it."""
    return question.name + KEY_SUFFIXES[question.rdtype]


def answer(last_byte=1, *, ttl=60):
    """Some answer."""
    return Answer(Status.ANSWER, (address(f"192.0.2.{last_byte}"),), (), ttl, SERVERS[0], 1.5e9)


@given(answers)
def test_answers_are_returned_unchanged(put):
    """Any conclusive answer is returned unchanged, with its server."""
    cache = Cache(10, SERVERS)
    number = SERVERS.index(put.server)

    cache.put([("key", put)], number, 5.0)

    assert cache.get("key", 5.0, 1.0) == put
    assert cache.last_server("key") == number


@given(st.integers(0, 86_400), st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_hit_is_younger_than_its_ttl_and_the_limit(ttl, age, max_age):
    """An entry is returned exactly while it is younger than its TTL and the given limit."""
    cache = Cache(10, SERVERS)
    cache.put([("key", answer(ttl=ttl))], 0, 1_000.0)

    hit = cache.get("key", 1_000.0 + age, max_age)

    seen_age = (1_000.0 + age) - 1_000.0
    assert (hit is not None) == (seen_age < ttl and seen_age < max_age)


@given(st.lists(st.tuples(st.integers(0, 30), answers), max_size=60), st.integers(1, 8))
def test_its_size_is_bounded_and_the_latest_is_there(puts, size):
    """Entries and bytes stay within their bounds, and a hit is the latest answer."""
    cache = Cache(size, SERVERS)
    last = {}
    for number, put in puts:
        cache.put([(f"key{number}", put)], SERVERS.index(put.server), 0.0)
        last[f"key{number}"] = put
        assert len(cache) <= size
        assert 0 <= cache.size_bytes <= size * ENTRY_BYTES

    for key, put in last.items():
        assert cache.get(key, 0.0, 1.0) in (None, put)
    cache.put([("key", answer())], 0, 0.0)
    assert len(cache) <= size
    assert cache.get("key", 0.0, 1.0) == answer()


def test_the_first_in_is_the_first_out():
    """A full cache always drops the oldest entry."""
    cache = Cache(3, SERVERS)
    for number in range(8):
        cache.put([(f"key{number}", answer(number))], 0, 0.0)

    assert [cache.get(f"key{number}", 0.0, 1.0) is not None for number in range(8)] == [False] * 5 + [True] * 3


def test_a_cache_without_entries_and_a_cleared_one_are_empty():
    """Zero entries turn the cache off. A cleared cache is empty, and can be used again."""
    off = Cache(0, SERVERS)
    off.put([("key", answer())], 0, 0.0)
    assert off.get("key", 0.0, 1.0) is None

    cache = Cache(2, SERVERS)
    cache.put([("key", answer())], 0, 0.0)
    cache.clear()
    assert (len(cache), cache.size_bytes, cache.last_server("key")) == (0, 0, None)
    cache.put([("key", answer(2))], 0, 0.0)
    assert cache.get("key", 0.0, 1.0) == answer(2)


def test_keys_of_questions_differ():
    """The key has name and type, and differs for any two questions."""
    questions = [Question(name(text), rdtype) for text in ("a", "a.a", r"a\.a", ".") for rdtype in ("A", "AAAA", "PTR")]

    assert len({key(question) for question in questions}) == len(questions)
    assert {type(key(question)) for question in questions} == {str}


@pytest.mark.parametrize("kind", ["A", "PTR"])
def test_an_entry_takes_up_to_250_bytes(kind):
    """The average over 5,000 entries of the common kinds, with everything.

    Python's tables double: they are as full with 5,000 keys as with 20,000, or with any number of that series.
    """
    cache = Cache(5_000, SERVERS)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(5_000):
        if kind == "A":
            question = Question(DomainName(f"mail-{number:05x}.outbound.example.org"), "A")
            put = Answer(Status.ANSWER, (address("192.0.2.1"),), (), 60, SERVERS[0], 1.5e9)
        else:
            question = Question(DomainName(f"{number % 250}.{number // 250}.168.192.in-addr.arpa"), "PTR")
            put = Answer(Status.ANSWER, names(f"mail-{number:05x}.outbound.example.org"), (), 60, SERVERS[0], 1.5e9)
        cache.put([(key(question), put)], 0, 0.0)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert len(cache) == 5_000
    assert taken / len(cache) <= ENTRY_BYTES
    assert cache.size_bytes / len(cache) == pytest.approx(taken / len(cache), rel=0.25)
