"""The demo world: its records, the faults of its servers, its changes, and the results that checks must have."""

import functools
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, MailExchange, Question, Record, RRType, StartOfAuthority, Status, Text
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import CheckName, IprevVerdict, Reason, Result

DEFAULT_TTL = 30

_LINE = re.compile(
    r"(?P<owner>\S+)?\s+(?:(?P<ttl>[0-9]+)\s+)?(?:IN\s+)?(?P<rdtype>[A-Z][A-Z0-9]*)\s+(?P<rdata>.*)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records of one type at one name (an RRset, RFC 2181 section 5).

    Attributes:
        owner: Their name.
        rdtype: Their type, like "MX".
        ttl: Time to live, in seconds.
        rdatas: The data of each record.
    """

    owner: DomainName
    rdtype: str
    ttl: int
    rdatas: tuple[dns.rdata.Rdata, ...]

    @property
    def target(self) -> DomainName:
        """The target of a CNAME."""
        return name_of(self.rdatas[0].target)  # type: ignore[attr-defined]  # dnspython types rdata by their class


def name_of(name: dns.name.Name) -> DomainName:
    """Convert an absolute name of dnspython."""
    return DomainName.from_labels(name.labels[:-1])


def parse_records(lines: Iterable[str], *, source: str = "records") -> list[RecordSet]:
    """Read lines in zone-file format (RFC 1035 section 5.1): one record per line, ``;`` comments, $ORIGIN and $TTL.

    A line without owner has that of the line before. The TTL of a set is that of its first record. Raises `ValueError`
    with the number of the line for anything else.
    """
    reader = _Reader()
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip()
        if line and not line.lstrip().startswith(";"):
            try:
                reader.read(line)
            except (ValueError, dns.exception.DNSException) as error:
                raise ValueError(f"{source}: line {number}: {line!r}: {error}") from None
    return [
        RecordSet(name_of(name), rdtype, ttl, tuple(rdatas)) for (name, rdtype), (ttl, rdatas) in reader.sets.items()
    ]


class _Reader:
    """Reads lines of a zone file; *sets* has the TTL and the data of the records by name and type."""

    def __init__(self) -> None:
        self._origin = self._owner = dns.name.root
        self._ttl = DEFAULT_TTL
        self.sets: dict[tuple[dns.name.Name, str], tuple[int, dict[dns.rdata.Rdata, None]]] = {}

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
        _, rdatas = self.sets.setdefault((self._owner, rdtype), (int(match["ttl"] or self._ttl), {}))
        rdatas[rdata] = None


class Zone:
    """All records, by name and type."""

    def __init__(self, record_sets: Iterable[RecordSet] = ()) -> None:
        self._sets: dict[DomainName, dict[str, RecordSet]] = {}
        self._at_or_below: Counter[DomainName] = Counter()
        for record_set in record_sets:
            self._add(record_set)

    def __iter__(self) -> Iterator[RecordSet]:
        for by_type in self._sets.values():
            yield from by_type.values()

    def get(self, name: DomainName, rdtype: str) -> RecordSet | None:
        """The records of a type at a name, without following CNAMEs."""
        return self._sets.get(name, {}).get(rdtype)

    def exists(self, name: DomainName) -> bool:
        """Whether the name or a name below it has records (RFC 8020)."""
        return self._at_or_below[name] > 0

    def authority(self, name: DomainName) -> RecordSet | None:
        """The SOA record of the zone of a name."""
        for ancestor in lineage(name):
            soa = self.get(ancestor, "SOA")
            if soa is not None:
                return soa
        return None

    def put(self, record_set: RecordSet) -> None:
        """Replace the set with this name and type. A CNAME replaces all other types (RFC 1034 section 3.6.2)."""
        owner = record_set.owner
        if record_set.rdtype == "CNAME":
            self.remove(owner)
        else:
            self.remove(owner, "CNAME")
        self._add(record_set)

    def _add(self, record_set: RecordSet) -> None:
        owner, rdtype = record_set.owner, record_set.rdtype
        by_type = self._sets.setdefault(owner, {})
        if rdtype not in by_type:
            for ancestor in lineage(owner):
                self._at_or_below[ancestor] += 1
        by_type[rdtype] = record_set

    def remove(self, name: DomainName, rdtype: str | None = None) -> None:
        """Remove the records of one type, or of all types, at a name."""
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


def decode(rdata: Any) -> Record:
    """Convert data of dnspython to the record that checks use. Raises `TypeError` for types that no check needs."""
    match rdata.rdtype.name:
        case "A" | "AAAA":
            return Address(rdata.to_wire())
        case "PTR" | "CNAME" | "NS":
            return name_of(rdata.target)
        case "MX":
            return MailExchange(rdata.preference, name_of(rdata.exchange))
        case "SOA":
            return StartOfAuthority(name_of(rdata.mname), name_of(rdata.rname), rdata.serial)
        case "TXT":
            return Text.of(rdata.strings)
        case rdtype:
            raise TypeError(f"no check asks for {rdtype}")


CHAIN_LIMIT = 16
"""Longest chain of CNAMEs that a resolver follows; beyond it the status is `Status.CHAIN`."""


class Fault(StrEnum):
    """How the servers of a name misbehave."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"
    TRUNCATED = "truncated"
    """Answers over UDP are truncated and empty; over TCP they are complete."""


_STATUS = {Fault.SERVFAIL: Status.SERVFAIL, Fault.REFUSED: Status.REFUSED, Fault.SILENT: Status.TIMEOUT}

FaultAt = tuple[str, Fault] | tuple[str, Fault, RRType]
"""A name, with all names below it; how its servers misbehave; the type of question, if not all."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A change that comes and goes periodically. Times are in seconds of the world.

    Attributes:
        what: What happens, for people.
        every: Length of the period.
        begins: Start in each period.
        ends: End in each period: everything is as it was before.
        published: Records, in zone-file format, that replace those of the same name and type.
        withdrawn: Names and types whose records are removed.
        faults: Names and how their servers misbehave.
    """

    what: str
    every: float
    begins: float
    ends: float
    published: tuple[str, ...] = ()
    withdrawn: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, Fault], ...] = ()

    def is_active_at(self, seconds: float) -> bool:
        """Whether it has begun and not ended at that time."""
        return self.begins <= seconds % self.every < self.ends

    def next_change(self, seconds: float) -> float:
        """The first time after *seconds* at which it begins or ends."""
        period = seconds // self.every * self.every
        changes = [period + self.begins, period + self.ends, period + self.every + self.begins]
        return next(at for at in changes if at > seconds)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer to a question.

    Attributes:
        status: Outcome of the lookup. `CHAIN` only for a loop: the client decides whether a chain is too long.
        chain: The CNAMEs that were followed.
        records: The records at the end of the chain.
        authority: The SOA record, if there are no records.
        is_truncated: Whether the answer is truncated over UDP.
    """

    status: Status
    chain: tuple[RecordSet, ...] = ()
    records: RecordSet | None = None
    authority: RecordSet | None = None
    is_truncated: bool = False


class World:
    """A small DNS, with faults and episodes. Changes happen when it is asked. Not thread-safe.

    *records* are lines in zone-file format, *published* are sets that have been read before. *clock* returns monotonic
    seconds. *speed* is the number of seconds of the world per second of the clock; 0 stops it at its start.
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
        self._active: dict[int, Callable[[], None]] = {}
        self._clock = clock
        self._speed = speed
        self._began = clock()
        self._next_change = -math.inf if episodes else math.inf
        self._generation = 0
        for name, fault, *rdtype in faults:
            self._set_fault(DomainName(name), fault, *rdtype)

    @property
    def elapsed(self) -> float:
        """Age of the world, in its own seconds."""
        return (self._clock() - self._began) * self._speed

    @property
    def generation(self) -> int:
        """Changes whenever the world does, so that answers can be cached until then."""
        self._catch_up()
        return self._generation

    def resolve(self, name: DomainName, rdtype: str) -> Resolution:
        """Answer as a resolver with all zones of the world, following CNAMEs."""
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
        """The answer that an exporter gets from a perfect resolver, without the network."""
        found = self.resolve(question.name, question.rdtype)
        chain = tuple([link.target for link in found.chain])
        sets = [record_set for record_set in (*found.chain, found.records) if record_set is not None]
        ttl = min((record_set.ttl for record_set in sets), default=0)
        status = Status.CHAIN if len(chain) > CHAIN_LIMIT else found.status
        if status is Status.ANSWER and found.records is not None:
            return Answer(status, tuple(sorted(map(decode, found.records.rdatas))), chain, ttl)
        return Answer(status, (), chain if status.is_conclusive else (), ttl if status.is_conclusive else 0)

    def apply(self, records: Iterable[str]) -> None:
        """Publish lines in zone-file format. They replace the records of the same name and type."""
        self._catch_up()
        for record_set in parse_records(records):
            self._put(record_set)

    def add(self, records: Iterable[str]) -> None:
        """Publish lines in zone-file format in addition to the existing records."""
        self._catch_up()
        for record_set in parse_records(records):
            there = self.zone.get(record_set.owner, record_set.rdtype)
            if there is None:
                self._put(record_set)
            else:
                rdatas = tuple(dict.fromkeys((*there.rdatas, *record_set.rdatas)))
                self._put(RecordSet(there.owner, there.rdtype, there.ttl, rdatas))

    def withdraw(self, records: Iterable[str]) -> None:
        """Remove exactly these records, whatever their TTL, but no others of the same name and type."""
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
        """Remove the records of one type, or of all types, at a name. Names below it keep theirs."""
        self._catch_up()
        self._remove(DomainName(name), rdtype)

    def set_fault(self, name: str, fault: Fault | None, rdtype: RRType | None = None) -> None:
        """Let the servers of a name and all names below it misbehave, for one type or all; None ends that.

        The fault of a name counts more than that of its parent, and that of a type more than that of all types.
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
        """Begin and end episodes that are due. Ends come first: they must not undo the start of another episode."""
        if self._next_change == math.inf or (now := self.elapsed) < self._next_change:
            return
        for index, episode in enumerate(self._episodes):
            if index in self._active and not episode.is_active_at(now):
                self._active.pop(index)()
        for index, episode in enumerate(self._episodes):
            if index not in self._active and episode.is_active_at(now):
                self._active[index] = self._begin(episode)
        self._next_change = min(episode.next_change(now) for episode in self._episodes)

    def _begin(self, episode: Episode) -> Callable[[], None]:
        """Begin an episode. Returns a function that ends it."""
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


HELO_CHECKS = (
    CheckName.HELO_SYNTAX,
    CheckName.HELO_RESOLVES,
    CheckName.HELO_ADDRESS_MATCH,
    CheckName.HELO_PTR_MATCH,
    CheckName.HELO_ALIGNED,
)

MAIL_FROM_DOMAINS = {"campaigns": DomainName("campaigns.example.org")}
"""The domain that a pool sends mail for. Such a pool requires an SPF record for each HELO name."""

DNSBLS = {
    "campaigns": DomainName("bl.example.org"),
    "blocked-list": DomainName("blocked.example.org"),
    "dead-list": DomainName("dead.example.org"),
}
"""The block list in which a pool is looked up; other pools have none."""

_UNKNOWN = frozenset(
    [
        *[status.value for status in Status if not status.is_conclusive],
        Reason.DNSBL_BLOCKED.value,
        Reason.DNSBL_UNTRUSTED.value,
    ]
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One address of the demo world, and the results that its checks must have. They are written by hand.

    Attributes:
        pool: Name of the pool.
        target: The address and its HELO name.
        what: What is right or wrong, for people.
        iprev: Verdict of iprev.
        reasons: Reasons of all checks that do not pass.
        at: Age of the world, in seconds, at which this is expected.
    """

    pool: str
    target: Target
    what: str
    iprev: IprevVerdict
    reasons: Mapping[CheckName, Reason]
    at: float = 0.0

    @property
    def helo(self) -> str:
        """The HELO name as the server sends it; "" if it is unknown."""
        return self.target.helos[0].text if self.target.helos else ""

    @property
    def more(self) -> tuple[CheckName, ...]:
        """The checks of this pool that are not about names."""
        spf = (CheckName.SPF_HELO, CheckName.SPF_MAILFROM) if self.pool in MAIL_FROM_DOMAINS else ()
        return (*spf, CheckName.DNSBL) if self.pool in DNSBLS else spf

    @property
    def results(self) -> dict[CheckName, tuple[Result, Reason | None]]:
        """Result and reason of each check: `fcrdns`, the five of the HELO name if there is one, and `more`."""
        checks = [CheckName.FCRDNS, *(HELO_CHECKS if self.target.helos else ()), *self.more]
        return {check: (self._result(check), self.reasons.get(check)) for check in checks}

    def _result(self, check: CheckName) -> Result:
        if check not in self.reasons:
            return Result.PASS
        return Result.UNKNOWN if self.reasons[check].value in _UNKNOWN else Result.FAIL

    def __str__(self) -> str:
        return f"{self.target.address} {self.helo} @{self.at:g}: {self.what}"


