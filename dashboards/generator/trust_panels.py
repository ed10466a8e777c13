"""The panels of the Exporter dashboard about whom it believes, and what it can remember.

The rule of this file: resolvers that disagree, and a storage that cannot be written, change no verdict: they are told.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator.panels import COUNT, AnyPanel, lines, timeline
from dashboards.generator.queries import increase, select
from dashboards.generator.style import SAVED
from exporter.metrics import catalogue

ONE_RESOLVER = "No sample was judged by two resolvers, or by two servers of one: there is nobody to disagree."
NO_STORAGE = "No storage is configured: what is known is kept in memory."


def disagreements() -> Sequence[AnyPanel]:
    """Who contradicts whom."""
    return [
        lines(
            "In dispute",
            "Addresses, HELO names and domains that resolvers disagree about: one sees a failure where another sees "
            "none. Neither is believed without a third; what was known before stays. Normal for as long as caches keep "
            "what was changed.",
            {
                "{{pool}}": f"sum by (pool) ({select(catalogue.RESOLVER_DISAGREEMENT)})",
                "domains": f"sum({select(catalogue.DOMAIN_RESOLVER_DISAGREEMENT)})",
            },
            unit=COUNT,
            empty="Nothing was sampled yet, or no exporter is scraped.",
        ),
        lines(
            "Who contradicts whom",
            "Samples in which the one resolver saw a failure where the other saw none; the same name twice for two "
            "servers of one.",
            {"{{resolver}} and {{other}}": f"sum by (resolver, other) ({increase(catalogue.RESOLVER_DISAGREEMENTS)})"},
            unit=COUNT,
            bars=True,
            empty=ONE_RESOLVER,
        ),
    ]


def storage() -> Sequence[AnyPanel]:
    """Whether what is known would outlive a restart."""
    return [
        timeline(
            "Storage",
            "Whether what is known is saved. While it cannot be, sampling goes on without.",
            {"{{instance}}": f"min by (instance) ({select(catalogue.STORAGE_OK)})"},
            states=SAVED,
            empty=NO_STORAGE,
            span=8,
            height=7,
        ),
        lines(
            "Since it was last written",
            "By exporter. A commit follows what changes within seconds; with nothing to write it may be longer.",
            {"{{instance}}": f"time() - max by (instance) ({select(catalogue.STORAGE_LAST_COMMIT)})"},
            unit=units.Seconds,
            empty=NO_STORAGE,
            span=8,
            height=7,
        ),
        lines(
            "Size of the file",
            "Its write-ahead log included.",
            {"{{instance}}": f"max by (instance) ({select(catalogue.STORAGE_BYTES)})"},
            unit=units.BytesIEC,
            empty=NO_STORAGE,
            span=8,
            height=7,
        ),
    ]
