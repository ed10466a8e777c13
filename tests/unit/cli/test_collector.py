"""The garbage collector collects seldom, and still everything."""

import subprocess
import sys

PROGRAM = """
import gc, weakref
from exporter.cli import serve

class Cycle:
    def __init__(self):
        self.myself = self

serve.tune_garbage_collector()
gone = []
while not gone:
    weakref.finalize(Cycle(), gone.append, True)
print(gc.isenabled(), gc.get_threshold()[0] > 10_000, gc.get_freeze_count() > 1_000)
"""


def test_collections_are_few_and_cycles_still_found():
    """Modules are frozen and collections rare; what refers to itself goes in the end, without being asked to."""
    finished = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=300)

    assert finished.stdout.split() == ["True", "True", "True"]
