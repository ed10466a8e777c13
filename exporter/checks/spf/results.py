"""The words of an SPF evaluation (RFC 7208): results, limits, and the trace that explains how a result came about.

The rule of this file: nothing here asks or decides.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from exporter.checks.answers import Status
from exporter.checks.result import Reason

Identity = Literal["helo", "mailfrom"]
"""Which of a client's two identities is judged (RFC 7208 sections 2.3 and 2.4)."""


class SpfResult(StrEnum):
    """The seven results of RFC 7208 section 2.6."""

    NONE = "none"
    """No SPF record, or no domain name that could have one."""
    NEUTRAL = "neutral"
    """The domain says nothing about the address."""
    PASS = "pass"  # noqa: S105  # not a password
    """The address may send for the domain."""
    FAIL = "fail"
    """The address may not."""
    SOFTFAIL = "softfail"
    """The address probably may not."""
    TEMPERROR = "temperror"
    """The DNS did not answer."""
    PERMERROR = "permerror"
    """What is published cannot be understood, or takes too many lookups."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may cost (RFC 7208 section 4.6.4)."""

    lookups: int = 10
    """Terms that ask the DNS: include, a, mx, ptr, exists, redirect."""
    void_lookups: int = 2
    """Their questions that are answered with NXDOMAIN or NODATA."""
    exchanges: int = 10
    """MX records of one ``mx``; more of them are a permerror."""
    ptr_names: int = 10
    """PTR names of one ``ptr`` or ``%{p}``; more of them are ignored, the last in order."""


LIMITS = Limits()


class Outcome(NamedTuple):
    """A result and why: *why* is a clause that does not speak of the address ("-all of example.org matches").

    *reason* is None for a pass.
    """

    result: SpfResult
    reason: Reason | None
    why: str


class Step(NamedTuple):
    """One term that was evaluated: the trace is the list of them, in order.

    *domain* is whose record has the *term*; *depth* counts includes and redirects. *outcome* is ``match``,
    ``no match``, ``temperror`` or ``permerror``; *detail* is what was compared or found. *lookups* and *void_lookups*
    count up to and including this term.
    """

    depth: int
    domain: str
    term: str
    outcome: str
    detail: str
    lookups: int
    void_lookups: int


@dataclass(frozen=True, slots=True)
class Explain:
    """Asks for the explanation of a fail (RFC 7208 section 6.2), and brings what its macros may need.

    *receiver* is ``%{r}``, *now* is ``%{t}``, in Unix time.
    """

    receiver: str = "unknown"
    now: int = 0


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """What one address is to one identity.

    *owner* is the name that holds the records (the end of a CNAME chain), *records* are its SPF records, as published;
    both for the fix. *doubt* says that a ``ptr`` or ``%{p}`` went unanswered: RFC 7208 section 5.5 goes on as if it
    did not match, so the result may be another one when the DNS answers. *explanation* is the domain's own text for a
    fail, when it was asked for and there is one.
    """

    identity: Identity
    domain: str
    outcome: Outcome
    trace: tuple[Step, ...] = ()
    lookups: int = 0
    void_lookups: int = 0
    owner: str = ""
    records: tuple[bytes, ...] = ()
    doubt: Status | None = None
    explanation: str | None = None

    @property
    def result(self) -> SpfResult:
        """The result, as RFC 7208 spells it."""
        return self.outcome.result
