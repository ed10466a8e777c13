"""Every mistake in mistakes/*.yml gets exactly the messages that stand beside it."""

from pathlib import Path

import pytest

from tests.unit.config.reading import problems_of
from tests.yaml_files import read_yaml

CASES = [
    pytest.param(case["text"], case["problems"], id=f"{path.stem}-{case['id']}")
    for path in sorted(Path(__file__).with_name("mistakes").glob("*.yml"))
    for case in read_yaml(path.read_text(encoding="utf-8"))
]


def test_there_are_cases():
    """The files are found, and each holds some."""
    assert len(CASES) > 100


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_mistake(text, expected):
    """All that is wrong is said at once, each with its place, its path and what would be right."""
    assert problems_of(text) == expected
