"""Expansions of SPF records: their addresses, when one may replace another, and how they are saved."""

import ipaddress
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Status
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.config.rules import MAX_POOL_ADDRESSES
from exporter.inventory.expansion import (
    MAX_ENUMERATED,
    Expansion,
    SavedExpansion,
    Trouble,
    expand,
    expansion,
    expansion_from_json,
    expansion_to_json,
    loses,
    merged,
)
from exporter.inventory.ranges import AddressRange, AddressRanges
from tests.factories import World

ZONE = """
spf.example.com TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8:1::/112 include:more.example.com -all"
more.example.com TXT "v=spf1 a:mail.example.com mx redirect=last.example.com"
more.example.com MX 10 mx.example.com
mail.example.com A 198.51.100.1
mx.example.com A 198.51.100.2
mx.example.com AAAA 2001:db8:2::1
last.example.com TXT "v=spf1 ip6:2001:db8:f000::/40 ~all"
helo.example.com AAAA 2001:db8:f012::25
helo.example.com AAAA 2001:db8:ffff::25
helo.example.com A 203.0.113.9
"""


def expanded(zone: str, *names: str, domain: str = "spf.example.com") -> Expansion:
    """The expansion of a record in a small world."""
    helo = [DomainName(name) for name in names]
    compiled, evidence = run_check(expand(domain, helo), World.parse(zone))
    return expansion(compiled, helo, evidence)


def sizes(one: Expansion) -> dict[str, int]:
    """The size of each range, by its first address."""
    texts = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
    return {str(texts[each.family](each.first)): each.size for each in one.addresses}


def test_every_mechanism_that_can_be_enumerated_is():
    """ip4, ip6, a, mx, include and redirect are; an IPv6 /40 is not, but the known addresses in it are."""
    found = expanded(ZONE, "helo.example.com")
    assert sizes(found) == {
        "192.0.2.0": 256,
        "198.51.100.1": 2,
        "2001:db8:1::": 65_536,
        "2001:db8:2::1": 1,
        "2001:db8:f012::25": 1,
    }
    assert found.not_enumerable == (
        (
            int(ipaddress.ip_address("2001:db8:f000::")),
            int(ipaddress.ip_address("2001:db8:f0ff:ffff:ffff:ffff:ffff:ffff")),
        ),
    )
    assert (found.troubles, found.terms, found.ttl_seconds) == ((), (), 300)
    assert found.is_sound


@pytest.mark.parametrize(
    ("zone", "troubles", "size", "is_usable"),
    [
        pytest.param("", [Trouble.NO_RECORD], 0, False, id="no-such-name"),
        pytest.param("spf.example.com TXT hello", [Trouble.NO_RECORD], 0, False, id="no-record"),
        pytest.param('spf.example.com TXT "v=spf1 -all"', [Trouble.NO_ADDRESSES], 0, False, id="nobody"),
        pytest.param('spf.example.com TXT "v=spf1 +all"', [Trouble.TOO_MANY_ADDRESSES], 0, False, id="everybody"),
        pytest.param(
            'spf.example.com TXT "v=spf1 ip4:10.0.0.0/8 -all"', [Trouble.TOO_MANY_ADDRESSES], 0, False, id="too-many"
        ),
        pytest.param("spf.example.com TXT !servfail", [Trouble.UNANSWERED], 0, False, id="unanswered"),
        pytest.param(
            'spf.example.com TXT "v=spf1 ip4:192.0.2.0/24 include:i.example.com -all"\ni.example.com TXT !timeout',
            [Trouble.UNANSWERED],
            256,
            False,
            id="an-include-is-unanswered",
        ),
        pytest.param(
            'spf.example.com TXT "v=spf1 ip4:192.0.2.0/24 include:gone.example.com -all"',
            [Trouble.PERMERROR],
            256,
            True,
            id="an-include-is-gone",
        ),
        pytest.param(
            'spf.example.com TXT "v=spf1 ip4:192.0.2.0/24 exists:%{ir}.example.com -all"',
            [Trouble.NOT_ENUMERABLE],
            256,
            True,
            id="a-macro",
        ),
        pytest.param(
            'spf.example.com TXT "v=spf1 ptr ip4:192.0.2.0/24 -all"',
            [Trouble.NO_ADDRESSES, Trouble.NOT_ENUMERABLE],
            0,
            False,
            id="a-ptr-before-everything",
        ),
    ],
)
def test_what_is_wrong_is_reported(zone, troubles, size, is_usable):
    """Each trouble has its name, and the addresses that are known until then are there."""
    found = expanded(zone)
    assert (list(found.troubles), found.addresses.size, found.is_usable) == (troubles, size, is_usable)


