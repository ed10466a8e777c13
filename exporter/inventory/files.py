"""The files that feed a pool: looked at again and again, read when they changed.

The rule of this file: a file that cannot be read, or has a mistake, keeps what it had when it was last right; one that
is gone takes its addresses with it. It reads files and nothing else; who calls it does so in a thread.
"""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Discriminator, PlainValidator, Tag, TypeAdapter, ValidationError

from exporter.checks.spf.compiled import Range
from exporter.config.explain import Keys, explain
from exporter.config.model import AddressEntry, HeloTemplates, NetworkEntry, Section
from exporter.config.rules import MAX_POOL_ADDRESSES, entry_violations, is_listed
from exporter.config.tree import Node, path_text, read_tree
from exporter.config.values import AddressText, NetworkText, up_to, wrong
from exporter.errors import ConfigError, Problem
from exporter.inventory.ranges import AddressRange, AddressRanges

Stamp = tuple[int, int, int]
"""What changes with the content of a file: when it was written, which file it is, how long it is."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """One file as it was last seen: *ranges* and *space* as of when it was right, *problems* as of now."""

    stamp: Stamp | None
    ranges: tuple[AddressRange, ...] = ()
    space: tuple[Range, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class FilesContent:
    """All files of a pool. *addresses* is what they have together, as of when that was last usable.

    *space* are the IPv6 ranges of theirs that are too big to be listed.
    """

    files: Mapping[str, FileContent] = field(default_factory=dict)
    addresses: AddressRanges = AddressRanges(())  # noqa: RUF009  # a value
    space: tuple[Range, ...] = ()
    problems: tuple[Problem, ...] = ()


def scan(patterns: Iterable[str], known: FilesContent) -> FilesContent:
    """The files that match *patterns* now; *known* itself if nothing changed since."""
    patterns = tuple(patterns)
    paths = sorted({path for pattern in patterns for path in glob.glob(pattern, recursive=True)})  # noqa: PTH207
    files = {path: _seen(path, known.files.get(path)) for path in paths}
    if files == known.files and known.files:
        return known
    problems = [problem for one in files.values() for problem in one.problems]
    if not files:
        what = "matches no file: the pool has no addresses from files until one appears"
        problems = [Problem(pattern, 0, 0, "", what) for pattern in patterns]
    addresses = AddressRanges([one for content in files.values() for one in content.ranges])
    if addresses.size > MAX_POOL_ADDRESSES:
        what = f"the files have {addresses.size} addresses together: a pool has at most {MAX_POOL_ADDRESSES}"
        return FilesContent(files, known.addresses, known.space, (*problems, Problem(patterns[0], 0, 0, "", what)))
    space = tuple([one for content in files.values() for one in content.space])
    return FilesContent(files, addresses, space, tuple(problems))


def _seen(path: str, known: FileContent | None) -> FileContent:
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
        return FileContent(stamp, known.ranges, known.space, bad.problems)
    networks_first = sorted(filter(is_listed, entries), key=lambda entry: isinstance(entry, AddressEntry))
    return FileContent(
        stamp,
        tuple([AddressRange(entry.family, entry.first, entry.last, entry.helo) for entry in networks_first]),
        tuple([(entry.first, entry.last) for entry in entries if not is_listed(entry)]),
    )


# SECTION exporter.config.fed_file
# A file of addresses (`addresses_file`): entries as in the configuration, or groups as Prometheus' file_sd has
# them.
#
# The rule of this file: it judges as strictly as the configuration is judged, but for what others need in the
# same file:
# labels that mean nothing here are left alone.

MAX_BYTES = 16 << 20
"""As much as the configuration itself may have."""

_ADDRESS = TypeAdapter(AddressText)
_NETWORK = TypeAdapter(NetworkText)


def _target(value: object) -> AddressEntry | NetworkEntry:
    if isinstance(value, str) and "/" in value:
        return NetworkEntry.model_construct(network=_NETWORK.validate_python(value))
    return AddressEntry.model_construct(ip=_ADDRESS.validate_python(value))


def _read_target(value: object) -> AddressEntry | NetworkEntry:
    try:
        return _target(value)
    except ValidationError as error:
        raise wrong(str(error.errors(include_url=False)[0]["msg"])) from None


class Labels(Section):
    """The labels of a group; `helo` is the one that counts."""

    model_config = ConfigDict(extra="ignore")

    helo: HeloTemplates = ()


class TargetGroup(Section):
    """A group of file_sd: addresses or networks that have the same labels."""

    targets: Annotated[
        tuple[Annotated[AddressEntry | NetworkEntry, PlainValidator(_read_target)], ...], up_to(1_000_000)
    ]
    labels: Labels = Labels()

    def entries(self) -> Iterator[AddressEntry | NetworkEntry]:
        """The same as entries of `addresses`."""
        for target in self.targets:
            yield target.model_copy(update={"helo": self.labels.helo})


def _tag(value: object) -> str:
    if isinstance(value, dict) and "targets" in value:
        return "<group>"
    return "<network>" if isinstance(value, dict) and "network" in value else "<ip>"


_Item: TypeAlias = Annotated[
    Annotated[AddressEntry, Tag("<ip>")]
    | Annotated[NetworkEntry, Tag("<network>")]
    | Annotated[TargetGroup, Tag("<group>")],
    Discriminator(_tag),
]
_ITEMS: TypeAdapter[tuple[_Item, ...]] = TypeAdapter(Annotated[tuple[_Item, ...], up_to(1_000_000)])
_KEYS: Keys = {
    ("<ip>",): list(AddressEntry.model_fields),
    ("<network>",): list(NetworkEntry.model_fields),
    ("<group>",): list(TargetGroup.model_fields),
}


def read_entries(path: Path) -> tuple[AddressEntry | NetworkEntry, ...]:
    """The entries of a file, in its order. Raises `ConfigError` with every problem of it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", f"cannot be read: {error.strerror}")]) from None
    if len(content) > MAX_BYTES:
        what = f"is larger than {MAX_BYTES >> 20} MiB: write networks, or several files"
        raise ConfigError([Problem(str(path), 0, 0, "", what)])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, 1, "", "is not UTF-8: save the file as UTF-8")]) from None
    return parse_entries(text, str(path))


