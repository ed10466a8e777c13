"""Servers that several tests of a module can share, since none of them changes what they serve."""

from collections.abc import Iterator

import pytest

from tests.integration.misbehaving import Misbehaving
from tests.integration.servers.knot import Knot
from tests.integration.servers.unbound import Unbound
from tests.integration.world import World, build_world


@pytest.fixture(scope="module")
def world() -> World:
    """A world in which every kind of address occurs ten times, over both families."""
    return build_world(280)


@pytest.fixture(scope="module")
def knot(world: World) -> Iterator[Knot]:
    """Knot, serving the world."""
    with Knot(world.zones) as server:
        yield server


@pytest.fixture(scope="module")
def unbound(knot: Knot) -> Iterator[Unbound]:
    """Unbound, resolving through Knot."""
    with Unbound(knot.port) as server:
        yield server


@pytest.fixture
def misbehaving() -> Iterator[Misbehaving]:
    """A server that misbehaves as it is asked to."""
    with Misbehaving() as server:
        yield server
