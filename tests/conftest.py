"""What every test shares: hypothesis without wall-clock assertions, and without luck where nobody watches.

Continuous integration (`HYPOTHESIS_PROFILE=ci`, as .ci/run has it) draws the same examples each
time, so that it fails for what was changed and for nothing else; whoever runs the tests here looks for new ones.
"""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# jsonschema loads it for the formats "iri" and "iri-reference", which no schema of ours has: it makes 38 parsers of the
# whole RFC 3987, and that is half of what collecting all tests takes.
sys.modules.setdefault("rfc3987_syntax", None)

settings.register_profile(
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True, print_blob=True)
settings.register_profile("quick", parent=settings.get_profile("here"), max_examples=5)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "here"))


def pytest_collection_finish() -> None:
    """Spare the garbage collector thousands of tests: none of them goes away, and it would look at all each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_logs() -> Iterator[None]:
    """Leave no logger bound to the standard error of a test that is over."""
    yield
    structlog.reset_defaults()
