"""Turns the errors of pydantic into problems: where in the file, what is wrong, and what would be right."""

import re
from collections.abc import Collection, Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.config.model import sections
from exporter.config.templates import PLACEHOLDERS
from exporter.config.tree import Data, Node, Path, flow, path_text
from exporter.config.values import describe, known_are, meant_by, networks_of, parse_address
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
_ONE_EACH = {"network": "an entry", "spf": "a pool", "aligned_suffix": "a pool", "profile": "a pool", "zone": "an item"}
"""What takes one value of a key where several are written."""

_MAX_SHOWN = 80
"""Characters of a value that a message repeats."""


def explain(error: ValidationError, root: Node, file: str, keys: Keys = _KEYS) -> Iterator[Problem]:
    """A problem for each error of pydantic, unless its node has a problem already.

    Drops the nodes with errors, so that `Node.data` leaves them out afterwards. *keys* are the known keys of the file.
    A key that is missing because its name is wrong is one problem.
    """
    to_drop: list[tuple[Node, Node | None]] = []
    details = error.errors(include_url=False, include_context=True)
    misnamed = {
        (detail["loc"][:-1], _key_meant(detail["loc"], detail["input"], keys))
        for detail in details
        if detail["type"] == "extra_forbidden"
    }
    for detail in details:
        path = _path(detail)
        trail = list(root.follow(path))
        nodes = [root, *[node for _, node in trail]]
        to_drop.append((nodes[-1], nodes[-2] if trail else None))
        if any(node.faulty for node in nodes) or _is_misnamed(detail, misnamed):
            continue
        missing = path[-1:] if detail["type"] == "missing" else ()
        shown = path_text([*[key for key, _ in trail], *missing])
        line, column = _position(detail, path, nodes)
        yield Problem(file, line, column, shown, _what(detail, keys, nodes[-2].keys if len(nodes) > 1 else ()))
    for node, parent in to_drop:
        node.drop(parent)


def _is_misnamed(detail: ErrorDetails, misnamed: set[tuple[tuple[int | str, ...], str | None]]) -> bool:
    *above, last = detail["loc"] or ("",)
    instead = {str(last), "network"} if last == "ip" else {str(last)}
    return detail["type"] == "missing" and any((tuple(above), key) in misnamed for key in instead)


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


def _what(detail: ErrorDetails, keys: Keys, given: Collection[str]) -> str:
    """The message. *given* are the keys of the mapping that has the key."""
    kind, value, loc = detail["type"], detail["input"], detail["loc"]
    if isinstance(value, dict) and any(value.keys() & known.keys() for known in PLACEHOLDERS.values()):
        return f'is a mapping to YAML: quote the name with a placeholder, like "mta{{{next(iter(value))}}}.example.org"'
    if kind == "maildns":
        message = str(detail["msg"])
        if not (message.endswith("one value is needed") and isinstance(value, tuple) and value):
            return message
        each = _ONE_EACH.get(str(_key(loc)))
        return message + (f": make {each} for each" if each else ": write one of them")
    if kind == "missing":
        return "is required, or `network`" if loc[-1] == "ip" else "is required"
    if kind == "extra_forbidden":
        return _unknown_key(loc, value, keys, given)
    if kind == "literal_error":
        return f"is {describe(value)}: leave the key out for the default, or write false to turn it off"
    needed = _NEEDED.get(kind)
    if needed is None:
        return f"is {describe(value)}: {detail['msg']}"
    quoted = f" (`{value}`)" if isinstance(value, str) and value.isprintable() and len(value) <= _MAX_SHOWN else ""
    hint = _list_for(loc, value, keys) if kind == "tuple_type" else None
    if kind == "model_type":
        hint = _mapping_for(loc, value)
    elif isinstance(value, str):
        hint = hint or _scalar_for(kind, value)
    return f"is {describe(value)}{quoted}, where {needed} is needed" + (f": write {hint}" if hint else "")


def _key(loc: tuple[int | str, ...]) -> str | None:
    """The last key on the way to *loc*; None at the root."""
    return next((key for key in reversed(loc) if isinstance(key, str) and not _is_tag(key)), None)


def _list_for(loc: tuple[int | str, ...], value: object, keys: Keys) -> str | None:
    """The list to write in place of *value*, in which it is an item."""
    if isinstance(value, dict):
        first = next(iter(value), None)
        path = tuple(part for part in loc if isinstance(part, str))
        inside = {key for other, known in keys.items() if other[: len(path)] == path for key in known}
        if first is None:
            return None
        if not inside:
            texts: list[Data] = [one for one in value.values() if isinstance(one, str)] or [*value]
            return flow(texts[:3])
        if first not in inside:
            entries = _entries(" ".join(f"{key} {one}" for key, one in value.items())[:_MAX_SHOWN])
            named = f"`- name: {flow(first)}`, and its keys below `name`"
            return flow(entries) if entries and "ip" in inside else named
        return f"`- {flow(first)}: ...`, with a hyphen before the first key"
    if not isinstance(value, str) or len(value) > _MAX_SHOWN:
        return None
    items = _items(_key(loc), value)
    return flow(items) if items else None