def load_scenarios() -> tuple[Scenario, ...]:
    """Read ``scenarios.txt``, in its order."""
    return tuple(_scenarios())


def _scenarios() -> Iterator[Scenario]:
    pool = ""
    for line in _lines("scenarios.txt"):
        if line.endswith(" >"):
            pool = line.removesuffix(" >")
            continue
        subject, helo, verdict, reasons, what = (cell.strip() for cell in line.split("|"))
        at, address = _age(subject)
        helos = () if helo == "." else (HeloName.parse(helo),)
        target = Target(Address.parse(address), helos)
        yield Scenario(pool, target, what, IprevVerdict(verdict), dict(_reasons(reasons)), at)


def _lines(name: str) -> list[str]:
    """The lines of a table beside this file, without comments."""
    lines = Path(__file__).with_name(name).read_text(encoding="ascii").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _age(cell: str) -> tuple[float, str]:
    """Split a cell like ``@ 100 example.org`` into the age of the world, by default 0, and the subject."""
    *age, subject = cell.removeprefix("@").split()
    return float(age[0]) if age else 0.0, subject


def _reasons(text: str) -> Iterator[tuple[CheckName, Reason]]:
    for item in text.split():
        check, _, reason = item.partition("=")
        for name in HELO_CHECKS if check == "helo-*" else (CheckName(check),):
            yield name, Reason(reason)


