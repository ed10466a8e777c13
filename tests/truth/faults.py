"""The world that is watched: what is published for each address, and which faults come and go.

It knows the truth, and nothing of who asks. Every address is right but while a fault lasts.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName

TTL_SECONDS = 30
NXDOMAIN, NODATA = Answer(Status.NXDOMAIN, ttl=TTL_SECONDS), Answer(Status.NODATA, ttl=TTL_SECONDS)
_ELSEWHERE = Address.parse("192.0.2.66")
_STRANGER = DomainName("host.elsewhere.example.net")


def found(record: Address | DomainName) -> Answer:
    """The answer that has one record."""
    return Answer(Status.ANSWER, (record,), ttl=TTL_SECONDS)


@dataclass(frozen=True)
class Names:
    """What belongs to the address of this number."""

    number: int
    address: Address
    reverse: Question
    forward: Question
    helo: Question

    @property
    def right(self) -> dict[Question, Answer]:
        """What is published for it while nothing is wrong."""
        return {
            self.reverse: found(self.forward.name),
            self.forward: found(self.address),
            self.helo: found(self.address),
        }


def names(number: int) -> Names:
    """The names of an address of 10.0.0.0/8."""
    address = Address.parse(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    octets = "-".join(str(address).split("."))
    return Names(
        number,
        address,
        Question(address.reverse_name, "PTR"),
        Question(DomainName(f"mta-{octets}.example.org"), "A"),
        Question(DomainName(f"helo-{octets}.example.org"), "A"),
    )


KINDS: dict[str, Callable[[Names], dict[Question, Answer]]] = {
    "ptr-nxdomain": lambda it: {it.reverse: NXDOMAIN},
    "ptr-nodata": lambda it: {it.reverse: NODATA},
    "ptr-elsewhere": lambda it: {it.reverse: found(_STRANGER)},
    "forward-nxdomain": lambda it: {it.forward: NXDOMAIN},
    "forward-nodata": lambda it: {it.forward: NODATA},
    "forward-mismatch": lambda it: {it.forward: found(_ELSEWHERE)},
    "helo-nxdomain": lambda it: {it.helo: NXDOMAIN},
    "helo-nodata": lambda it: {it.helo: NODATA},
    "helo-mismatch": lambda it: {it.helo: found(_ELSEWHERE)},
    "everything": lambda it: {it.reverse: NXDOMAIN, it.forward: NXDOMAIN, it.helo: NXDOMAIN},
}
"""What a fault of each kind publishes instead."""


@dataclass(frozen=True)
class Fault:
    """A fault of the address of this number, from *begin* to *end*, in seconds of the simulation."""

    kind: str
    number: int
    begin: float
    end: float

    def lasts_at(self, now: float, lag: float = 0.0) -> bool:
        """Whether it is seen by who sees everything *lag* seconds late."""
        return self.begin + lag <= now < self.end + lag


@dataclass
class Published:
    """What *size* addresses publish over time; *faults* by the number of their address, one each."""

    size: int
    faults: dict[int, Fault]
    _owners: dict[Question, Names] = field(default_factory=dict)
    _right: dict[Question, Answer] = field(default_factory=dict)
    _wrong: dict[int, dict[Question, Answer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(self.size):
            mine = names(number)
            self._right |= mine.right
            self._owners |= dict.fromkeys(mine.right, mine)
        for number, fault in self.faults.items():
            self._wrong[number] = KINDS[fault.kind](names(number))

    def owner(self, question: Question) -> Names | None:
        """Whose name it is."""
        return self._owners.get(question)

    def answer(self, question: Question, now: float, lag: float = 0.0) -> Answer:
        """What is published at *now*, to who sees everything *lag* seconds late."""
        owner = self._owners.get(question)
        if owner is None:
            return NODATA if question.rdtype == "AAAA" else NXDOMAIN
        fault = self.faults.get(owner.number)
        if fault is not None and fault.lasts_at(now, lag):
            return self._wrong[owner.number].get(question, self._right[question])
        return self._right[question]


def scatter(size: int, count: int, intervals: int, interval: float, rng: random.Random) -> dict[int, Fault]:
    """*count* faults of all kinds on as many addresses, each for between half an interval and six of them."""
    kinds = list(KINDS)
    faults = {}
    for place, number in enumerate(rng.sample(range(size), count)):
        begin = rng.uniform(2, intervals - 8) * interval
        faults[number] = Fault(kinds[place % len(kinds)], number, begin, begin + rng.uniform(0.5, 6) * interval)
    return faults
