"""What the addresses of the demo world are examples of, and what must come out: the table in ``scenarios.txt``.

The rule of this file: expectations are data, written by hand from RFC 8601 and docs/verdicts.md, never computed by
the checks that they hold to account.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.checks.addresses import Address
from exporter.checks.answers import Status
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.verdicts import CheckName, IprevVerdict, Reason, Result

HELO_CHECKS = (
    CheckName.HELO_SYNTAX,
    CheckName.HELO_RESOLVES,
    CheckName.HELO_ADDRESS_MATCH,
    CheckName.HELO_PTR_MATCH,
    CheckName.HELO_ALIGNED,
)

MAIL_FROM_DOMAINS = {"campaigns": DomainName("campaigns.example.org")}
"""The domain that a pool sends for. Such a pool has SPF records for each HELO name, and is held to that."""

DNSBLS = {
    "campaigns": DomainName("bl.example.org"),
    "blocked-list": DomainName("blocked.example.org"),
    "dead-list": DomainName("dead.example.org"),
}
"""The block list that a pool is looked up in; the others are in none."""

_UNKNOWN = frozenset(
    [
        *[status.value for status in Status if not status.is_conclusive],
        Reason.DNSBL_BLOCKED.value,
        Reason.DNSBL_UNTRUSTED.value,
    ]
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One address, the name that it says in HELO, what is the matter with them, and what the checks must say.

    *reasons* has every check that does not pass. *at* is the age of the world in seconds at which all this holds.
    """

    pool: str
    target: Target
    what: str
    iprev: IprevVerdict
    reasons: Mapping[CheckName, Reason]
    at: float = 0.0

    @property
    def helo(self) -> str:
        """What the server says in HELO, to the letter; "" if that is not known."""
        return self.target.helos[0].text if self.target.helos else ""

    @property
    def more(self) -> tuple[CheckName, ...]:
        """What this pool is an example of beside names."""
        spf = (CheckName.SPF_HELO, CheckName.SPF_MAILFROM) if self.pool in MAIL_FROM_DOMAINS else ()
        return (*spf, CheckName.DNSBL) if self.pool in DNSBLS else spf

    @property
    def results(self) -> dict[CheckName, tuple[Result, Reason | None]]:
        """The result and the reason of each check: `fcrdns`, the five of the HELO name if there is one, and `more`."""
        checks = [CheckName.FCRDNS, *(HELO_CHECKS if self.target.helos else ()), *self.more]
        return {check: (self._result(check), self.reasons.get(check)) for check in checks}

    def _result(self, check: CheckName) -> Result:
        if check not in self.reasons:
            return Result.PASS
        return Result.UNKNOWN if self.reasons[check].value in _UNKNOWN else Result.FAIL

    def __str__(self) -> str:
        return f"{self.target.address} {self.helo} @{self.at:g}: {self.what}"


def load_scenarios() -> tuple[Scenario, ...]:
    """Read the table, in its own order."""
    return tuple(_parse(Path(__file__).with_name("scenarios.txt").read_text(encoding="ascii")))


def _parse(text: str) -> Iterator[Scenario]:
    pool = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.endswith(" >"):
            pool = line.removesuffix(" >")
            continue
        place, said, verdict, reasons, what = (cell.strip() for cell in line.split("|"))
        *moment, address = place.removeprefix("@").split()
        helos = () if said == "." else (HeloName.parse(said),)
        yield Scenario(
            pool,
            Target(Address.parse(address), helos),
            what,
            IprevVerdict(verdict),
            dict(_reasons(reasons)),
            float(moment[0]) if moment else 0.0,
        )


def _reasons(text: str) -> Iterator[tuple[CheckName, Reason]]:
    for item in text.split():
        check, _, reason = item.partition("=")
        for name in HELO_CHECKS if check == "helo-*" else (CheckName(check),):
            yield name, Reason(reason)