DomainFault = tuple[CheckName, str, str]
"""A check, its DKIM selector ("" for none), and a reason."""


@dataclass(frozen=True, slots=True)
class DomainScenario:
    """One domain of the demo world, and the results that its checks must have. They are written by hand.

    Attributes:
        domain: The domain.
        selectors: Selectors of its DKIM keys.
        what: What is right or wrong, for people.
        faults: All results that are not a pass; those of MTA-STS and TLS-RPT only if it is strict.
        hints: All hints.
        is_strict: Whether MTA-STS and TLS-RPT are expected.
        at: Age of the world, in seconds, at which this is expected.
    """

    domain: DomainName
    selectors: tuple[str, ...]
    what: str
    faults: frozenset[DomainFault]
    hints: frozenset[DomainFault]
    is_strict: bool = False
    at: float = 0.0


def load_domain_scenarios() -> tuple[DomainScenario, ...]:
    """Read ``domains.txt``, in its order."""
    return tuple(map(_domain_scenario, _lines("domains.txt")))


def _domain_scenario(line: str) -> DomainScenario:
    subject, selectors, faults, hints, what = (cell.strip() for cell in line.split("|"))
    at, name = _age(subject)
    return DomainScenario(
        DomainName(name.removeprefix("+")),
        () if selectors == "." else tuple(selectors.split()),
        what,
        frozenset(_faults(faults)),
        frozenset(_faults(hints)),
        name.startswith("+"),
        at,
    )


