"""The state of a pool's address sources: files and SPF records."""

from dataclasses import dataclass

from exporter.inventory.expansion import Trouble
from exporter.inventory.ranges import AddressRanges
from exporter.inventory.sources import NOTHING, Origin, Share

PoolSource = tuple[str, Origin]
"""A pool's name, and where some of its addresses come from."""


@dataclass(slots=True)
class SourceStatus:
    """What the metrics show of one source.

    Attributes:
        addresses: The addresses that it gives now.
        conflicts: How many of its addresses stay in another pool that has them too.
        added: How many addresses were added since the first ones were there.
        removed: How many addresses were removed since then.
        succeeded: Whether the latest attempt to load it succeeded.
        succeeded_at: When it was last loaded, as Unix time; 0.0 for never.
        troubles: What is wrong with it now.
        was_seen: Whether it ever gave an address.
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
        """Record what the source gives now, and count what was added and removed."""
        if self.was_seen:
            both = self.addresses.overlap(share.addresses)
            self.added += share.addresses.size - both
            self.removed += self.addresses.size - both
        self.was_seen = self.was_seen or share.addresses.size > 0
        self.addresses, self.conflicts = share.addresses, share.conflicts
