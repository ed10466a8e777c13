"""HELO templates: the names they give, and that these are parsed like other names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.config.templates import PLACEHOLDERS, HeloTemplate
from tests.strategies import any_addresses


@pytest.mark.parametrize(
    ("template", "address", "expected"),
    [
        pytest.param("mail.example.com", "192.0.2.10", "mail.example.com", id="constant"),
        pytest.param("mta{octet4}.example.com", "192.0.2.10", "mta10.example.com", id="one-byte"),
        pytest.param("{octet1}-{octet2}-{octet3}.x.org", "192.0.2.10", "192-0-2.x.org", id="three-bytes"),
        pytest.param("ip-{ip_dashed}.example.com", "192.0.2.10", "ip-192-0-2-10.example.com", id="dashed"),
        pytest.param("{ip_hex}.example.com", "192.0.2.10", "c000020a.example.com", id="hex"),
        pytest.param("mta{group8}.example.com", "2001:db8::1f", "mta1f.example.com", id="group-as-written"),
        pytest.param("{group1}.{group3}.example.com", "2001:db8::1f", "2001.0.example.com", id="group-zero"),
        pytest.param(
            "{ip_dashed}.example.com",
            "2001:db8::",
            "2001-0db8-0000-0000-0000-0000-0000-0000.example.com",
            id="dashed-in-full-so-that-no-label-ends-in-a-hyphen",
        ),
        pytest.param(
            "{ip_hex}.example.com", "2001:db8::1", "20010db8000000000000000000000001.example.com", id="hex-in-full"
        ),
        pytest.param("MTA{octet4}.Example.COM", "192.0.2.10", "MTA10.Example.COM", id="case-is-kept"),
        pytest.param("{{{octet4}}}", "192.0.2.10", "{10}", id="braces"),
        pytest.param("[{octet1}.0.2.10]", "192.0.2.10", "[192.0.2.10]", id="literal"),
        pytest.param("{octet1}.{octet2}.{octet3}.{octet4}", "192.0.2.10", "192.0.2.10", id="bare-address"),
        pytest.param("mta{octet4}..example.com.", "192.0.2.10", "mta10..example.com.", id="broken-on-purpose"),
    ],
)
def test_the_name_of_an_address(template, address, expected):
    """Placeholders are replaced by parts of the address, and the result is parsed like any other name."""
    assert HeloTemplate.parse(template).of(Address.parse(address)) == HeloName.parse(expected)


FRAGMENTS = st.sampled_from(
    [
        *(f"{{{name}}}" for names in PLACEHOLDERS.values() for name in names),
        "{{",
        "}}",
        "mta",
        "a",
        "0",
        "f",
        "-",
        ".",
        "..",
        "_",
        "[",
        "]",
        ":",
        "example.org",
        "X",
        "g" * 60,
        "%s",
        "{{octet1}}",
        "\\.",
    ]
)


@given(st.lists(FRAGMENTS, min_size=1, max_size=8).map("".join), any_addresses)
def test_a_template_and_a_server_agree(text, address):
    """The name from a template equals what `HeloName.parse` returns for the same text, although it skips the checks."""
    template = HeloTemplate.parse(text)
    if template.misfit(address.family) is None:
        helo = template.of(address)
        assert helo == HeloName.parse(helo.text)
        assert len(helo.text) <= 255


@given(st.text(max_size=20))
def test_any_text_is_a_template_or_a_value_error(text):
    """A text causes no other exception, and a template without placeholders is a constant name."""
    try:
        template = HeloTemplate.parse(text)
    except ValueError:
        return
    assert template.text == text
    assert (template.constant is None) == bool(template.placeholders)