def _faults(text: str) -> Iterator[DomainFault]:
    for item in text.split():
        subject, _, reason = item.partition("=")
        check, _, selector = subject.partition("/")
        yield CheckName(check), selector, reason


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
    "corporate": ["profile: dedicated"],
    "microsoft-365": [
        "profile: microsoft-365",
        "aligned_suffix: outbound.protection.outlook.com",
        "helo_names: [na01-bn1-obe.outbound.protection.outlook.com]",
    ],
    "newsletter": [
        "profile: dedicated",
        'addresses: [{network: 198.51.100.0/28, helo: "mta{octet4}.news.example.net"}]',
    ],
    "branch-offices": [],
    "acquired": ["profile: dedicated"],
    "hosting-customers": ["expect: [fcrdns]"],
    "campaigns": ["helo_spf_required: true"],
    "blocked-list": [],
    "dead-list": [],
    "provider": ["expect: [fcrdns]", "spf: _spf.provider.example"],
}
"""The keys of each pool. A pool without `addresses` and `spf` has the addresses of its scenarios."""


def demo_configuration(dns_port: int, *, interval: str = "15s") -> str:
    """The configuration file of an operator who watches the demo world, with its DNS server on *dns_port*."""
    scenarios = load_scenarios()
    pools = [
        _pool(name, keys, interval, [scenario for scenario in scenarios if scenario.pool == name])
        for name, keys in _POOLS.items()
    ]
    domains = [_domain(scenario, interval) for scenario in load_domain_scenarios() if not scenario.at]
    return "".join([_HEAD.format(port=dns_port), *pools, "domains:\n", *domains])


