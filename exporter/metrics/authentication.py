"""The series of one address about SPF and block lists, from what is held of its findings."""

from collections.abc import Mapping

from exporter.checks.authentication import spf_passes
from exporter.checks.verdicts import CheckName, Finding, Result
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Sink
from exporter.state.held import Slot

_IDENTITIES = {CheckName.SPF_HELO: "helo", CheckName.SPF_MAILFROM: "mailfrom"}


def add_authentication(families: Sink, labels: tuple[str, ...], held: Mapping[Slot, Finding]) -> None:
    """Add the series of the address with these *labels* to *families*."""
    for (check, subject), finding in held.items():
        identity = _IDENTITIES.get(check)
        if identity is not None:
            passes = spf_passes(finding)
            if passes is not None:
                families[catalogue.SPF_PASS].add((*labels, identity, subject), passes)
        elif check is CheckName.DNSBL:
            families[catalogue.DNSBL_LISTED].add((*labels, subject), finding.result is Result.FAIL)
