"""OpenSMTPD with ``filter ... phase connect match !rdns`` or ``!fcrdns`` and a code of 550.

From OpenSMTPD 6.8: `usr.sbin/smtpd/smtp_session.c` lines 650-708 and 1402, `lka_filter.c` lines 1196-1237,
`util.c` (`valid_domainpart`), `openbsd-compat/res_hnok.c`. It never defers: an outage is a fault.
"""

import re
from dataclasses import replace

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.receivers import evidence
from exporter.checks.receivers.verdicts import ACCEPTED, ReceiverResult, SmtpReply, combined, refused
from exporter.checks.result import CheckName, some

_REFUSE, _SYNTAX = 550, 501
_MAX_HELO = 255
_MAX_HOST_NAME = 64  # HOST_NAME_MAX of Linux; a longer name is cut

_LABEL = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)?", re.IGNORECASE)


def rdns(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`rdns`: the first PTR name that is a host name must not be an address."""
    ptr = yield from evidence.ask_ptr(address)
    if not ptr.is_conclusive:
        return _after_connect(refused(_REFUSE, evidence.silent_ptr(address), CheckName.FCRDNS).inconclusive(), helo)
    names = [name for name in ptr.names[: evidence.NAME_LIMIT] if _is_host(name)]
    replies = [
        refused(_REFUSE, f"the PTR name {name} is an address", CheckName.FCRDNS) if evidence.is_ipv4(name) else ACCEPTED
        for name in names
    ]
    return _after_connect(combined(replies or [_unnamed(address, ptr)]), helo)


def fcrdns(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`fcrdns`: the first PTR name that is a host name must resolve to the client, in the family of the client."""
    ptr = yield from evidence.ask_ptr(address)
    if not ptr.is_conclusive:
        return _after_connect(refused(_REFUSE, evidence.silent_ptr(address), CheckName.FCRDNS).inconclusive(), helo)
    names = [name for name in ptr.names[: evidence.NAME_LIMIT] if _is_host(name)]
    asked = [name for name in names if len(name) <= _MAX_HOST_NAME and not evidence.is_ipv4(name)]
    seen = yield from evidence.match_names(address, asked)
    replies = []
    for name in names:
        each = seen.get(name)
        if each is None and evidence.is_ipv4(name):
            # getaddrinfo(3) reads an address without asking the DNS.
            why = f"the PTR name {name} is an address, and not {address}"
            replies.append(ACCEPTED if name == str(address) else refused(_REFUSE, why, CheckName.FCRDNS))
        elif each is None:
            why = f"the PTR name {name} is longer than {_MAX_HOST_NAME} characters and is cut"
            replies.append(refused(_REFUSE, why, CheckName.FCRDNS))
        else:
            replies.append(evidence.name_reply(_REFUSE, address, name, each))
    return _after_connect(combined(replies or [_unnamed(address, ptr)]), helo)


def _unnamed(address: Address, ptr: Answer) -> SmtpReply:
    """The refusal of an address without a PTR name that is a host name."""
    why = f"no PTR name of {address} is a host name: {some(ptr.names)}" if ptr.names else evidence.no_ptr(address)
    return refused(_REFUSE, why, CheckName.FCRDNS)


def _is_host(text: str) -> bool:
    """Whether `res_hnok` accepts it; other PTR names are skipped."""
    return text != "." and all(map(_LABEL.fullmatch, text.split(".")))


def _after_connect(reply: SmtpReply, helo: HeloName) -> SmtpReply:
    """A bad HELO name is refused after the connection itself was accepted."""
    if _is_domainpart(helo.text):
        return reply
    if reply.result is not ReceiverResult.ACCEPT:
        return replace(reply, share=0.0)
    bad_syntax = refused(_SYNTAX, f"the HELO name {helo} is syntactically invalid", CheckName.HELO_SYNTAX)
    return bad_syntax.conclusive_if(reply.is_conclusive)


def _is_domainpart(text: str) -> bool:
    if text.startswith("["):
        inside = text[6:] if text[:6].lower() == "[ipv6:" else text[1:]
        return inside.endswith("]") and evidence.is_ip(inside[:-1])
    return len(text) <= _MAX_HELO and not text.endswith(".") and _is_host(text)