def test_an_expansion_loses_what_the_next_one_lacks():
    """This counts for both IP versions and for ranges that are too big to enumerate. Growing is no loss."""
    whole = expanded(ZONE)
    assert not loses(whole, whole)
    for gone in ("ip4:192.0.2.0/24", "a:mail.example.com", "ip6:2001:db8:1::/112", "redirect=last.example.com"):
        less = expanded(ZONE.replace(gone, ""))
        assert less.is_sound
        assert loses(whole, less)
        assert not loses(less, whole)
        both = merged(whole, less)
        assert (both.addresses, both.not_enumerable) == (whole.addresses, whole.not_enumerable)


def of(terms: str, zone: str = "", *names: str) -> Expansion:
    """The expansion of a record of these terms."""
    return expanded(f'spf.example.com TXT "v=spf1 {terms} -all"\n{zone}', *names)


@pytest.mark.parametrize(
    ("terms", "listed_addresses", "ranges"),
    [
        pytest.param("ip6:2001:db8::/112", MAX_ENUMERATED, 0, id="a-112-is-listed"),
        pytest.param("ip6:2001:db8::/111", 0, 1, id="a-111-is-not"),
        pytest.param("ip6:2001:db8::/112 ip6:2001:db8::1:0/112", 0, 1, id="nor-are-two-that-are-one"),
        pytest.param("ip6:2001:db8::/111 ip6:2001:db9::/128 ip6:2001:db7::/64", 1, 2, id="each-on-its-own"),
    ],
)
def test_what_is_too_big_to_enumerate(terms, listed_addresses, ranges):
    """IPv6 ranges of more than 65,536 addresses are not enumerable, in their order."""
    found = of(terms)

    assert (found.addresses.size, len(found.not_enumerable)) == (listed_addresses, ranges)
    assert list(found.not_enumerable) == sorted(found.not_enumerable)
    assert found.troubles == ()


@pytest.mark.parametrize(
    ("host", "troubles"),
    [
        ("", ()),
        ("ip4:192.0.2.1", (Trouble.TOO_MANY_ADDRESSES,)),
        ("ip6:2001:db8:1::1", (Trouble.TOO_MANY_ADDRESSES,)),
    ],
)
def test_the_limit_of_addresses(host, troubles):
    """A pool has at most that many addresses; with one more it gets none at all."""
    length = 32 - (MAX_POOL_ADDRESSES.bit_length() - 1)
    rest = MAX_POOL_ADDRESSES - (1 << (32 - length))
    terms = [f"ip4:10.0.0.0/{length}", "ip6:2001:db8::/64"]
    at = int(ipaddress.ip_address("172.16.0.0"))
    while rest:
        bits = rest.bit_length() - 1
        terms.append(f"ip4:{ipaddress.ip_address(at)}/{32 - bits}")
        at, rest = at + (1 << bits), rest - (1 << bits)
    found = of(" ".join([*terms, host]))

    assert found.troubles == troubles
    assert (found.addresses.size, len(found.not_enumerable)) == ((0, 0) if troubles else (MAX_POOL_ADDRESSES, 1))


@pytest.mark.parametrize(
    ("ip", "count"),
    [("2001:db8::", 1), ("2001:db8::1:ffff", 1), ("2001:db8:1::7", 1), ("2001:db8::2:0", 0), ("2001:db8:2::1", 0)],
)
def test_the_addresses_of_names_in_big_ranges_are_included(ip, count):
    """Addresses in any of the ranges, first and last included, are in the pool; others are not."""
    zone = f"helo.example.com AAAA {ip}\nhelo.example.com A 192.0.2.1"
    found = of("ip6:2001:db8::/111 ip6:2001:db8:1::/64", zone, "helo.example.com")

    assert sizes(found) == dict.fromkeys([str(ipaddress.ip_address(ip))][:count], 1)
    assert len(found.not_enumerable) == 2


