"""The keys of `domains`, each with its type, bounds and default."""

import re
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag

from exporter.checks.dkim import key_name
from exporter.checks.domain import DomainCheckName
from exporter.checks.names import DomainName
from exporter.config.durations import Duration
from exporter.config.section import Section
from exporter.config.values import DurationText, Given, MailDomainText, OneOrMore, lasting, one_of, reading, up_to

MAX_DOMAINS = 1_000
MAX_SELECTORS = 32
EXPECTED = frozenset({DomainCheckName.SPF, DomainCheckName.DKIM, DomainCheckName.DMARC, DomainCheckName.MX})
"""What receivers ask of every domain that sends. MTA-STS and TLS-RPT protect mail that comes in: who wants them adds
them."""

_SELECTOR = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


def parse_selector(text: str) -> str:
    """Read a selector, as RFC 6376 section 3.1 has it, and underscores: some signers use them. Raises `ValueError`."""
    selector = text.lower()
    if "_domainkey" in selector:
        raise ValueError(f"{text!r} is more than the selector: write what comes before `._domainkey`")
    if not _SELECTOR.fullmatch(selector):
        raise ValueError(f"{text!r} is no DKIM selector: write the s= of a signature, like `s1`")
    return selector


DomainCheckText = Annotated[DomainCheckName, one_of(DomainCheckName, "a check of a domain")]
SelectorText = Annotated[str, reading(parse_selector)]


class DomainExpectEdit(Section):
    """Changes to what is expected of a domain unless it says otherwise."""

    add: tuple[DomainCheckText, ...] = ()
    remove: tuple[DomainCheckText, ...] = ()


def _expect_tag(value: object) -> str:
    return "<edit>" if isinstance(value, dict | DomainExpectEdit) else "<list>"


DomainExpect: TypeAlias = Annotated[
    Annotated[tuple[DomainCheckText, ...], Tag("<list>")] | Annotated[DomainExpectEdit, Tag("<edit>")],
    Discriminator(_expect_tag),
]


class DomainEntry(Section):
    """A domain that mail is sent from."""

    name: MailDomainText
    dkim_selectors: Annotated[tuple[SelectorText, ...], OneOrMore, up_to(MAX_SELECTORS)] = ()
    interval: Annotated[DurationText, lasting("10s", "1d")] = Duration(900_000)
    expect: Annotated[DomainExpect | None, Given] = None

    @property
    def expected(self) -> frozenset[DomainCheckName]:
        """The checks that it has to pass."""
        if isinstance(self.expect, DomainExpectEdit):
            return EXPECTED - frozenset(self.expect.remove) | frozenset(self.expect.add)
        return EXPECTED if self.expect is None else frozenset(self.expect)


def misfit(name: DomainName, selector: str = "") -> str | None:
    """Why *name*, or a key of it under *selector*, cannot have the names that its records need; None if it can."""
    try:
        DomainName(f"_smtp._tls.{name}")
    except ValueError:
        return "is too long: what mail puts before a domain, like `_smtp._tls.`, does not fit before it"
    try:
        key_name(selector or "s", name)
    except ValueError:
        return "is too long: with `._domainkey` and the domain behind it, it is no name"
    return None
