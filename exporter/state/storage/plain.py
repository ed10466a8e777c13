"""Values of records as plain data, to be written as JSON and read back as they were, by what their fields are declared.

The rule of this file: a record is the list of its fields, in their order; every reader raises `ValueError` for what no
writer here wrote. So a record that has other fields in another version is not misread: it is read from the DNS again.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import RangeMap
from exporter.checks.spf.results import Outcome

T = TypeVar("T")


def plain(value: Any) -> Any:
    """What `json.dumps` takes. Texts may be of any kind: names and words of closed sets are texts."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, RangeMap):
        outcomes = list(dict.fromkeys(outcome for _, outcome in value.parts))
        places = {outcome: place for place, outcome in enumerate(outcomes)}
        return [plain(tuple(outcomes)), [[low, places[outcome]] for low, outcome in value.parts]]
    if is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    return value


def typed(kind: type[T], data: Any) -> T:
    """The value of this *kind* that `plain` made *data* of."""
    return cast("T", _reader(cast("Any", kind))(data))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _one_of([_reader(one) for one in arguments])
    if origin is tuple:
        return _several(_reader(arguments[0]))
    if kind is RangeMap:
        return _range_map
    if kind is bytes:
        return lambda data: _exactly(str, data).encode("latin-1")
    if kind is DomainName or (isinstance(kind, type) and issubclass(kind, Enum)):
        return lambda data: kind(_exactly(str, data))
    if kind in {str, int, float, bool, NoneType}:
        return lambda data: _exactly(kind, data)
    hints = get_type_hints(kind)
    names = kind._fields if issubclass(kind, tuple) else [field.name for field in fields(kind)]
    return _record(kind, [_reader(hints[name]) for name in names])


def _exactly(kind: type[T], data: Any) -> T:
    if type(data) is not kind:
        raise ValueError(f"{data!r} is no {kind.__name__}")
    return data


def _one_of(readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        for reader in readers:
            try:
                return reader(data)
            except (TypeError, ValueError):
                continue
        raise ValueError(f"{data!r} is nothing of what may be here")

    return read


def _several(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda data: tuple(map(reader, _exactly(list, data)))


def _record(kind: Callable[..., Any], readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda data: kind(*[reader(one) for reader, one in zip(readers, _exactly(list, data), strict=True)])


def _range_map(data: Any) -> RangeMap:
    outcomes, parts = data
    known = _reader(tuple[Outcome | None, ...])(outcomes)
    return RangeMap([(_exactly(int, low), low, known[_exactly(int, place)]) for low, place in parts])
