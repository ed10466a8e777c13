"""Sendmail with ``FEATURE(`require_rdns')``.

From Sendmail 8.17: `cf/m4/proto.m4` lines 1857-1863, `sendmail/daemon.c` lines 819-836 and 3627-3670,
`sendmail/srvrsmtp.c` lines 2535-2580. It defers an unconfirmed name, and rejects a missing one.
"""

import re

from exporter.checks.addresses import Address
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import evidence
from exporter.checks.receivers.verdicts import SmtpReply, combined, refused
from exporter.checks.result import CheckName

_FAIL, _DEFER, _SYNTAX = 550, 451, 501
_MAX_HELO = 256

_HELO = re.compile(r"[A-Za-z0-9\[\].\-_#:]+")
_HOST = re.compile(r"(?!-)[a-z0-9_.-]+")  # res_hnok() of the C library; an answer whose first name fails it is dropped


def require_rdns(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`require_rdns`: the first PTR name must resolve to the client, in the family of the client."""
    if len(helo.text) > _MAX_HELO or not _HELO.fullmatch(helo.text):
        return refused(_SYNTAX, f"the HELO name {helo} is syntactically invalid", CheckName.HELO_SYNTAX)
    ptr = yield from evidence.ask_ptr(address)
    if not ptr.is_conclusive:
        return refused(_DEFER, evidence.silent_ptr(address), CheckName.FCRDNS).inconclusive()
    names = ptr.names[: evidence.NAME_LIMIT]
    if not names:
        return refused(_FAIL, evidence.no_ptr(address), CheckName.FCRDNS)
    seen = yield from evidence.match_names(address, [name for name in names if _is_host(name)])
    replies = [evidence.name_reply(_DEFER if name in seen else _FAIL, address, name, seen.get(name)) for name in names]
    return combined(replies)


def _is_host(name: DomainName) -> bool:
    return name != "." and _HOST.fullmatch(name) is not None and not evidence.is_ipv4(name)
