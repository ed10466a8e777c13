"""What an SPF record makes of a pool, and when an expansion may replace another."""

import ipaddress

import pytest

from exporter.checks.check import judge
from exporter.checks.names import DomainName
from exporter.inventory.expansion import Expansion, Trouble, expand, expansion, loses, together
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
    said = [DomainName(name) for name in names]
    compiled, evidence = judge(expand(domain, said), World.parse(zone))
    return expansion(compiled, said, evidence)


def listed(one: Expansion) -> dict[str, int]:
    """The first address of each range, and the size."""
    texts = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
    return {str(texts[each.family](each.first)): each.size for each in one.listed}


def test_every_mechanism_that_can_be_listed_is():
    """ip4, ip6, a, mx, include and redirect; a /40 of IPv6 is no list, and what is known in it is."""
    found = expanded(ZONE, "helo.example.com")
    assert listed(found) == {
        "192.0.2.0": 256,
        "198.51.100.1": 2,
        "2001:db8:1::": 65_536,
        "2001:db8:2::1": 1,
        "2001:db8:f012::25": 1,
    }
    assert found.space == (
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
def test_what_is_wrong_is_said(zone, troubles, size, is_usable):
    """Each trouble by its name; what the record authorises before it is known all the same."""
    found = expanded(zone)
    assert (list(found.troubles), found.listed.size, found.is_usable) == (troubles, size, is_usable)


def test_an_expansion_loses_what_the_next_one_lacks():
    """In either family, and in ranges that are too big to be listed; growing is no loss."""
    whole = expanded(ZONE)
    assert not loses(whole, whole)
    for gone in ("ip4:192.0.2.0/24", "a:mail.example.com", "ip6:2001:db8:1::/112", "redirect=last.example.com"):
        less = expanded(ZONE.replace(gone, ""))
        assert less.is_sound
        assert loses(whole, less)
        assert not loses(less, whole)
        both = together(whole, less)
        assert (both.listed, both.space) == (whole.listed, whole.space)
