"""The map of a pool."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState
from exporter.web.pages import MAX_CELLS, Maps, cells, draw_map
from tests.unit.web.pools import BROKEN, RIGHT, nameless, pool

networks = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(20, 32)).map(
        lambda it: f"10.{it[0]}.{it[1] & 240}.0/{it[2]}"
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda network: network.split("/")[0],
)


@given(networks)
def test_cells_are_a_partition(several):
    """Laid end to end, the cells are all places of the pool, and each address lies in the prefix of its cell."""
    made = nameless(*several)
    end = 0
    for cell in cells(made):
        assert cell.first == end
        end += cell.count
        for index in (cell.first, end - 1):
            assert ip_address(str(made.targets[index].address)) in cell.network
    assert end == made.size
    assert len({cell.network for cell in cells(made)}) == len(cells(made))


def test_a_pool_that_would_have_too_many_cells_gets_shorter_prefixes():
    """4,352 addresses in as many prefixes of 24 bits: 1,088 prefixes of 22 bits are drawn."""
    scattered = [f"10.{second}.{third}.0/32" for second in range(17) for third in range(256)]

    found = cells(nameless(*scattered))

    assert len(found) == 17 * 256 / 4 < MAX_CELLS
    assert {cell.network.prefixlen for cell in found} == {22}


@pytest.mark.parametrize(
    ("broken", "level"),
    [(0, 0), (1, 1), (3, 2), (20, 2), (26, 3), (128, 3), (129, 4), (256, 4)],
)
def test_the_level_is_the_share_of_failing_addresses(broken, level):
    """None, up to 1 %, up to 10 %, up to half, more."""
    state = PoolState(pool("10.0.0.0/21", "198.51.100.0/24"), PoolCounters())
    for index in range(256):
        at = 2048 + index
        world = BROKEN if index < broken else RIGHT
        state.record(at, *run_check(report(state[at].target), world), 1.0)

    *_, shade = Maps().shades(state, 2.0)

    assert (shade.cell.label, shade.failing, shade.level) == ("198.51.100.0/24", broken, level)


def test_what_was_not_sampled_for_three_intervals_is_not_known():
    """A cell that was healthy long ago is not shown as healthy."""
    state = PoolState(pool("198.51.100.0/32"), PoolCounters())
    state.record(0, *run_check(report(state[0].target), RIGHT), 1000.0)
    maps, interval = Maps(), state.pool.interval_seconds

    assert [shade.level for shade in maps.shades(state, 1000.0 + 2.9 * interval)] == [0]
    assert [shade.level for shade in maps.shades(state, 1000.0 + 3.1 * interval)] == [None]


def test_half_a_million_addresses_are_a_light_picture():
    """1,954 cells, a quarter of them failing, are less than 60 kB of paths and at most 200 links."""
    state = PoolState(nameless("10.0.0.0/13"), PoolCounters())
    for at in range(0, state.pool.size, 1024):
        state.healths[at] = 2
        state.healths[at + 256] = state.healths[at + 512] = 1

    drawing = draw_map(Maps().shades(state, 1.0))

    assert sum(len(path) for _, path in drawing.paths) < 60_000
    assert len(drawing.spots) == 200


@pytest.mark.parametrize(("prefix", "scale"), [("198.51.100.0/28", 2.8), ("10.0.0.0/13", 1.0)])
def test_each_failing_level_has_a_sign_of_its_own(prefix, scale):
    """Four shapes, each inside its cell, so that who does not see red from green sees what fails."""
    drawing = draw_map(Maps().shades(PoolState(nameless(prefix), PoolCounters()), 1.0))

    signs = dict(drawing.signs)
    assert sorted(signs) == [1, 2, 3, 4]
    assert len(set(signs.values())) == 4
    assert signs[1] == f"M1 1m{4 * scale:g} {4 * scale:g}h{2 * scale:g}v{2 * scale:g}h-{2 * scale:g}z"
    assert drawing.size == 10 * scale
