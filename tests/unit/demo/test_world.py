"""The world without a network: what it answers, how it is changed, what happens in it."""

import pytest

from exporter.checks.answers import MailExchange, Question, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName
from exporter.demo.world import Episode, Fault, World
from tests.factories import address, name, question
from tests.fakes import FakeClock

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
    """Records, NODATA, NXDOMAIN, and CNAMEs followed to each of them."""
    answer = world.answer(question(*asked.split()))
    assert (answer.status, [str(it) for it in answer.records], list(answer.chain)) == (status, records, chain)


def test_every_type_that_a_check_asks_for_is_decoded(world):
    """The records come as the values that checks read."""
    asked = {rdtype: world.answer(question("example.org", rdtype)).records for rdtype in ("MX", "TXT", "SOA")}
    assert asked == {
        "MX": (MailExchange(10, name("mail.example.org")),),
        "TXT": (Text(b"v=spf1 -all"),),
        "SOA": (StartOfAuthority(name("ns1.example.org"), name("hostmaster.example.org"), 7),),
    }
    (mapped,) = world.answer(question("mail.example.org", "AAAA")).records
    assert len(mapped.packed) == 16


def test_the_ttl_is_the_smallest_on_the_way(world):
    """An answer behind a CNAME lives no longer than that CNAME."""
    assert world.answer(question("mail.example.org", "A")).ttl == 60
    assert world.answer(question("alias.example.org", "A")).ttl == 5


@pytest.mark.parametrize(("links", "status"), [(16, Status.ANSWER), (17, Status.CHAIN)])
def test_chains_have_a_limit(links, status):
    """Sixteen links are followed, seventeen are not."""
    world = World([f"n{it}.example. CNAME n{it + 1}.example." for it in range(links)])
    world.apply([f"n{links}.example. A 192.0.2.1"])
    assert world.answer(question("n0.example", "A")).status is status


def test_applying_replaces_the_set_of_that_name_and_type(world):
    """What a fix says is published instead of what was wrong; other types at the name stay."""
    world.apply(["mail.example.org. A 192.0.2.7", "alias.example.org. A 192.0.2.8"])
    assert world.answer(question("mail.example.org", "A")).records == (address("192.0.2.7"),)
    assert world.answer(question("mail.example.org", "AAAA")).status is Status.ANSWER
    assert world.answer(question("alias.example.org", "A")).chain == ()


def test_adding_leaves_what_is_there(world):
    """A record joins the set; one that is there already changes nothing."""
    world.add(["mail.example.org. A 192.0.2.3", "mail.example.org. A 192.0.2.1", "new.example.org. A 192.0.2.4"])
    found = world.answer(question("mail.example.org", "A")).records
    assert [str(it) for it in found] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert world.answer(question("new.example.org", "A")).status is Status.ANSWER


def test_single_records_can_be_withdrawn(world):
    """Just the records that are named go; with the last one, the set."""
    world.withdraw(
        ["mail.example.org. 9 A 192.0.2.1", "mail.example.org. A 192.0.2.77", "gone.example.org. A 192.0.2.1"]
    )
    assert world.answer(question("mail.example.org", "A")).records == (address("192.0.2.2"),)
    world.withdraw(["mail.example.org. A 192.0.2.2"])
    assert world.answer(question("mail.example.org", "A")).status is Status.NODATA


def test_removing_withdraws(world):
    """A type goes and the name is left with NODATA; everything goes and the name does not exist."""
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
def test_a_fault_holds_for_a_name_all_below_it_and_aliases_of_it(world, fault, status):
    """The servers of a zone fail for the whole zone, and for whoever is led there."""
    world.apply(["outside.example. CNAME mail.example.org.", "beside.example. A 192.0.2.1"])
    world.set_fault("example.org", fault)
    for asked in ("mail.example.org", "alias.example.org", "outside.example"):
        assert world.answer(question(asked, "A")).status is status
    assert world.answer(question("beside.example", "A")).status is Status.ANSWER
    world.set_fault("example.org", None)
    assert world.answer(question("mail.example.org", "A")).status is Status.ANSWER


def test_the_nearest_fault_holds(world):
    """That of the name before its parent's; that of the type before that of all types."""
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
    """What is published, withdrawn or at fault during an episode is as before when it is over, in every period."""
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
def test_a_change_is_made_to_the_world_of_its_moment(change, records):
    """What is changed while an episode lasts holds until that ends, though nobody had looked at the world before."""
    clock = FakeClock(1234.5)
    world = World(RECORDS, episodes=(MOVE,), clock=clock)
    clock.seconds += 15
    change(world)
    assert [str(it) for it in world.answer(question("mail.example.org", "A")).records] == records
    clock.seconds += 20
    found = world.answer(question("mail.example.org", "A")).records
    assert [str(it) for it in found] == ["192.0.2.1", "192.0.2.2"]


def test_a_moment_shows_the_same_world_however_it_was_reached():
    """A world that nobody looked at for long is where one is that was watched all the time."""
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
    """A demo can be hurried; a test can hold the world at its first moment."""
    clock = FakeClock(1234.5)
    fast = World(RECORDS, episodes=(MOVE,), clock=clock, speed=10)
    still = World(RECORDS, episodes=(MOVE,), clock=clock, speed=0)
    clock.seconds += 1.5
    assert (fast.elapsed, still.elapsed) == (15, 0)
    assert fast.answer(question("brief.example.org", "A")).status is Status.ANSWER
    assert still.answer(question("brief.example.org", "A")).status is Status.NXDOMAIN


def test_every_change_makes_another_generation():
    """Whoever compiles answers can tell when they are stale, also when it was time that changed them."""
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
