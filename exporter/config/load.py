"""Reads and validates a configuration file: YAML, then single keys, then rules over several keys."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from exporter.config.configuration import Configuration, resolve
from exporter.config.explain import explain
from exporter.config.model import Document
from exporter.config.rules import violations
from exporter.config.tree import Node, path_text, read_tree
from exporter.errors import ConfigError, Problem

MAX_BYTES = 16 << 20
MAX_PROBLEMS = 50
"""How many problems of a file that is read again and again are reported."""
NAME_ANOTHER = "name the configuration file with --config.file"

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.1 section 4.1


def read_regular(path: Path, max_bytes: int, too_large: str) -> bytes:
    """Read a file that is watched. Raises `ConfigError` for what is no regular file, and *too_large* above the maximum.

    Opening never waits: a FIFO without a writer, or a device, would block the thread for ever.
    """
    try:
        with open(path, "rb", opener=_open_regular) as file:  # Path.open has no opener
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, f"cannot be read: {error.strerror if isinstance(error, OSError) else error}") from None
    if len(content) > max_bytes:
        raise _unreadable(path, too_large)
    return content


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise ValueError("it is not a regular file, but a folder, FIFO, socket or device")


def first_problems(problems: Sequence[Problem], source: str) -> list[Problem]:
    """The first problems of a file, by line, after one that has the number of all."""
    found = sorted(problems)
    if len(found) <= MAX_PROBLEMS:
        return found
    what = f"has {len(found)} problems; the first {MAX_PROBLEMS} are"
    return [Problem(source, 0, 0, "", what), *found[:MAX_PROBLEMS]]


def load(path: Path, *, if_missing: str = NAME_ANOTHER) -> Configuration:
    """Read the configuration file. Relative paths in it start at its folder. Raises `ConfigError`.

    *if_missing* is the advice for a file that does not exist.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, f"does not exist: {if_missing}") from None
    except IsADirectoryError:
        raise _unreadable(path, "is a folder: name the file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise _unreadable(path, f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise _unreadable(
            path, f"is larger than {MAX_BYTES >> 20} MiB, the limit of a configuration: write networks, not addresses"
        )
    return parse(decode(content, str(path)), str(path), path.absolute().parent)


def parse(text: str, source: str, directory: Path | None = None) -> Configuration:
    """Read a configuration from *text*; *source* is its name in messages. Raises `ConfigError` with all problems.

    Relative paths start at *directory*; without it they stay relative. Values with a problem are left out of later
    checks, so that one mistake neither hides another nor causes a second problem.
    """
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        before = text[: unprintable.start()]
        line, column = before.count("\n") + 1, unprintable.start() - before.rfind("\n")
        what = f"has the character {unprintable[0]!a}, which YAML does not allow: remove it"
        raise ConfigError([Problem(source, line, column, "", what)])
    root, problems = read_tree(text, source)
    if root is None or root.content is None:
        problems = problems or [Problem(source, 0, 0, "", "is empty: it needs `pools`, or `domains`")]
        raise ConfigError(_printable(problems))
    document = _validate(root, source, problems)
    if document is not None:
        problems += _broken_rules(document, root, source)
        problems += _unusable_files(document, root, source, directory)
    if problems or document is None:
        raise ConfigError(_printable(problems))
    return resolve(document, directory)


def _validate(root: Node, source: str, problems: list[Problem]) -> Document | None:
    """Validate each key by itself. Adds to *problems*, and returns the document without the invalid values."""
    is_first = True
    while not root.dropped:
        try:
            return Document.model_validate(root.data())
        except ValidationError as error:
            found = list(explain(error, root, source))
        if is_first:  # later errors are caused by what was left out
            problems += found
        is_first = False
    return None


def _broken_rules(document: Document, root: Node, source: str) -> Iterator[Problem]:
    for path, what, other in violations(document, profiles_are_complete=_has_all(root, "profiles")):
        trail = list(root.follow(path))
        if not trail and not (_has_all(root, "pools") and _has_all(root, "domains")):
            continue
        node = trail[-1][1] if trail else root
        if any(entered.faulty for _, entered in trail) or _lacks_something(node):
            continue
        if other:
            there = list(root.follow(other))
            line = there[-1][1].line
            what = what.replace("{other}", f"{path_text([key for key, _ in there])} (line {line})")
        yield root.problem(source, path, what)


def _unusable_files(document: Document, root: Node, source: str, directory: Path | None) -> Iterator[Problem]:
    """Files that cannot be used. Without *directory* their paths are unknown, so they are not checked."""
    for index, resolver in enumerate(document.resolvers):
        if directory is None or resolver.ca_file is None:
            continue
        import ssl  # slow to import

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(directory / resolver.ca_file)
        except ssl.SSLError:
            what = f"{resolver.ca_file!r} has no certificate: name a file of certificates in PEM format"
        except OSError as error:
            what = f"{resolver.ca_file!r} cannot be read: {error.strerror}"
        else:
            continue
        yield root.problem(source, ("resolvers", index, "ca_file"), what)
    storage = document.storage
    if directory is not None and storage is not None and (directory / storage.path).is_dir():
        yield root.problem(source, ("storage", "path"), f"{storage.path!r} is a folder: name the file in it")


def _lacks_something(node: Node) -> bool:
    """Whether an invalid key was left out of a mapping, so that its other problems may be caused by that."""
    return isinstance(node.content, dict) and any(child.dropped for child in node.content.values())


def _has_all(root: Node, key: str) -> bool:
    """Whether nothing was left out of the list at *key*."""
    node = root.content.get(key) if isinstance(root.content, dict) else None
    if node is None:
        return True
    items = node.content if isinstance(node.content, list) else []
    return not (node.dropped or node.faulty or any(item.dropped for item in items))


def decode(content: bytes, source: str) -> str:
    """Decode UTF-8. Raises `ConfigError` with the position of the first wrong byte."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError([Problem(source, 1, 1, "", "is UTF-16: save it as UTF-8")])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        what = f"has the byte 0x{content[error.start]:02x}, which is not UTF-8: save the file as UTF-8"
        raise ConfigError([Problem(source, line, column, "", what)]) from None


def _unreadable(path: Path, what: str) -> ConfigError:
    return ConfigError(_printable([Problem(str(path), 0, 0, "", what)]))


def _printable(problems: list[Problem]) -> list[Problem]:
    """Escape characters that a terminal would interpret, and surrogates."""
    return [
        replace(problem, file=_escape(problem.file), path=_escape(problem.path), what=_escape(problem.what))
        for problem in problems
    ]


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
