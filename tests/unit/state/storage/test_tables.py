"""Rows of block lists and of big pools are read back as they were written."""

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
from exporter.state.storage.database import MIGRATIONS
from exporter.state.storage.tables import BlocklistTables, StateReader
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
    """The finding of a listed address."""
    fix = Fix("Have it taken off.", zone=ZEN)
    return Finding(CheckName.DNSBL, Result.FAIL, ZEN, Reason.DNSBL_LISTED, f"{text} is listed: XBL.", fix)


def published(pools, lists=None):
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
    """Write everything that is not saved yet."""
    tables = BlocklistTables(lists)
    if taken := tables.take(with_sampled=True):
        tables.save(connection, taken)


def restored(connection, pools, now=NOW):
    """What a new process with these pools knows, and how many rows it could not read."""
    lists = published(pools)
    tables, source = BlocklistTables(lists), StateReader(connection, now, 0.0)
    tables.restore(tables.read(source, tables.missing()))
    return lists, source.unreadable


def findings(lists):
    """The finding of each address that the list was asked about."""
    (listings,) = lists.of(ZEN)
    targets = listings.pool.targets
    asked = {str(targets[index].address): index for index, code in enumerate(listings.codes) if code}
    return {text: listings.finding(index, ZEN, address(text)) for text, index in asked.items()}


results = st.dictionaries(st.integers(0, 2307), st.sampled_from(["clean", "listed", "unknown"]), max_size=30)


@settings(max_examples=60)
@given(results, results, st.sampled_from([WIDE, NARROW]))
def test_conclusive_findings_are_restored(first, second, pools):
    """In one or two commits, even if the index of the addresses changed. Unknown ones are asked about again."""
    lists = published(WIDE)
    (listings,) = lists.of(ZEN)
    with file() as connection:
        for some in (first, second):
            for index, result in some.items():
                text = str(listings.pool.targets[index].address)
                listings.put(index, {"clean": CLEAN, "unknown": UNKNOWN}.get(result) or listed(text), NOW - 10)
            save(lists, connection)
        again, unreadable = restored(connection, pools)

    known = {text: finding for text, finding in findings(lists).items() if finding.result is not Result.UNKNOWN}
    there = again.of(ZEN)[0].pool
    assert findings(again) == {text: it for text, it in known.items() if there.contains(address(text))}
    assert unreadable == 0


def test_a_list_is_restored():
    """Whether it works, why not, and which address comes next."""
    lists = published(WIDE)
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
def test_old_findings_are_not_restored(age, is_known):
    """They are restored for two of the list's intervals, as long as a running exporter would use them."""
    lists = published(WIDE)
    lists.of(ZEN)[0].put(3, CLEAN, NOW - age)
    lists.put_health(ListHealth(ZEN, 4, works=True))
    with file() as connection:
        save(lists, connection)
        again, _ = restored(connection, WIDE)
    assert bool(findings(again)) is is_known
    assert bool(again.healths) is is_known


def test_newer_findings_are_kept():
    """A file that is opened late replaces nothing, and nothing is looked for twice."""
    lists = published(WIDE)
    lists.of(ZEN)[0].put(3, listed("10.0.0.3"), NOW)
    lists.of(ZEN)[0].put(4, CLEAN, NOW)
    with file() as connection:
        save(lists, connection)
        late = published(WIDE)
        late.of(ZEN)[0].put(3, CLEAN, NOW)
        tables = BlocklistTables(late)
        tables.restore(tables.read(StateReader(connection, NOW, 0.0), tables.missing()))
        assert tables.missing() == []
        tables.add_all()
        assert tables.missing()
    assert {text: it.result for text, it in findings(late).items()} == {"10.0.0.3": "pass", "10.0.0.4": "pass"}


def test_damaged_rows_are_skipped():
    """A row with a wrong checksum is counted, and its addresses are asked about again."""
    lists = published(WIDE)
    lists.of(ZEN)[0].put(3, CLEAN, NOW)
    lists.put_health(ListHealth(ZEN, 4, works=True))
    with file() as connection:
        save(lists, connection)
        connection.execute("UPDATE listings SET codes = zeroblob(4)")
        connection.execute("UPDATE blocklists SET state = '[]'")
        again, unreadable = restored(connection, WIDE)
    assert (findings(again), dict(again.healths), unreadable) == ({}, {}, 2)


def test_rows_that_left_the_configuration_are_marked():
    """They have the time when they left. Blocks that start elsewhere now are written again, not twice."""
    lists = published(WIDE)
    lists.of(ZEN)[0].put(0x200 + 130, listed("10.0.2.130"), NOW)
    lists.put_health(ListHealth(ZEN, 4, works=True))
    with file() as connection:
        save(lists, connection)
        BlocklistTables(Blocklists()).update_gone(connection, NOW + 1)
        gone = "SELECT (SELECT gone_at FROM listings), (SELECT gone_at FROM blocklists)"
        assert connection.execute(gone).fetchall() == [(NOW + 1, NOW + 1)]
        BlocklistTables(lists).update_gone(connection, NOW + 2)
        assert connection.execute(gone).fetchall() == [(None, None)]

        published(NARROW, lists)
        BlocklistTables(lists).update_gone(connection, NOW + 3)
        save(lists, connection)
        (first,) = connection.execute("SELECT min(first) FROM listings").fetchone()
        assert str(Address(first)) == "10.0.2.128"
        again, _ = restored(connection, NARROW)
    assert list(findings(again)) == ["10.0.2.130"]
