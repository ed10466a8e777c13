"""What block lists say comes back from the file as it was, as far as it is conclusive and young."""

import sqlite3
from contextlib import closing, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.dnsbl import ListHealth
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result
from exporter.config.load import parse
from exporter.inventory.build import build, list_plans
from exporter.state.blocklists import Blocklists
from exporter.state.storage.codec import StateReader
from exporter.state.storage.database import MIGRATIONS
from exporter.state.storage.tables import BlocklistTables
from tests.factories import address, name

ZEN = name("zen.example.org")
NOW = 1e6
HOUR = 3600.0
LISTS = "dnsbls: [{{zone: zen.example.org, interval: 1h}}, {{zone: other.example.org, interval: 1h}}]\npools: [{}]"
WIDE = "{name: a, addresses: [{network: 192.0.2.0/24}, {network: 198.51.100.0/30}, {network: 10.0.0.0/21}]}"
NARROW = "{name: a, addresses: [{network: 10.0.2.128/25}, {ip: 192.0.2.7}, {ip: 203.0.113.1}]}"
UNKNOWN = Finding(CheckName.DNSBL, Result.UNKNOWN, ZEN, Reason.TIMEOUT, "No answer.")
CLEAN = Finding(CheckName.DNSBL, Result.PASS, ZEN)


def listed(text):
    """A listing, in the list's words."""
    fix = Fix("Have it taken off.", zone=ZEN)
    return Finding(CheckName.DNSBL, Result.FAIL, ZEN, Reason.DNSBL_LISTED, f"{text} is listed: XBL.", fix)


def adopted(pools, lists=None):
    """The lists of a configuration with these pools."""
    configuration = parse(LISTS.format(pools), "test")
    lists = Blocklists() if lists is None else lists
    lists.publish(list_plans(configuration), build(configuration))
    return lists


@contextmanager
def file():
    """A database with the tables of this version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript("".join(MIGRATIONS))
        yield connection


def save(lists, connection):
    """Write all that is not saved yet."""
    kept = BlocklistTables(lists)
    kept.save(connection, kept.take(all_of_them=True))


def restored(connection, pools, now=NOW):
    """What a new process with these pools knows, and how many rows it could not read."""
    lists = adopted(pools)
    kept, source = BlocklistTables(lists), StateReader(connection, now, 0.0)
    kept.restore(kept.read(source, kept.wanted()))
    return lists, source.unreadable


def helo(lists):
    """What the list says of each address that it was asked about."""
    (listings,) = lists.of(ZEN)
    targets = listings.pool.targets
    every = {str(targets[place].address): place for place, octet in enumerate(listings.codes) if octet}
    return {text: listings.finding(place, ZEN, address(text)) for text, place in every.items()}


results = st.dictionaries(st.integers(0, 2307), st.sampled_from(["clean", "listed", "unknown"]), max_size=30)


@settings(max_examples=60)
@given(results, results, st.sampled_from([WIDE, NARROW]))
def test_what_is_conclusive_comes_back(first, second, pools):
    """Wherever the addresses are in the pool by then, in two commits or one; what is unknown is to be asked anew."""
    lists = adopted(WIDE)
    (listings,) = lists.of(ZEN)
    with file() as connection:
        for some in (first, second):
            for place, what in some.items():
                text = str(listings.pool.targets[place].address)
                listings.put(place, {"clean": CLEAN, "unknown": UNKNOWN}.get(what) or listed(text), NOW - 10)
            save(lists, connection)
        again, unreadable = restored(connection, pools)

    known = {text: finding for text, finding in helo(lists).items() if finding.result is not Result.UNKNOWN}
    there = again.of(ZEN)[0].pool
    assert helo(again) == {text: it for text, it in known.items() if there.contains(address(text))}
    assert unreadable == 0


def test_a_list_comes_back_as_it_was():
    """Whether it works, why not, and where the way through the addresses stands."""
    lists = adopted(WIDE)
    lists.of(ZEN)[0].put(3, CLEAN, NOW - 10)
    lists.put_health(ListHealth(ZEN, 4, works=True))
    lists.put_health(ListHealth(ZEN, 6, works=False, reason=Reason.DNSBL_BLOCKED, sentence="It refuses."))
    lists.put_health(ListHealth(name("other.example.org"), 4, works=None, reason=Reason.TIMEOUT, sentence="?"))
    lists.set_cursor(ZEN, ("a", address("192.0.2.9")))
    with file() as connection:
        save(lists, connection)
        again, _ = restored(connection, WIDE)

    assert again.healths == {key: health for key, health in lists.healths.items() if key[0] == ZEN}
    assert again.cursors == {ZEN: ("a", address("192.0.2.9"))}


@pytest.mark.parametrize(("age", "is_known"), [(1.9 * HOUR, True), (2.1 * HOUR, False)])
def test_what_was_said_too_long_ago_is_not_believed(age, is_known):
    """Two of the list's intervals are as long as a running exporter would go on saying it, and no longer."""
    lists = adopted(WIDE)
    lists.of(ZEN)[0].put(3, CLEAN, NOW - age)
    lists.put_health(ListHealth(ZEN, 4, works=True))
    with file() as connection:
        save(lists, connection)
        again, _ = restored(connection, WIDE)
    assert bool(helo(again)) is is_known
    assert bool(again.healths) is is_known


