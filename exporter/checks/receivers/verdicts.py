"""The words in which a receiver's decision is predicted, and what makes a refusal one that its sender chose.

The rule of this file: the receiver ids are label values, configuration values and JSON values; they never change.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from exporter.checks.result import CheckName


class Receiver(StrEnum):
    """Every receiver policy that is modelled. `exporter.checks.receivers.policies` says where each was read."""

    POSTFIX_UNKNOWN_CLIENT = "postfix-reject-unknown-client-hostname"
    POSTFIX_UNKNOWN_REVERSE_CLIENT = "postfix-reject-unknown-reverse-client-hostname"
    POSTFIX_INVALID_HELO = "postfix-reject-invalid-helo-hostname"
    POSTFIX_NON_FQDN_HELO = "postfix-reject-non-fqdn-helo-hostname"
    POSTFIX_UNKNOWN_HELO = "postfix-reject-unknown-helo-hostname"
    EXIM_REVERSE_HOST_LOOKUP = "exim-verify-reverse-host-lookup"
    EXIM_VERIFY_HELO = "exim-verify-helo"
    EXIM_HELO_VERIFY_HOSTS = "exim-helo-verify-hosts"
    EXIM_HOST_LOOKUP = "exim-host-lookup"
    HARAKA_NO_RDNS = "haraka-fcrdns-no-rdns"
    HARAKA_NO_FCRDNS = "haraka-fcrdns-no-fcrdns"
    HARAKA_HELO_RDNS_MATCH = "haraka-helo-rdns-match"
    HARAKA_HELO_FORWARD_DNS = "haraka-helo-forward-dns"
    HARAKA_HELO_VALID_HOSTNAME = "haraka-helo-valid-hostname"
    HARAKA_HELO_LITERAL_MISMATCH = "haraka-helo-literal-mismatch"
    OPENSMTPD_RDNS = "opensmtpd-rdns"
    OPENSMTPD_FCRDNS = "opensmtpd-fcrdns"
    SENDMAIL_REQUIRE_RDNS = "sendmail-require-rdns"
    COURIER_BOFHCHECKHELO = "courier-bofhcheckhelo"
    RFC8601_IPREV = "rfc8601-iprev"
    GMAIL = "gmail"
    STRICT_HELO_EQUALS_PTR = "strict-helo-equals-ptr"
    STRICT_HELO_EQUALS_VERIFIED_PTR = "strict-helo-equals-verified-ptr"


class ReceiverResult(StrEnum):
    """What the connection gets, by the class of the SMTP reply (RFC 5321 section 4.2.1)."""

    ACCEPT = "accept"
    TEMPFAIL = "tempfail"
    """4xx: the sender tries again, for days if the cause stays, and then gives up."""
    REJECT = "reject"
    """5xx: the message is returned at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a receiver does, on one view of the DNS.

    *lacks* are the checks any one of which, passing, would have satisfied it. *why* is the cause, as a clause for a
    sentence. *is_conclusive* is whether it follows from what the DNS said; if not, the receiver would do this now, and
    perhaps something else once the DNS answers. *share* is that of the connections that are accepted.
    """

    result: ReceiverResult
    code: int | None = None
    lacks: tuple[CheckName, ...] = ()
    why: str = ""
    is_conclusive: bool = True
    share: float = 0.0

    def unless(self, doubt: bool) -> "Outcome":  # noqa: FBT001  # reads as a sentence
        """The same, but inconclusive where there is *doubt*."""
        return self.in_doubt() if doubt else self

    def in_doubt(self) -> "Outcome":
        """The same, but inconclusive."""
        return replace(self, is_conclusive=False)


ACCEPTED = Outcome(ReceiverResult.ACCEPT, share=1.0)


def refused(code: int, why: str, *lacks: CheckName) -> Outcome:
    """Refuse with this code, for a reason that the DNS or the HELO name gives."""
    result = ReceiverResult.TEMPFAIL if code < 500 else ReceiverResult.REJECT  # RFC 5321 4.2.1
    return Outcome(result, code, lacks, why)


def rejected(why: str, *lacks: CheckName) -> Outcome:
    """Refuse for good, with a code that differs from one such receiver to the next."""
    return Outcome(ReceiverResult.REJECT, None, lacks, why)


def deferred(why: str) -> Outcome:
    """Put off until the DNS answers, with a code that differs from one such receiver to the next."""
    return Outcome(ReceiverResult.TEMPFAIL, None, (), why, is_conclusive=False)


def drawn(outcomes: Sequence[Outcome]) -> Outcome:
    """What comes of it if each of *outcomes* is as likely as the others: a receiver takes the first of several names.

    Resolvers rotate records, so which one is first is a lottery. Where not all of them are accepted, the outcome is
    the refusal that is met most often, and *share* says how many connections are spared it.
    """
    if len(outcomes) == 1:
        return outcomes[0]
    refusals = [outcome for outcome in outcomes if outcome.result is not ReceiverResult.ACCEPT]
    doubt = not all(outcome.is_conclusive for outcome in outcomes)
    if not refusals:
        return ACCEPTED.unless(doubt)
    kinds = [(outcome.result, outcome.code) for outcome in refusals]
    worst = max(refusals, key=lambda outcome: (kinds.count((outcome.result, outcome.code)), outcome.code or 0))
    share = 1 - len(refusals) / len(outcomes)
    return Outcome(worst.result, worst.code, worst.lacks, worst.why, is_conclusive=not doubt, share=share)


@dataclass(frozen=True, slots=True)
class ReceiverVerdict:
    """What one kind of receiver would say to one address and HELO name.

    *code* is the SMTP code that the server gives by default, None on acceptance and where receivers of the kind
    differ. *share* is that of the connections that it accepts: 1 or 0, or between where it takes the first of several
    PTR names; *result* and *code* are then those of a connection that is refused. If *is_conclusive* is false, some
    answer was missing that could have changed the verdict, and what is known from before should stand.
    """

    receiver: Receiver
    result: ReceiverResult
    code: int | None
    share: float
    is_conclusive: bool
    lacks: tuple[CheckName, ...]
    sentence: str

    @classmethod
    def of(cls, receiver: Receiver, outcome: Outcome) -> "ReceiverVerdict":
        """Put an outcome into words."""
        return cls(
            receiver,
            outcome.result,
            outcome.code,
            outcome.share,
            outcome.is_conclusive,
            outcome.lacks,
            _sentence(receiver, outcome),
        )


def _sentence(receiver: Receiver, outcome: Outcome) -> str:
    if outcome.result is ReceiverResult.ACCEPT:
        return f"{receiver} accepts."
    verb = "puts off" if outcome.result is ReceiverResult.TEMPFAIL else "rejects"
    whom = f"{1 - outcome.share:.0%} of the connections" if outcome.share else "the connection"
    code = f" with {outcome.code}" if outcome.code else ""
    return f"{receiver} {verb} {whom}{code}: {outcome.why}."


def by_design(verdict: ReceiverVerdict, expected: Collection[CheckName]) -> bool:
    """Whether a refusal follows from how the sender means its names to be, rather than from a fault of theirs.

    *expected* are the checks that the sender's profile wants passed. A receiver that would be satisfied by none of
    them refuses by design: one that wants HELO to be a PTR name, from a sender that calls itself otherwise on purpose.
    """
    return verdict.is_conclusive and bool(verdict.lacks) and not set(verdict.lacks) & set(expected)
