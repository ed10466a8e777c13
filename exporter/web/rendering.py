"""Turns what is known into HTML.

The rule of this file: everything is escaped by the templates' engine, and nothing is marked as safe. Times are written
in full; the script in the page makes ages of them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter import __version__
from exporter.checks.receivers import by_design
from exporter.web.documents import printable, records_of
from exporter.web.helo_names import share_words

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, values: Mapping[str, Any]) -> str:
    """One page."""
    return environment().get_template(template).render(values)


@cache
def environment() -> "Environment":
    """The templates, compiled. The first call takes a while: Jinja2 is imported when the first page is asked for."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "iso": iso,
        "clock": clock,
        "duration": duration,
        "number": number,
        "percent": percent,
        "share": share_words,
        "printable": printable,
        "records": records_of,
        "breakable": breakable,
    }
    made.globals |= {"version": __version__, "by_design": by_design}
    for name in made.list_templates():
        made.get_template(name)
    return made


def iso(seconds: float) -> str:
    """A Unix time for `datetime` attributes."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(seconds: float) -> str:
    """A Unix time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """A length of time for people: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def number(value: float) -> str:
    """A count, with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(part: float, whole: float) -> float:
    """A share for the width of a bar, from 0 to 100; what is there at all can be seen."""
    if not whole or not part:
        return 0.0
    return round(max(1.0, 100 * part / whole), 2)


def breakable(name: str) -> list[str]:
    """A name, cut behind its dots, so that a browser can break the line there."""
    pieces = name.split(".")
    return [f"{piece}." for piece in pieces[:-1]] + pieces[-1:]
