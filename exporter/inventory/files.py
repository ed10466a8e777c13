"""The files that feed a pool: looked at again and again, read when they changed.

The rule of this file: a file that cannot be read, or has a mistake, keeps what it had when it was last right; one that
is gone takes its addresses with it. It reads files and nothing else; who calls it does so in a thread.
"""

import glob
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.checks.spf.ranges import Range
from exporter.config.address_entries import AddressEntry
from exporter.config.entry_rules import MAX_POOL_ADDRESSES, is_listed
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
    from exporter.config.fed_file import read_entries  # only those who have files pay for it

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