def _mapping_for(loc: tuple[int | str, ...], value: object) -> str | None:
    """The mapping to write in place of *value*, or the key above it."""
    if isinstance(value, str) and len(value) <= _MAX_SHOWN:
        items = _items(_key(loc), value)
        return ", ".join(map(flow, items)) if all(isinstance(item, dict) for item in items) else None
    if isinstance(value, tuple) and not loc and value and all(isinstance(one, dict) for one in value):
        is_domain = any("dkim_selectors" in one for one in value)
        return f"`{'domains' if is_domain else 'pools'}:` in a line above it"
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], dict):
        return "its keys without the hyphen"
    if isinstance(value, tuple) and value and all(isinstance(one, str) for one in value):
        return _mapping_for(loc, " ".join(value))
    return None


def _scalar_for(kind: str, text: str) -> str | None:
    """The number, true or false to write in place of *text*."""
    if kind == "bool_type":
        spellings = {"true": "true yes on y 1", "false": "false no off n 0"}
        return next((word for word, others in spellings.items() if text.lower() in others.split()), None)
    return f"{text} without quotes" if text.isascii() and text.isdigit() else None


def _items(key: str | None, text: str) -> list[Data]:
    """What *text* has to be in the list, or mapping, at *key*; nothing if that is not clear."""
    match key:
        case "addresses":
            return _entries(text)
        case "pools":
            is_name = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) is not None
            entries = [] if is_name else _entries(text)
            return [{"name": text if is_name else "corporate", "addresses": entries or [{"ip": "192.0.2.10"}]}]
        case "resolvers":
            return [{"name": "local", "servers": list(_split(text))}]
        case "domains":
            return [{"name": word} for word in _split(text)]
        case "profiles":
            return [{"name": text}]
        case "storage":
            return [{"path": text}]
        case "canary" | "must_resolve":
            return [{"must_resolve": [text]}] if key == "canary" else [text]
        case None:
            return []
        case _:
            return list(_split(text))


def _split(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _entries(text: str) -> list[Data]:
    """Entries of `addresses` for a text like ``192.0.2.1, 192.0.2.0/28`` or ``192.0.2.1 mail.example.org``."""
    entries: list[Data] = []
    for word in _split(text):
        entry = _entry(word)
        latest = entries[-1] if entries else None
        if entry is not None:
            entries.append(entry)
        elif isinstance(latest, dict) and "helo" not in latest and re.search("[A-Za-z]", word):
            latest["helo"] = word
        else:
            return [{"ip": "192.0.2.10", "helo": text}] if re.fullmatch("[A-Za-z][A-Za-z0-9.-]+", text) else []
    return entries


def _entry(word: str) -> dict[str, Data] | None:
    word = re.sub("^(?:ip|network):(?=[0-9])", "", word)  # without the blank after the colon it is no key
    try:
        return {"ip": str(parse_address(word))}
    except ValueError:
        networks = networks_of(word)
        return {"network": str(networks[0])} if len(networks) == 1 else None


def _known_keys(loc: tuple[int | str, ...], keys: Keys) -> list[str]:
    parent = tuple(part for part in loc[:-1] if isinstance(part, str))
    return [*keys.get(parent, []), *(["network"] if parent[-1:] == ("<ip>",) else [])]


def _key_meant(loc: tuple[int | str, ...], value: object, keys: Keys) -> str | None:
    """The known key that the unknown one at *loc* stands for."""
    key, known = str(loc[-1]), _known_keys(loc, keys)
    if "ip" in known and _entry(key) is not None:
        return "ip"
    if "network" in known and isinstance(value, str) and networks_of(value) and meant_by(key, known) == "ip":
        return "network"
    return meant_by(key, known)


def _unknown_key(loc: tuple[int | str, ...], value: object, keys: Keys, given: Collection[str]) -> str:
    key = str(loc[-1])
    if key == "<<":
        return "is a merge key, which is not supported: write the keys out, or make a profile of them"
    parent = tuple(part for part in loc[:-1] if isinstance(part, str))
    known = _known_keys(loc, keys)
    if parent[-1:] == ("<network>",) and key == "ip":
        return "is together with `network`: an entry has one of them"
    meant = _key_meant(loc, value, keys)
    entry = _entry(key) if meant == "ip" else None
    if entry is not None:
        return f"is no key: write {flow({**entry, **({'helo': value} if isinstance(value, str) else {})})}"
    if meant is not None and meant not in given:
        return f"is not a known key; did you mean `{meant}`?"
    elsewhere = {".".join(part for part in path if not _is_tag(part)) for path, others in keys.items() if key in others}
    if elsewhere:
        top = "the top of the file, without a margin"
        *several, last = [f"`{where}`" if where else top for where in sorted(elsewhere)]
        return f"is not a key here: it belongs in {', '.join(several)}{' or ' if several else ''}{last}"
    return f"is not a known key; {known_are(known)}"
