"""Builders that tests share: small zones, and the answers that a DNS holding them would give.

Nothing here decides a verdict. A `World` knows records and CNAMEs; what they mean is for
`exporter.checks` to say.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, MailExchange, Question, Record, RRType, StartOfAuthority, Status, Text
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import Fix

MAX_LINKS = 16


def name(text: str) -> DomainName:
    """Read a domain name."""
    return DomainName(text)


def names(*texts: str) -> tuple[DomainName, ...]:
    """Read several domain names, sorted as an answer holds them."""
    return tuple(sorted(map(DomainName, texts)))


def address(text: str) -> Address:
    """Read an address."""
    return Address.parse(text)


def addresses(*texts: str) -> tuple[Address, ...]:
    """Read several addresses, sorted as an answer holds them."""
    return tuple(sorted(map(Address.parse, texts)))


def question(text: str, rdtype: RRType) -> Question:
    """Build a question."""
    return Question(DomainName(text), rdtype)


def target(ip: str, *helos: str) -> Target:
    """Build a target from what a person writes."""
    return Target(Address.parse(ip), tuple(map(HeloName.parse, helos)))


def found(*records: Record) -> Answer:
    """Build the answer that holds these records."""
    return Answer(Status.ANSWER, tuple(sorted(set(records))))  # type: ignore[type-var]  # of one kind


def ptr(*texts: str) -> Answer:
    """Build the answer to a PTR question."""
    return found(*map(DomainName, texts))


def hosts(*texts: str) -> Answer:
    """Build the answer to an A or AAAA question."""
    return found(*map(Address.parse, texts))


NODATA = Answer(Status.NODATA)
NXDOMAIN = Answer(Status.NXDOMAIN)
TIMEOUT = Answer(Status.TIMEOUT)
SERVFAIL = Answer(Status.SERVFAIL)


@dataclass(frozen=True)
class World:
    """All that a small DNS holds: records by question, CNAMEs by owner, questions that get no answer.

    Calling it answers a question as a resolver would: CNAMEs are followed, a name that has other records (or names
    below it) is NODATA, any other is NXDOMAIN.
    """

    records: Mapping[Question, frozenset[Record]] = field(default_factory=dict)
    cnames: Mapping[DomainName, DomainName] = field(default_factory=dict)
    outages: Mapping[Question, Status] = field(default_factory=dict)

    @classmethod
    def parse(cls, zone: str) -> Self:
        """Read lines of ``owner TYPE rdata``; ``owner TYPE !servfail`` is a question that gets no answer.

        Owners are absolute, with or without the dot. A ``;`` at the start of a line, or after white space, opens a
        comment.
        """
        records: dict[Question, set[Record]] = {}
        cnames: dict[DomainName, DomainName] = {}
        outages: dict[Question, Status] = {}
        for line in zone.splitlines():
            words = f" {line}".split(" ;")[0].split(None, 2)
            if not words:
                continue
            owner, rdtype, rdata = DomainName(words[0]), words[1], words[2].strip()
            if rdata.startswith("!"):
                outages[Question(owner, rdtype)] = Status(rdata[1:])  # type: ignore[arg-type]
            elif rdtype == "CNAME":
                cnames[owner] = DomainName(rdata)
            else:
                asked = Question(owner, rdtype)  # type: ignore[arg-type]
                records.setdefault(asked, set()).add(_rdata(rdtype, rdata))
        return cls({asked: frozenset(rdata) for asked, rdata in records.items()}, cnames, outages)

    def publish(self, lines: Iterable[str]) -> Self:
        """Build the world in which these zone-file lines are published as well."""
        more = World.parse("\n".join(lines))
        records = dict(self.records)
        for asked, rdata in more.records.items():
            records[asked] = records.get(asked, frozenset()) | rdata
        return replace(self, records=records, cnames={**self.cnames, **more.cnames})

    def apply(self, fix: Fix) -> Self:
        """Build the world in which a fix is applied: what it replaces is gone, what it asks for is published."""
        gone = World.parse("\n".join(fix.replaces))
        cnames = {owner: to for owner, to in self.cnames.items() if gone.cnames.get(owner) != to}
        records = dict(self.records)
        for line in fix.replaces:
            for asked, (one,) in World.parse(line).records.items():
                rdata = records.get(asked, frozenset())
                same = [it for it in rdata if it == one or (isinstance(one, Text) and it[0] == one.joined)]
                records[asked] = rdata - {min(same, key=lambda it: it != one)} if same else rdata
        records = {asked: rdata for asked, rdata in records.items() if rdata}
        return replace(self, records=records, cnames=cnames).publish(fix.records)

    def without_answers_to(self, lost: Mapping[Question, Status]) -> Self:
        """Build the world in which these questions go unanswered."""
        return replace(self, outages={**self.outages, **lost})

    def __call__(self, asked: Question) -> Answer:
        """Answer a question."""
        if asked in self.outages:
            return Answer(self.outages[asked])
        owner, chain = asked.name, []
        if (
            asked.rdtype == "CNAME" and owner in self.cnames
        ):  # what is asked for is not followed (RFC 1034 section 3.6.2)
            return Answer(Status.ANSWER, (self.cnames[owner],), ttl=300)
        while (at := self._wildcard(owner)) in self.cnames:
            owner = self.cnames[at]
            chain.append(owner)
            if len(chain) > MAX_LINKS:
                return Answer(Status.CHAIN)
        rdata = self.records.get(Question(at, asked.rdtype))
        if rdata:
            return Answer(Status.ANSWER, tuple(sorted(rdata)), tuple(chain), ttl=300)  # type: ignore[type-var]
        return Answer(Status.NODATA if self._exists(at) else Status.NXDOMAIN, chain=tuple(chain))

    def _wildcard(self, owner: DomainName) -> DomainName:
        """The name itself if it exists, or the wildcard that stands for it (RFC 4592)."""
        if not any(known.startswith("*.") for known in (*self.cnames, *[it.name for it in self.records])):
            return owner
        above = owner
        while not self._exists(above):
            above = above.parent
        return owner if above in {owner, "."} else DomainName(f"*.{above}")

    def _exists(self, owner: DomainName) -> bool:
        return any(known.name.is_under(owner) for known in self.records) or any(
            alias.is_under(owner) for alias in self.cnames
        )


def _rdata(rdtype: str, text: str) -> Record:
    match rdtype:
        case "A" | "AAAA":
            return Address.parse(text)
        case "PTR" | "NS":
            return DomainName(text)
        case "MX":
            preference, exchange = text.split()
            return MailExchange(int(preference), DomainName(exchange))
        case "SOA":
            mname, rname, serial = text.split()[:3]
            return StartOfAuthority(DomainName(mname), DomainName(rname), int(serial))
        case _:
            return Text.of(_strings(text)) if text.startswith('"') else Text(text.encode())


def _strings(text: str) -> list[bytes]:
    """Read the quoted strings of a TXT record."""
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    read = [re.sub(r"\\([0-9]{3}|.)", lambda it: chr(int(it[1])) if len(it[1]) == 3 else it[1], it) for it in quoted]
    return [it.encode("latin-1") for it in read]
