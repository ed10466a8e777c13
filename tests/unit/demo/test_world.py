"""The demo world: zone files, lookups, changes, faults and episodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import MailExchange, Question, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName
from exporter.demo.world import Episode, Fault, RecordSet, World, Zone, lineage, parse_records
from tests.factories import address, name, question
from tests.fakes import FakeClock
from tests.strategies import domain_names

NAMES = tuple(map(DomainName, [".", "org", "example.org", "a.example.org", "b.a.example.org", "example.net"]))


def shown(record_sets):
    """Record sets as text, for comparing."""
    return [(str(it.owner), it.rdtype, it.ttl, [rdata.to_text() for rdata in it.rdatas]) for it in record_sets]


def test_zone_file_text_is_read():
    """Owners may be relative, absolute, "@" or missing; class and TTL are optional; comments are ignored."""
    lines = [
        "; a comment",
        "$ORIGIN example.org.",
        "$TTL 60",
        "",
        "@ IN MX 10 mail",
        "mail 5 A 192.0.2.1 ; another",
        "     A 192.0.2.2",
        "  ; indented",
        "1.2.0.192.in-addr.arpa. 7 IN ptr Mail",
        '@ TXT "v=spf1 -all" "; no comment"',
    ]
    assert shown(parse_records(lines)) == [
        ("example.org", "MX", 60, ["10 mail.example.org."]),
        ("mail.example.org", "A", 5, ["192.0.2.1", "192.0.2.2"]),
        ("1.2.0.192.in-addr.arpa", "PTR", 7, ["Mail.example.org."]),
        ("example.org", "TXT", 60, ['"v=spf1 -all" "; no comment"']),
    ]


def test_a_record_that_is_repeated_is_published_once():
    """A set has no duplicates (RFC 2181 section 5)."""
    (records,) = parse_records(["a.example. A 192.0.2.1", "A.example. A 192.0.2.1"])
    assert len(records.rdatas) == 1


@pytest.mark.parametrize(
    ("line", "helo"),
    [
        ("mail.example.org.", "not a record"),
        ("mail.example.org. NOSUCH 1", "NOSUCH"),
        ("mail.example.org. A 192.0.2.256", "192.0.2.256"),
        ("a..b. A 192.0.2.1", "empty"),
        ("mail.example.org. A 192.0.2.1 192.0.2.2", "EOL"),
    ],
)
def test_a_wrong_line_is_an_error_with_its_number(line, helo):
    """A mistake in the records of a test is reported where it is, not as a wrong verdict."""
    with pytest.raises(ValueError, match=r"(?s)world\.zone: line 2: ") as caught:
        parse_records(["example.org. A 192.0.2.1", line], source="world.zone")
    assert helo in str(caught.value)


@given(domain_names)
def test_any_name_can_be_published(name):
    """The text of any `DomainName` is read as the same name, as owner and as the target of a PTR record."""
    (records,) = parse_records([f"{str(name).removesuffix('.')}. PTR {str(name).removesuffix('.')}."])
    assert records.owner == name
    assert records.target == name


@given(domain_names)
def test_a_lineage_ends_at_the_root(name):
    """It has the name and all its parents, including the root."""
    expected = [name]
    while expected[-1] != ".":
        expected.append(expected[-1].parent)
    assert list(lineage(name)) == expected


changes = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["A", "TXT", "CNAME"]), st.booleans()), max_size=20
)


@given(changes)
def test_what_exists_follows_from_what_is_published(made):
    """After any changes, a name exists if it or a name below it has records (RFC 8020)."""
    rdata = {"A": "192.0.2.1", "TXT": '"x"', "CNAME": "target.example."}
    zone = Zone()
    for owner, rdtype, is_published in made:
        if is_published:
            (records,) = parse_records([f"{str(owner).removesuffix('.')}. {rdtype} {rdata[rdtype]}"])
            zone.put(records)
        else:
            zone.remove(owner, rdtype)
    owners = {records.owner for records in zone}
    for asked in NAMES:
        assert zone.exists(asked) == any(owner.is_under(asked) for owner in owners)
        types = {records.rdtype for records in zone if records.owner == asked}
        assert types == {"CNAME"} or "CNAME" not in types


def test_the_authority_is_the_nearest_zone():
    """A negative answer has the SOA record of the zone of the name (RFC 2308 section 3)."""
    zone = Zone(parse_records([". SOA a b 1 2 3 4 5", "example.org. SOA c d 1 2 3 4 5"]))
    owners = [
        it.owner for it in map(zone.authority, map(DomainName, ["x.example.org", "example.net", "example.org"])) if it
    ]
    assert owners == ["example.org", ".", "example.org"]
    assert Zone().authority(DomainName("example.org")) is None


def test_all_records_of_a_name_can_be_withdrawn():
    """Without a type, all records of the name are removed, but not those below it."""
    zone = Zone(parse_records(["a.example. A 192.0.2.1", "a.example. TXT x", "b.a.example. A 192.0.2.2"]))
    zone.remove(DomainName("a.example"))
    assert [(it.owner, it.rdtype) for it in zone] == [("b.a.example", "A")]
    assert isinstance(zone.get(DomainName("b.a.example"), "A"), RecordSet)


RECORDS = [
    "$TTL 60",
    "example.org. SOA ns1.example.org. hostmaster.example.org. 7 1 1 1 5",
    "example.org. MX 10 mail.example.org.",
    'example.org. TXT "v=spf1 " "-all"',
    "mail.example.org. A 192.0.2.2",
    "mail.example.org. A 192.0.2.1",
    "mail.example.org. AAAA ::ffff:192.0.2.1",
    "alias.example.org. 5 CNAME second.example.org.",
    "second.example.org. CNAME mail.example.org.",
    "dangling.example.org. CNAME gone.example.org.",
    "round.example.org. CNAME about.example.org.",
    "about.example.org. CNAME round.example.org.",
    "into.example.org. CNAME round.example.org.",
    "a.deep.example.org. A 192.0.2.9",
]


@pytest.fixture
def world():
    return World(RECORDS)


@pytest.mark.parametrize(
    ("asked", "status", "records", "chain"),
    [
        ("mail.example.org A", Status.ANSWER, ["192.0.2.1", "192.0.2.2"], []),
        ("MAIL.example.org A", Status.ANSWER, ["192.0.2.1", "192.0.2.2"], []),
        ("mail.example.org PTR", Status.NODATA, [], []),
        ("deep.example.org A", Status.NODATA, [], []),
        ("gone.example.org A", Status.NXDOMAIN, [], []),
        ("elsewhere.example A", Status.NXDOMAIN, [], []),
        ("alias.example.org A", Status.ANSWER, ["192.0.2.1", "192.0.2.2"], ["second.example.org", "mail.example.org"]),
        ("alias.example.org TXT", Status.NODATA, [], ["second.example.org", "mail.example.org"]),
        ("alias.example.org CNAME", Status.ANSWER, ["second.example.org"], []),
        ("dangling.example.org A", Status.NXDOMAIN, [], ["gone.example.org"]),
        ("round.example.org A", Status.CHAIN, [], []),
        ("into.example.org A", Status.CHAIN, [], []),
    ],
)
def test_questions_are_answered_as_a_resolver_would(world, asked, status, records, chain):
    """Records, NODATA and NXDOMAIN, directly and after CNAMEs."""
    answer = world.answer(question(*asked.split()))
    assert (answer.status, [str(it) for it in answer.records], list(answer.chain)) == (status, records, chain)


def test_every_type_that_a_check_asks_for_is_decoded(world):
    """The records are the values that checks use."""
    asked = {rdtype: world.answer(question("example.org", rdtype)).records for rdtype in ("MX", "TXT", "SOA")}
    assert asked == {
        "MX": (MailExchange(10, name("mail.example.org")),),
        "TXT": (Text(b"v=spf1 -all", b"\7\4"),),
        "SOA": (StartOfAuthority(name("ns1.example.org"), name("hostmaster.example.org"), 7),),
    }
    (mapped,) = world.answer(question("mail.example.org", "AAAA")).records
    assert len(mapped.packed) == 16


def test_the_ttl_is_the_smallest_on_the_way(world):
    """An answer lives no longer than the CNAMEs that lead to it."""
    assert world.answer(question("mail.example.org", "A")).ttl == 60
    assert world.answer(question("alias.example.org", "A")).ttl == 5


@pytest.mark.parametrize(("links", "status"), [(16, Status.ANSWER), (17, Status.CHAIN)])
def test_chains_have_a_limit(links, status):
    """Sixteen links are followed, seventeen are not."""
    world = World([f"n{it}.example. CNAME n{it + 1}.example." for it in range(links)])
    world.apply([f"n{links}.example. A 192.0.2.1"])
    assert world.answer(question("n0.example", "A")).status is status


def test_applying_replaces_the_set_of_that_name_and_type(world):
    """The records of a fix replace the wrong ones; other types of the name stay."""
    world.apply(["mail.example.org. A 192.0.2.7", "alias.example.org. A 192.0.2.8"])
    assert world.answer(question("mail.example.org", "A")).records == (address("192.0.2.7"),)
    assert world.answer(question("mail.example.org", "AAAA")).status is Status.ANSWER
    assert world.answer(question("alias.example.org", "A")).chain == ()


def test_adding_leaves_what_is_there(world):
    """A record is added to its set; an existing one changes nothing."""
    world.add(["mail.example.org. A 192.0.2.3", "mail.example.org. A 192.0.2.1", "new.example.org. A 192.0.2.4"])
    found = world.answer(question("mail.example.org", "A")).records
    assert [str(it) for it in found] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert world.answer(question("new.example.org", "A")).status is Status.ANSWER


def test_single_records_can_be_withdrawn(world):
    """Only the given records are removed; with the last one, the set."""
    world.withdraw(
        ["mail.example.org. 9 A 192.0.2.1", "mail.example.org. A 192.0.2.77", "gone.example.org. A 192.0.2.1"]
    )
    assert world.answer(question("mail.example.org", "A")).records == (address("192.0.2.2"),)
    world.withdraw(["mail.example.org. A 192.0.2.2"])
    assert world.answer(question("mail.example.org", "A")).status is Status.NODATA


def test_removing_withdraws(world):
    """Without records of a type the answer is NODATA; without any records the name does not exist."""
    world.remove("mail.example.org", "A")
    assert world.answer(question("mail.example.org", "A")).status is Status.NODATA
    world.remove("mail.example.org")
    assert world.answer(question("mail.example.org", "A")).status is Status.NXDOMAIN


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.SERVFAIL, Status.SERVFAIL),
        (Fault.REFUSED, Status.REFUSED),
        (Fault.SILENT, Status.TIMEOUT),
        (Fault.TRUNCATED, Status.ANSWER),
    ],
)
def test_a_fault_applies_to_a_name_names_below_it_and_aliases_of_it(world, fault, status):
    """The servers fail for the whole zone, and for aliases that lead there."""
    world.apply(["outside.example. CNAME mail.example.org.", "beside.example. A 192.0.2.1"])
    world.set_fault("example.org", fault)
    for asked in ("mail.example.org", "alias.example.org", "outside.example"):
        assert world.answer(question(asked, "A")).status is status
    assert world.answer(question("beside.example", "A")).status is Status.ANSWER
    world.set_fault("example.org", None)
    assert world.answer(question("mail.example.org", "A")).status is Status.ANSWER


def test_the_nearest_fault_counts(world):
    """That of a name counts more than its parent's, and that of a type more than that of all types."""
    world.set_fault(".", Fault.REFUSED)
    world.set_fault("example.org", Fault.SERVFAIL)
    world.set_fault("example.org", Fault.SILENT, "AAAA")
    asked = [("elsewhere.example", "A"), ("mail.example.org", "A"), ("mail.example.org", "AAAA")]
    statuses = [world.answer(question(*it)).status for it in asked]
    assert statuses == [Status.REFUSED, Status.SERVFAIL, Status.TIMEOUT]


