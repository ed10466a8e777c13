"""A length of time on the command line: written as in the configuration, read as seconds."""

import click

from exporter.config.durations import Duration


class Interval(click.ParamType[float]):
    """``30s``, ``5m``, ``0s``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a duration, or fail with what would be right."""
        if isinstance(value, float):
            return value
        try:
            return Duration.parse(str(value)).seconds
        except ValueError as error:
            self.fail(str(error), param, ctx)
