"""The value types of an SPF evaluation (RFC 7208): results, limits, and the trace that explains a result."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from exporter.checks.answers import Status
from exporter.checks.result import Reason

Identity = Literal["helo", "mailfrom"]
"""The identity that is evaluated (RFC 7208 sections 2.3 and 2.4)."""


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
    """The record is invalid, or needs too many lookups."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one evaluation (RFC 7208 section 4.6.4).

    Attributes:
        lookups: terms that ask the DNS: include, a, mx, ptr, exists, redirect.
        void_lookups: questions that are answered with NXDOMAIN or NODATA.
        exchanges: MX records of one ``mx``; more are a permerror.
        ptr_names: PTR names of one ``ptr`` or ``%{p}``; the sorted rest is ignored.
    """

    lookups: int = 10
    void_lookups: int = 2
    exchanges: int = 10
    ptr_names: int = 10


LIMITS = Limits()


class Outcome(NamedTuple):
    """A result, its reason (None for a pass), and a clause without the address ("-all of example.org matches")."""

    result: SpfResult
    reason: Reason | None
    why: str


class Step(NamedTuple):
    """One evaluated term of a trace.

    Attributes:
        depth: the number of includes and redirects that led to the record.
        domain: the domain of the record.
        term: the term as published.
        outcome: ``match``, ``no match``, ``redirect``, ``temperror`` or ``permerror``.
        detail: what was compared or found.
        lookups: lookups so far, this term included.
        void_lookups: void lookups so far, this term included.
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
    """Values of macros in the explanation of a fail (RFC 7208 section 6.2): ``%{r}``, and ``%{t}`` as Unix time."""

    receiver: str = "unknown"
    now: int = 0


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """The result of evaluating one identity for one address.

    Attributes:
        identity: ``helo`` or ``mailfrom``.
        domain: the domain of the identity, as the client gives it.
        outcome: result, reason and explanation.
        trace: the evaluated terms, in order.
        lookups: terms that asked the DNS.
        void_lookups: questions that were answered with NXDOMAIN or NODATA.
        owner: the name that has the records, at the end of a CNAME chain.
        records: the SPF records at *owner*.
        unanswered_ptr: why a ``ptr`` or ``%{p}`` got no answer. RFC 7208 section 5.5 continues as if it did not match,
            so the result may change when the DNS answers.
        explanation: the domain's own text for a fail, if it was asked for and there is one.
    """

    identity: Identity
    domain: str
    outcome: Outcome
    trace: tuple[Step, ...] = ()
    lookups: int = 0
    void_lookups: int = 0
    owner: str = ""
    records: tuple[bytes, ...] = ()
    unanswered_ptr: Status | None = None
    explanation: str | None = None

    @property
    def result(self) -> SpfResult:
        """The result, as RFC 7208 spells it."""
        return self.outcome.result
