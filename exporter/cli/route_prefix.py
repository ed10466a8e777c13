"""`--web.route-prefix`: what every path begins with here."""

import re

import click


def is_path(text: str) -> bool:
    """Whether a text is a path that needs no escaping and means nothing else: no pattern, no query, no way up."""
    parts = [part for part in text.split("/") if part]
    return all(re.fullmatch(r"[A-Za-z0-9._~-]+", part) and part.strip(".") for part in parts)


class RoutePrefix(click.ParamType[str]):
    """``/maildns``, with or without the slashes around it; ``/`` for none."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a path, or fail with what would be right."""
        text = str(value)
        if not is_path(text):
            self.fail(f"{text!r} is no path of letters, digits and ._~- like /maildns", param, ctx)
        return text
