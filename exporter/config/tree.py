"""YAML as a tree in which every node knows its place, so that every later complaint can say where.

The rule of this file: it reads shapes, not meanings. It is built from the parser's events, without recursion and with
everything bounded, so that no text can make it run away; what YAML allows and no configuration needs (tags, complex
keys, a second document) is a problem.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml import events

from exporter.errors import Problem

# SECTION exporter.config.scalars
# What a plain (unquoted) YAML scalar means.
#
# The rule of this file: only what every YAML reader takes for the same thing is taken at all. YAML 1.1 reads
# ``no`` as
# false, ``010`` as 8 and ``1:30`` as 90; YAML 1.2 does not. A person who writes one of them means one of the
# two, and a
# mail server's address or name is the wrong place to guess.

Scalar = str | int | float | bool | None

_PLAIN: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_MAX_DIGITS = 18
_LONGEST_WORD = 3  # of those in dispute: yes, off


class AmbiguousError(ValueError):
    """A scalar that YAML readers disagree about; says what to write instead."""


def _base60(text: str) -> str:
    whole = text.lstrip("+-").replace("_", "").partition(".")[0]
    value = 0
    for part in whole.split(":"):
        value = value * 60 + int(part)
    return str(value)


def _to(value: str, fix: str) -> Callable[[str], str]:
    return lambda text: f"`{text}` means {value} to some YAML readers and text to others: {fix}"


def _number(read: Callable[[str], object]) -> Callable[[str], str]:
    def message(text: str) -> str:
        value = read(text.replace("_", ""))
        return f"`{text}` means {value} to some YAML readers, not to all: write {value}, or quote it if it is text"

    return message


def _octal(text: str) -> str:
    decimal = int(text.replace("_", ""))
    return (
        f"`{text}` means {int(text.replace('_', ''), 8)} to some YAML readers and {decimal} to others: "
        f"write {decimal}, or quote it if it is text"
    )


_COLON_MEND = ("quote it if it is text; a duration is written like 1m30s", "quote it")

_DISPUTED: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"(?i:yes|on|y)"), _to("true", "write true, or quote it if it is text")),
    (re.compile(r"(?i:no|off|n)"), _to("false", "write false, or quote it if it is text")),
    (re.compile(r"[-+]?0[0-7_]*[0-7]"), _octal),
    (re.compile(r"[-+]?0o[0-7]+"), _number(lambda text: int(text, 8))),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]*[0-9a-fA-F]"), _number(lambda text: int(text, 16))),
    (re.compile(r"[-+]?0b[01_]*[01]"), _number(lambda text: int(text, 2))),
    (re.compile(r"[-+]?[0-9][0-9_]*"), _number(int)),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
        lambda text: _to(f"the number {_base60(text)}", _COLON_MEND[text.count(":") > 2])(text),
    ),
    (
        re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"),
        lambda text: (
            f"`{text}` is a number to some YAML readers, not to all: write it like 0.5, or quote it if it is text"
        ),
    ),
    (re.compile(r"[-+]?\.(?i:inf|nan)"), _to("no finite number", "write a finite one, or quote it if it is text")),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?", re.DOTALL), _to("a date", "quote it")),
    (re.compile(r"=|<<"), _to("something special", "quote it")),
)


def read_scalar(text: str) -> Scalar:
    """What the plain scalar *text* means. Raises `AmbiguousError` where readers of YAML disagree."""
    if text in _PLAIN:
        return _PLAIN[text]
    if len(text) > _LONGEST_WORD and text[0].isalpha():
        return text
    if _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise AmbiguousError(f"{text[:_MAX_DIGITS]}... is too long for a number: quote it if it is text")
        return float(text) if "." in text else int(text)
    if len(text) <= 64:  # nothing that is in dispute is longer
        for pattern, message in _DISPUTED:
            if pattern.fullmatch(text):
                raise AmbiguousError(message(text))
    return text


# SECTION exporter.config.tree

MAX_NODES = 1_000_000
"""Values in a file, those that aliases repeat included."""
MAX_DEPTH = 32

_TOO_MUCH = f"is too much: a configuration has at most {MAX_NODES} values"
_TOO_DEEP = f"is nested too deeply: a configuration has at most {MAX_DEPTH} levels"
_PARSER_ERRORS = (yaml.YAMLError, ValueError, OverflowError)  # the last two from escapes like "\UFFFFFFFF"

Key: TypeAlias = str | int
Path: TypeAlias = tuple[Key, ...]
Content: TypeAlias = Scalar | list["Node"] | dict[str, "Node"]


@dataclass(slots=True, eq=False)
class Node:
    """A value and the line and column, from 1, where it starts.

    *keys* are the places of a mapping's keys; *size* counts the node and all below it, *height* their levels.
    A *faulty* node has been complained of already; a *dropped* one is left out of `plain`, so that the rest can still
    be judged.
    """

    line: int
    column: int
    content: Content
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    faulty: bool = False
    dropped: bool = False

    def data(self) -> object:
        """The values alone: mappings as dict, sequences as tuple."""
        if isinstance(self.content, dict):
            return {key: child.data() for key, child in self.content.items() if not child.dropped}
        if isinstance(self.content, list):
            return tuple([child.data() for child in self.content if not child.dropped])
        return self.content

    def follow(self, path: Path) -> Iterator[tuple[Key, "Node"]]:
        """Walk along *path* as `plain` has it, as far as it goes; the keys that come out are those of the file."""
        node = self
        for key in path:
            content = node.content
            if isinstance(content, dict) and isinstance(key, str) and key in content and not content[key].dropped:
                node = content[key]
                yield key, node
            elif isinstance(content, list) and isinstance(key, int):
                kept = [index for index, child in enumerate(content) if not child.dropped]
                if key >= len(kept):
                    return
                node = content[kept[key]]
                yield kept[key], node
            else:
                return


class _UnreadableError(Exception):
    """The rest of the text cannot be made sense of."""

    def __init__(self, place: tuple[int, int], what: str) -> None:
        self.line, self.column = place
        self.what = what
        super().__init__(what)


def _place(mark: Any) -> tuple[int, int]:
    """Line and column from 1; *mark* is PyYAML's or libyaml's, which have no common type."""
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


@dataclass(slots=True)
class _Open:
    """A collection that has not ended yet; *key* is what the next value belongs to."""

    node: Node
    anchor: str | None
    key: str | None = None
    is_repeated: bool = False


def read_tree(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document: its root, unless nothing can be made of it, and all that is wrong with it."""
    builder = _Builder(file)
    try:
        for event in _events(text):
            builder.take(event)
    except _UnreadableError as error:
        builder.problems.append(Problem(file, error.line, error.column, "", error.what))
        return None, builder.problems
    return builder.root, builder.problems


