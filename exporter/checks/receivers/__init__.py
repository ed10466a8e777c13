"""Predictions of what real mail servers do with an address and its HELO name.

In an outage the prediction may be a refusal. It is then inconclusive, and must not replace the last known verdict.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.check import Check, parallel
from exporter.checks.helo import HeloName
from exporter.checks.receivers import courier, exim, haraka, opensmtpd, postfix, sendmail, strict
from exporter.checks.receivers.verdicts import (
    ACCEPTED,
    Receiver,
    ReceiverResult,
    ReceiverVerdict,
    SmtpReply,
    by_design,
    refused,
)
from exporter.checks.result import CheckName

__all__ = ["ACCEPTED", "Receiver", "ReceiverResult", "ReceiverVerdict", "by_design"]


class ReceiverPolicy(NamedTuple):
    """The rule of a receiver, and its source: a file and line of code, or a document."""

    source: str
    rule: Callable[[Address, HeloName], Check[SmtpReply]]


_RULES = (
    (Receiver.POSTFIX_UNKNOWN_CLIENT, "Postfix 3.7 smtpd_peer.c:287-352, smtpd_check.c:1277", postfix.unknown_client),
    (Receiver.POSTFIX_UNKNOWN_REVERSE_CLIENT, "Postfix 3.7 smtpd_check.c:1259", postfix.unknown_reverse_client),
    (Receiver.POSTFIX_INVALID_HELO, "Postfix 3.7 smtpd_check.c:1413", postfix.invalid_helo),
    (Receiver.POSTFIX_NON_FQDN_HELO, "Postfix 3.7 smtpd_check.c:1451", postfix.non_fqdn_helo),
    (Receiver.POSTFIX_UNKNOWN_HELO, "Postfix 3.7 smtpd_check.c:1490", postfix.unknown_helo),
    (Receiver.EXIM_REVERSE_HOST_LOOKUP, "Exim 4.96 acl.c:1306, host.c:1582-1810", exim.reverse_host_lookup),
    (Receiver.EXIM_VERIFY_HELO, "Exim 4.96 smtp_in.c:3398, acl.c:1746", exim.verify_helo),
    (Receiver.EXIM_HELO_VERIFY_HOSTS, "Exim 4.96 smtp_in.c:4147", exim.helo_verify_hosts),
    (Receiver.EXIM_HOST_LOOKUP, "Exim 4.96 host.c:1582-1810", exim.host_lookup),
    (Receiver.HARAKA_NO_RDNS, "haraka-plugin-fcrdns 1.2.1 index.js:160-244", haraka.no_rdns),
    (Receiver.HARAKA_NO_FCRDNS, "haraka-plugin-fcrdns 1.2.1 index.js:160-244", haraka.no_fcrdns),
    (Receiver.HARAKA_HELO_RDNS_MATCH, "haraka-plugin-helo.checks 1.1.3 index.js rdns_match", haraka.helo_rdns_match),
    (Receiver.HARAKA_HELO_FORWARD_DNS, "haraka-plugin-helo.checks 1.1.3 index.js forward_dns", haraka.helo_forward_dns),
    (
        Receiver.HARAKA_HELO_VALID_HOSTNAME,
        "haraka-plugin-helo.checks 1.1.3 index.js valid_hostname",
        haraka.helo_valid_hostname,
    ),
    (
        Receiver.HARAKA_HELO_LITERAL_MISMATCH,
        "haraka-plugin-helo.checks 1.1.3 index.js literal_mismatch",
        haraka.helo_literal_mismatch,
    ),
    (Receiver.OPENSMTPD_RDNS, "OpenSMTPD 6.8 smtp_session.c:650-708, lka_filter.c:1210", opensmtpd.rdns),
    (Receiver.OPENSMTPD_FCRDNS, "OpenSMTPD 6.8 smtp_session.c:650-708, lka_filter.c:1196", opensmtpd.fcrdns),
    (Receiver.SENDMAIL_REQUIRE_RDNS, "Sendmail 8.17 cf/m4/proto.m4:1857", sendmail.require_rdns),
    (Receiver.COURIER_BOFHCHECKHELO, "Courier 1.0 submit.C:777-870", courier.bofhcheckhelo),
    (Receiver.RFC8601_IPREV, "RFC 8601 sections 2.7.3 and 3", strict.iprev),
    (Receiver.GMAIL, "Google's email sender guidelines, reply 550-5.7.25", strict.gmail),
    (Receiver.STRICT_HELO_EQUALS_PTR, "Microsoft KB 3019655", strict.helo_equals_ptr),
    (Receiver.STRICT_HELO_EQUALS_VERIFIED_PTR, "Microsoft KB 3019655", strict.helo_equals_verified_ptr),
)
POLICIES: Mapping[Receiver, ReceiverPolicy] = MappingProxyType(
    {receiver: ReceiverPolicy(source, rule) for receiver, source, rule in _RULES}
)

DEFAULT_RECEIVERS: tuple[Receiver, ...] = (
    Receiver.POSTFIX_UNKNOWN_CLIENT,
    Receiver.POSTFIX_UNKNOWN_HELO,
    Receiver.EXIM_REVERSE_HOST_LOOKUP,
    Receiver.EXIM_VERIFY_HELO,
    Receiver.GMAIL,
    Receiver.STRICT_HELO_EQUALS_PTR,
)
"""The policies that are predicted by default: each represents a family of receivers."""


_SYNTAX_ERROR = 501  # RFC 5321 section 4.3.2
_WITHOUT_SYNTAX = (
    Receiver.RFC8601_IPREV,
    Receiver.GMAIL,
    Receiver.STRICT_HELO_EQUALS_PTR,
    Receiver.STRICT_HELO_EQUALS_VERIFIED_PTR,
)
"""Policies about names, of no server in particular: what it makes of the syntax of HELO is not known."""

_ACCEPTS = {receiver: ReceiverVerdict.of(receiver, ACCEPTED) for receiver in Receiver}


def receivers(
    address: Address, helo: HeloName, policies: Sequence[Receiver] = DEFAULT_RECEIVERS
) -> Check[tuple[ReceiverVerdict, ...]]:
    """Predict the verdict of each of *policies* on *address* with this HELO name, in their order."""
    return (yield from parallel([_verdict(receiver, address, helo) for receiver in policies]))


def _verdict(receiver: Receiver, address: Address, helo: HeloName) -> Check[ReceiverVerdict]:
    if helo.is_sendable or receiver in _WITHOUT_SYNTAX:
        reply = yield from POLICIES[receiver].rule(address, helo)
    else:
        why = f"the HELO name {helo} is not one word of ASCII characters"
        reply = refused(_SYNTAX_ERROR, why, CheckName.HELO_SYNTAX)
    return _ACCEPTS[receiver] if reply is ACCEPTED else ReceiverVerdict.of(receiver, reply)
