"""Python's garbage collector, set to what this program does.

The rule of this file: it is a matter of speed alone; nothing may depend on when, or whether, a cycle is collected.
"""

import gc

_YOUNG = 20_000
"""How many containers more than before make a collection worth its time.

Each question makes a dozen that are gone with its answer, and none is in a cycle. With hundreds of questions in flight,
Python's own 700 has the collector look through all of them several times a second, in vain, for 7% of a check's time.
What it may find later for that is a few megabytes.
"""


def calm() -> None:
    """Let collections be few. Call it when everything is imported."""
    gc.freeze()  # modules stay for good: collections need not look at them again
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
