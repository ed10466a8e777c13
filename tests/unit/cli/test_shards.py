"""How an exporter finds out which part of everything is its own."""

import click
import pytest

from exporter.cli.main import shard_of
from exporter.inventory.shard import ALONE, Shard


@pytest.mark.parametrize(
    ("index", "count", "host", "expected"),
    [
        pytest.param(None, 1, "mail-7", ALONE, id="one-alone-has-no-number"),
        pytest.param(2, 3, "maildns-0", Shard(2, 3), id="the-flag-counts"),
        pytest.param(None, 3, "maildns-exporter-2", Shard(2, 3), id="a-pod-of-a-stateful-set"),
        pytest.param(None, 3, "maildns-exporter-2.maildns.mail.svc", Shard(2, 3), id="with-its-domain"),
    ],
)
def test_the_shard(index, count, host, expected):
    """The flag first, then the ordinal of the host name; without a count there is one shard."""
    assert shard_of(index, count, host) == expected


@pytest.mark.parametrize(
    ("index", "count", "host", "message"),
    [
        (3, 3, "a", "shard 3 of 3 does not exist: the index is from 0 to 2"),
        (None, 2, "maildns-2", "shard 2 of 2 does not exist: the index is from 0 to 1"),
        (None, 2, "mailhost", "--shard.count needs a --shard.index: the host name 'mailhost' does not end in a number"),
        (None, 2, "mail.example-1.org", "--shard.count needs a --shard.index"),
    ],
)
def test_a_shard_that_is_not_known_is_refused(index, count, host, message):
    """Nobody guesses: two exporters with the same part would leave another part unwatched."""
    with pytest.raises(click.UsageError) as refused:
        shard_of(index, count, host)
    assert message in refused.value.message
