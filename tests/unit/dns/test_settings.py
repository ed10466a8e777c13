"""A resolver's settings have defaults that work, and refuse what cannot."""

import dns.flags
import pytest

from exporter.checks.answers import Status
from exporter.dns.resolver import Resolver
from exporter.dns.settings import CanarySettings, ResolverSettings, parse_endpoint, system_servers
from tests.factories import question
from tests.unit.dns.nameserver import name_server, records, settings


def test_the_systems_servers_are_read_in_order(tmp_path):
    """Each nameserver line counts once, in order; comments, options and unreadable lines do not."""
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# nameserver 192.0.2.1\nsearch example.org\nnameserver 192.0.2.53 # ours\nnameserver\n"
        "nameserver 2001:db8::53\nnameserver dns.example.org\nnameserver 192.0.2.53\noptions edns0\nnameserver ::x\n"
    )

    assert system_servers(path) == (parse_endpoint("192.0.2.53"), parse_endpoint("[2001:db8::53]:53"))


@pytest.mark.parametrize("text", [None, "", "search example.org\n"])
def test_without_a_server_the_local_host_is_asked(tmp_path, text):
    """A missing file, or one that names no server, means 127.0.0.1, as it does to libc."""
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)

    assert system_servers(path) == (parse_endpoint("127.0.0.1:53"),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": ()},
        {"timeout_seconds": 0},
        {"timeout_seconds": float("inf")},
        {"timeout_seconds": float("nan")},
        {"attempts": 0},
        {"max_queries_per_second": 0},
        {"max_in_flight": 0},
        {"cache_entries": -1},
        {"max_queued": -1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    """A resolver without servers, time or room is not built."""
    with pytest.raises(ValueError, match="system"):
        ResolverSettings(**wrong)


def test_a_canary_that_never_rests_is_refused():
    """The canary's interval is more than nothing."""
    with pytest.raises(ValueError, match="interval"):
        CanarySettings(interval_seconds=0)


@pytest.mark.parametrize("desired", [True, False])
async def test_recursion_is_desired_unless_the_servers_are_authoritative(desired):
    """The RD bit is what the settings say, and an answer without recursion is one all the same."""
    async with name_server(lambda query, _: records(query, "mail.example.org. 60 IN A 192.0.2.1")) as server:
        resolver = Resolver(settings(server, recursion_desired=desired))
        await resolver.start()
        answer = await resolver.resolve(question("mail.example.org", "A"))
        await resolver.close()

    assert answer.status is Status.ANSWER
    assert [bool(query.flags & dns.flags.RD) for _, query in server.queries] == [desired]
