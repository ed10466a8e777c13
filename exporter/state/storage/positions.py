"""Where a pool's sampling stands, as a note: which turn of its draws is next, and the sums of the round before.

The rule of this file: a note that cannot be read is as good as none: sampling then begins anew.
"""

import json

from exporter.checks.verdicts import CheckName
from exporter.state.pool import PoolState
from exporter.state.storage.notes import POOL, Notes
from exporter.state.storage.words import reading

_NAME = "sampling"


def note_position(notes: Notes, state: PoolState) -> None:
    """Note where *state* stands, as of the latest round that ended."""
    sample = state.sample
    if state.round_seconds is not None:
        sums = {check.value: pair for check, pair in sample.latest.items()}
        text = json.dumps([sample.key, sample.turn, round(state.round_seconds, 3), sums], separators=(",", ":"))
        notes.put(f"{POOL}{state.pool.name}", _NAME, text)


def go_on(notes: Notes, state: PoolState) -> None:
    """Go on where the process before stood, if *state* has not begun yet."""
    text = notes.get(f"{POOL}{state.pool.name}", _NAME)
    if text is None or state.round_seconds is not None:
        return
    try:
        _apply(text, state)
    except ValueError:
        return


@reading
def _apply(text: str, state: PoolState) -> None:
    key, turn, seconds, sums = json.loads(text)
    latest = {CheckName(check): (int(addresses), int(failures)) for check, (addresses, failures) in sums.items()}
    state.sample.key, state.sample.turn, state.round_seconds = int(key), int(turn), float(seconds)
    state.sample.latest = {check: latest.get(check, pair) for check, pair in state.sample.latest.items()}