def test_what_was_asked_meanwhile_is_newer():
    """A file that opens late takes nothing back; and whoever was looked for is not looked for again."""
    lists = adopted(WIDE)
    lists.of(ZEN)[0].put(3, listed("10.0.0.3"), NOW)
    lists.of(ZEN)[0].put(4, CLEAN, NOW)
    with file() as connection:
        save(lists, connection)
        late = adopted(WIDE)
        late.of(ZEN)[0].put(3, CLEAN, NOW)
        kept = BlocklistTables(late)
        kept.restore(kept.read(StateReader(connection, NOW, 0.0), kept.wanted()))
        assert kept.wanted() == []
        kept.add_all()
        assert kept.wanted()
    assert {text: it.result for text, it in helo(late).items()} == {"10.0.0.3": "pass", "10.0.0.4": "pass"}


def test_what_is_damaged_is_left_out():
    """A row whose checksum is wrong is counted, and its addresses are asked about anew."""
    lists = adopted(WIDE)
    lists.of(ZEN)[0].put(3, CLEAN, NOW)
    lists.put_health(ListHealth(ZEN, 4, works=True))
    with file() as connection:
        save(lists, connection)
        connection.execute("UPDATE listings SET octets = zeroblob(4)")
        connection.execute("UPDATE blocklists SET state = '[]'")
        again, unreadable = restored(connection, WIDE)
    assert (helo(again), dict(again.healths), unreadable) == ({}, {}, 2)


def test_what_left_the_configuration_is_noted():
    """Since when; and blocks that begin elsewhere in the pool of today are written anew, not twice."""
    lists = adopted(WIDE)
    lists.of(ZEN)[0].put(0x200 + 130, listed("10.0.2.130"), NOW)
    lists.put_health(ListHealth(ZEN, 4, works=True))
    with file() as connection:
        save(lists, connection)
        BlocklistTables(Blocklists()).note_gone(connection, NOW + 1)
        gone = "SELECT (SELECT gone_at FROM listings), (SELECT gone_at FROM blocklists)"
        assert connection.execute(gone).fetchall() == [(NOW + 1, NOW + 1)]
        BlocklistTables(lists).note_gone(connection, NOW + 2)
        assert connection.execute(gone).fetchall() == [(None, None)]

        adopted(NARROW, lists)
        BlocklistTables(lists).note_gone(connection, NOW + 3)
        save(lists, connection)
        (first,) = connection.execute("SELECT min(first) FROM listings").fetchone()
        assert str(Address(first)) == "10.0.2.128"
        again, _ = restored(connection, NARROW)
    assert list(helo(again)) == ["10.0.2.130"]
