"""`make truth`: prints what was reported of faults that are known, and fails if one was missed, late, or false."""

import argparse
import sys
import time

from tests.truth.simulation import Plan, simulate

_SHOWN = 20


def main() -> int:
    """Run the plan in each of its forms."""
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("--addresses", type=int, default=Plan.addresses)
    parser.add_argument("--faults", type=int, default=Plan.faults)
    parser.add_argument("--intervals", type=int, default=Plan.intervals)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    failed = False
    for seed in options.seeds:
        for apart, liar in ((True, 0), (False, seed % 3)):
            began = time.monotonic()
            outcome = simulate(Plan(options.addresses, options.faults, options.intervals, apart, liar, seed))
            print(*outcome.lines(), *outcome.complaints[:_SHOWN], sep="\n")  # it is a program
            print(f"  took {time.monotonic() - began:.0f} s", flush=True)
            failed = failed or bool(outcome.complaints)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