OUTAGE = Episode("outage", every=100, begins=20, ends=50, faults=(("example.org", Fault.SILENT),))
MOVE = Episode(
    "move",
    every=100,
    begins=10,
    ends=30,
    published=("mail.example.org. A 192.0.2.99", "brief.example.org. A 192.0.2.98"),
    withdrawn=(("example.org", "MX"),),
)


def test_episodes_begin_and_end_again_and_again():
    """After an episode, records and faults are as before, in every period."""
    clock = FakeClock(1234.5)
    world = World(RECORDS, episodes=(MOVE, OUTAGE), clock=clock)
    start, seen = clock.seconds, {}
    for second in (0, 10, 20, 30, 50, 110, 120, 150):
        clock.seconds = start + second
        asked = [question("mail.example.org", "A"), question("example.org", "MX"), question("brief.example.org", "A")]
        found, mail, brief = map(world.answer, asked)
        seen[second] = (len(found.records) if found.is_conclusive else "silent", mail.status.value, brief.status.value)
    calm, moved, silent = (2, "answer", "nxdomain"), (1, "nodata", "answer"), ("silent", "timeout", "timeout")
    assert list(seen.values()) == [calm, moved, silent, silent, calm, moved, silent, calm]


@pytest.mark.parametrize(
    ("change", "records"),
    [
        (lambda world: world.apply(["mail.example.org. A 192.0.2.7"]), ["192.0.2.7"]),
        (lambda world: world.add(["mail.example.org. A 192.0.2.7"]), ["192.0.2.7", "192.0.2.99"]),
        (lambda world: world.withdraw(["mail.example.org. A 192.0.2.99"]), []),
        (lambda world: world.remove("mail.example.org", "A"), []),
        (lambda world: world.set_fault("mail.example.org", Fault.TRUNCATED), ["192.0.2.99"]),
    ],
    ids=["apply", "add", "withdraw", "remove", "set_fault"],
)
def test_a_change_during_an_episode_lasts_until_it_ends(change, records):
    """This is so even if the world was not asked before."""
    clock = FakeClock(1234.5)
    world = World(RECORDS, episodes=(MOVE,), clock=clock)
    clock.seconds += 15
    change(world)
    assert [str(it) for it in world.answer(question("mail.example.org", "A")).records] == records
    clock.seconds += 20
    found = world.answer(question("mail.example.org", "A")).records
    assert [str(it) for it in found] == ["192.0.2.1", "192.0.2.2"]


