"""What the domains of the demo world are examples of, and what must come out: the table in ``domains.txt``.

The rule of this file: expectations are data, written by hand from the RFCs and docs/verdicts.md, never computed by the
checks that they hold to account.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.checks.domain import DomainCheckName
from exporter.checks.names import DomainName

Fault = tuple[DomainCheckName, str, str]
"""A check, the selector that it is about ("" for none), and a reason."""


@dataclass(frozen=True, slots=True)
class DomainScenario:
    """One domain, what is the matter with it, and what the checks must say.

    *faults* are all that is not a pass; those of MTA-STS and TLS reports only where *is_strict*, which expects them.
    *at* is the age of the world in seconds at which all this holds.
    """

    domain: DomainName
    selectors: tuple[str, ...]
    what: str
    faults: frozenset[Fault]
    hints: frozenset[Fault]
    is_strict: bool = False
    at: float = 0.0


def load_domain_scenarios() -> tuple[DomainScenario, ...]:
    """Read the table, in its own order."""
    return tuple(_parse(Path(__file__).with_name("domains.txt").read_text(encoding="ascii")))


def _parse(text: str) -> Iterator[DomainScenario]:
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        place, selectors, faults, hints, what = (cell.strip() for cell in line.split("|"))
        *moment, name = place.removeprefix("@").split()
        yield DomainScenario(
            DomainName(name.removeprefix("+")),
            () if selectors == "." else tuple(selectors.split()),
            what,
            frozenset(_faults(faults)),
            frozenset(_faults(hints)),
            name.startswith("+"),
            float(moment[0]) if moment else 0.0,
        )


def _faults(text: str) -> Iterator[Fault]:
    for item in text.split():
        place, _, reason = item.partition("=")
        check, _, selector = place.partition("/")
        yield DomainCheckName(check), selector, reason
