"""Writes dashboards, rules and alerts into dashboards/: `python -m dashboards.generator`.

With `--check` it writes nothing: it prints the files that are out of date, and exits with 1 if there are any.
"""

import sys

from dashboards.generator.outputs import FOLDER, outputs


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m dashboards.generator [--check]", file=sys.stderr)
        return 2
    stale = 0
    for path, text in outputs().items():
        file = FOLDER / path
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        print(f"dashboards/{path}")
        if not arguments:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
