"""Where a pool's sampling stands, as notes: which turn of its draws is next, how far it has come, the sums before it.

The rule of this file: a note that cannot be read is as good as none: sampling then begins anew.
"""

import json

from exporter.checks.addresses import Address
from exporter.checks.verdicts import CheckName
from exporter.state.pool import PoolState
from exporter.state.storage.notes import POOL, Notes
from exporter.state.storage.words import reading

_NAME = "sampling"
_REACHED = "reached"


def note_position(notes: Notes, state: PoolState) -> None:
    """Note where *state* stands, as of the latest round that ended."""
    sample = state.sample
    if state.round_seconds is not None:
        sums = {check.value: pair for check, pair in sample.latest.items()}
        text = json.dumps([sample.key, sample.turn, round(state.round_seconds, 3), sums], separators=(",", ":"))
        notes.put(f"{POOL}{state.pool.name}", _NAME, text)


def note_reached(notes: Notes, state: PoolState) -> None:
    """Note how far the round of *state* has come that is under way."""
    if state.sample.reached is not None:
        notes.put(f"{POOL}{state.pool.name}", _REACHED, str(state.sample.reached))


def go_on(notes: Notes, state: PoolState) -> None:
    """Go on where the process before stood, if *state* has not begun yet."""
    text = notes.get(f"{POOL}{state.pool.name}", _NAME)
    if text is None or state.round_seconds is not None:
        return
    try:
        _apply(text, state)
        reached = notes.get(f"{POOL}{state.pool.name}", _REACHED)
        if reached is not None:
            state.sample.reached = Address.parse(reached)
    except ValueError:
        return


@reading
def _apply(text: str, state: PoolState) -> None:
    key, turn, seconds, sums = json.loads(text)
    latest = {CheckName(check): (int(addresses), int(failures)) for check, (addresses, failures) in sums.items()}
    state.sample.key, state.sample.turn, state.round_seconds = int(key), int(turn), float(seconds)
    state.sample.latest = {check: latest.get(check, pair) for check, pair in state.sample.latest.items()}
