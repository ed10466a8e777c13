"""The rule of thumb that stands in for the public suffix list."""

import pytest

from exporter.checks.receivers.haraka import organizational_domain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mail.example.org", "example.org"),
        ("example.org", "example.org"),
        ("a.b.c.Example.ORG", "example.org"),
        ("mail.example.co.uk", "example.co.uk"),
        ("example.com.br", "example.com.br"),
        ("co.uk", None),
        ("org", None),
        ("mail.example.test", None),
        ("mail.example.local", None),
        ("192.0.2.1", None),
        ("mail..example.org", None),
        ("mail.example.org.", None),
        ("mail.example.xn--p1ai", "example.xn--p1ai"),
    ],
)
def test_organizational_domain(name, expected):
    """The registered domain is guessed, and is none where the top-level domain is not a real one."""
    assert organizational_domain(name) == expected
