"""The exposition: byte for byte what prometheus-client writes for the same collectors."""

import dataclasses
import gzip
import math
import zlib
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from exporter.checks.answers import Question
from exporter.checks.check import run_check
from exporter.checks.helo_name import helo_name
from exporter.checks.names import DomainName
from exporter.checks.receivers import DEFAULT_RECEIVERS
from exporter.checks.report import report
from exporter.inventory.pool import Series
from exporter.metrics import families, fleet
from exporter.metrics.exposition import Deflated, Exposition, Lines, gzip_member
from exporter.metrics.families import Family
from exporter.metrics.fleet import FleetCollector
from exporter.state.board import Board
from exporter.state.store import Sizes
from tests.factories import World
from tests.fakes import FakeClock
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


class SmallBoard(Board):
    """Keeps pools of sixteen addresses in several blocks, and of four pools only two in full."""

    def __init__(self, full_addresses=2 * SIZE):
        super().__init__(full_addresses, detailed_addresses=3, sizes=Sizes(versions_block=5))


def collector_of(board, lags=dict, now=lambda: 1.0, kind=FleetCollector):
    """A collector that shows six failing addresses at most."""
    return kind(board, lags, now, shown_failing=6)


def exposition_of(collector, *others):
    """An exposition with several blocks of HELO names."""
    return Exposition(collector, *others, helo_block=3)


def generation(*modes, receivers=()):
    """One pool for each mode of showing series."""
    made = pool("198.51.100.0/28")
    return [
        dataclasses.replace(made, name=f"pool-{number}-{mode}", series=mode, receivers=receivers)
        for number, mode in enumerate(modes)
    ]


def sample(board, number, index, world, at):
    """Record a sample of an address, and of a HELO name, of one pool of *board*."""
    state = list(board.pools.values())[number % len(board.pools)]
    state.record(index, *run_check(report(state[index].target, policies=state.pool.receivers), world), at)
    helo = list(state.helos)[index]
    state.record_helo(run_check(helo_name(state.helos[helo].helo, state.pool.contains), world)[0], at)


def expected(collector, accept):
    """What prometheus-client writes, without the last line of OpenMetrics."""
    return choose_encoder(accept)[0](collector).removesuffix(b"# EOF\n")


PUBLISH = st.lists(st.sampled_from(list(Series)), min_size=1, max_size=4).map(lambda modes: ("publish", modes))
SAMPLE = st.tuples(
    st.just("sample"),
    st.integers(0, 3),
    st.integers(0, SIZE - 1),
    st.sampled_from(WORLDS) | label_lists.map(lambda labels: labels or [b"x"]),
)
SCRAPES = st.tuples(st.sampled_from(ACCEPTED), st.floats(0, 1e5))
AHEAD = st.tuples(st.just("ahead"), st.integers(1, 3), st.integers(1, 20))
STEPS = st.lists(st.tuples(PUBLISH | SAMPLE | SAMPLE | SAMPLE | SAMPLE | AHEAD, SCRAPES), min_size=1, max_size=12)


@given(PUBLISH, STEPS, st.booleans())
def test_every_scrape_is_what_prometheus_client_writes(first, steps, predicts):
    """After any samples, reloads, scrapes and writing ahead, in any format: no kept text is outdated."""
    receivers = DEFAULT_RECEIVERS if predicts else ()
    board = SmallBoard()
    now = 0.0
    board.publish(generation(*first[1], receivers=receivers))
    shown = collector_of(board, lambda: {"pool-0-all": 0.5}, lambda: now)
    exposition = exposition_of(shown)
    for at, (step, (accept, scraped_at)) in enumerate(steps, 1):
        now = scraped_at
        match step:
            case ("publish", modes):
                board.publish(generation(*modes, receivers=receivers))
            case ("sample", number, index, World() as world):
                sample(board, number, index, world, float(at))
            case ("sample", number, index, labels):
                name = DomainName.from_labels(labels)
                reverse = Question(board.pools[next(iter(board.pools))][index].target.address.reverse_name, "PTR")
                sample(board, number, index, World({reverse: frozenset({name})}), float(at))
            case ("ahead", times, steps_each):
                for _ in range(times):
                    list(islice(exposition.writing_ahead(), steps_each))
        reference = collector_of(board, shown.lags, shown.now)
        reference.dropped = dict(shown.dropped)
        body, content_type = exposition.render(accept, compress=False)
        assert content_type == choose_encoder(accept)[1]
        assert body.startswith(expected(reference, accept))