def test_the_ttl_is_the_shortest_of_all_answers():
    """Unanswered questions and answers with a TTL of 0 do not count."""
    compiled, evidence = run_check(expand("spf.example.com", []), World.parse(ZONE))
    (first, second, third, *rest) = evidence
    ttls = {first: 60, second: 30, third: 0}

    changed = {asked: answer._replace(ttl=ttls.get(asked, 300)) for asked, answer in evidence.items()}
    assert expansion(compiled, [], changed).ttl_seconds == 30
    changed[second] = Answer(Status.TIMEOUT, ttl=5)
    assert expansion(compiled, [], changed).ttl_seconds == 60
    assert expansion(compiled, [], {}).ttl_seconds == 0
    assert len(rest) > 1


def test_two_expansions_merged():
    """The addresses are those of both; troubles and TTL are those of the second."""
    first = of("ip4:192.0.2.0/25 ip6:2001:db8::/64")
    second = replace(of("ip4:192.0.2.128/25 ip6:2001:db8:1::/64 exists:%{i}.example.com"), ttl_seconds=7.0)
    both = merged(first, second)

    assert sizes(both) == {"192.0.2.0": 256}
    assert both.not_enumerable == (*first.not_enumerable, *second.not_enumerable)
    assert (both.troubles, both.terms, both.ttl_seconds) == (second.troubles, second.terms, 7.0)
    assert second.terms == ("exists:%{i}.example.com in the record of spf.example.com",)
    assert loses(first, second)
    assert loses(first, replace(first, not_enumerable=()))
    assert not loses(first, both)


def test_names_are_asked_for_in_both_families():
    """Their addresses are in the evidence; without names there are no more questions."""
    world = World.parse(ZONE)
    _, with_name = run_check(expand("spf.example.com", [DomainName("helo.example.com")]), world)
    _, without = run_check(expand("spf.example.com", []), world)

    assert sorted(map(str, with_name.keys() - without.keys())) == ["helo.example.com A", "helo.example.com AAAA"]


def test_what_is_better_than_none():
    """A record with a permanent error but with addresses is; one without an answer or without addresses is not."""
    broken = of("ip4:192.0.2.0/24 include:gone.example.com")
    silent = of("ip4:192.0.2.0/24 include:i.example.com", "i.example.com TXT !timeout")
    nobody = of("include:gone.example.com")

    assert broken.troubles == nobody.troubles == (Trouble.PERMERROR,)
    assert (broken.is_sound, broken.is_usable) == (False, True)
    assert (silent.is_sound, silent.is_usable) == (False, False)
    assert (nobody.is_sound, nobody.is_usable) == (False, False)


FOUND = SavedExpansion(
    Expansion(
        AddressRanges([AddressRange(4, 0xC0000200, 0xC000020F), AddressRange(6, 1, 1)]),
        ((1 << 64, (1 << 65) - 1),),
        (Trouble.NOT_ENUMERABLE,),
        ("exists:%{i}.example.org",),
    ),
    1_700_000_000.25,
)


def test_an_expansion_comes_back():
    """Everything but the TTL is restored."""
    assert expansion_from_json("example.org", expansion_to_json("example.org", FOUND)) == FOUND


def test_that_of_another_record_does_not():
    """The configuration may have changed since it was saved."""
    assert expansion_from_json("example.net", expansion_to_json("example.org", FOUND)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["0x1", "-0x1"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(expansion_to_json("example.org", FOUND)))), json_values)
def test_a_damaged_text_is_ignored_or_an_expansion(key, value):
    """No value of any key causes an exception."""
    written = json.loads(expansion_to_json("example.org", FOUND)) | {key: value}
    found = expansion_from_json("example.org", json.dumps(written))
    assert found is None or found.expansion.is_sound


@given(st.text())
def test_other_texts_are_ignored(text):
    """No text causes an exception."""
    assert expansion_from_json("example.org", text) is None
