"""Hypothesis strategies: names, addresses, and small worlds in which everything has a fair chance to match."""

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


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a DNS around `OURS`: PTR records or none, CNAMEs in both trees, forward records that fit or do not."""
    records: dict[Question, frozenset[Record]] = {}
    cnames: dict[DomainName, DomainName] = {}
    for address in NEIGHBOURS:
        owner = address.reverse_name
        if draw(st.integers(0, 3)) == 0:
            cnames[owner] = owner = DELEGATED
        _publish(draw, records, Question(owner, "PTR"), draw(st.sampled_from([HOSTS, HOSTS, MANY])), max_size=12)
    for host in (*HOSTS, ELSEWHERE, *draw(st.sampled_from([(), MANY]))):
        if draw(st.integers(0, 4)) == 0:
            cnames[host] = draw(st.sampled_from([ELSEWHERE, *HOSTS]))
        _publish(draw, records, Question(host, "A"), [it for it in NEIGHBOURS if it.family == 4], max_size=2)
        _publish(draw, records, Question(host, "AAAA"), [it for it in NEIGHBOURS if it.family == 6], max_size=2)
    return World(records, cnames)


def _publish(
    draw: st.DrawFn,
    records: dict[Question, frozenset[Record]],
    question: Question,
    candidates: Sequence[Record],
    *,
    max_size: int,
) -> None:
    """Draw what is published for a question: some of the candidates, another type at the same name, or nothing."""
    rdata = draw(st.sets(st.sampled_from(candidates), max_size=min(max_size, len(candidates))))
    if rdata:
        records[question] = frozenset(rdata)
    elif draw(st.booleans()):
        records[Question(question.name, "TXT")] = frozenset({Text(b"here")})


def outages(questions: Sequence[Question]) -> st.SearchStrategy[dict[Question, Status]]:
    """Draw which of *questions* go unanswered, and how."""
    return st.dictionaries(st.sampled_from(questions), st.sampled_from(INCONCLUSIVE))
