"""`--web.listen-address`: where to serve."""

import re

import click


class ListenAddress(click.ParamType[tuple[str | None, int]]):
    """``host:port``, ``[IPv6]:port`` or ``:port`` (every interface), read as (host or None, port)."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str | None, int]:
        """Read one address, or fail with what would be right."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:]+)\]|([^:\[\]]*)):([0-9]{1,5})", str(value))
        if match is not None and int(match[3]) > 65535:
            self.fail(f"{value!r} has the port {match[3]}: 65535 is the highest", param, ctx)
        if match is None:
            self.fail(
                f"{value!r} is not an address to listen on, like :10047, 127.0.0.1:10047 or [::1]:10047", param, ctx
            )
        return match[1] or match[2] or None, int(match[3])
