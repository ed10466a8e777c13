"""Profiles: what is expected of the addresses of a pool, for the kinds of pools that there are.

The rule of this file: a profile presets, it forbids nothing. It names checks that every address of such a pool passes
by the design of whoever runs it, so that a failure always means that something broke.
"""

from dataclasses import dataclass, field

from exporter.checks.names import DomainName
from exporter.checks.verdicts import CheckName

DEFAULT_PROFILE = "default"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named preset of `expect`, `aligned_suffix` and `helo_spf_required`; *reason* says why, for people."""

    name: str
    expect: frozenset[CheckName]
    aligned_suffix: DomainName | None = None
    helo_spf_required: bool = False
    based_on: str | None = None
    reason: str = field(default="", compare=False)


_EVERYTHING = frozenset(CheckName)

BUILT_IN: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            DEFAULT_PROFILE,
            _EVERYTHING - {CheckName.HELO_PTR_MATCH},
            reason="Own servers, whose HELO name need not be a PTR name: no RFC asks for that, and few receivers do.",
        ),
        Profile(
            "dedicated",
            _EVERYTHING,
            reason="Own servers with one name each for everything: the strictest receiver has no reason to refuse.",
        ),
        Profile(
            "google-workspace",
            _EVERYTHING,
            DomainName("google.com"),
            reason="Google's servers say their PTR name in HELO, and both are in google.com.",
        ),
        Profile(
            "microsoft-365",
            frozenset(
                {
                    CheckName.FCRDNS,
                    CheckName.HELO_SYNTAX,
                    CheckName.HELO_RESOLVES,
                    CheckName.HELO_ALIGNED,
                    CheckName.SPF_HELO,
                }
            ),
            DomainName("outbound.protection.outlook.com"),
            helo_spf_required=True,
            reason="Every address is forward-confirmed. A HELO name stands for a region: it has the addresses of some"
            " servers, not of all that say it, and it is no PTR name (KB 3019655): both by design. Each publishes SPF.",
        ),
    )
}
"""The profiles that exist unconfigured. A new check is in the first three at once."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What `expect` says: a whole list, or what to add to a profile's and to remove from it."""

    only: frozenset[CheckName] | None = None
    add: frozenset[CheckName] = frozenset()
    remove: frozenset[CheckName] = frozenset()

    def apply(self, preset: frozenset[CheckName]) -> frozenset[CheckName]:
        """The checks that are expected, given what the profile presets."""
        return (preset if self.only is None else self.only) - self.remove | self.add
