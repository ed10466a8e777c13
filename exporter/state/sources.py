"""What is remembered of a pool's sources: files and SPF records."""

from dataclasses import dataclass

from exporter.inventory.expansion import Trouble
from exporter.inventory.ranges import AddressRanges
from exporter.inventory.sources import NOTHING, Origin, Share

Source = tuple[str, Origin]
"""A pool's name, and where some of its addresses come from."""


@dataclass(slots=True)
class SourceStatus:
    """What a scrape shows of one source.

    *added* and *removed* count addresses that came and went since the first were there. Times are Unix times, 0.0 for
    never.
    """

    addresses: AddressRanges = NOTHING
    conflicts: int = 0
    added: int = 0
    removed: int = 0
    succeeded: bool = False
    succeeded_at: float = 0.0
    troubles: tuple[Trouble, ...] = ()
    was_seen: bool = False

    def take(self, share: Share) -> None:
        """Take in what the source gives now."""
        if self.was_seen:
            both = self.addresses.overlap(share.addresses)
            self.added += share.addresses.size - both
            self.removed += self.addresses.size - both
        self.was_seen = self.was_seen or share.addresses.size > 0
        self.addresses, self.conflicts = share.addresses, share.conflicts
