"""The key `sample` of a pool: whether each address is sampled every round, or some of each prefix."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, PlainValidator, Tag

from exporter.config.section import Section
from exporter.config.values import between, describe, wrong

DEFAULT_UNLISTED_SAMPLES = 8
"""How many addresses drawn at random a round samples of IPv6 ranges that are too big to be listed."""

DEFAULT_PREFIXES: dict[Literal[4, 6], int] = {4: 24, 6: 64}


class SampleEntry(Section):
    """How many addresses of each prefix are sampled in a round, and what a prefix is."""

    per_prefix: Annotated[int, between(1, 256)] = 1
    ipv4_prefix: Annotated[int, between(16, 32)] = DEFAULT_PREFIXES[4]
    ipv6_prefix: Annotated[int, between(32, 128)] = DEFAULT_PREFIXES[6]


def _word(value: object) -> str | bool:
    if value is False or value == "auto":
        return value
    what = f"{value!r}" if isinstance(value, str) else describe(value)
    raise wrong(
        f"is {what}: write auto, false for every address in every round, or a mapping like {{per_prefix: 1}} for some "
        "of each prefix"
    )


def _sample_tag(value: object) -> str:
    return "<sample>" if isinstance(value, dict | SampleEntry) else "<word>"


Sample: TypeAlias = Annotated[
    Annotated[str | bool, PlainValidator(_word), Tag("<word>")] | Annotated[SampleEntry, Tag("<sample>")],
    Discriminator(_sample_tag),
]


Written: TypeAlias = str | bool | SampleEntry


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """What a pool's rounds ask: *mode* "sweep" every address, "prefixes" some of each prefix, "auto" what fits."""

    mode: Literal["auto", "sweep", "prefixes"] = "auto"
    per_prefix: int = 1
    ipv4_prefix: int = DEFAULT_PREFIXES[4]
    ipv6_prefix: int = DEFAULT_PREFIXES[6]

    def length(self, family: Literal[4, 6]) -> int:
        """The length of the prefixes of *family*."""
        return self.ipv4_prefix if family == 4 else self.ipv6_prefix


AUTO = SampleSettings()


def sample_settings(written: Written) -> SampleSettings:
    """What a `sample` key says."""
    if isinstance(written, SampleEntry):
        return SampleSettings("prefixes", written.per_prefix, written.ipv4_prefix, written.ipv6_prefix)
    return AUTO if written == "auto" else SampleSettings("sweep")
