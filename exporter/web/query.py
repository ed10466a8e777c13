"""Reading what a URL asks for.

The rule of this file: whatever cannot be used is a `BadQueryError`, a 400 that says what would be right; what is
well written but not configured is a `NotConfiguredError`, a 404.
"""

import math
import re

from multidict import MultiMapping

from exporter.errors import ExporterError
from exporter.web.search import MAX_QUERY, Place


class BadQueryError(ExporterError):
    """A parameter, or a header, of a request that cannot be used."""


class NotConfiguredError(ExporterError):
    """Something that a request names, and that the configuration does not have."""


def text_of(query: MultiMapping[str], name: str) -> str:
    """A parameter as text; "" if it is not there."""
    values = query.getall(name, [])
    if len(values) > 1:
        raise BadQueryError(f"{name} is given {len(values)} times, once would be right")
    text = values[0].strip() if values else ""
    if len(text) > MAX_QUERY:
        raise BadQueryError(f"{name} has {len(text)} characters, {MAX_QUERY} at most would be right")
    return text


def whole_number(query: MultiMapping[str], name: str, low: int, high: int) -> int | None:
    """A parameter as a number from *low* to *high*; None if it is not there."""
    text = text_of(query, name)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII) or not low <= int(text) <= high:
        raise BadQueryError(f"{name} is not a number from {low} to {high}")
    return int(text)


def place_parameter(query: MultiMapping[str], name: str) -> Place:
    """A parameter that says where a list goes on, as an earlier page gave it; the start if it is not there."""
    text = text_of(query, name)
    if not text:
        return 0, 0
    match = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,12})", text, re.ASCII)
    if match is None:
        raise BadQueryError(f"{name} is not a place that an earlier page gave")
    return int(match[1]), int(match[2])


def place_text(place: Place) -> str:
    """A place, as `place_parameter` reads it."""
    return f"{place[0]}-{place[1]}"


def seconds_of(text: str, what: str, high: float) -> float:
    """A positive length of time in seconds, *high* at most; neither NaN nor infinite."""
    try:
        seconds = float(text) if re.fullmatch(r"[0-9.eE+-]{1,30}", text, re.ASCII) else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds <= 0:
        raise BadQueryError(f"{what} is not a positive number of seconds")
    return min(seconds, high)
