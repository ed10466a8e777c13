"""Reads a text of a configuration and returns its problems, for tests."""

from exporter.config.load import parse
from exporter.errors import ConfigError


def problems_of(text: str) -> list[str]:
    """The problems of *text*, one line each without the file's name; none if it loads."""
    try:
        parse(text, "m.yml")
    except ConfigError as error:
        return [line.removeprefix("m.yml:").lstrip() for line in str(error).splitlines()]
    return []