def _events(text: str) -> Iterator[events.Event]:
    """Parse with libyaml where PyYAML has it (twenty times as fast), but complain in PyYAML's own words everywhere."""
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except _PARSER_ERRORS as libyaml:
        error: Exception = libyaml  # PyYAML itself may let it pass, like `!!str[`
        try:
            for _ in yaml.parse(text, Loader=yaml.SafeLoader):
                pass
        except _PARSER_ERRORS as own:
            error = own
        raise _UnreadableError(_place(getattr(error, "problem_mark", None)), _syntax(error)) from None


def _syntax(error: Exception) -> str:
    """What the parser has to say, in one line, and what it usually comes from."""
    problem = str(getattr(error, "problem", None) or error).replace("\n", " ")
    hints = {
        "mapping values are not allowed": "a value with ': ' in it is quoted; keys of a mapping start in one column",
        "character '\\t'": "YAML is indented with spaces, never with tabs",
        "cannot start any token": "a value that starts with a special character is quoted",
        "did not find expected": "check brackets, quotes and indentation above",
        "expected <block end>": "keys of one mapping, and items of one list, start in one column",
        "expected ',' or": "check brackets, quotes and commas above",
        "unexpected end of stream": f"the quote that line {_opened(error)} opens is not closed",
        "could not find expected ':'": "a key is followed by a colon and a space",
    }
    hint = next((f": {hint}" for part, hint in hints.items() if part in problem), "")
    return f"is not YAML ({problem}){hint}"


def _opened(error: Exception) -> int:
    """The line, from 1, where what the parser was reading began."""
    return _place(getattr(error, "context_mark", None) or getattr(error, "problem_mark", None))[0]


