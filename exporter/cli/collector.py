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

_MIDDLE = 2
"""How many collections of the young make one of those that outlived one: each looks through all that came since.

Ten, as Python has it, are 200,000 objects and a hold of the event loop of 50 to 200 ms, while a pool that is kept in
full fills up. What a sample leaves is in no cycle (`exporter.sampling.sampling`), so nothing is found later.
"""

_OLD = 100
"""The same of collections of everything, which look through all that is known."""


def calm() -> None:
    """Let collections be few, and short. Call it when everything is imported."""
    gc.freeze()  # modules stay for good: collections need not look at them again
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
