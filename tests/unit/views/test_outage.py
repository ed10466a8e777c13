"""Which DNS servers fail, and what to show of that."""

from typing import NamedTuple

import pytest

from exporter.checks.answers import Question, Status
from exporter.dns.resolver import ServerHealth
from exporter.dns.servers import CanaryFailure
from exporter.dns.settings import parse_endpoint
from exporter.views.outage import outage
from tests.factories import name

NOON, LATER = 1_700_049_840.0, 1_700_050_000.0  # 12:04 UTC, and the same day
ROOT = Question(name("."), "NS")


class Group(NamedTuple):
    """The parts of a resolver that say how its servers are."""

    name: str
    servers: tuple[ServerHealth, ...]


def server(host, status=None, answered="", *, up=True, passed_at=NOON):
    """A server that passes its canary, or fails it with this status."""
    failure = None if status is None else CanaryFailure(ROOT, status, answered or status.value.upper(), NOON + 30)
    return ServerHealth(parse_endpoint(host), up, None, failure is None, False, 0.01, failure, passed_at)


GOOD = server("192.0.2.53")
OLD = "values are the last conclusive ones, from 12:04 UTC."
NEVER = "no server has worked since the start, so what is shown is from an earlier one, or unknown."
LIAR = " It has an answer for a name that does not exist: name a server in `resolvers` that answers NXDOMAIN."
INTERNAL = (
    " A server that resolves only some zones needs a record of these in `canary.must_resolve`, as in [example.org MX]; "
    "else name a server in `resolvers` that resolves names of the Internet."
)
FAILS = "The resolver 192.0.2.54:53 fails its canary: it answers . NS with"


@pytest.mark.parametrize(
    ("servers", "sentence"),
    [
        ([GOOD], None),
        ([server("192.0.2.54", Status.SERVFAIL)], f"{FAILS} SERVFAIL: {OLD}"),
        ([server("192.0.2.54", Status.REFUSED)], f"{FAILS} REFUSED: {OLD}"),
        ([server("192.0.2.54", Status.ANSWER, "203.0.113.66")], f"{FAILS} 203.0.113.66: {OLD}{LIAR}"),
        ([server("192.0.2.54", Status.NXDOMAIN)], f"{FAILS} NXDOMAIN: {OLD}{INTERNAL}"),
        ([server("192.0.2.54", Status.NODATA), GOOD], f"{FAILS} NODATA: other servers are asked instead.{INTERNAL}"),
        (
            [server("192.0.2.54", Status.TIMEOUT, up=False)],
            f"The resolver 192.0.2.54:53 does not answer its canary: {OLD}",
        ),
        ([server("192.0.2.54", up=False)], f"The resolver 192.0.2.54:53 does not answer: {OLD}"),
        (
            [server("192.0.2.54", Status.SERVFAIL), GOOD],
            f"{FAILS} SERVFAIL: other servers are asked instead.",
        ),
        (
            [server("192.0.2.54", Status.SERVFAIL, passed_at=0.0)],
            f"{FAILS} SERVFAIL: {NEVER}",
        ),
    ],
)
def test_the_sentence_says_who_fails_and_how_old_values_are(servers, sentence):
    """It names the server, the question and the answer, and the time of the last canary that passed."""
    found = outage([Group("local", tuple(servers))], LATER)

    assert (None if found is None else found.sentence) == sentence
    if found is not None:
        assert found.is_blind == (GOOD not in servers)


def test_many_servers_make_one_short_sentence():
    """Three servers are named, the others are counted."""
    found = outage([Group("local", tuple([server(f"192.0.2.{n}", Status.REFUSED) for n in range(1, 6)]))], LATER)

    assert found is not None
    assert len(found.servers) == 5
    assert found.sentence.count("192.0.2.") == 3
    assert "; and 2 more fail: " in found.sentence


def test_another_day_is_shown_with_its_date():
    """A time of yesterday is no time of today."""
    found = outage([Group("local", (server("192.0.2.54", Status.REFUSED),))], LATER + 86_400)

    assert found is not None
    assert "from 2023-11-15 12:04 UTC" in found.sentence
