"""Profiles: their defaults, and how pools and other profiles change them."""

import pytest

from exporter.checks.result import ADDRESS_CHECKS
from exporter.config.load import parse
from exporter.config.model import BUILT_IN

EVERYTHING = set(ADDRESS_CHECKS)
DEFAULT = EVERYTHING - {"helo-ptr-match", "helo-aligned"}


def pool(keys: str, profiles: str = "[]"):
    """The settings of a pool with *keys*, in flow style."""
    text = f"profiles: {profiles}\npools: [{{name: a, {keys}, addresses: [{{ip: 192.0.2.1}}]}}]"
    return parse(text, "m.yml").pools[0]


@pytest.mark.parametrize(
    ("keys", "expected", "suffix"),
    [
        pytest.param("interval: 5m", DEFAULT, None, id="none-given"),
        pytest.param("profile: default", DEFAULT, None, id="default"),
        pytest.param("profile: dedicated", EVERYTHING, None, id="dedicated"),
        pytest.param("profile: google-workspace", EVERYTHING, "google.com", id="google"),
        pytest.param(
            "profile: microsoft-365",
            {"fcrdns", "helo-syntax", "helo-resolves", "helo-aligned", "spf-helo"},
            "outbound.protection.outlook.com",
            id="microsoft",
        ),
        pytest.param("profile: dedicated, aligned_suffix: Example.COM.", EVERYTHING, "example.com", id="own-suffix"),
        pytest.param("profile: dedicated, expect: [fcrdns]", {"fcrdns"}, None, id="a-list-replaces"),
        pytest.param("expect: []", set(), None, id="an-empty-list-expects-nothing"),
        pytest.param("expect: {add: [helo-ptr-match, helo-aligned]}", EVERYTHING, None, id="add"),
        pytest.param("profile: dedicated, expect: {remove: [fcrdns]}", EVERYTHING - {"fcrdns"}, None, id="remove"),
    ],
)
def test_what_a_pool_expects(keys, expected, suffix):
    """The profile has the defaults, and the pool's own keys override them."""
    settings = pool(keys)
    assert settings.expect == expected
    assert settings.aligned_suffix == suffix


@pytest.mark.parametrize(
    ("profiles", "expected", "suffix"),
    [
        pytest.param("[{name: p}]", DEFAULT, None, id="based-on-default"),
        pytest.param("[{name: p, based_on: dedicated}]", EVERYTHING, None, id="based-on-another"),
        pytest.param(
            "[{name: p, based_on: q, expect: {remove: [helo-aligned]}}, "
            "{name: q, based_on: microsoft-365, expect: {remove: [helo-syntax]}, aligned_suffix: example.net}]",
            {"fcrdns", "helo-resolves", "spf-helo"},
            "example.net",
            id="based-on-one-below",
        ),
    ],
)
def test_a_profile_of_the_operator(profiles, expected, suffix):
    """It starts from the profile that it is based on, wherever that is in the file."""
    settings = pool("profile: p", profiles)
    assert settings.expect == expected
    assert settings.aligned_suffix == suffix


def test_every_profile_has_a_reason():
    """Each built-in profile says why it expects what it expects."""
    assert all(profile.reason.endswith(".") and profile.name == name for name, profile in BUILT_IN.items())


@pytest.mark.parametrize(
    ("profiles", "keys", "expected"),
    [
        pytest.param("[]", "interval: 5m", False, id="nobody-needs-one"),
        pytest.param("[]", "profile: dedicated", False, id="not-even-dedicated-servers"),
        pytest.param("[]", "profile: microsoft-365", True, id="microsoft-publishes-one-for-each-name"),
        pytest.param("[]", "profile: microsoft-365, helo_spf_required: false", False, id="the-pool-has-the-last-word"),
        pytest.param("[{name: p, based_on: microsoft-365}]", "profile: p", True, id="a-profile-inherits"),
        pytest.param("[{name: p, helo_spf_required: true}]", "profile: p", True, id="a-profile-says-otherwise"),
    ],
)
def test_whether_a_helo_name_needs_an_spf_record(profiles, keys, expected):
    """The profile has the default, and the pool overrides it."""
    assert pool(keys, profiles).helo_spf_required is expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param("interval: 5m", ["bl.example"], id="expected"),
        pytest.param("expect: [fcrdns]", [], id="not-expected"),
        pytest.param("profile: microsoft-365", [], id="not-in-the-profile"),
        pytest.param("profile: microsoft-365, expect: {add: [dnsbl]}", ["bl.example"], id="added"),
        pytest.param("profile: microsoft-365, dnsbls: bl.example", ["bl.example"], id="asked-for"),
        pytest.param("dnsbls: []", [], id="none"),
    ],
)
def test_a_pool_is_looked_up_in_block_lists_if_it_expects_that_or_names_them(keys, expected):
    """Nobody can do anything about listings of somebody else's pool."""
    assert list(pool(keys, "[]\ndnsbls: [bl.example]").dnsbls) == expected
