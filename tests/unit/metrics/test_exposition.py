"""The exposition: octet for octet what prometheus-client writes of the same collectors, whatever happened before."""

import dataclasses
import gzip
import zlib
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from exporter.checks.answers import Question
from exporter.checks.check import run_check
from exporter.checks.helo_name import helo_name
from exporter.checks.receivers import DEFAULT_RECEIVERS
from exporter.checks.report import report
from exporter.inventory.pool import Series
from exporter.metrics import exposition, families, fleet
from exporter.metrics.exposition import Exposition
from exporter.metrics.fleet import FleetCollector
from exporter.state import board as boards
from exporter.state import pool as pool_module
from exporter.state import pool as pools
from exporter.state.board import Board
from tests.factories import World
from tests.strategies import label_lists
from tests.unit.web.pools import BROKEN, RIGHT, SILENT, pool

TEXT = ""
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
ACCEPTED = (
    TEXT,
    OPENMETRICS,
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "application/openmetrics-text;version=1.0.0;escaping=dots",
    "text/plain;version=1.0.0;escaping=values",
)
SIZE = 16
WORLDS = [RIGHT, BROKEN, SILENT]


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    """Several blocks, several of them in numbers, and a limit on what is shown, in pools of sixteen addresses."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (pools, "STRIDE", 5),
            (pool_module, "STRIDE", 5),
            (exposition, "STRIDE", 5),
            (exposition, "STRIDE", 5),
            (exposition, "_HELO_STRIDE", 3),
            (exposition, "SHOWN_FAILING", 6),
            (fleet, "SHOWN_FAILING", 6),
            (boards, "FULL_ADDRESSES", 2 * SIZE),
            (boards, "DETAILED_ADDRESSES", 3),
        ):
            patch.setattr(module, name, value)
        yield


def generation(*modes, receivers=()):
    """One pool for each mode of showing series."""
    made = pool("198.51.100.0/28")
    return [
        dataclasses.replace(made, name=f"pool-{number}-{mode}", series=mode, receivers=receivers)
        for number, mode in enumerate(modes)
    ]


def sample(board, place, index, world, at):
    """Record a sample of an address, and of a HELO name, of one pool of *board*."""
    state = list(board.pools.values())[place % len(board.pools)]
    state.record(index, *run_check(report(state[index].target, policies=state.pool.receivers), world), at)
    helo = list(state.helos)[index]
    state.record_helo(run_check(helo_name(state.helos[helo].helo, state.pool.contains), world)[0], at)


def expected(collector, accept):
    """What prometheus-client writes, without the end of OpenMetrics."""
    return choose_encoder(accept)[0](collector).removesuffix(b"# EOF\n")


ADOPT = st.lists(st.sampled_from(list(Series)), min_size=1, max_size=4).map(lambda modes: ("adopt", modes))
SAMPLE = st.tuples(
    st.just("sample"),
    st.integers(0, 3),
    st.integers(0, SIZE - 1),
    st.sampled_from(WORLDS) | label_lists.map(lambda labels: labels or [b"x"]),
)
SCRAPES = st.tuples(st.sampled_from(ACCEPTED), st.floats(0, 1e5))
AHEAD = st.tuples(st.just("ahead"), st.integers(1, 3), st.integers(1, 20))
STEPS = st.lists(st.tuples(ADOPT | SAMPLE | SAMPLE | SAMPLE | SAMPLE | AHEAD, SCRAPES), min_size=1, max_size=12)


@given(ADOPT, STEPS, st.booleans())
def test_every_scrape_is_what_prometheus_client_writes(first, steps, predicts):
    """After any samples, reloads, scrapes and writing ahead: nothing that was kept is out of date, in any format."""
    receivers = DEFAULT_RECEIVERS if predicts else ()
    board = Board()
    now = 0.0
    board.publish(generation(*first[1], receivers=receivers))
    shown = FleetCollector(board, lambda: {"pool-0-all": 0.5}, lambda: now)
    exposition = Exposition(shown)
    for at, (step, (accept, moment)) in enumerate(steps, 1):
        now = moment
        match step:
            case ("adopt", modes):
                board.publish(generation(*modes, receivers=receivers))
            case ("sample", place, index, World() as world):
                sample(board, place, index, world, float(at))
            case ("sample", place, index, labels):
                name = pools.DomainName.from_labels(labels)
                reverse = Question(board.pools[next(iter(board.pools))][index].target.address.reverse_name, "PTR")
                sample(board, place, index, World({reverse: frozenset({name})}), float(at))
            case ("ahead", times, most):
                for _ in range(times):
                    list(islice(exposition.writing_ahead(), most))
        reference = FleetCollector(board, shown.lags, shown.now)
        reference.dropped = dict(shown.dropped)
        body, content_type = exposition.render(accept, compress=False)
        assert content_type == choose_encoder(accept)[1]
        assert body.startswith(expected(reference, accept))


def fleet_of(mode, moment):
    """A board of one pool, its collector, and an exposition of it, at whatever time *moment* has."""
    board = Board()
    board.publish(generation(mode))
    collector = FleetCollector(board, dict, lambda: moment[0])
    return board, collector, Exposition(collector)


def test_a_name_stops_flapping_when_its_time_is_over():
    """Though nothing was recorded since."""
    moment = [10.0]
    board, collector, exposition = fleet_of(Series.ALL, moment)
    reverse = Question(board.pools["pool-0-all"][0].target.address.reverse_name, "PTR")
    for at in range(1, 8):
        sample(board, 0, 0, World({reverse: frozenset({pools.DomainName(f"mta{at}.example.org")})}), float(at))

    flapping, _ = exposition.render(TEXT, compress=False)
    moment[0] = 1e6
    calm, _ = exposition.render(TEXT, compress=False)

    assert b'ptr="flapping"' in flapping
    assert b'ptr="mta7.example.org"' in calm
    assert calm.startswith(expected(collector, TEXT))


def test_of_many_failing_addresses_the_first_are_shown():
    """When one of them recovers, the next one takes its place, in whichever block it is."""
    board, collector, exposition = fleet_of(Series.FAILING, [1.0])
    for index in range(SIZE):
        sample(board, 0, index, BROKEN, 1.0)
    recovered = []
    for index in (None, 0, 9, 5, 6, 7, 1):
        if index is not None:
            sample(board, 0, index, RIGHT, 1.0)
            recovered.append(index)
        before = dict(collector.dropped)
        body, _ = exposition.render(TEXT, compress=False)
        failing = [place for place in range(SIZE) if place not in recovered]
        shown = [place for place in range(SIZE) if f'healthy{{ip="198.51.100.{place}",'.encode() in body]
        assert shown == failing[:6]
        assert collector.dropped["pool-0-failing"] - before.get("pool-0-failing", 0) == len(failing) - 6


def exposed(*others):
    """An exposition with something of everything in it."""
    board = Board()
    board.publish(generation(*Series))
    for index in range(SIZE):
        for place in range(3):
            sample(board, place, index, WORLDS[index % 3], 1_700_000_000.25 + index)
    return Exposition(FleetCollector(board, dict, lambda: 1.0), *others)


@pytest.mark.parametrize("accept", ACCEPTED)
def test_compressed_it_is_one_member_with_the_same_text(accept):
    """A client that stops after the first gzip member misses nothing."""
    exposition = exposed()
    plain, _ = exposition.render(accept, compress=False)
    member, _ = exposition.render(accept, compress=True)

    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    text = reader.decompress(member)
    assert reader.eof
    assert not reader.unused_data
    assert len(text) == len(gzip.decompress(member))
    # What the process says of itself (processor time, memory) differs from one to the next.
    ours = [line for line in text.splitlines() if line.startswith(b"maildns_")]
    assert ours == [line for line in plain.splitlines() if line.startswith(b"maildns_")]
    assert len(ours) > 100


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_families_are_contiguous_and_each_has_one_header(accept):
    """A parser that has seen the end of a family does not meet it again."""
    body, _ = exposed().render(accept, compress=False)
    headers = [line.split()[2] for line in body.splitlines() if line.startswith(b"# TYPE")]

    assert len(headers) == len(set(headers))
    assert body.endswith(b"# EOF\n") == (accept == OPENMETRICS)
    assert {family.name for family in text_string_to_metric_families(exposed().render("", compress=False)[0].decode())}


class Broken(Collector):
    """Gives a family, and fails then."""

    def collect(self):
        yield Metric("maildns_half", "Help.", "gauge")
        raise RuntimeError("broken")


class Fine(Collector):
    """Gives one family."""

    def collect(self):
        series = families.EVENT_LOOP_LAG.series()
        series.add((), 0.125)
        yield series.metric


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_a_collector_that_fails_takes_no_other_with_it(accept):
    """Nor half of its families."""
    body, _ = exposed(Broken(), Fine()).render(accept, compress=False)

    assert b"maildns_half" not in body
    assert b"maildns_event_loop_lag_seconds 0.125\n" in body
    assert b"maildns_pool_addresses" in body
    assert b"process_cpu_seconds_total" in body


def test_an_address_that_cannot_be_shown_takes_no_other_with_it(monkeypatch):
    """Nor does a pool."""

    def refuse(original, unwanted):
        def add(lines, one, *rest):
            if unwanted(one, *rest):
                raise RuntimeError("refused")
            original(lines, one, *rest)

        return add

    monkeypatch.setattr(
        exposition,
        "add_address",
        refuse(fleet.add_address, lambda _, one, *__: str(one.target.address) == "198.51.100.3"),
    )
    monkeypatch.setattr(
        exposition, "add_pool", refuse(fleet.add_pool, lambda one, *_: one.pool.name == "pool-1-failing")
    )
    body, _ = exposed().render(TEXT, compress=False)

    assert b'maildns_fcrdns_match{ip="198.51.100.4",pool="pool-0-all"} 0.0\n' in body
    assert b'maildns_fcrdns_match{ip="198.51.100.3",pool="pool-0-all"}' not in body
    assert b'maildns_pool_addresses{pool="pool-2-none"} 16.0\n' in body
    assert b'maildns_pool_addresses{pool="pool-1-failing"}' not in body


class WatchedBoard(Board):
    """Counts how often its generation is looked at."""

    looks = 0

    @property
    def pools(self):
        self.looks += 1
        return super().pools


def test_a_scrape_sees_one_generation():
    """It looks once at what the generation is, so that a reload in its midst changes nothing of it."""
    board = WatchedBoard()
    board.publish(generation(Series.ALL))
    exposition = Exposition(FleetCollector(board, dict, lambda: 1.0))
    for _ in range(2):
        board.looks = 0
        exposition.render(OPENMETRICS, compress=True)
        assert board.looks == 1


@pytest.mark.parametrize("is_compact", [False, True])
def test_after_a_reload_what_was_known_is_shown(monkeypatch, is_compact):
    """Though nothing was sampled since: in a pool that other receivers are asked about now."""
    if is_compact:
        monkeypatch.setattr(boards, "FULL_ADDRESSES", 1)
    board, exposition = sampled_pool()
    before = board.pools["pool-0-all"]
    board.publish(generation(Series.ALL, receivers=DEFAULT_RECEIVERS))
    assert board.pools["pool-0-all"] is not before

    body, _ = exposition.render(TEXT, compress=False)
    assert body.count(b"maildns_fcrdns_match{") == SIZE
    assert body.count(b"maildns_last_sample_timestamp_seconds{") == SIZE


@pytest.fixture
def written(monkeypatch):
    """What was written of addresses: their news, and their times."""
    counts = {"add_address": [], "add_times": []}
    for name, found in counts.items():
        original = getattr(fleet, name)

        def add(lines, pool, one, *rest, original=original, found=found):
            found.append(str(one.target.address))
            original(lines, pool, one, *rest)

        monkeypatch.setattr(exposition, name, add)
    return counts


def counted(written):
    """How many addresses were written since the last look: news, and times."""
    counts = tuple(len(found) for found in written.values())
    for found in written.values():
        found.clear()
    return counts


def sampled_pool(mode=Series.ALL):
    """A board of one pool that was sampled and scraped, and its exposition."""
    board = Board()
    board.publish(generation(mode))
    for index in range(SIZE):
        sample(board, 0, index, RIGHT, 1.0)
    exposition = Exposition(FleetCollector(board, dict, lambda: 1.0))
    exposition.render(TEXT, compress=True)
    return board, exposition


def test_what_did_not_change_is_not_written_again(written):
    """The cost follows what changed: of one address, one block of its pool; of times only, those; of nothing, none."""
    board, exposition = sampled_pool()
    assert counted(written) == (SIZE, SIZE)
    for change, expected_counts in ((None, (0, 0)), (RIGHT, (0, 5)), (None, (0, 0)), (BROKEN, (5, 5)), (None, (0, 0))):
        if change is not None:
            sample(board, 0, 7, change, 2.0)
        exposition.render(TEXT, compress=True)
        assert counted(written) == expected_counts


def test_what_has_settled_is_written_ahead_of_the_scrape(written):
    """Not what moved since the last look; and what moves again is left to the scrape."""
    board, exposition = sampled_pool()
    counted(written)
    sample(board, 0, 7, BROKEN, 2.0)
    sample(board, 0, 0, RIGHT, 2.0)
    ahead = [(len(list(exposition.writing_ahead())), counted(written)) for _ in range(3)]
    assert ahead == [(0, (0, 0)), (3, (5, 10)), (0, (0, 0))]

    exposition.render(TEXT, compress=True)
    assert counted(written) == (0, 0)


def test_between_two_scrapes_a_block_is_written_ahead_once(written):
    """However often it changes: that takes no more time than scrapes do."""
    board, exposition = sampled_pool()
    counted(written)
    for number in range(10):
        sample(board, 0, 7, (BROKEN, RIGHT)[number % 2], 2.0 + number)
        list(exposition.writing_ahead())
        list(exposition.writing_ahead())
    assert counted(written) == (5, 5)

    exposition.render(TEXT, compress=True)
    assert counted(written) == (5, 5)
    sample(board, 0, 7, BROKEN, 20.0)
    list(exposition.writing_ahead())
    list(exposition.writing_ahead())
    assert counted(written) == (5, 5)


@pytest.mark.parametrize("mode", [Series.FAILING, Series.NONE])
def test_pools_that_show_few_addresses_write_nothing_ahead(written, mode):
    """There is little to write, and which of them are shown is known at the scrape only."""
    board, exposition = sampled_pool(mode)
    counted(written)
    sample(board, 0, 7, BROKEN, 2.0)
    for _ in range(3):
        assert list(exposition.writing_ahead()) == []
    assert counted(written) == (0, 0)
