"""Turns the errors of pydantic into problems: where in the file, what is wrong, and what would be right."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.config.model import sections
from exporter.config.tree import Node, Path, path_text
from exporter.config.values import describe, did_you_mean
from exporter.errors import Problem

Keys = Mapping[tuple[str, ...], list[str]]
"""Known keys of each mapping in a file, by its path as in `exporter.config.model.sections`."""

_KEYS: Keys = {path: list(section.model_fields) for path, section in sections()}
_NEEDED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a mapping (`key: value`)",
    "string_type": "text",
}
_HINTS = {
    ("addresses", str): ": write {{ip: {0}}}, or {{network: {0}}}",
    ("domains", str): ": write {{name: {0}}}",
    ("pools", str): ": write {{name: {0}, addresses: [...]}}",
}


def explain(error: ValidationError, root: Node, file: str, keys: Keys = _KEYS) -> Iterator[Problem]:
    """A problem for each error of pydantic, unless its node has a problem already.

    Drops the nodes with errors, so that `Node.data` leaves them out afterwards. *keys* are the known keys of the file.
    """
    to_drop: list[tuple[Node, Node | None]] = []
    for detail in error.errors(include_url=False, include_context=True):
        path = _path(detail)
        trail = list(root.follow(path))
        nodes = [root, *[node for _, node in trail]]
        to_drop.append((nodes[-1], nodes[-2] if trail else None))
        if any(node.faulty for node in nodes):
            continue
        missing = path[-1:] if detail["type"] == "missing" else ()
        shown = path_text([*[key for key, _ in trail], *missing])
        line, column = _position(detail, path, nodes)
        yield Problem(file, line, column, shown, _what(detail, keys))
    for node, parent in to_drop:
        node.drop(parent)


def _path(detail: ErrorDetails) -> Path:
    """The path in the file: pydantic's path without the tags of unions. An unknown key may look like a tag."""
    *above, last = detail["loc"] or ("<document>",)
    path = tuple(key for key in above if not _is_tag(key))
    return path if _is_tag(last) and detail["type"] != "extra_forbidden" else (*path, last)


def _is_tag(key: int | str) -> bool:
    return isinstance(key, str) and key.startswith("<")


def _position(detail: ErrorDetails, path: Path, nodes: list[Node]) -> tuple[int, int]:
    """Line and column of an unknown key, otherwise of the value."""
    if detail["type"] == "extra_forbidden":
        return nodes[-2].keys[str(path[-1])]
    return nodes[-1].line, nodes[-1].column


def _what(detail: ErrorDetails, keys: Keys) -> str:
    kind, value, loc = detail["type"], detail["input"], detail["loc"]
    if kind == "maildns":
        return str(detail["msg"])
    if kind == "missing":
        return "is required, or `network`" if loc[-1] == "ip" else "is required"
    if kind == "extra_forbidden":
        return _unknown_key(loc, keys)
    if kind == "literal_error":
        return f"is {describe(value)}: leave the key out for the default, or write false to turn it off"
    needed = _NEEDED.get(kind)
    if needed is None:
        return f"is {describe(value)}: {detail['msg']}"
    quoted = f" (`{value}`)" if isinstance(value, str) and value.isprintable() and len(value) <= 60 else ""
    return f"is {describe(value)}{quoted}, where {needed} is needed{_hint(loc, value)}"


def _hint(loc: tuple[int | str, ...], value: object) -> str:
    for (key, kind), hint in _HINTS.items():
        if isinstance(value, kind) and len(loc) > 1 and key in loc[-3:-1] and len(str(value)) <= 60:
            return hint.format(value)
    return ""


def _unknown_key(loc: tuple[int | str, ...], keys: Keys) -> str:
    key = str(loc[-1])
    if key == "<<":
        return "is a merge key, which is not supported: write the keys out, or make a profile of them"
    parent = tuple(part for part in loc[:-1] if isinstance(part, str))
    known = keys.get(parent, [])
    if parent[-1:] == ("<network>",) and key == "ip":
        return "is together with `network`: an entry has one of them"
    return f"is not a known key; {did_you_mean(key, known)}"
