"""Reads YAML as a tree in which every node has its line and column, so that problems can name them."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

import yaml
from yaml import events

from exporter.errors import Problem

Scalar = str | int | float | bool | None
Data: TypeAlias = str | int | float | bool | list["Data"] | dict[str, "Data"]
"""Values to write as YAML."""

_KEYWORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_MAX_DIGITS = 18
_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_MAX_AMBIGUOUS_WORD = 3
"""Length of the longest words that YAML readers disagree about, like "yes" and "off"."""


class AmbiguousError(ValueError):
    """A scalar that YAML readers disagree about. The message says what to write instead."""


def _base60(text: str) -> str:
    digits = text.lstrip("+-").replace("_", "").partition(".")[0].split(":")
    return str(reduce(lambda value, digit: value * 60 + int(digit), digits, 0))


def _means(value: str, fix: str) -> Callable[[str], str]:
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


_COLON_FIXES = ("quote it if it is text; a duration is written like 1m30s", "quote it")

_AMBIGUOUS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"(?i:yes|on|y)"), _means("true", "write true, or quote it if it is text")),
    (re.compile(r"(?i:no|off|n)"), _means("false", "write false, or quote it if it is text")),
    (re.compile(r"[-+]?0[0-7_]*[0-7]"), _octal),
    (re.compile(r"[-+]?0o[0-7]+"), _number(lambda text: int(text, 8))),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]*[0-9a-fA-F]"), _number(lambda text: int(text, 16))),
    (re.compile(r"[-+]?0b[01_]*[01]"), _number(lambda text: int(text, 2))),
    (re.compile(r"[-+]?[0-9][0-9_]*"), _number(int)),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
        lambda text: _means(f"the number {_base60(text)}", _COLON_FIXES[text.count(":") > 2])(text),
    ),
    (
        re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"),
        lambda text: (
            f"`{text}` is a number to some YAML readers, not to all: write it like 0.5, or quote it if it is text"
        ),
    ),
    (re.compile(r"[-+]?\.(?i:inf|nan)"), _means("no finite number", "write a finite one, or quote it if it is text")),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?", re.DOTALL), _means("a date", "quote it")),
    (re.compile(r"=|<<"), _means("something special", "quote it")),
)


def read_scalar(text: str) -> Scalar:
    """Convert an unquoted scalar. Raises `AmbiguousError` if YAML readers disagree about it.

    YAML 1.1 reads ``no`` as false, ``010`` as 8 and ``1:30`` as 90, YAML 1.2 does not. The author means one of the two,
    and a wrong guess would change an address or a name.
    """
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if len(text) > _MAX_AMBIGUOUS_WORD and text[0].isalpha():
        return text
    if _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise AmbiguousError(f"{text[:_MAX_DIGITS]}... is too long for a number: quote it if it is text")
        return float(text) if "." in text else int(text)
    if len(text) <= 64:  # longer text is never ambiguous
        for pattern, message in _AMBIGUOUS:
            if pattern.fullmatch(text):
                raise AmbiguousError(message(text))
    return text


def flow(value: Data) -> str:
    """Write a value as YAML on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return repr(value)
        case str():
            return value if _is_bare(value) else json.dumps(value)
        case list():
            return f"[{', '.join(map(flow, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {flow(item)}' for key, item in value.items())}}}"


def _is_bare(text: str) -> bool:
    """Whether *text* needs no quotes."""
    if not _BARE.fullmatch(text):
        return False
    try:
        return read_scalar(text) == text
    except AmbiguousError:
        return False


MAX_NODES = 1_000_000
"""Limit of the values in a file. Aliases count as often as they repeat a value."""
MAX_DEPTH = 32

_TOO_MUCH = f"is too much: a configuration has at most {MAX_NODES} values"
_TOO_DEEP = f"is nested too deeply: a configuration has at most {MAX_DEPTH} levels"
_PARSER_ERRORS = (yaml.YAMLError, ValueError, OverflowError)  # the last two for escapes like "\UFFFFFFFF"

Position: TypeAlias = tuple[int, int]
"""Line and column, from 1."""
Key: TypeAlias = str | int
Path: TypeAlias = tuple[Key, ...]
Content: TypeAlias = Scalar | list["Node"] | dict[str, "Node"]


