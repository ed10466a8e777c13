"""Postfix: each of its restrictions separately, with default codes.

From Postfix 3.7: `src/smtpd/smtpd_peer.c` lines 287-352, `src/smtpd/smtpd_check.c` lines 1259-1530,
`src/util/valid_hostname.c`. Its reject codes for unknown names default to 450, so it defers permanent faults like
temporary ones; only the sentences differ.
"""

import re
from functools import lru_cache

from exporter.checks.addresses import Address
from exporter.checks.answers import Question, Status
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import evidence
from exporter.checks.receivers.verdicts import ACCEPTED, SmtpReply, combined, refused
from exporter.checks.result import CheckName

_UNKNOWN = 450  # unknown_client_reject_code, unknown_hostname_reject_code
_INVALID = 501  # invalid_hostname_reject_code
_NOT_QUALIFIED = 504  # non_fqdn_reject_code

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_MAX_NAME = 255


def unknown_client(address: Address, _helo: HeloName) -> Check[SmtpReply]:
    """`reject_unknown_client_hostname`: the first PTR name must resolve to the client, in the family of the client."""
    ptr = yield from evidence.ask_ptr(address)
    if not ptr.is_conclusive:
        return refused(_UNKNOWN, evidence.silent_ptr(address)).inconclusive()
    names = ptr.names[: evidence.NAME_LIMIT]
    if not names:
        return refused(_UNKNOWN, evidence.no_ptr(address), CheckName.FCRDNS)
    seen = yield from evidence.match_names(address, [name for name in names if _is_client_name(name)])
    return combined([evidence.name_reply(_UNKNOWN, address, name, seen.get(name)) for name in names])


def unknown_reverse_client(address: Address, _helo: HeloName) -> Check[SmtpReply]:
    """`reject_unknown_reverse_client_hostname`: there must be a PTR name that is a valid host name."""
    ptr = yield from evidence.ask_ptr(address)
    if not ptr.is_conclusive:
        return refused(_UNKNOWN, evidence.silent_ptr(address)).inconclusive()
    names = ptr.names[: evidence.NAME_LIMIT]
    if not names:
        return refused(_UNKNOWN, evidence.no_ptr(address), CheckName.FCRDNS)
    return combined([ACCEPTED if _is_client_name(name) else evidence.invalid_name(_UNKNOWN, name) for name in names])


def _is_client_name(name: DomainName) -> bool:
    """Whether sockaddr_to_hostname() accepts it: `valid_hostname`, and no address."""
    return is_valid_hostname(name) and not evidence.is_ipv4(name)


def invalid_helo(_address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`reject_invalid_helo_hostname`: the syntax of a host name; a bare address is accepted."""
    yield from ()
    if helo.text.startswith("["):
        return _evaluate_literal(helo)
    name = _without_dot(helo.text)
    if is_valid_hostname(name) or evidence.is_ip(name):
        return ACCEPTED
    return refused(_INVALID, f"the HELO name {helo} is not a host name", CheckName.HELO_SYNTAX)


def non_fqdn_helo(_address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`reject_non_fqdn_helo_hostname`: a host name with a dot in it, or an address literal."""
    yield from ()
    if helo.text.startswith("["):
        return _evaluate_literal(helo)
    name = _without_dot(helo.text)
    if is_valid_hostname(name) and "." in name:
        return ACCEPTED
    why = f"the HELO name {helo} is not a fully qualified host name"
    return refused(_NOT_QUALIFIED, why, CheckName.HELO_SYNTAX)


def unknown_helo(_address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`reject_unknown_helo_hostname`: the name must have an A, AAAA or MX record, with any data."""
    if helo.text.startswith("["):
        return _evaluate_literal(helo)
    if helo.name is None or not is_valid_hostname(helo.text):
        # This includes a trailing dot: dns_lookup() refuses it.
        return refused(_UNKNOWN, f"the HELO name {helo} cannot be in the DNS", CheckName.HELO_SYNTAX)
    answers = yield [Question(helo.name, "A"), Question(helo.name, "AAAA"), Question(helo.name, "MX")]
    a, aaaa, mx = answers
    if Status.ANSWER in {a.status, aaaa.status} or any(_is_exchange(it.exchange) for it in mx.exchanges):
        return ACCEPTED
    is_known = all(answer.is_conclusive for answer in answers)
    what = "there is no sign in the DNS that" if is_known else "the DNS does not say whether"
    return refused(_UNKNOWN, f"{what} the HELO name {helo} exists", CheckName.HELO_RESOLVES).conclusive_if(is_known)


def _is_exchange(name: DomainName) -> bool:
    return name == "." or is_valid_hostname(name) or evidence.is_ipv4(name)


def _evaluate_literal(helo: HeloName) -> SmtpReply:
    """Any literal with valid syntax is accepted, with any address (`valid_mailhost_addr.c`)."""
    inside = helo.text[1:-1] if helo.text.endswith("]") and len(helo.text) > len("[]") else helo.text
    tag = "ipv6:"
    if evidence.is_ipv6(inside[len(tag) :]) if inside.lower().startswith(tag) else evidence.is_ipv4(inside):
        return ACCEPTED
    return refused(_INVALID, f"the HELO name {helo} is no address literal", CheckName.HELO_SYNTAX)


@lru_cache(maxsize=4096)
def is_valid_hostname(text: str) -> bool:
    """Whether `valid_hostname.c` accepts it: letters, digits, underscores and inner hyphens, not only digits."""
    labels = text.split(".")
    return len(text) <= _MAX_NAME and all(map(_LABEL.fullmatch, labels)) and not "".join(labels).isdigit()


def _without_dot(text: str) -> str:
    return text[:-1] if text.endswith(".") and not text.endswith("..") and len(text) > 1 else text
