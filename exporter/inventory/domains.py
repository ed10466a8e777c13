"""From the domains that the operator configured to those that are watched here."""

from exporter.config.configuration import Configuration, DomainSettings
from exporter.inventory.shard import ALONE, Shard


def watched_domains(configuration: Configuration, shard: Shard = ALONE) -> tuple[DomainSettings, ...]:
    """The domains of *configuration*, in its order: what *shard* has of them."""
    return tuple([settings for settings in configuration.domains if shard.owns_name(settings.name)])