class _Builder:
    """Takes the parser's events in order; at the end *root* is the document."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._made = 0
        self._documents = 0

    def take(self, event: events.Event) -> None:
        """Take the next event; raises `_UnreadableError` where the rest of the text cannot be trusted."""
        if isinstance(event, events.NodeEvent):
            self._made += 1
            if self._made > 2 * MAX_NODES:  # keys are events too
                raise _UnreadableError(_place(event.start_mark), _TOO_MUCH)
            self._take_node(event)
        elif isinstance(event, events.CollectionEndEvent):
            done = self._open.pop()
            self._add(done.node, done.anchor, _place(event.start_mark))
        elif isinstance(event, events.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _UnreadableError(_place(event.start_mark), "a second document starts here: a file holds one")

    def _take_node(self, event: events.NodeEvent) -> None:
        parent = self._open[-1] if self._open else None
        if parent and parent.key is None and isinstance(parent.node.content, dict):
            parent.key = self._key(event, parent)
            return
        if isinstance(event, events.AliasEvent):
            self._add(self._aliased(event), None, _place(event.start_mark))
            return
        place = _place(event.start_mark)
        node = Node(*place, None)
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            self._complain(node, f"has the tag {_short(tag)}: leave it out, and quote what is text")
        if isinstance(event, events.ScalarEvent):
            self._read(node, event)
            self._add(node, event.anchor, place)
            return
        if len(self._open) >= MAX_DEPTH:
            raise _UnreadableError(place, _TOO_DEEP)
        node.content = {} if isinstance(event, events.MappingStartEvent) else []
        self._open.append(_Open(node, event.anchor))

    def _key(self, event: events.NodeEvent, parent: _Open) -> str:
        place = _place(event.start_mark)
        if not isinstance(event, events.ScalarEvent):
            raise _UnreadableError(place, "is no key: a key is a plain word")
        first = parent.node.keys.setdefault(event.value, place)
        parent.is_repeated = first != place
        if parent.is_repeated:
            path = self._path(event.value)
            what = f"is given twice, first in line {first[0]}: leave one of them out"
            self.problems.append(Problem(self.file, *place, path, what))
        if event.anchor:
            self._anchors[event.anchor] = Node(*place, event.value)
        return event.value

    def _read(self, node: Node, event: events.ScalarEvent) -> None:
        node.content = event.value
        if not event.style and event.tag is None:  # plain: None to PyYAML, "" to libyaml
            try:
                node.content = read_scalar(event.value)
            except AmbiguousError as error:
                self._complain(node, str(error))

    def _aliased(self, event: events.AliasEvent) -> Node:
        name = _short(str(event.anchor))
        if any(event.anchor == entered.anchor for entered in self._open):
            raise _UnreadableError(_place(event.start_mark), f"*{name} stands inside of what it repeats")
        if event.anchor not in self._anchors:
            raise _UnreadableError(_place(event.start_mark), f"*{name} repeats &{name}, which is not above")
        return self._anchors[event.anchor]

    def _add(self, node: Node, anchor: str | None, place: tuple[int, int]) -> None:
        """Put a finished value in its place."""
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.node.size += node.size
        parent.node.height = max(parent.node.height, node.height + 1)
        if parent.node.size > MAX_NODES:
            raise _UnreadableError(place, _TOO_MUCH)
        if parent.node.height > MAX_DEPTH:
            raise _UnreadableError(place, _TOO_DEEP)
        if isinstance(parent.node.content, list):
            parent.node.content.append(node)
        elif isinstance(parent.node.content, dict) and parent.key is not None:
            if not parent.is_repeated:
                parent.node.content[parent.key] = node
            parent.key = None

    def _complain(self, node: Node, what: str) -> None:
        node.faulty = True
        self.problems.append(Problem(self.file, node.line, node.column, self._path(), what))

    def _path(self, last: str | None = None) -> str:
        """The way to the value that comes next, or to the key *last*."""
        keys: list[Key] = []
        for entered in self._open:
            content = entered.node.content
            if isinstance(content, list):
                keys.append(len(content))
            elif entered.key is not None:
                keys.append(entered.key)
        return path_text([*keys, last] if last is not None else keys)


def path_text(keys: list[Key] | Path) -> str:
    """A path as messages write it: ``pools[0].addresses[3].ip``."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            shown = key if key.isidentifier() and key.isascii() and len(key) <= 60 else _short(repr(key))
            text += f".{shown}" if text else shown
    return text


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
