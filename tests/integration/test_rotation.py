"""A pool of which some of each prefix is sampled goes on with its rotation when it was killed."""

import json
import sqlite3
from contextlib import closing
from itertools import groupby

import pytest

from exporter.demo.world import World
from tests.integration.keeping import Dns, configuration, process
from tests.integration.servers.process import wait_until

pytestmark = pytest.mark.integration

PREFIXES, EACH = 8, 4
HOSTS = range(PREFIXES * EACH)
RECORDS = [
    ". SOA ns. host. 1 3600 900 604800 1",
    ". NS ns.",
    *[f"{host}.2.0.192.in-addr.arpa. PTR mta{host}.example.org." for host in HOSTS],
    *[f"mta{host}.example.org. A 192.0.2.{host}" for host in HOSTS],
]
POOL = [{"network": f"192.0.2.0/{32 - len(HOSTS).bit_length() + 1}"}]  # its HELO names would be followed back, too
SAMPLE = {"per_prefix": 1, "ipv4_prefix": 30}


class Draws:
    """Which addresses the DNS was asked about, by prefix, in their order."""

    def __init__(self):
        self._asked = []

    def __call__(self, name, rdtype):
        """Note a question."""
        if rdtype == "PTR":
            self._asked.append(int(name.partition(".")[0]))

    def turns(self):
        """What each prefix had, those that were begun again as one."""
        asked = list(self._asked)
        return [[host for host, _ in groupby([one for one in asked if one // EACH == own])] for own in range(PREFIXES)]


def _kept_turn(storage):
    """Which turn the file says is next; -1 before the first round has ended, or where there is no such table yet."""
    query = "SELECT value FROM notes WHERE owner = 'pool/test' AND name = 'sampling'"
    try:
        with closing(sqlite3.connect(f"file:{storage}?mode=ro", uri=True)) as connection:
            return json.loads(connection.execute(query).fetchone()[0])[1]
    except (sqlite3.OperationalError, TypeError):
        return -1


def _is_half_over(draws, storage, least):
    """Whether some, but not all prefixes had the turn that the file says is next: a kill now loses a part of it."""
    turn, drawn = _kept_turn(storage), [len(turns) for turns in draws.turns()]
    return turn >= least and min(drawn) == turn < max(drawn)


def test_each_address_has_its_turn_once_whatever_is_killed(tmp_path):
    """Killed twice in mid-round: no prefix begins anew, leaves one out, or has one twice before all others."""
    storage, draws = tmp_path / "maildns.db", Draws()
    with Dns(World(RECORDS), observe=draws) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, POOL, sample=SAMPLE)
        for least in (1, 3):
            with process(path, hurried_seconds=3.0) as exporter:
                wait_until(lambda: _is_half_over(draws, storage, least), "a round is half over")  # noqa: B023
                exporter.kill()
        with process(path, hurried_seconds=3.0) as exporter:
            wait_until(
                lambda: min(map(len, draws.turns())) > EACH, "every address had its turn, and the first one again"
            )
            exporter.kill()

    for prefix, turns in enumerate(draws.turns()):
        assert sorted(turns[:EACH]) == [*range(prefix * EACH, (prefix + 1) * EACH)]
        assert turns == [turns[place % EACH] for place in range(len(turns))]