def fleet_of(mode, clock):
    """A board of one pool, its collector, and an exposition of it."""
    board = SmallBoard()
    board.publish(generation(mode))
    collector = collector_of(board, now=clock)
    return board, collector, exposition_of(collector)


def test_a_name_stops_flapping_when_its_time_is_over():
    """Even if nothing was recorded since."""
    clock = FakeClock(10.0)
    board, collector, exposition = fleet_of(Series.ALL, clock)
    reverse = Question(board.pools["pool-0-all"][0].target.address.reverse_name, "PTR")
    for at in range(1, 8):
        sample(board, 0, 0, World({reverse: frozenset({DomainName(f"mta{at}.example.org")})}), float(at))

    flapping, _ = exposition.render(TEXT, compress=False)
    clock.seconds = 1e6
    calm, _ = exposition.render(TEXT, compress=False)

    assert b'ptr="flapping"' in flapping
    assert b'ptr="mta7.example.org"' in calm
    assert calm.startswith(expected(collector, TEXT))


def test_of_many_failing_addresses_the_first_are_shown():
    """When one of them recovers, the next one is shown instead, in any block."""
    board, collector, exposition = fleet_of(Series.FAILING, FakeClock(1.0))
    for index in range(SIZE):
        sample(board, 0, index, BROKEN, 1.0)
    recovered = []
    for index in (None, 0, 9, 5, 6, 7, 1):
        if index is not None:
            sample(board, 0, index, RIGHT, 1.0)
            recovered.append(index)
        before = dict(collector.dropped)
        body, _ = exposition.render(TEXT, compress=False)
        failing = [index for index in range(SIZE) if index not in recovered]
        shown = [index for index in range(SIZE) if f'healthy{{ip="198.51.100.{index}",'.encode() in body]
        assert shown == failing[:6]
        assert collector.dropped["pool-0-failing"] - before.get("pool-0-failing", 0) == len(failing) - 6


def exposed(*others, kind=FleetCollector):
    """An exposition with something of everything in it."""
    board = SmallBoard()
    board.publish(generation(*Series))
    for index in range(SIZE):
        for number in range(3):
            sample(board, number, index, WORLDS[index % 3], 1_700_000_000.25 + index)
    return exposition_of(collector_of(board, kind=kind), *others)


def unpacked(member: bytes) -> bytes:
    """The text that a client reads if it stops after the first member; it checks the checksum and the length."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    text = reader.decompress(member)
    assert reader.eof
    assert not reader.unused_data
    return text


@pytest.mark.parametrize("accept", ACCEPTED)
def test_compressed_it_is_one_member_with_the_same_text(accept):
    """A client that stops after the first gzip member misses nothing."""
    exposition = exposed()
    uncompressed, _ = exposition.render(accept, compress=False)
    member, _ = exposition.render(accept, compress=True)

    text = unpacked(member)
    assert len(text) == len(gzip.decompress(member))
    # The metrics of the process (processor time, memory) differ from one rendering to the next.
    ours = [line for line in text.splitlines() if line.startswith(b"maildns_")]
    assert ours == [line for line in uncompressed.splitlines() if line.startswith(b"maildns_")]
    assert len(ours) > 100


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_families_are_contiguous_and_each_has_one_header(accept):
    """A family never continues after another one has begun."""
    body, _ = exposed().render(accept, compress=False)
    headers = [line.split()[2] for line in body.splitlines() if line.startswith(b"# TYPE")]

    assert len(headers) == len(set(headers))
    assert body.endswith(b"# EOF\n") == (accept == OPENMETRICS)
    assert {family.name for family in text_string_to_metric_families(exposed().render("", compress=False)[0].decode())}


class Broken(Collector):
    """Gives a family and then fails."""

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
def test_a_collector_that_fails_is_left_out(accept):
    """All of it, and no other."""
    body, _ = exposed(Broken(), Fine()).render(accept, compress=False)

    assert b"maildns_half" not in body
    assert b"maildns_event_loop_lag_seconds 0.125\n" in body
    assert b"maildns_pool_addresses" in body
    assert b"process_cpu_seconds_total" in body


class Refusing(FleetCollector):
    """Fails for one address and for one pool."""

    @staticmethod
    def add_address(sink, pool, state, now):
        if str(state.target.address) == "198.51.100.3":
            raise RuntimeError("refused")
        fleet.add_address(sink, pool, state, now)

    @staticmethod
    def add_pool(sink, state, *rest):
        if state.pool.name == "pool-1-failing":
            raise RuntimeError("refused")
        fleet.add_pool(sink, state, *rest)


def test_an_address_or_pool_that_cannot_be_shown_is_left_out():
    """All others are shown."""
    body, _ = exposed(kind=Refusing).render(TEXT, compress=False)

    assert b'maildns_fcrdns_match{ip="198.51.100.4",pool="pool-0-all"} 0.0\n' in body
    assert b'maildns_fcrdns_match{ip="198.51.100.3",pool="pool-0-all"}' not in body
    assert b'maildns_pool_addresses{pool="pool-2-none"} 16.0\n' in body
    assert b'maildns_pool_addresses{pool="pool-1-failing"}' not in body


class WatchedBoard(Board):
    """Counts how often its generation is read."""

    looks = 0

    @property
    def pools(self):
        self.looks += 1
        return super().pools


def test_a_scrape_sees_one_generation():
    """It reads the generation once, so that a reload during the scrape does not mix two."""
    board = WatchedBoard()
    board.publish(generation(Series.ALL))
    exposition = exposition_of(collector_of(board))
    for _ in range(2):
        board.looks = 0
        exposition.render(OPENMETRICS, compress=True)
        assert board.looks == 1


@pytest.mark.parametrize("full_addresses", [2 * SIZE, 1])
def test_known_results_are_shown_after_a_reload(full_addresses):
    """Even before the next sample, in a pool with other receivers."""
    board, exposition, _ = sampled_pool(full_addresses=full_addresses)
    before = board.pools["pool-0-all"]
    board.publish(generation(Series.ALL, receivers=DEFAULT_RECEIVERS))
    assert board.pools["pool-0-all"] is not before

    body, _ = exposition.render(TEXT, compress=False)
    assert body.count(b"maildns_fcrdns_match{") == SIZE
    assert body.count(b"maildns_last_sample_timestamp_seconds{") == SIZE


class Counting(FleetCollector):
    """Counts the addresses that are written: their results, and their times."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._counts = [0, 0]

    def add_address(self, *args):
        self._counts[0] += 1
        fleet.add_address(*args)

    def add_times(self, *args):
        self._counts[1] += 1
        fleet.add_times(*args)

    def counted(self):
        """The counts since the last call."""
        counts, self._counts = tuple(self._counts), [0, 0]
        return counts