def test_a_world_depends_only_on_its_age():
    """It is the same whether it was asked all the time or never before."""
    watched_clock, slept_clock = FakeClock(1234.5), FakeClock(1234.5)
    watched, slept = (World(RECORDS, episodes=(MOVE, OUTAGE), clock=clock) for clock in (watched_clock, slept_clock))
    questions = [Question(DomainName(it), "A") for it in ("mail.example.org", "brief.example.org")]
    for _ in range(30):
        watched_clock.seconds += 7
        for asked in questions:
            watched.answer(asked)
        slept_clock.seconds = watched_clock.seconds
        assert [World.answer(slept, it) for it in questions] == [watched.answer(it) for it in questions]
    slept_clock.seconds = watched_clock.seconds = watched_clock.seconds + 100_000_015
    assert [slept.answer(it) for it in questions] == [watched.answer(it) for it in questions]


def test_speed_lets_the_world_age_faster_or_not_at_all():
    """A demo can run faster; a test can stop the world at its start."""
    clock = FakeClock(1234.5)
    fast = World(RECORDS, episodes=(MOVE,), clock=clock, speed=10)
    still = World(RECORDS, episodes=(MOVE,), clock=clock, speed=0)
    clock.seconds += 1.5
    assert (fast.elapsed, still.elapsed) == (15, 0)
    assert fast.answer(question("brief.example.org", "A")).status is Status.ANSWER
    assert still.answer(question("brief.example.org", "A")).status is Status.NXDOMAIN


def test_every_change_makes_another_generation():
    """A cache of answers can see that it is stale, also after a change by time."""
    clock = FakeClock(1234.5)
    world = World(RECORDS, episodes=(MOVE,), clock=clock)
    seen = [world.generation]
    for change in (
        lambda: world.apply(["x.example. A 192.0.2.1"]),
        lambda: world.add(["x.example. A 192.0.2.2"]),
        lambda: world.withdraw(["x.example. A 192.0.2.2"]),
        lambda: world.remove("x.example", "A"),
        lambda: world.set_fault("x.example", Fault.SILENT),
        lambda: world.set_fault("x.example", None),
        lambda: setattr(clock, "seconds", clock.seconds + 10),
        lambda: setattr(clock, "seconds", clock.seconds + 20),
    ):
        change()
        seen.append(world.generation)
    assert len(set(seen)) == len(seen)
    assert world.generation == seen[-1]
