"""The world: what is published, how its servers behave, and what changes as time goes by.

The rule of this file: time comes through the constructor, and the world moves only when somebody looks at it. So the
same clock always shows the same world, and a test that stops the clock stops the world.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.checks.answers import Answer, Question, RRType, Status
from exporter.checks.names import DomainName
from exporter.demo.records import decode
from exporter.demo.zone import RecordSet, Zone, lineage, parse_records

CHAIN_LIMIT = 16
"""How many links of a CNAME chain are followed: `Status.CHAIN`."""


class Fault(StrEnum):
    """How the servers of a name misbehave."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"
    TRUNCATED = "truncated"
    """Every answer over UDP is truncated to nothing; over TCP it is whole."""


_STATUS = {Fault.SERVFAIL: Status.SERVFAIL, Fault.REFUSED: Status.REFUSED, Fault.SILENT: Status.TIMEOUT}

FaultAt = tuple[str, Fault] | tuple[str, Fault, RRType]
"""A name, with everything below it; how its servers misbehave; for which type of question, if not for every one."""


@dataclass(frozen=True, slots=True)
class Episode:
    """Something that goes wrong and is mended, over and over. Times are in seconds of the world.

    It lasts from *begins* until *ends*, in each period of *every*. While it does, *published* replaces the record sets
    of the same name and type, *withdrawn* are gone, and *faults* hold; afterwards all is as it was before.
    """

    what: str
    every: float
    begins: float
    ends: float
    published: tuple[str, ...] = ()
    withdrawn: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, Fault], ...] = ()

    def lasts_at(self, seconds: float) -> bool:
        """Whether it goes on at that time."""
        return self.begins <= seconds % self.every < self.ends

    def next_change(self, seconds: float) -> float:
        """When it begins or ends next, after that time."""
        period = seconds // self.every * self.every
        moments = [period + self.begins, period + self.ends, period + self.every + self.begins]
        return next(moment for moment in moments if moment > seconds)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a resolver makes of a question: the CNAMEs on the way, and what is at their end.

    *status* is `CHAIN` only for a loop; a long chain is followed to its end, and judged by who asked.
    """

    status: Status
    chain: tuple[RecordSet, ...] = ()
    records: RecordSet | None = None
    authority: RecordSet | None = None
    is_truncated: bool = False


class World:
    """Records, faults and episodes. Not thread-safe: it belongs to one event loop, or to one test.

    *records* are lines in zone-file format, *published* is what was read from such lines before.
    *clock* gives seconds from anywhere, and never goes back; *speed* is how many seconds of the world pass in one of
    the clock's. A speed of 0 stops the world at its first moment.
    """

    def __init__(
        self,
        records: Iterable[str] = (),
        *,
        published: Iterable[RecordSet] = (),
        faults: Iterable[FaultAt] = (),
        episodes: Sequence[Episode] = (),
        clock: Callable[[], float] = time.monotonic,
        speed: float = 1.0,
    ) -> None:
        self.zone = Zone([*published, *parse_records(records)])
        self._faults: dict[tuple[DomainName, str | None], Fault] = {}
        self._episodes = episodes
        self._under_way: dict[int, Callable[[], None]] = {}
        self._clock = clock
        self._speed = speed
        self._began = clock()
        self._next_change = -math.inf if episodes else math.inf
        self._generation = 0
        for name, fault, *rdtype in faults:
            self._set_fault(DomainName(name), fault, *rdtype)

    @property
    def elapsed(self) -> float:
        """How old the world is, in seconds of its own."""
        return (self._clock() - self._began) * self._speed

    @property
    def generation(self) -> int:
        """A number that is another one whenever the world has changed: what was compiled for the old one is stale."""
        self._catch_up()
        return self._generation

    def resolve(self, name: DomainName, rdtype: str) -> Resolution:
        """Answer as a resolver would that has all the world's zones, following CNAMEs."""
        self._catch_up()
        chain: list[RecordSet] = []
        truncated = False
        while True:
            fault = self._fault_of(name, rdtype)
            if fault is Fault.TRUNCATED:
                truncated = True
            elif fault is not None:
                return Resolution(_STATUS[fault])
            records = self.zone.get(name, rdtype)
            if records is not None:
                return Resolution(Status.ANSWER, tuple(chain), records, is_truncated=truncated)
            alias = self.zone.get(name, "CNAME")
            if alias is None:
                status = Status.NODATA if self.zone.exists(name) else Status.NXDOMAIN
                return Resolution(status, tuple(chain), None, self.zone.authority(name), truncated)
            if alias in chain:
                return Resolution(Status.CHAIN, tuple(chain), is_truncated=truncated)
            chain.append(alias)
            name = alias.target

    def answer(self, question: Question) -> Answer:
        """What an exporter with a faultless resolver is told: the same as over the network, without one."""
        found = self.resolve(question.name, question.rdtype)
        chain = tuple([link.target for link in found.chain])
        sets = [record_set for record_set in (*found.chain, found.records) if record_set is not None]
        ttl = min((record_set.ttl for record_set in sets), default=0)
        status = Status.CHAIN if len(chain) > CHAIN_LIMIT else found.status
        if status is Status.ANSWER and found.records is not None:
            return Answer(status, tuple(sorted(map(decode, found.records.rdatas))), chain, ttl)
        return Answer(status, (), chain if status.is_conclusive else (), ttl if status.is_conclusive else 0)

    def apply(self, records: Iterable[str]) -> None:
        """Publish lines in zone-file format, in place of the record sets of the same name and type."""
        self._catch_up()
        for record_set in parse_records(records):
            self._put(record_set)

    def add(self, records: Iterable[str]) -> None:
        """Publish lines in zone-file format beside the records that are there."""
        self._catch_up()
        for record_set in parse_records(records):
            there = self.zone.get(record_set.owner, record_set.rdtype)
            if there is None:
                self._put(record_set)
            else:
                rdatas = tuple(dict.fromkeys((*there.rdatas, *record_set.rdatas)))
                self._put(RecordSet(there.owner, there.rdtype, there.ttl, rdatas))

    def withdraw(self, records: Iterable[str]) -> None:
        """Withdraw just these records, whatever their TTL, and leave others of the same name and type."""
        self._catch_up()
        for record_set in parse_records(records):
            owner, rdtype = record_set.owner, record_set.rdtype
            there = self.zone.get(owner, rdtype)
            left = tuple([it for it in there.rdatas if it not in record_set.rdatas]) if there else ()
            if there is not None and left:
                self._put(RecordSet(owner, rdtype, there.ttl, left))
            else:
                self._remove(owner, rdtype)

    def remove(self, name: str, rdtype: str | None = None) -> None:
        """Withdraw the records of that type at that name, or all of them; the rest of the tree stays."""
        self._catch_up()
        self._remove(DomainName(name), rdtype)

    def set_fault(self, name: str, fault: Fault | None, rdtype: RRType | None = None) -> None:
        """Let the servers of the name and of all below it misbehave, for one type or for all; `None` mends them.

        The nearest fault holds: that of the name before its parent's, that of the type before that of all types.
        """
        self._catch_up()
        self._set_fault(DomainName(name), fault, rdtype)

    def _put(self, record_set: RecordSet) -> None:
        self._generation += 1
        self.zone.put(record_set)

    def _remove(self, name: DomainName, rdtype: str | None) -> None:
        self._generation += 1
        self.zone.remove(name, rdtype)

    def _set_fault(self, name: DomainName, fault: Fault | None, rdtype: str | None = None) -> None:
        self._generation += 1
        if fault is None:
            self._faults.pop((name, rdtype), None)
        else:
            self._faults[name, rdtype] = fault

    def _fault_of(self, name: DomainName, rdtype: str) -> Fault | None:
        if not self._faults:
            return None
        for ancestor in lineage(name):
            fault = self._faults.get((ancestor, rdtype)) or self._faults.get((ancestor, None))
            if fault is not None:
                return fault
        return None

    def _catch_up(self) -> None:
        """Let begin and end what is due: first the ends, so that no episode restores what another one changed."""
        if self._next_change == math.inf or (now := self.elapsed) < self._next_change:
            return
        for index, episode in enumerate(self._episodes):
            if index in self._under_way and not episode.lasts_at(now):
                self._under_way.pop(index)()
        for index, episode in enumerate(self._episodes):
            if index not in self._under_way and episode.lasts_at(now):
                self._under_way[index] = self._begin(episode)
        self._next_change = min(episode.next_change(now) for episode in self._episodes)

    def _begin(self, episode: Episode) -> Callable[[], None]:
        """Change the world, and return what puts it back."""
        published = parse_records(episode.published, source=episode.what)
        withdrawn = [(DomainName(name), rdtype) for name, rdtype in episode.withdrawn]
        touched = [(record_set.owner, record_set.rdtype) for record_set in published] + withdrawn
        before = [(owner, rdtype, self.zone.get(owner, rdtype)) for owner, rdtype in touched]
        faults = [(DomainName(name), fault) for name, fault in episode.faults]
        faults_before = [(name, self._faults.get((name, None))) for name, _ in faults]
        for record_set in published:
            self._put(record_set)
        for owner, rdtype in withdrawn:
            self._remove(owner, rdtype)
        for name, fault in faults:
            self._set_fault(name, fault)

        def end() -> None:
            for owner, rdtype, record_set in before:
                if record_set is None:
                    self._remove(owner, rdtype)
                else:
                    self._put(record_set)
            for name, fault in faults_before:
                self._set_fault(name, fault)

        return end
