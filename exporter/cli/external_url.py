"""`--web.external-url`: where people reach the pages. What matters of it is its path, which links begin with."""

from urllib.parse import urlsplit

import click

from exporter.cli.route_prefix import is_path


class ExternalUrl(click.ParamType[str]):
    """``https://example.org/maildns/``, read as its path: ``/maildns``."""

    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a URL, or fail with what would be right."""
        text = str(value)
        try:
            parts = urlsplit(text)
            usable = parts.scheme in {"http", "https"} and parts.hostname and is_path(parts.path)
            usable = usable and not parts.query and not parts.fragment
        except ValueError:
            usable = None
        if not usable:
            self.fail(f"{text!r} is no URL like https://monitoring.example.org/maildns/", param, ctx)
        return parts.path
