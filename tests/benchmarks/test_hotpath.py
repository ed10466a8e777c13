"""The harness for the path of a check still runs, and takes that path."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_short_round():
    """A round without a kernel gives every verdict, a cost, and the functions that take it."""
    command = [sys.executable, "-m", "tests.benchmarks.hotpath", "--count", "600", "--rounds", "1", "--count-bytecodes"]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)

    assert "µs of our own" in finished.stdout
    assert "ordinary.py:take_ordinary" in finished.stdout
    assert "fastpath.py:read_reply" not in finished.stdout