@dataclass(slots=True, eq=False)
class Node:
    """A value with its position in the file.

    Attributes:
        line: Line where the value starts, from 1.
        column: Column where the value starts, from 1.
        content: The scalar, or the children.
        keys: Positions of the keys of a mapping.
        size: Number of nodes: this one and all below it.
        height: Number of levels, including this one.
        faulty: Whether a problem of this node has been reported already.
        dropped: Whether `data` leaves the node out, so that the rest can be validated. Set it by `drop`.
        kept: The indexes of the items that `data` keeps; None until `follow` needs them.
    """

    line: int
    column: int
    content: Content
    keys: dict[str, Position] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    faulty: bool = False
    dropped: bool = False
    kept: list[int] | None = None

    def drop(self, parent: "Node | None") -> None:
        """Leave the node, a child of *parent*, out of `data`."""
        self.dropped = True
        if parent is not None:
            parent.kept = None

    def data(self) -> object:
        """The values without positions: mappings as dict, sequences as tuple."""
        if isinstance(self.content, dict):
            return {key: child.data() for key, child in self.content.items() if not child.dropped}
        if isinstance(self.content, list):
            return tuple([child.data() for child in self.content if not child.dropped])
        return self.content

    def follow(self, path: Path) -> Iterator[tuple[Key, "Node"]]:
        """Yield the existing nodes along a *path* into `data`, each with its key or index in the file."""
        node = self
        for key in path:
            content = node.content
            if isinstance(content, dict) and isinstance(key, str) and key in content and not content[key].dropped:
                node = content[key]
                yield key, node
            elif isinstance(content, list) and isinstance(key, int):
                if node.kept is None:
                    node.kept = [index for index, child in enumerate(content) if not child.dropped]
                if key >= len(node.kept):
                    return
                index = node.kept[key]
                node = content[index]
                yield index, node
            else:
                return

    def problem(self, file: str, path: Path, what: str) -> Problem:
        """A problem of the node at *path*, or of the last one on the way to it."""
        trail = list(self.follow(path))
        node = trail[-1][1] if trail else self
        return Problem(file, node.line, node.column, path_text([key for key, _ in trail] or path), what)


class _UnreadableError(Exception):
    """A problem after which the rest of the text cannot be read: its position, and what is wrong."""


def _position(yaml_position: Any) -> Position:
    """Convert a mark of PyYAML or libyaml, which have no common type. (0, 0) for None."""
    return (yaml_position.line + 1, yaml_position.column + 1) if yaml_position else (0, 0)


@dataclass(slots=True)
class _OpenNode:
    """A collection that has not ended yet.

    Attributes:
        node: The collection.
        anchor: Its anchor, if it has one.
        key: Key of the next value in a mapping; None if a key comes next.
        is_repeated: Whether that key is there already.
    """

    node: Node
    anchor: str | None
    key: str | None = None
    is_repeated: bool = False


