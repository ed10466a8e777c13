"""Reads files of addresses (`addresses_file`): entries as in the configuration, or groups of Prometheus' file_sd."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Discriminator, PlainValidator, Tag, TypeAdapter, ValidationError

from exporter.checks.spf.compiled import Range
from exporter.config.explain import Keys, explain
from exporter.config.load import MAX_BYTES, decode, first_problems, read_regular
from exporter.config.model import (
    AddressEntry,
    AnyEntry,
    HeloTemplates,
    NetworkEntry,
    Section,
    ServerEntry,
    entry_tag,
    located,
)
from exporter.config.rules import MAX_POOL_ADDRESSES, entry_violations, is_enumerable
from exporter.config.tree import Node, path_text, read_tree
from exporter.config.values import AddressText, NetworkText, up_to, wrong
from exporter.errors import ConfigError, Problem
from exporter.inventory.build import enumerable_ranges
from exporter.inventory.ranges import AddressRange, AddressRanges

_STARS = re.compile(r"(?:^|/)(\*\*)(?:/|$)")

Stamp = tuple[int, int, int]
"""Modification time in nanoseconds, inode and size of a file: they change with its content."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of one file.

    Attributes:
        stamp: State of the file when it was read; None if there was no such file.
        ranges: Addresses of the latest version without a problem.
        not_enumerable: IPv6 ranges of that version that are too big to look up every address.
        problems: What is wrong with the file now.
    """

    stamp: Stamp | None
    ranges: tuple[AddressRange, ...] = ()
    not_enumerable: tuple[Range, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class FilesContent:
    """The content of all files of a pool.

    Attributes:
        files: Content by path.
        addresses: All addresses together, from when they last fitted into a pool.
        not_enumerable: IPv6 ranges of the files that are too big to look up every address.
        problems: What is wrong with the files now.
    """

    files: Mapping[str, FileContent] = field(default_factory=dict)
    addresses: AddressRanges = AddressRanges(())  # noqa: RUF009  # a value
    not_enumerable: tuple[Range, ...] = ()
    problems: tuple[Problem, ...] = ()


def scan(globs: Iterable[str], known: FilesContent, is_stopping: Callable[[], bool] = lambda: False) -> FilesContent:
    """Read the files that match *globs* and have changed since *known*. Returns *known* itself if none has.

    A file with a problem keeps the addresses that it had before; a deleted one loses them. Blocks: call it in a thread,
    with *is_stopping* to end it early.
    """
    globs = tuple(globs)
    paths = sorted({path for pattern in globs for path in _matching(pattern, is_stopping)})
    files: dict[str, FileContent] = {}
    for path in paths:
        if is_stopping():
            return known
        files[path] = _read_changed(path, known.files.get(path))
    if files == known.files and known.files:
        return known
    problems = [problem for one in files.values() for problem in one.problems]
    if not files:
        what = "matches no file: the pool has no addresses from files until one appears"
        problems = [Problem(pattern, 0, 0, "", what) for pattern in globs]
    addresses = AddressRanges([one for content in files.values() for one in content.ranges])
    if addresses.size > MAX_POOL_ADDRESSES:
        what = f"the files have {addresses.size} addresses together: a pool has at most {MAX_POOL_ADDRESSES}"
        return FilesContent(
            files, known.addresses, known.not_enumerable, (*problems, Problem(globs[0], 0, 0, "", what))
        )
    not_enumerable = tuple([one for content in files.values() for one in content.not_enumerable])
    return FilesContent(files, addresses, not_enumerable, tuple(problems))


def _matching(pattern: str, is_stopping: Callable[[], bool]) -> Iterator[str]:
    """The paths that match *pattern*. `**` matches folders, not links to folders, which may form a circle."""
    stars = _STARS.search(pattern)
    if stars is None:
        yield from glob.iglob(pattern)  # noqa: PTH207  # patterns are text, and may be relative
        return
    before, after = pattern[: stars.start(1)], pattern[stars.end() :].lstrip("/") or "*"
    for top in glob.iglob(before) if before else ["."]:  # noqa: PTH207
        for folder, subfolders, _ in os.walk(top):
            if is_stopping():
                return
            subfolders[:] = [one for one in subfolders if not one.startswith(".")]
            inside = folder if before else folder.removeprefix(".").removeprefix("/")
            yield from _matching(os.path.join(glob.escape(inside), after), is_stopping)  # noqa: PTH118


def _read_changed(path: str, known: FileContent | None) -> FileContent:
    try:
        status = os.stat(path)  # noqa: PTH116  # a dozen times a minute
    except OSError:
        stamp = None
    else:
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
    if known is not None and stamp is not None and known.stamp == stamp:
        return known
    try:
        entries = read_entries(Path(path))
    except ConfigError as bad:
        known = known or FileContent(stamp)
        return FileContent(stamp, known.ranges, known.not_enumerable, bad.problems)
    not_enumerable = [(entry.first, entry.last) for entry in entries if not is_enumerable(entry)]
    return FileContent(stamp, tuple(enumerable_ranges(entries)), tuple(not_enumerable))


_ADDRESS = TypeAdapter(AddressText)
_NETWORK = TypeAdapter(NetworkText)


def _read_target(value: object) -> AnyEntry:
    try:
        if isinstance(value, str) and "/" in value:
            return NetworkEntry.model_construct(network=_NETWORK.validate_python(value))
        return AddressEntry.model_construct(ip=_ADDRESS.validate_python(value))
    except ValidationError as error:
        raise wrong(str(error.errors(include_url=False)[0]["msg"])) from None


class Labels(Section):
    """The labels of a group. Labels other than `helo` are for other readers of the file, and ignored."""

    model_config = ConfigDict(extra="ignore")

    helo: HeloTemplates = ()


class TargetGroup(Section):
    """A group of file_sd: addresses or networks with common labels."""

    targets: Annotated[tuple[Annotated[AnyEntry, PlainValidator(_read_target)], ...], up_to(1_000_000)]
    labels: Labels = Labels()

    def entries(self) -> Iterator[AnyEntry]:
        """The targets as entries of `addresses`."""
        for target in self.targets:
            yield target.model_copy(update={"helo": self.labels.helo})


def _tag(value: object) -> str:
    return "<group>" if isinstance(value, dict) and "targets" in value else entry_tag(value)


_AnyItem: TypeAlias = AnyEntry | ServerEntry | TargetGroup
_Item: TypeAlias = Annotated[
    Annotated[AddressEntry, Tag("<ip>")]
    | Annotated[ServerEntry, Tag("<ips>")]
    | Annotated[NetworkEntry, Tag("<network>")]
    | Annotated[TargetGroup, Tag("<group>")],
    Discriminator(_tag),
]
_ITEMS: TypeAdapter[tuple[_Item, ...]] = TypeAdapter(Annotated[tuple[_Item, ...], up_to(1_000_000)])
_KEYS: Keys = {
    ("<ip>",): list(AddressEntry.model_fields),
    ("<ips>",): list(ServerEntry.model_fields),
    ("<network>",): list(NetworkEntry.model_fields),
    ("<group>",): list(TargetGroup.model_fields),
}


def read_entries(path: Path) -> tuple[AnyEntry, ...]:
    """Read the entries of a file. Raises `ConfigError` with all its problems."""
    content = read_regular(path, MAX_BYTES, f"is larger than {MAX_BYTES >> 20} MiB: write networks, or several files")
    return parse_entries(decode(content, str(path)), str(path))


def parse_entries(text: str, source: str) -> tuple[AnyEntry, ...]:
    """Read entries from *text*; *source* is its name in messages. Raises `ConfigError` with the first problems."""
    root, problems = read_tree(text, source)
    if root is None or root.content is None:
        problems = problems or [Problem(source, 0, 0, "", "is empty: write [] for no addresses")]
        raise ConfigError(problems)
    if not isinstance(root.content, list):
        what = "is not a list: write entries like - {ip: 192.0.2.10}, or groups like - {targets: [192.0.2.10]}"
        raise ConfigError([Problem(source, root.line, root.column, "", what), *problems])
    items: tuple[_AnyItem, ...] = ()
    try:
        items = _ITEMS.validate_python(root.data())
    except ValidationError as error:
        problems += explain(error, root, source, _KEYS)
    problems += _broken_rules(items, root, source)
    if problems:
        raise ConfigError(first_problems(problems, source))
    return tuple([entry for _, entry in located(_flat(items))])


def _flat(items: tuple[_AnyItem, ...]) -> Iterator[AnyEntry | ServerEntry]:
    for item in items:
        if isinstance(item, TargetGroup):
            yield from item.entries()
        else:
            yield item


def _broken_rules(items: tuple[_AnyItem, ...], root: Node, source: str) -> Iterator[Problem]:
    """Check rules over several keys. Each problem has the line and column of its value in the file."""
    for index, item in enumerate(items):
        is_group = isinstance(item, TargetGroup)
        for at, what, other in entry_violations((), tuple(_flat((item,)))):
            number, *rest = at
            inner = ["targets", number] if is_group and rest == ["network"] else ["labels", *rest] if is_group else rest
            if other:
                what = what.replace("{other}", path_text([index, *(["labels"] if is_group else []), *other[1:]]))
            yield root.problem(source, (index, *inner), what)
            if is_group and rest != ["network"]:
                break  # the other targets of the group have the same labels