def parse_entries(text: str, source: str) -> tuple[AddressEntry | NetworkEntry, ...]:
    """The entries in *text*, which messages call *source*. Raises `ConfigError`."""
    root, problems = read_tree(text, source)
    if root is None or root.content is None:
        problems = problems or [Problem(source, 0, 0, "", "is empty: write [] for a list of none")]
        raise ConfigError(problems)
    if not isinstance(root.content, list):
        what = "is no list: write entries like - {ip: 192.0.2.10}, or groups like - {targets: [192.0.2.10]}"
        raise ConfigError([Problem(source, root.line, root.column, "", what), *problems])
    items: tuple[AddressEntry | NetworkEntry | TargetGroup, ...] = ()
    try:
        items = _ITEMS.validate_python(root.plain())
    except ValidationError as error:
        problems += explain(error, root, source, _KEYS)
    problems += _broken_rules(items, root, source)
    if problems:
        raise ConfigError(problems)
    return tuple(_flat(items))


def _flat(
    items: tuple[AddressEntry | NetworkEntry | TargetGroup, ...],
) -> Iterator[AddressEntry | NetworkEntry]:
    for item in items:
        if isinstance(item, TargetGroup):
            yield from item.entries()
        else:
            yield item


def _broken_rules(
    items: tuple[AddressEntry | NetworkEntry | TargetGroup, ...], root: Node, source: str
) -> Iterator[Problem]:
    """What is wrong with entries that are right key by key: placed as well as the file allows."""
    for index, item in enumerate(items):
        is_group = isinstance(item, TargetGroup)
        for at, what, other in entry_violations((), tuple(_flat((item,)))):
            place, *rest = at
            inner = ["targets", place] if is_group and rest == ["network"] else ["labels", *rest] if is_group else rest
            trail = list(root.follow((index, *inner)))
            node = trail[-1][1]
            if other:
                what = what.replace("{other}", path_text([index, *(["labels"] if is_group else []), *other[1:]]))
            yield Problem(source, node.line, node.column, path_text([key for key, _ in trail]), what)
            if is_group and rest != ["network"]:
                break  # the labels are the same for every target of the group
