"""Sendmail with ``FEATURE(`require_rdns')``.

From Sendmail 8.17: `cf/m4/proto.m4` lines 1857-1863, `sendmail/daemon.c` lines 819-836 and 3627-3670,
`sendmail/srvrsmtp.c` lines 2535-2580. It defers an unconfirmed name, and rejects a missing one.
"""

import re

from exporter.checks.addresses import Address
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers.evidence import (
    NAME_LIMIT,
    Forward,
    ForwardMatch,
    ask_ptr,
    describe,
    is_ipv4,
    match_names,
    no_ptr,
    silent_ptr,
)
from exporter.checks.receivers.verdicts import ACCEPTED, SmtpReply, combined, refused
from exporter.checks.result import CheckName

_FAIL, _DEFER, _SYNTAX = 550, 451, 501
_MAX_HELO = 256

_HELO = re.compile(r"[A-Za-z0-9\[\].\-_#:]+")
_HOST = re.compile(r"(?!-)[a-z0-9_.-]+")  # res_hnok() of the C library; an answer whose first name fails it is dropped


def require_rdns(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`require_rdns`: the first PTR name must resolve to the client, in the family of the client."""
    if len(helo.text) > _MAX_HELO or not _HELO.fullmatch(helo.text):
        return refused(_SYNTAX, f"the HELO name {helo} is syntactically invalid", CheckName.HELO_SYNTAX)
    ptr = yield from ask_ptr(address)
    if not ptr.is_conclusive:
        return refused(_DEFER, silent_ptr(address), CheckName.FCRDNS).inconclusive()
    names = ptr.names[:NAME_LIMIT]
    if not names:
        return refused(_FAIL, no_ptr(address), CheckName.FCRDNS)
    seen = yield from match_names(address, [name for name in names if _is_host(name)])
    return combined([_evaluate(address, name, seen.get(name)) for name in names])


def _evaluate(address: Address, name: DomainName, seen: ForwardMatch | None) -> SmtpReply:
    if seen is None:
        return refused(_FAIL, f"the PTR name {name} cannot be a host's, so it does not count", CheckName.FCRDNS)
    if seen.forward is Forward.CONFIRMS:
        return ACCEPTED
    return refused(_DEFER, describe(address, name, seen.forward), CheckName.FCRDNS).conclusive_if(seen.is_conclusive)


def _is_host(name: DomainName) -> bool:
    return name != "." and _HOST.fullmatch(name) is not None and not is_ipv4(name)
