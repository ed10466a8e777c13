"""What the tests of the configuration share: read a text, and get its problems as they are shown."""

from exporter.config.load import parse
from exporter.errors import ConfigError


def problems_of(text: str) -> list[str]:
    """Every problem of *text*, as a line each without the file's name; none if it loads."""
    try:
        parse(text, "m.yml")
    except ConfigError as error:
        return [line.removeprefix("m.yml:").lstrip() for line in str(error).splitlines()]
    return []
