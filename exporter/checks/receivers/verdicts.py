"""Receiver policies, the replies that they are predicted to give, and the verdicts on a sender."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from exporter.checks.result import CheckName


class Receiver(StrEnum):
    """Every receiver policy. The values are labels, configuration and JSON: they never change."""

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
    """What happens to the connection, by the class of the SMTP reply (RFC 5321 section 4.2.1)."""

    ACCEPT = "accept"
    TEMPFAIL = "tempfail"
    """4xx: the sender tries again, for days if necessary, and then gives up."""
    REJECT = "reject"
    """5xx: the message is returned at once."""


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """What a receiver does with a connection.

    Attributes:
        result: The class of the reply.
        code: The SMTP code that the server sends by default; None if it accepts, or if such receivers differ.
        lacks: Checks, any one of which would have satisfied the receiver.
        why: The cause, as a clause for a sentence.
        is_conclusive: Whether every answer that could change the reply was there.
        share: The share of connections that is accepted, from 0 to 1.
    """

    result: ReceiverResult
    code: int | None = None
    lacks: tuple[CheckName, ...] = ()
    why: str = ""
    is_conclusive: bool = True
    share: float = 0.0

    def conclusive_if(self, is_known: bool) -> "SmtpReply":  # noqa: FBT001  # reads as a sentence
        """The same reply, marked as inconclusive unless *is_known*."""
        return self if is_known else self.inconclusive()

    def inconclusive(self) -> "SmtpReply":
        """The same reply, marked as inconclusive: the receiver may do something else once the DNS answers."""
        return replace(self, is_conclusive=False)


ACCEPTED = SmtpReply(ReceiverResult.ACCEPT, share=1.0)


def refused(code: int, why: str, *lacks: CheckName) -> SmtpReply:
    """Refuse with this code."""
    result = ReceiverResult.TEMPFAIL if code < 500 else ReceiverResult.REJECT  # RFC 5321 4.2.1
    return SmtpReply(result, code, lacks, why)


def rejected(why: str, *lacks: CheckName) -> SmtpReply:
    """Refuse for good, with a code that differs between such receivers."""
    return SmtpReply(ReceiverResult.REJECT, None, lacks, why)


def deferred(why: str) -> SmtpReply:
    """Defer until the DNS answers, with a code that differs between such receivers."""
    return SmtpReply(ReceiverResult.TEMPFAIL, None, (), why, is_conclusive=False)


def combined(replies: Sequence[SmtpReply]) -> SmtpReply:
    """Combine equally likely replies, for a receiver that looks only at the first of several names.

    Resolvers rotate records, so any name can be the first. Unless all replies accept, the result is the most frequent
    refusal, with the share of connections that are accepted.
    """
    if len(replies) == 1:
        return replies[0]
    refusals = [reply for reply in replies if reply.result is not ReceiverResult.ACCEPT]
    is_conclusive = all(reply.is_conclusive for reply in replies)
    if not refusals:
        return ACCEPTED.conclusive_if(is_conclusive)
    kinds = [(reply.result, reply.code) for reply in refusals]
    worst = max(refusals, key=lambda reply: (kinds.count((reply.result, reply.code)), reply.code or 0))
    share = 1 - len(refusals) / len(replies)
    return replace(worst, is_conclusive=is_conclusive, share=share)


_CAPITALISED = re.compile(r"(the|no|neither|nothing|none) ")
"""How a sentence begins if it may get a capital letter: a name keeps its letters."""


@dataclass(frozen=True, slots=True)
class ReceiverVerdict:
    """What one receiver policy does with one address and HELO name.

    Attributes:
        receiver: The policy.
        result: What happens to the connection, or to a refused one if only some are refused.
        code: The SMTP code, as in `SmtpReply`.
        share: The share of connections that is accepted.
        is_conclusive: If not, a missing answer could change the verdict, and the last known one stays.
        lacks: Checks, any one of which would have satisfied the receiver.
        sentence: The verdict for a person.
    """

    receiver: Receiver
    result: ReceiverResult
    code: int | None
    share: float
    is_conclusive: bool
    lacks: tuple[CheckName, ...]
    sentence: str

    @property
    def why(self) -> str:
        """Why it does not accept, as a sentence without the receiver's name; "" if it accepts."""
        why = self.sentence.partition(": ")[2]
        return why[:1].upper() + why[1:] if _CAPITALISED.match(why) else why

    @classmethod
    def of(cls, receiver: Receiver, reply: SmtpReply) -> "ReceiverVerdict":
        """The verdict that follows from a reply."""
        sentence = _sentence(receiver, reply)
        return cls(receiver, reply.result, reply.code, reply.share, reply.is_conclusive, reply.lacks, sentence)


def _sentence(receiver: Receiver, reply: SmtpReply) -> str:
    if reply.result is ReceiverResult.ACCEPT:
        return f"{receiver} accepts."
    verb = "defers" if reply.result is ReceiverResult.TEMPFAIL else "rejects"
    whom = f"{1 - reply.share:.0%} of the connections" if reply.share else "the connection"
    code = f" with {reply.code}" if reply.code else ""
    return f"{receiver} {verb} {whom}{code}: {reply.why}."


def by_design(verdict: ReceiverVerdict, expected: Collection[CheckName]) -> bool:
    """Whether the receiver refuses because of how the sender chose its names, and not because of a fault.

    *expected* are the checks that the sender's profile expects to pass. The refusal is by design if none of them would
    satisfy the receiver: for example, it wants the HELO name to be a PTR name, and the sender chose another.
    """
    return verdict.is_conclusive and bool(verdict.lacks) and not set(verdict.lacks) & set(expected)
