"""A short attack on the engine, as a test; ``python -m tests.fuzz.engine`` is the long one."""

import pytest

from tests.fuzz.engine import attack

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_short_attack(seed):
    """Several thousand mutants over UDP and TCP cause no complaint."""
    outcome = await attack(4_000, seed)

    assert outcome.complaints == []
    assert outcome.transports["tcp"] > 0
    assert len(outcome.statuses) >= 3, "the mutants caused several statuses"