def sampled_pool(mode=Series.ALL, full_addresses=2 * SIZE):
    """A board of one pool that was sampled and scraped, its exposition and its collector."""
    board = SmallBoard(full_addresses)
    board.publish(generation(mode))
    for index in range(SIZE):
        sample(board, 0, index, RIGHT, 1.0)
    collector = collector_of(board, kind=Counting)
    exposition = exposition_of(collector)
    exposition.render(TEXT, compress=True)
    return board, exposition, collector


def test_what_did_not_change_is_not_written_again():
    """A changed result costs one block; a sample without a change, one block of times; no sample, nothing."""
    board, exposition, collector = sampled_pool()
    assert collector.counted() == (SIZE, SIZE)
    for change, expected_counts in ((None, (0, 0)), (RIGHT, (0, 5)), (None, (0, 0)), (BROKEN, (5, 5)), (None, (0, 0))):
        if change is not None:
            sample(board, 0, 7, change, 2.0)
        exposition.render(TEXT, compress=True)
        assert collector.counted() == expected_counts


def test_blocks_are_written_ahead_of_the_scrape():
    """Only blocks that changed, but not since the last call."""
    board, exposition, collector = sampled_pool()
    collector.counted()
    sample(board, 0, 7, BROKEN, 2.0)
    sample(board, 0, 0, RIGHT, 2.0)
    ahead = [(len(list(exposition.writing_ahead())), collector.counted()) for _ in range(3)]
    assert ahead == [(0, (0, 0)), (3, (5, 10)), (0, (0, 0))]

    exposition.render(TEXT, compress=True)
    assert collector.counted() == (0, 0)


def test_between_two_scrapes_a_block_is_written_ahead_once():
    """Even if it changes often, so that writing ahead takes no more time than scrapes."""
    board, exposition, collector = sampled_pool()
    collector.counted()
    for number in range(10):
        sample(board, 0, 7, (BROKEN, RIGHT)[number % 2], 2.0 + number)
        list(exposition.writing_ahead())
        list(exposition.writing_ahead())
    assert collector.counted() == (5, 5)

    exposition.render(TEXT, compress=True)
    assert collector.counted() == (5, 5)
    sample(board, 0, 7, BROKEN, 20.0)
    list(exposition.writing_ahead())
    list(exposition.writing_ahead())
    assert collector.counted() == (5, 5)