def read_tree(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document. Returns its root, or None if the text cannot be read, and all problems.

    Text of any kind is safe: it reads events without recursion, and limits the size and the depth.
    """
    builder = _Builder(file)
    try:
        for event in _events(text):
            builder.add(event)
    except _UnreadableError as error:
        (line, column), what = error.args
        builder.problems.append(Problem(file, line, column, "", what))
        return None, builder.problems
    return builder.root, builder.problems


def _events(text: str) -> Iterator[events.Event]:
    """Parse with libyaml if PyYAML has it (twenty times as fast), but report errors with PyYAML's own messages."""
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except _PARSER_ERRORS as libyaml:
        error: Exception = libyaml  # PyYAML itself may accept the text, like `!!str[`
        try:
            for _ in yaml.parse(text, Loader=yaml.SafeLoader):
                pass
        except _PARSER_ERRORS as own:
            error = own
        at = _position(getattr(error, "problem_mark", None))
        raise _UnreadableError(at, _syntax(error, _template_at(text, *at))) from None


def _template_at(text: str, line: int, column: int) -> str | None:
    """The unquoted word with a placeholder, like ``mta{octet4}.example.org``, at a position or before it."""
    written = text.split("\n")[line - 1] if line else ""
    found = re.finditer(r"""(?<!["'\w.-])[\w.-]*(?:\{\w+\}[\w.-]*)+""", written)
    return next((word[0] for word in found if word.start() < column <= word.end() + 1), None)


def _syntax(error: Exception, template: str | None) -> str:
    """The parser's error in one line, with a hint about its usual cause."""
    problem = str(getattr(error, "problem", None) or error).replace("\n", " ")
    if template is not None:
        return f'is not YAML ({problem}): quote the name with a placeholder, "{template}"'
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
    """The line, from 1, where the construct begins that the parser could not read."""
    return _position(getattr(error, "context_mark", None) or getattr(error, "problem_mark", None))[0]


class _Builder:
    """Builds the tree from the parser's events; at the end, `root` is the document."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._open: list[_OpenNode] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._documents = 0

    def add(self, event: events.Event) -> None:
        """Process the next event. Raises `_UnreadableError` if the rest of the text cannot be read."""
        if isinstance(event, events.NodeEvent):
            self._nodes += 1
            if self._nodes > 2 * MAX_NODES:  # keys are events too
                raise _UnreadableError(_position(event.start_mark), _TOO_MUCH)
            self._add_node(event)
        elif isinstance(event, events.CollectionEndEvent):
            done = self._open.pop()
            self._attach(done.node, done.anchor, _position(event.start_mark))
        elif isinstance(event, events.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _UnreadableError(_position(event.start_mark), "a second document starts here: a file has one")

    def _add_node(self, event: events.NodeEvent) -> None:
        parent = self._open[-1] if self._open else None
        if parent and parent.key is None and isinstance(parent.node.content, dict):
            parent.key = self._key(event, parent)
            return
        if isinstance(event, events.AliasEvent):
            self._attach(self._aliased(event), None, _position(event.start_mark))
            return
        start = _position(event.start_mark)
        node = Node(*start, None)
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            self._report(node, f"has the tag {_short(tag)}: leave it out, and quote what is text")
        if isinstance(event, events.ScalarEvent):
            self._read(node, event)
            self._attach(node, event.anchor, start)
            return
        if len(self._open) >= MAX_DEPTH:
            raise _UnreadableError(start, _TOO_DEEP)
        node.content = {} if isinstance(event, events.MappingStartEvent) else []
        self._open.append(_OpenNode(node, event.anchor))

    def _key(self, event: events.NodeEvent, parent: _OpenNode) -> str:
        start = _position(event.start_mark)
        if not isinstance(event, events.ScalarEvent):
            raise _UnreadableError(start, "is not a key: a key is a single word, like `name`")
        first = parent.node.keys.setdefault(event.value, start)
        parent.is_repeated = first != start
        if parent.is_repeated:
            path = self._path(event.value)
            what = f"is given twice, first in line {first[0]}: leave one of them out"
            self.problems.append(Problem(self.file, *start, path, what))
        if event.anchor:
            self._anchors[event.anchor] = Node(*start, event.value)
        return event.value

    def _read(self, node: Node, event: events.ScalarEvent) -> None:
        node.content = event.value
        if not event.style and event.tag is None:  # plain: None to PyYAML, "" to libyaml
            try:
                node.content = read_scalar(event.value)
            except AmbiguousError as error:
                self._report(node, str(error))

    def _aliased(self, event: events.AliasEvent) -> Node:
        name = _short(str(event.anchor))
        if any(event.anchor == entered.anchor for entered in self._open):
            raise _UnreadableError(
                _position(event.start_mark), f"*{name} is inside of the value that it repeats: write the value out"
            )
        if event.anchor not in self._anchors:
            raise _UnreadableError(
                _position(event.start_mark), f"*{name} repeats &{name}, which is not above: define it first"
            )
        return self._anchors[event.anchor]

    def _attach(self, node: Node, anchor: str | None, at: Position) -> None:
        """Add a complete node to its parent. *at* is where it is complete, or where an alias repeats it."""
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.node.size += node.size
        parent.node.height = max(parent.node.height, node.height + 1)
        if parent.node.size > MAX_NODES:
            raise _UnreadableError(at, _TOO_MUCH)
        if parent.node.height > MAX_DEPTH:
            raise _UnreadableError(at, _TOO_DEEP)
        if isinstance(parent.node.content, list):
            parent.node.content.append(node)
        elif isinstance(parent.node.content, dict) and parent.key is not None:
            if not parent.is_repeated:
                parent.node.content[parent.key] = node
            parent.key = None

    def _report(self, node: Node, what: str) -> None:
        node.faulty = True
        self.problems.append(Problem(self.file, node.line, node.column, self._path(), what))

    def _path(self, last: str | None = None) -> str:
        """Path of the next value, or of the key *last*."""
        keys: list[Key] = []
        for entered in self._open:
            content = entered.node.content
            if isinstance(content, list):
                keys.append(len(content))
            elif entered.key is not None:
                keys.append(entered.key)
        return path_text([*keys, last] if last is not None else keys)


def path_text(keys: list[Key] | Path) -> str:
    """Write a path for messages, like ``pools[0].addresses[3].ip``."""
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
