"""The keys of an entry of `addresses`: one address, or a network."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Tag

from exporter.config.section import Section
from exporter.config.values import AddressText, Given, HeloTemplateText, NetworkText, OneOrMore, up_to

HeloTemplates: TypeAlias = Annotated[tuple[HeloTemplateText, ...], Given, OneOrMore, up_to(16, least=1)]


class AddressEntry(Section):
    """One address, with the names that its server says in HELO."""

    ip: AddressText
    helo: HeloTemplates = ()

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return self.ip.family

    @property
    def first(self) -> int:
        """The address, as a number."""
        return int.from_bytes(self.ip.packed, "big")

    @property
    def last(self) -> int:
        """The same: an address is a range of one."""
        return self.first


class NetworkEntry(Section):
    """All addresses of a network, with the names that its servers say in HELO."""

    network: NetworkText
    helo: HeloTemplates = ()

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return self.network.family

    @property
    def first(self) -> int:
        """Its lowest address, as a number."""
        return self.network.first

    @property
    def last(self) -> int:
        """Its highest address, as a number."""
        return self.network.last


def _entry_tag(value: object) -> str:
    is_network = "network" in value if isinstance(value, dict) else isinstance(value, NetworkEntry)
    return "<network>" if is_network else "<ip>"


Entry: TypeAlias = Annotated[
    Annotated[AddressEntry, Tag("<ip>")] | Annotated[NetworkEntry, Tag("<network>")], Discriminator(_entry_tag)
]
