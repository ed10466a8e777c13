"""`--web.external-url`."""

import click
import pytest

from exporter.cli.main import Parsed, parse_external_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.org/maildns/", "/maildns/"),
        ("http://example.org:10047", ""),
        ("/maildns", None),
        ("ftp://example.org/", None),
        ("https:///x", None),
        ("https://example.org/?x=1", None),
        ("http://[::1", None),
        ("https://example.org/{x}", None),
        ("https://example.org/a b/", None),
    ],
)
def test_its_path_is_what_links_begin_with(url, path):
    """Anything but a plain HTTP URL is refused."""
    if path is None:
        with pytest.raises(click.BadParameter, match="is not a URL like"):
            Parsed("url", parse_external_path).convert(url, None, None)
    else:
        assert Parsed("url", parse_external_path).convert(url, None, None) == path