def _pool(name: str, keys: Sequence[str], interval: str, scenarios: Sequence[Scenario]) -> str:
    lines = [f"name: {name}", f"interval: {interval}", *keys]
    if name in MAIL_FROM_DOMAINS:
        lines.append(f"mail_from_domains: {MAIL_FROM_DOMAINS[name]}")
    lines.append(f"dnsbls: {DNSBLS.get(name, '[]')}")
    if not any(key.startswith(("addresses:", "spf:")) for key in keys):
        lines += ["addresses:", *[f"  - {_address(scenario)}" for scenario in scenarios if not scenario.at]]
    return "  - " + "\n    ".join(lines) + "\n"


def _domain(scenario: DomainScenario, interval: str) -> str:
    keys = f", dkim_selectors: [{', '.join(scenario.selectors)}]" if scenario.selectors else ""
    expect = ", expect: {add: [mta-sts, tls-rpt]}" if scenario.is_strict else ""
    return f"  - {{name: {scenario.domain}, interval: {interval}{keys}{expect}}}  # {scenario.what}\n"


def _address(scenario: Scenario) -> str:
    helo = "" if not scenario.helo else f", helo: {json.dumps(scenario.helo)}"
    return f"{{ip: {json.dumps(str(scenario.target.address))}{helo}}}  # {scenario.what}"


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
    """Create the demo world at its start. A *speed* of 0 stops it there."""
    return World(published=_published(), faults=FAULTS, episodes=EPISODES, clock=clock, speed=speed)


@functools.cache
def _published() -> tuple[RecordSet, ...]:
    """The records of the zone files. Cached for tests, which create thousands of worlds; a world changes no set."""
    paths = [Path(__file__).with_name(name) for name in ("world.zone", "domains.zone")]
    lines = [line for path in paths for line in path.read_text(encoding="ascii").splitlines()]
    return tuple(parse_records(lines, source=" and ".join([path.name for path in paths])))
