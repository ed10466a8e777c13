"""The world: what is published, how its servers behave, and what changes as time goes by.

The rule of this file: time comes through the constructor, and the world moves only when somebody looks at it. So the
same clock always shows the same world, and a test that stops the clock stops the world.
"""

import functools
import json
import math
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, MailExchange, Question, Record, RRType, StartOfAuthority, Status, Text
from exporter.checks.domain import DomainCheckName
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import CheckName, IprevVerdict, Reason, Result

# SECTION exporter.demo.zone
# The records of the world, read from the text of zone files.
#
# The rule of this file: it holds what is published, and nothing of how servers behave or of what changes when.

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


# SECTION exporter.demo.records
# From dnspython's rdata to the records that checks read.
#
# The rule of this file: a type is decoded only if a check can ask for it.


def decode(rdata: dns.rdata.Rdata) -> Record:
    """The record that this rdata holds. Raises `TypeError` for a type that no check asks for."""
    match rdata:
        case A() | AAAA():
            return Address(socket.inet_pton(socket.AF_INET if isinstance(rdata, A) else socket.AF_INET6, rdata.address))
        case PTR() | CNAME() | NS():
            return name_of(rdata.target)
        case MX():
            return MailExchange(rdata.preference, name_of(rdata.exchange))
        case SOA():
            return StartOfAuthority(name_of(rdata.mname), name_of(rdata.rname), rdata.serial)
        case TXT():
            return Text(b"".join(rdata.strings))
        case _:
            raise TypeError(f"no check asks for {rdata.rdtype.name}")


# SECTION exporter.demo.world

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
    """Something that goes wrong and is fixed, over and over. Times are in seconds of the world.

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
        """Let the servers of the name and of all below it misbehave, for one type or for all; `None` fixes them.

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


# SECTION exporter.demo.scenarios
# What the addresses of the demo world are examples of, and what must come out: the table in ``scenarios.txt``.
#
# The rule of this file: expectations are data, written by hand from RFC 8601 and docs/verdicts.md, never
# computed by
# the checks that they hold to account.

HELO_CHECKS = (
    CheckName.HELO_SYNTAX,
    CheckName.HELO_RESOLVES,
    CheckName.HELO_ADDRESS_MATCH,
    CheckName.HELO_PTR_MATCH,
    CheckName.HELO_ALIGNED,
)

MAIL_FROM_DOMAINS = {"campaigns": DomainName("campaigns.example.org")}
"""The domain that a pool sends for. Such a pool has SPF records for each HELO name, and is held to that."""

DNSBLS = {
    "campaigns": DomainName("bl.example.org"),
    "blocked-list": DomainName("blocked.example.org"),
    "dead-list": DomainName("dead.example.org"),
}
"""The block list that a pool is looked up in; the others are in none."""

