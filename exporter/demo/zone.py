"""The records of the world, read from the text of zone files.

The rule of this file: it holds what is published, and nothing of how servers behave or of what changes when.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from exporter.checks.names import DomainName

DEFAULT_TTL = 30

_LINE = re.compile(
    r"(?P<owner>\S+)?\s+(?:(?P<ttl>[0-9]+)\s+)?(?:IN\s+)?(?P<rdtype>[A-Z][A-Z0-9]*)\s+(?P<rdata>.*)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records of one type at one name (an RRset, RFC 2181 section 5)."""

    owner: DomainName
    rdtype: str
    ttl: int
    rdatas: tuple[dns.rdata.Rdata, ...]

    @property
    def target(self) -> DomainName:
        """Where a CNAME leads."""
        return name_of(self.rdatas[0].target)  # type: ignore[attr-defined]  # dnspython types rdata by their class


def name_of(name: dns.name.Name) -> DomainName:
    """An absolute name of dnspython as a `DomainName`."""
    return DomainName.from_labels(name.labels[:-1])


def parse_records(lines: Iterable[str], *, source: str = "records") -> list[RecordSet]:
    """Read lines in zone-file format (RFC 1035 section 5.1): one record a line, ``;`` comments, $ORIGIN and $TTL.

    An owner that is left out is that of the line before. Records of one name and type become one set, with the TTL
    of the first. Raises `ValueError`, saying which line, for what is no record.
    """
    reader = _Reader()
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip()
        if line and not line.lstrip().startswith(";"):
            try:
                reader.read(line)
            except (ValueError, dns.exception.DNSException) as error:
                raise ValueError(f"{source}: line {number}: {line!r}: {error}") from None
    return [RecordSet(name_of(name), rdtype, ttl, tuple(rdatas)) for (name, rdtype), (ttl, rdatas) in reader.sets()]


class _Reader:
    """What has to be remembered from one line to the next."""

    def __init__(self) -> None:
        self._origin = self._owner = dns.name.root
        self._ttl = DEFAULT_TTL
        self._sets: dict[tuple[dns.name.Name, str], tuple[int, dict[dns.rdata.Rdata, None]]] = {}

    def read(self, line: str) -> None:
        match line.split():
            case ["$ORIGIN", origin]:
                self._origin = dns.name.from_text(origin, self._origin)
            case ["$TTL", ttl]:
                self._ttl = int(ttl)
            case _:
                self._read_record(line)

    def _read_record(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("not a record, like 'mail.example.org. A 192.0.2.1'")
        if match["owner"]:
            self._owner = dns.name.from_text(match["owner"], self._origin)
        rdtype = match["rdtype"].upper()
        rdata = dns.rdata.from_text("IN", rdtype, match["rdata"], self._origin, relativize=False)
        _, rdatas = self._sets.setdefault((self._owner, rdtype), (int(match["ttl"] or self._ttl), {}))
        rdatas[rdata] = None

    def sets(self) -> Iterable[tuple[tuple[dns.name.Name, str], tuple[int, dict[dns.rdata.Rdata, None]]]]:
        return self._sets.items()


class Zone:
    """Everything that is published, by name and type.

    A name exists if it has records or a name below it has some (an empty non-terminal, RFC 8020).
    """

    def __init__(self, record_sets: Iterable[RecordSet] = ()) -> None:
        self._sets: dict[DomainName, dict[str, RecordSet]] = {}
        self._at_or_below: Counter[DomainName] = Counter()
        for record_set in record_sets:
            self.put(record_set)

    def __iter__(self) -> Iterator[RecordSet]:
        for by_type in self._sets.values():
            yield from by_type.values()

    def get(self, name: DomainName, rdtype: str) -> RecordSet | None:
        """The records of that type at that very name."""
        return self._sets.get(name, {}).get(rdtype)

    def exists(self, name: DomainName) -> bool:
        """Whether there is such a name, be it without records of its own."""
        return self._at_or_below[name] > 0

    def authority(self, name: DomainName) -> RecordSet | None:
        """The SOA record of the zone that the name is in."""
        for ancestor in lineage(name):
            soa = self.get(ancestor, "SOA")
            if soa is not None:
                return soa
        return None

    def put(self, record_set: RecordSet) -> None:
        """Publish a set in place of the one that is there. A CNAME stands alone (RFC 1034 section 3.6.2)."""
        owner, rdtype = record_set.owner, record_set.rdtype
        if rdtype == "CNAME":
            self.remove(owner)
        else:
            self.remove(owner, "CNAME")
        by_type = self._sets.setdefault(owner, {})
        if rdtype not in by_type:
            for ancestor in lineage(owner):
                self._at_or_below[ancestor] += 1
        by_type[rdtype] = record_set

    def remove(self, name: DomainName, rdtype: str | None = None) -> None:
        """Withdraw the records of that type at that name, or all of them."""
        by_type = self._sets.get(name, {})
        for gone in [rdtype] if rdtype in by_type else [] if rdtype else list(by_type):
            del by_type[gone]
            for ancestor in lineage(name):
                self._at_or_below[ancestor] -= 1
        if not by_type:
            self._sets.pop(name, None)


def lineage(name: DomainName) -> Iterator[DomainName]:
    """The name, its parent, and so on up to the root."""
    yield name
    if "\\" in name:
        while name != ".":
            name = name.parent
            yield name
        return
    at = name.find(".")
    while 0 <= at < len(name) - 1:
        yield DomainName.trusted(name[at + 1 :])
        at = name.find(".", at + 1)
    if name != ".":
        yield DomainName.trusted(".")
