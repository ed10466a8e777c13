"""Exim: each of its conditions separately.

From Exim 4.96: `src/host.c` lines 1582-1900 (`host_name_lookup`), `src/acl.c` lines 1706 and 1746,
`src/smtp_in.c` lines 3398-3760 (`check_helo`, `smtp_verify_helo`) and 4308. Exim looks up every PTR name,
keeps those that are confirmed, and gives up if it gets no answer about one.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import evidence
from exporter.checks.receivers.evidence import Forward, ForwardMatch
from exporter.checks.receivers.verdicts import ACCEPTED, SmtpReply, refused
from exporter.checks.result import CheckName

_FAIL, _DEFER, _SYNTAX = 550, 451, 501

_LOOKED_UP = re.compile(r"[a-z0-9_](?:[a-z0-9/_-]*[a-z0-9_])?", re.IGNORECASE)  # check_dns_names_pattern, by label
_HELO = re.compile(r"[A-Za-z0-9.-]+")


class _HostName(NamedTuple):
    """What `host_name_lookup` finds out.

    Attributes:
        names: The confirmed PTR names; empty if it returns FAIL or DEFER.
        why: The cause of that, as a clause.
        is_deferred: Whether it returns DEFER.
        is_conclusive: Whether every answer was there.
    """

    names: tuple[DomainName, ...] = ()
    why: str = ""
    is_deferred: bool = False
    is_conclusive: bool = True


def reverse_host_lookup(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`verify = reverse_host_lookup`: a PTR name must resolve to the client."""
    return (yield from _confirmed_host(address, helo, defer=_DEFER))


def host_lookup(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`host_lookup`, and a rule against an empty `$sender_host_name`: it is empty after a failure or a deferral."""
    return (yield from _confirmed_host(address, helo, defer=_FAIL))


def _confirmed_host(address: Address, helo: HeloName, *, defer: int) -> Check[SmtpReply]:
    if not _accepts(helo):
        return _bad_syntax(helo)
    host = yield from _host_name(address, (yield from evidence.ask_ptr(address)))
    if host.names:
        return ACCEPTED
    code = defer if host.is_deferred else _FAIL
    return refused(code, host.why, CheckName.FCRDNS).conclusive_if(host.is_conclusive)


def verify_helo(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`verify = helo`: HELO must be a confirmed PTR name, or resolve to the client."""
    return (yield from _verify_helo(address, helo, defer=_FAIL))


def helo_verify_hosts(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`helo_verify_hosts`: the same at EHLO, deferred if the reverse lookup is."""
    return (yield from _verify_helo(address, helo, defer=_DEFER))


def _verify_helo(address: Address, helo: HeloName, *, defer: int) -> Check[SmtpReply]:
    if not _accepts(helo):
        return _bad_syntax(helo)
    if helo.text.startswith("["):
        # Compared by prefix, and without the IPv6 tag that RFC 5321 section 4.1.3 wants.
        if helo.text[1:].startswith(str(address)):
            return ACCEPTED
        return refused(_FAIL, f"the HELO name {helo} does not begin with {address}", CheckName.HELO_SYNTAX)
    named = helo.name if helo.name is not None and _is_looked_up(helo.text) else None
    forward = evidence.forward_questions(address, named) if named is not None else []
    ptr, *answers = yield [Question(address.reverse_name, "PTR"), *forward]
    host = yield from _host_name(address, ptr)
    if helo.text.lower() in host.names:
        return ACCEPTED
    seen = evidence.match_both(address, *answers) if answers else ForwardMatch(Forward.ABSENT)
    if seen.forward is Forward.CONFIRMS:
        return ACCEPTED
    code = defer if host.is_deferred else _FAIL
    is_known = host.is_conclusive and seen.is_conclusive
    if is_known:
        why = f"the HELO name {helo} is no confirmed PTR name of {address}, and does not resolve to it"
    else:
        why = f"the DNS does not say enough to tie the HELO name {helo} to {address}"
    return refused(code, why, CheckName.HELO_ADDRESS_MATCH, CheckName.HELO_PTR_MATCH).conclusive_if(is_known)


def _host_name(address: Address, ptr: Answer) -> Check[_HostName]:
    """Look up every PTR name; a name that Exim would not look up has no address."""
    if not ptr.is_conclusive:
        return _HostName(why=evidence.silent_ptr(address), is_deferred=True, is_conclusive=False)
    names = [name for name in ptr.names[: evidence.NAME_LIMIT] if name != "."]
    if not names:
        # Exim asks the C library next, which treats a CNAME to a name without PTR records as a server failure.
        dangling = ptr.status is Status.NODATA and bool(ptr.chain)
        why = f"the PTR name of {address} is the root" if ptr.names else evidence.no_ptr(address)
        return _HostName(why=why, is_deferred=dangling)
    seen = yield from evidence.match_names_in_both(address, list(filter(_is_looked_up, names)))
    for name, each in seen.items():
        if each.forward is Forward.SILENT:
            why = evidence.describe(address, name, each.forward)
            return _HostName(why=why, is_deferred=True, is_conclusive=False)
    confirmed = tuple(name for name, each in seen.items() if each.forward is Forward.CONFIRMS)
    known = all(each.is_conclusive for each in seen.values())
    if confirmed:
        return _HostName(confirmed, is_conclusive=known)
    first = seen.get(names[0])
    what = f"{names[0]} has characters that Exim does not look up"
    if first is not None:
        what = evidence.describe(address, names[0], first.forward)
    why = f"no PTR name of {address} resolves to it: {what}"
    return _HostName(why=why, is_conclusive=known)


@lru_cache(maxsize=4096)
def _is_looked_up(text: str) -> bool:
    """Whether `dns_check_names_pattern` allows it."""
    return all(map(_LOOKED_UP.fullmatch, text.removesuffix(".").split("."))) and not evidence.is_ipv4(text)


@lru_cache(maxsize=4096)
def _accepts(helo: HeloName) -> bool:
    """Whether `check_helo` accepts the argument of EHLO: letters, digits, dots and hyphens, or a literal."""
    text = helo.text
    if not text.startswith("["):
        return _HELO.fullmatch(text) is not None
    if not text.endswith("]"):
        return False
    match text[1:6].lower():
        case "ipv6:":
            return evidence.is_ipv6(text[6:-1])
        case "ipv4:":
            return evidence.is_ipv4(text[6:-1])
    return evidence.is_ip(text[1:-1])


def _bad_syntax(helo: HeloName) -> SmtpReply:
    return refused(_SYNTAX, f"the HELO name {helo} is syntactically invalid", CheckName.HELO_SYNTAX)
