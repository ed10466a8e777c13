"""What is watched: an address, and what it says."""

from dataclasses import dataclass

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName


@dataclass(frozen=True, slots=True)
class Target:
    """One outbound address that is watched, with the names that it says in HELO."""

    address: Address
    helos: tuple[HeloName, ...] = ()
