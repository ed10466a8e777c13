"""What samples in the background are told beside the answers: records that many share, and what block lists say."""

import asyncio
from collections.abc import Callable
from functools import partial

from exporter.checks.authentication import Wanted
from exporter.checks.report import Target
from exporter.inventory.pool import Pool
from exporter.sampling.sampling import Asker
from exporter.sampling.spf_book import SpfBook
from exporter.state.blocklists import Blocklists


class Authentication:
    """Says what is wanted of each sample. *asker* gives whoever answers questions at the moment."""

    def __init__(self, asker: Callable[[], Asker], blocklists: Blocklists | None = None) -> None:
        self._book = SpfBook(asker, lambda: asyncio.get_running_loop().time())
        self._blocklists = Blocklists() if blocklists is None else blocklists

    def wanted(self, pool: Pool, index: int, target: Target) -> Wanted:
        """What is wanted of a sample of *target*, the address of *pool* at *index*."""
        return Wanted(
            pool.helo_spf_required,
            pool.mail_from_domains,
            partial(self._book.compiled, max_age_seconds=pool.interval_seconds),
            self._blocklists.findings(pool, index, target.address),
        )

    def stop(self) -> None:
        """Ask nothing any more."""
        self._book.stop()


def wanted_now(pool: Pool, target: Target, blocklists: Blocklists) -> Wanted:
    """What is wanted of a sample that somebody waits for: records are evaluated, lists are not asked."""
    index = pool.index(target.address)
    listings = () if index is None else blocklists.findings(pool, index, target.address)
    return Wanted(pool.helo_spf_required, pool.mail_from_domains, listings=listings)
