"""Public suffixes, and what is registered below them."""

import pytest
from publicsuffixlist import PublicSuffixList

from exporter.checks.public_suffix import is_in_known_suffix, is_public_suffix, registrable_domain


@pytest.mark.parametrize(
    ("name", "registered", "is_suffix", "is_known"),
    [
        ("mail.example.org", "example.org", False, True),
        ("example.org", "example.org", False, True),
        ("org", None, True, True),
        ("static.isp.co.uk", "isp.co.uk", False, True),
        ("co.uk", None, True, True),
        ("www.city.kobe.jp", "city.kobe.jp", False, True),  # an exception
        ("www.example.other.kobe.jp", "example.other.kobe.jp", False, True),  # a wildcard
        ("user.github.io", "user.github.io", False, True),  # of the list's private section
        ("mail.example.xn--p1ai", "example.xn--p1ai", False, True),
        ("1.2.0.192.in-addr.arpa", "192.in-addr.arpa", False, True),
        ("mail.office.lan", "office.lan", False, False),
        ("lan", None, False, False),
        ("mail..example.org", None, False, False),
        (".", None, False, False),
    ],
)
def test_public_suffixes(name, registered, is_suffix, is_known):
    """Wildcards, exceptions and encoded names of the list count; a top-level domain that it lacks is unknown."""
    assert registrable_domain(name) == registered
    assert is_public_suffix(name) is is_suffix
    assert is_in_known_suffix(name) is is_known


def test_every_rule_of_the_library_is_read():
    """Reading only the rules as the DNS writes them loses none."""
    whole = PublicSuffixList()
    rules = [rule for rule in whole._publicsuffix if rule.isascii()]

    assert len(rules) > 9_000
    for rule in rules:
        name = f"a.b.{rule.removeprefix('!').removeprefix('*.')}"
        assert registrable_domain(name) == whole.privatesuffix(name)
