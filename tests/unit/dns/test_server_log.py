"""The log of DNS servers that fail and recover."""

from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from exporter.checks.answers import Status
from exporter.dns.resolver import ServerHealth
from exporter.dns.resolvers import ServerLog
from exporter.dns.settings import ResolverSettings, parse_endpoint

SILENT = "a DNS server does not answer"
LYING = "a DNS server fails its canary, so its answers are ignored"
BACK = "a DNS server is back"


class Group(NamedTuple):
    """The parts of a resolver that the log reads."""

    name: str
    settings: ResolverSettings
    servers: tuple[ServerHealth, ...]


def group(*, up=True, ok=True, contradicted=False, canary=True, error=None):
    """A resolver with one server in this state."""
    settings = ResolverSettings(name="local")
    if not canary:
        settings = ResolverSettings(name="local", canary=None)
    server = ServerHealth(parse_endpoint("192.0.2.53"), up, error, ok, contradicted, 0.001)
    return Group("local", settings, (server,))


WELL = group()
FRESH = group(ok=False)
DOWN = group(up=False, ok=False, error=Status.TIMEOUT)
LIAR = group(ok=False, contradicted=True)


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        pytest.param([FRESH, WELL, WELL], [], id="nothing-after-a-good-start"),
        pytest.param([FRESH, DOWN, DOWN, WELL], [SILENT, BACK], id="one-line-a-change"),
        pytest.param([WELL, DOWN, FRESH, DOWN], [SILENT], id="after-a-reload-nothing-is-known"),
        pytest.param([WELL, LIAR, DOWN, WELL], [LYING, SILENT, BACK], id="from-one-failure-to-another"),
        pytest.param([DOWN, group(ok=False, canary=False)], [SILENT, BACK], id="without-a-canary-an-answer-is-enough"),
    ],
)
def test_each_change_is_one_line(course, expected):
    """A server whose state is not known yet logs nothing."""
    server_log = ServerLog()
    with capture_logs() as logged:
        for one in course:
            server_log.update([one])

    assert [line["event"] for line in logged] == expected
    assert all((line["resolver"], line["server"]) == ("local", str(WELL.servers[0].endpoint)) for line in logged)


def test_a_silent_server_is_a_warning_with_its_reason():
    """A server that is back is not a warning."""
    server_log = ServerLog()
    with capture_logs() as logged:
        server_log.update([DOWN])
        server_log.update([WELL])

    assert [(line["log_level"], line.get("reason")) for line in logged] == [("warning", "timeout"), ("info", None)]


def test_a_server_that_left_the_configuration_is_forgotten():
    """If it is added again and still silent, that is logged again."""
    server_log = ServerLog()
    with capture_logs() as logged:
        for several in ([DOWN], [], [DOWN]):
            server_log.update(several)

    assert [line["event"] for line in logged] == [SILENT, SILENT]
