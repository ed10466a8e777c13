"""What a change is: a conclusive finding that differs from the conclusive one before it.

The rule of this file: a change is about an address of a pool, or about a domain, and is told in the same words.
"""

from dataclasses import dataclass, field

from exporter.checks.addresses import Address
from exporter.checks.check import Evidence
from exporter.checks.domain import DomainFinding
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.verdicts import Finding

AnyFinding = Finding | DomainFinding


@dataclass(frozen=True, slots=True)
class Change:
    """*target* is what it is about: an address with its HELO names, or a domain. *at* is Unix time.

    *evidence* is that of the sample that brought it; the journal packs it.
    """

    target: Target | DomainName
    before: AnyFinding
    after: AnyFinding
    at: float
    evidence: Evidence = field(default_factory=dict, compare=False, repr=False)

    @property
    def address(self) -> Address | None:
        """The address that it is about; None where it is about a domain."""
        return self.target.address if isinstance(self.target, Target) else None

    @property
    def domain(self) -> DomainName | None:
        """The domain that it is about; None where it is about an address."""
        return self.target if isinstance(self.target, DomainName) else None


def told(pool: str, change: Change) -> dict[str, str | None]:
    """What a log line says of a *change* in *pool*, by name."""
    before, after = change.before, change.after
    about = {"pool": pool, "ip": str(change.address)} if change.domain is None else {"domain": change.domain}
    return about | {
        "check": after.check.value,
        "subject": after.subject,
        "before": before.result.value,
        "after": after.result.value,
        "reason": after.reason.value if after.reason else None,
        "sentence": after.sentence,
    }