_UNKNOWN = frozenset(
    [
        *[status.value for status in Status if not status.is_conclusive],
        Reason.DNSBL_BLOCKED.value,
        Reason.DNSBL_UNTRUSTED.value,
    ]
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One address, the name that it says in HELO, what is the matter with them, and what the checks must say.

    *reasons* has every check that does not pass. *at* is the age of the world in seconds at which all this holds.
    """

    pool: str
    target: Target
    what: str
    iprev: IprevVerdict
    reasons: Mapping[CheckName, Reason]
    at: float = 0.0

    @property
    def helo(self) -> str:
        """What the server says in HELO, to the letter; "" if that is not known."""
        return self.target.helos[0].text if self.target.helos else ""

    @property
    def more(self) -> tuple[CheckName, ...]:
        """What this pool is an example of beside names."""
        spf = (CheckName.SPF_HELO, CheckName.SPF_MAILFROM) if self.pool in MAIL_FROM_DOMAINS else ()
        return (*spf, CheckName.DNSBL) if self.pool in DNSBLS else spf

    @property
    def results(self) -> dict[CheckName, tuple[Result, Reason | None]]:
        """The result and the reason of each check: `fcrdns`, the five of the HELO name if there is one, and `more`."""
        checks = [CheckName.FCRDNS, *(HELO_CHECKS if self.target.helos else ()), *self.more]
        return {check: (self._result(check), self.reasons.get(check)) for check in checks}

    def _result(self, check: CheckName) -> Result:
        if check not in self.reasons:
            return Result.PASS
        return Result.UNKNOWN if self.reasons[check].value in _UNKNOWN else Result.FAIL

    def __str__(self) -> str:
        return f"{self.target.address} {self.helo} @{self.at:g}: {self.what}"


def load_scenarios() -> tuple[Scenario, ...]:
    """Read the table, in its own order."""
    return tuple(_parse(Path(__file__).with_name("scenarios.txt").read_text(encoding="ascii")))


def _parse(text: str) -> Iterator[Scenario]:
    pool = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.endswith(" >"):
            pool = line.removesuffix(" >")
            continue
        place, helo, verdict, reasons, what = (cell.strip() for cell in line.split("|"))
        *moment, address = place.removeprefix("@").split()
        helos = () if helo == "." else (HeloName.parse(helo),)
        yield Scenario(
            pool,
            Target(Address.parse(address), helos),
            what,
            IprevVerdict(verdict),
            dict(_reasons(reasons)),
            float(moment[0]) if moment else 0.0,
        )


def _reasons(text: str) -> Iterator[tuple[CheckName, Reason]]:
    for item in text.split():
        check, _, reason = item.partition("=")
        for name in HELO_CHECKS if check == "helo-*" else (CheckName(check),):
            yield name, Reason(reason)


# SECTION exporter.demo.domain_scenarios
# What the domains of the demo world are examples of, and what must come out: the table in ``domains.txt``.
#
# The rule of this file: expectations are data, written by hand from the RFCs and docs/verdicts.md, never
# computed by the
# checks that they hold to account.

DomainFault = tuple[DomainCheckName, str, str]
"""A check, the selector that it is about ("" for none), and a reason."""


@dataclass(frozen=True, slots=True)
class DomainScenario:
    """One domain, what is the matter with it, and what the checks must say.

    *faults* are all that is not a pass; those of MTA-STS and TLS reports only where *is_strict*, which expects them.
    *at* is the age of the world in seconds at which all this holds.
    """

    domain: DomainName
    selectors: tuple[str, ...]
    what: str
    faults: frozenset[DomainFault]
    hints: frozenset[DomainFault]
    is_strict: bool = False
    at: float = 0.0


def load_domain_scenarios() -> tuple[DomainScenario, ...]:
    """Read the table, in its own order."""
    return tuple(_parse_domain_scenarios(Path(__file__).with_name("domains.txt").read_text(encoding="ascii")))


def _parse_domain_scenarios(text: str) -> Iterator[DomainScenario]:
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        place, selectors, faults, hints, what = (cell.strip() for cell in line.split("|"))
        *moment, name = place.removeprefix("@").split()
        yield DomainScenario(
            DomainName(name.removeprefix("+")),
            () if selectors == "." else tuple(selectors.split()),
            what,
            frozenset(_faults(faults)),
            frozenset(_faults(hints)),
            name.startswith("+"),
            float(moment[0]) if moment else 0.0,
        )


def _faults(text: str) -> Iterator[DomainFault]:
    for item in text.split():
        place, _, reason = item.partition("=")
        check, _, selector = place.partition("/")
        yield DomainCheckName(check), selector, reason


# SECTION exporter.demo.configuration
# The configuration of the demo: the YAML that an operator of the demo world would have written.
#
# The rule of this file: it writes text for the ordinary loader; the demo has no way of its own into the
# exporter.

_HEAD = """\
# The demo world, as its operator would watch it.
resolvers:
  - name: demo
    servers: ["127.0.0.1:{port}"]
    timeout: 1s
    attempts: 2
dnsbls:
  - {{zone: bl.example.org, interval: 1m, codes: {{127.0.0.2: SBL, 127.0.0.4: XBL}}}}
  - {{zone: blocked.example.org, interval: 1m}}
  - {{zone: dead.example.org, interval: 1m}}
pools:
"""

_POOLS = {
    "corporate": "profile: dedicated",
    "microsoft-365": "profile: microsoft-365",
    "newsletter": "profile: dedicated",
    "branch-offices": "",
    "acquired": "profile: dedicated",
    "hosting-customers": "expect: [fcrdns]",
    "campaigns": "helo_spf_required: true",
    "blocked-list": "",
    "dead-list": "",
    "provider": "expect: [fcrdns]",
}

_NETWORKS = {"newsletter": '{network: 198.51.100.0/28, helo: "mta{octet4}.news.example.net"}'}
_HELO_NAMES = {"microsoft-365": "na01-bn1-obe.outbound.protection.outlook.com"}
_SPF = {"provider": "_spf.provider.example"}
_SUFFIXES = {"microsoft-365": "outbound.protection.outlook.com"}


def demo_configuration(dns_port: int, *, interval: str = "15s") -> str:
    """The configuration file that watches the demo world, served on *dns_port*."""
    scenarios = load_scenarios()
    pools = [
        _pool(name, settings, interval, [scenario for scenario in scenarios if scenario.pool == name])
        for name, settings in _POOLS.items()
    ]
    domains = [_domain(scenario, interval) for scenario in load_domain_scenarios() if not scenario.at]
    return "".join([_HEAD.format(port=dns_port), *pools, "domains:\n", *domains])


def _pool(name: str, settings: str, interval: str, scenarios: Sequence[Scenario]) -> str:
    lines = [f"  - name: {name}"]
    if settings:
        lines.append(f"    {settings}")
    lines.append(f"    interval: {interval}")
    if name in _SUFFIXES:
        lines.append(f"    aligned_suffix: {_SUFFIXES[name]}")
    if name in _HELO_NAMES:
        lines.append(f"    helo_names: [{_HELO_NAMES[name]}]")
    if name in MAIL_FROM_DOMAINS:
        lines.append(f"    mail_from_domains: {MAIL_FROM_DOMAINS[name]}")
    lines.append(f"    dnsbls: {DNSBLS.get(name, '[]')}")
    if name in _SPF:
        return "\n".join([*lines, f"    spf: {_SPF[name]}"]) + "\n"
    lines.append("    addresses:")
    if name in _NETWORKS:
        lines.append(f"      - {_NETWORKS[name]}")
    else:
        lines += [f"      - {_address(scenario)}" for scenario in scenarios if not scenario.at]
    return "\n".join(lines) + "\n"


def _domain(scenario: DomainScenario, interval: str) -> str:
    keys = f", dkim_selectors: [{', '.join(scenario.selectors)}]" if scenario.selectors else ""
    expect = ", expect: {add: [mta-sts, tls-rpt]}" if scenario.is_strict else ""
    return f"  - {{name: {scenario.domain}, interval: {interval}{keys}{expect}}}  # {scenario.what}\n"


def _address(scenario: Scenario) -> str:
    helo = "" if not scenario.helo else f", helo: {json.dumps(scenario.helo)}"
    return f"{{ip: {json.dumps(str(scenario.target.address))}{helo}}}  # {scenario.what}"


# SECTION exporter.demo.demo_world
# The demo world: a few mail pools as operators have them, with every way in which theirs can go wrong.
#
# The rule of this file: what is published is in ``world.zone`` and ``domains.zone``, what must come out of it
# in
# ``scenarios.txt`` and ``domains.txt``; here is how servers misbehave, what changes when, and nothing else.

FAULTS: tuple[FaultAt, ...] = (
    ("17.2.0.192.in-addr.arpa", Fault.TRUNCATED),
    ("mail8.example.org", Fault.TRUNCATED),
    ("mail9.example.org", Fault.SERVFAIL, "AAAA"),
    ("129.100.51.198.in-addr.arpa", Fault.SERVFAIL),
    ("130.100.51.198.in-addr.arpa", Fault.REFUSED),
    ("131.100.51.198.in-addr.arpa", Fault.SILENT),
    ("relay5.oldco.example.net", Fault.SERVFAIL),
    ("silent6.oldco.example.net", Fault.SILENT),
    ("silent7.oldco.example.net", Fault.SILENT),
    ("delegated.oldco.example.net", Fault.SERVFAIL),
    ("silent.example", Fault.SERVFAIL),
    ("sender12.campaigns.example.org", Fault.SERVFAIL, "TXT"),
)

_GROWN = '_spf.provider.example. 30 TXT "v=spf1 ip4:203.0.113.240/28 ip6:2001:db8:c::/48 exists:%{i}._spf.%{d2} ~all"'

EPISODES = (
    Episode(
        "the PTR name of 192.0.2.21 flaps",
        every=40,
        begins=20,
        ends=40,
        published=("21.2.0.192.in-addr.arpa. 5 PTR relay-b.example.org.",),
    ),
    Episode(
        "the PTR record of 192.0.2.20 is lost",
        every=600,
        begins=90,
        ends=240,
        withdrawn=(("20.2.0.192.in-addr.arpa", "PTR"),),
    ),
    Episode(
        "the DKIM key of rotating.example is lost",
        every=600,
        begins=90,
        ends=240,
        withdrawn=(("s1._domainkey.rotating.example", "TXT"),),
    ),
    Episode(
        "the servers of 198.51.100.192/26's reverse zone fall silent",
        every=300,
        begins=180,
        ends=240,
        faults=(("192-255.100.51.198.in-addr.arpa", Fault.SILENT),),
    ),
    Episode(
        "the A record of alerts.example.org is moved",
        every=600,
        begins=300,
        ends=420,
        published=("alerts.example.org. 30 A 192.0.2.99",),
    ),
    Episode(
        "provider.example sends from twice as many addresses",
        every=2400,
        begins=420,
        ends=1500,
        published=(_GROWN,),
    ),
)


def demo_world(*, clock: Callable[[], float] = time.monotonic, speed: float = 1.0) -> World:
    """Make the world, as it is at its first moment. A *speed* of 0 keeps it there."""
    return World(published=_published(), faults=FAULTS, episodes=EPISODES, clock=clock, speed=speed)


@functools.cache
def _published() -> tuple[RecordSet, ...]:
    """What the zone files say, read once: tests make a thousand worlds of it, and no world changes a set."""
    paths = [Path(__file__).with_name(name) for name in ("world.zone", "domains.zone")]
    lines = [line for path in paths for line in path.read_text(encoding="ascii").splitlines()]
    return tuple(parse_records(lines, source=" and ".join([path.name for path in paths])))
