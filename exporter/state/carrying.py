"""What is known of addresses that stay, carried over to the state of the next generation, a step at a time.

The rule of this file: no step holds the event loop for long, and half a million addresses are carried over as columns
of numbers, whatever their HELO names are from now on. Full states, and few neighbours, go one by one.
"""

# ruff: noqa: SLF001  # it is a part of `PoolState` and `CompactStates`, in a file of its own

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from exporter.inventory.ranges import Run
from exporter.state.compact import CompactStates
from exporter.state.forms import Form, retargeted
from exporter.state.strides import FAILING, NAMES_STRIDE, STRIDE, UNKNOWN

if TYPE_CHECKING:
    from exporter.state.pool import PoolState

ONE_BY_ONE = 256
"""How many addresses make a step where each is taken by itself."""
_AT_ONCE = 8192
"""How many make a step where they are columns."""


def carry(run: Run, mine: "PoolState", old: "PoolState") -> Iterator[None]:
    """Take over what *old* has of the addresses of *run*; nothing is known of them in *mine* yet.

    Of many neighbours whose names changed, what is held of a name stays where its template does.
    """
    here, there = mine._addresses, old._addresses
    is_compact = isinstance(here, CompactStates) and isinstance(there, CompactStates)
    if not (is_compact and (run.is_alike or run.size >= ONE_BY_ONE)):
        for piece in run.pieces(ONE_BY_ONE):
            _restore(piece, mine, old)
            yield
        return
    change = _same if run.is_alike else _renaming(run, mine, old)
    for piece in run.pieces(_AT_ONCE):
        _copy(piece, mine, old, change, is_alike=run.is_alike)
        yield


def _same(form: Form) -> Form:
    return form


def _renaming(run: Run, mine: "PoolState", old: "PoolState") -> Callable[[Form], Form]:
    """What becomes of the forms of *run*, whose servers say other names now."""
    now, before = mine.pool.source.at(run.here)[1], old.pool.source.at(run.there)[1]
    places = {place: now.index(template) for place, template in enumerate(before) if template in now}
    return lambda form: retargeted(form, places, len(now))


def _restore(run: Run, mine: "PoolState", old: "PoolState") -> None:
    """Take them over one by one."""
    targets = mine.pool.targets
    for offset in range(run.size):
        known = old._addresses[run.there + offset]
        if known is not None:
            mine.restore(run.here + offset, known.retarget(targets[run.here + offset]))


def _copy(run: Run, mine: "PoolState", old: "PoolState", change: Callable[[Form], Form], *, is_alike: bool) -> None:
    """The same, all at once."""
    states, known = mine._addresses, old._addresses
    if not (isinstance(states, CompactStates) and isinstance(known, CompactStates)):
        raise TypeError("only columns are copied at once")
    healths, concluded = {0: UNKNOWN}, {0: False}
    numbers, stop = states.numbers, run.here + run.size
    counts = states.copy(known, run, change)
    for number, count in counts.items():
        if number:
            example = mine[run.here + numbers(run.here, stop).index(number)]
            healths[number] = mine._health(example)
            concluded[number] = example.iprev is not None
            mine._count(example, count)
    mine.healths[run.here : stop] = bytes(map(healths.__getitem__, numbers(run.here, stop)))
    states.copy_details(known, run, lambda index: mine.healths[index] == FAILING, is_alike=is_alike)
    for stride in range(run.here // NAMES_STRIDE, (stop - 1) // NAMES_STRIDE + 1):
        part = numbers(max(run.here, stride * NAMES_STRIDE), min(stop, (stride + 1) * NAMES_STRIDE))
        mine.name_changes[stride] += sum(map(concluded.__getitem__, part))
    mine.renew(range(run.here // STRIDE, (stop - 1) // STRIDE + 1))
