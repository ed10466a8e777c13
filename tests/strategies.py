"""Hypothesis strategies: names, addresses, and small worlds in which everything has a fair chance to match."""

import itertools
from collections.abc import Sequence

from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.answers import Question, Record, Status, Text
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from tests.factories import World

INCONCLUSIVE = tuple(status for status in Status if not status.is_conclusive)

labels = st.binary(min_size=1, max_size=63)
"""Whatever octets a label can hold."""

label_lists = st.lists(labels, max_size=8).filter(lambda some: sum(map(len, some)) + len(some) < 255)

domain_names = label_lists.map(DomainName.from_labels)
"""Any name that the DNS can hold, hostile octets and the root included."""

ipv4_addresses = st.binary(min_size=4, max_size=4).map(Address)
ipv6_addresses = st.binary(min_size=16, max_size=16).filter(lambda it: it[:12] != bytes(10) + b"\xff\xff").map(Address)
any_addresses = ipv4_addresses | ipv6_addresses

OURS = (Address.parse("192.0.2.1"), Address.parse("2001:db8::1"))
NEIGHBOURS = (*OURS, Address.parse("192.0.2.2"), Address.parse("2001:db8::2"))
HOSTS = tuple(map(DomainName, ["mta1.example.org", "mta2.example.org", "mail.example.net", "odd_name.example.org"]))
MANY = tuple(DomainName(f"mta{number}.many.example.org") for number in range(12))
DELEGATED = DomainName("1.0-127.2.0.192.in-addr.arpa")
ELSEWHERE = DomainName("alias.example.com")

HELOS = tuple(
    map(
        HeloName.parse,
        [*HOSTS, "MTA1.Example.Org", "mta2.example.org.", "localhost", "[192.0.2.1]", "a..b", "192.0.2.1"],
    )
)

target_addresses = st.sampled_from(OURS)
targets = st.builds(Target, target_addresses, st.lists(st.sampled_from(HELOS), max_size=3, unique=True).map(tuple))


def _subsets(candidates: Sequence[Record]) -> list[frozenset[Record]]:
    sizes = range(len(candidates) + 1)
    return [frozenset(some) for size in sizes for some in itertools.combinations(candidates, size)]


_HERE: frozenset[Record] = frozenset({Text(b"here")})
_PTR_CHOICES: list[frozenset[Record] | None] = [
    None,
    _HERE,
    *_subsets(HOSTS)[1:],
    frozenset(MANY[:11]),
    frozenset(MANY),
]
_FORWARD_CHOICES: list[DomainName | tuple[frozenset[Record], frozenset[Record]] | None] = [
    None,
    ELSEWHERE,
    *HOSTS,
    *itertools.product(
        _subsets([it for it in NEIGHBOURS if it.family == 4]), _subsets([it for it in NEIGHBOURS if it.family == 6])
    ),
]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a DNS around `OURS`: PTR records or none, CNAMEs in both trees, forward records that fit or do not.

    Each owner takes one draw, because thousands of these worlds are made in a run of the tests.
    """
    records: dict[Question, frozenset[Record]] = {}
    cnames: dict[DomainName, DomainName] = {}
    delegated = draw(st.sets(st.sampled_from(NEIGHBOURS), max_size=2))
    for address in NEIGHBOURS:
        owner = address.reverse_name
        if address in delegated:
            cnames[owner] = owner = DELEGATED
        rdata = draw(st.sampled_from(_PTR_CHOICES))
        if rdata is not None:
            records[Question(owner, "TXT" if rdata is _HERE else "PTR")] = rdata
    confirming = draw(st.sets(st.sampled_from([MANY[0], MANY[9], MANY[10], MANY[11]])))
    for host in confirming:
        records[Question(host, "A")], records[Question(host, "AAAA")] = frozenset(OURS[:1]), frozenset(OURS[1:])
    for host in (*HOSTS, ELSEWHERE):
        choice = draw(st.sampled_from(_FORWARD_CHOICES))
        if isinstance(choice, DomainName):
            cnames[host] = choice
        elif choice is not None:
            a, aaaa = choice
            records[Question(host, "A")], records[Question(host, "AAAA")] = a, aaaa
            records[Question(host, "TXT")] = _HERE
    return World({asked: rdata for asked, rdata in records.items() if rdata}, cnames)


def outages(questions: Sequence[Question]) -> st.SearchStrategy[dict[Question, Status]]:
    """Draw which of *questions* go unanswered, and how."""
    return st.dictionaries(st.sampled_from(questions), st.sampled_from(INCONCLUSIVE))