@pytest.mark.parametrize("mode", [Series.FAILING, Series.NONE])
def test_pools_that_show_few_addresses_write_nothing_ahead(mode):
    """There is little to write, and only the scrape decides which addresses are shown."""
    board, exposition, collector = sampled_pool(mode)
    collector.counted()
    sample(board, 0, 7, BROKEN, 2.0)
    for _ in range(3):
        assert list(exposition.writing_ahead()) == []
    assert collector.counted() == (0, 0)


hostile = st.text() | st.sampled_from(
    ['"', "\\", "\n", "\\n", 'a"b\\c\nd', "}", "\r", "\u2028", "# EOF\n", "\ud83d\ude00"]
)
values = (
    st.floats().filter(lambda value: value or math.copysign(1, value) > 0)
    | st.integers(-(10**6), 10**6)
    | st.booleans()
)
label_names = st.lists(
    st.sampled_from(["pool", "ip", "helo", "check", "reason", "a", "Z", "_x"]), max_size=4, unique=True
)


GENERATORS = {"text": generate_latest, "openmetrics": generate_openmetrics}


def encodes(text: str) -> bool:
    """Whether prometheus-client can write it at all."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


class Reference:
    """A collector of the same samples, for prometheus-client."""

    def __init__(self, family, samples):
        self._series = family.series()
        for labels, value in samples:
            self._series.add(labels, value)

    def collect(self):
        yield self._series.metric


@given(st.data(), label_names, st.sampled_from(["gauge", "counter"]))
def test_lines_are_those_of_prometheus_client_in_every_format(data, names, kind):
    """For any label values and any value."""
    family = Family("maildns_test_total" if kind == "counter" else "maildns_test", kind, tuple(names), "Help.")
    label_values = st.lists(hostile.filter(encodes), min_size=len(names), max_size=len(names)).map(tuple)
    samples = data.draw(st.lists(st.tuples(label_values, values), max_size=6))
    lines = Lines()
    for labels, value in samples:
        lines[family].add(labels, value)

    reference = Reference(family, samples)
    expected = {kind: generate(reference) for kind, generate in GENERATORS.items()}
    text = lines.texts().get(family, b"")
    for generated in expected.values():
        headers, found, rest = generated.partition(text) if text else (generated, b"", b"")
        assert found == text
        assert all(line.startswith(b"# ") for line in headers.splitlines() + rest.splitlines())


def test_an_invalid_sample_is_left_out():
    """Too few labels, a value that is no number, a label that is no text or no Unicode."""
    family = Family("maildns_test", "gauge", ("ip", "pool"), "Help.")
    other = Family("maildns_other", "gauge", ("ip", "pool"), "Help.")
    lines = Lines()
    lines[family].add(("first", "good"), 1)
    for labels, value in [(("few",), 1), (("x", "y"), "z"), (("x", 5), 1), (("x", "\ud800"), 1), ((["x"], "y"), 1)]:
        lines[family].add(labels, value)
    lines[family].add(("last", "good"), 2.5)
    lines[other].add(("x", "\ud800"), 1)

    assert lines.texts() == {
        family: b'maildns_test{ip="first",pool="good"} 1.0\nmaildns_test{ip="last",pool="good"} 2.5\n'
    }


BINARY_TEXTS = st.lists(
    st.binary(max_size=300) | st.integers(0, 9000).map(lambda count: b"maildns " * count), max_size=8
)


@given(BINARY_TEXTS)
def test_texts_make_one_gzip_member(texts):
    """Checksum and length are those of the whole, even for empty texts or none."""
    member = gzip_member(Deflated.joined([Deflated.of(text) for text in texts]))

    assert unpacked(member) == gzip.decompress(member) == b"".join(texts)


@given(BINARY_TEXTS, st.integers(0, 8))
def test_joined_texts_can_be_joined_again(texts, cut):
    """The order of joining makes no difference."""
    deflated = [Deflated.of(text) for text in texts]
    joined = Deflated.joined([Deflated.joined(deflated[:cut]), Deflated.joined(deflated[cut:])])

    assert joined.text() == b"".join(texts)
    assert (joined.crc, joined.length) == (zlib.crc32(joined.text()), len(joined.text()))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_compressed_text_recognises_its_text(one, other):
    """And no other."""
    assert Deflated.of(one).is_of(one)
    assert Deflated.of(one).is_of(other) == (one == other)
    assert Deflated.of(one).text() == one


def test_the_length_of_more_than_four_gigabytes_follows_rfc_1952():
    """ISIZE is the length modulo 2^32."""
    assert gzip_member(Deflated(b"", 2**32 + 5, 7))[-8:] == bytes([7, 0, 0, 0, 5, 0, 0, 0])
