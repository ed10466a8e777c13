"""Does the name that a server says in HELO or EHLO fit its address?

RFC 5321 section 4.1.4 wants a name that resolves (a primary host name, section 2.3.5), or else an address literal. RFC
1123 section 2.1 defines host names. Receivers want more: see docs/verdicts.md. Each check of an address and a name is
independent of the others, and unknown only if one of its own answers is missing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status, nothing, why_unanswered
from exporter.checks.check import Check
from exporter.checks.host_names import special_use, unusable
from exporter.checks.iprev import behind_nat
from exporter.checks.names import DomainName
from exporter.checks.public_suffix import registrable_domain
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, some, unknown


@dataclass(frozen=True, slots=True)
class HeloName:
    """The argument of HELO or EHLO: *text* exactly as sent, and *name* if it is a domain name."""

    text: str
    name: DomainName | None

    @classmethod
    def parse(cls, text: str) -> "HeloName":
        """Read any argument that a server can send, valid or not: see `evaluate_syntax`.

        Raises `ValueError` for an empty text, white space, control or non-ASCII characters: SMTP cannot send them.
        """
        if not text:
            raise ValueError("a HELO name is not empty")
        if not cls(text, None).is_sendable:
            raise ValueError(f"{text!a} has a space, control or non-ASCII character, which HELO cannot carry")
        # SMTP has no escapes: to a receiver, \109ail is not "mail".
        if text.startswith("[") or _is_bare_address(text) or "\\" in text:
            return cls(text, None)
        try:
            return cls(text, DomainName(text))
        except ValueError:
            return cls(text, None)

    @classmethod
    def received(cls, text: str) -> "HeloName":
        """Read any argument that can come over the wire: nothing, blanks and non-ASCII characters, too.

        Raises `ValueError` for a line break or NUL, which end the command.
        """
        if re.search(r"[\r\n\0]", text):
            raise ValueError(f"{text!a} has a line break or NUL, which HELO cannot carry")
        return cls.parse(text) if cls(text, None).is_sendable else cls(text, None)

    @property
    def is_sendable(self) -> bool:
        """Whether it is one word of printable ASCII: a server refuses any other argument as a syntax error."""
        return re.fullmatch(r"[!-~]+", self.text) is not None

    @property
    def host_name(self) -> DomainName | None:
        """The name, if it is a fully qualified host name."""
        name = self.name
        return name if name is not None and name.is_hostname and name.is_qualified else None

    def default_suffix(self) -> DomainName | None:
        """The domain in which PTR names are expected by default: the registered one, or the name itself."""
        return None if self.name is None else registrable_domain(self.name) or self.name

    def __str__(self) -> str:
        return self.text if self.is_sendable else ascii(self.text)


def _is_bare_address(text: str) -> bool:
    try:
        Address.parse(text)
    except ValueError:
        return re.fullmatch(r"[0-9.]*[0-9][0-9.]*", text) is not None
    return True


def helo(
    address: Address,
    helo: HeloName,
    ptr: Answer,
    *,
    suffix: DomainName | None = None,
    confirmed: Sequence[DomainName] = (),
) -> Check[tuple[Finding, ...]]:
    """Run the five HELO checks, in the order of `CheckName`.

    *ptr* is the answer to the PTR question, *confirmed* the PTR names that resolve to the address; *suffix* is the
    domain in which the HELO name and a PTR name are expected.
    """
    syntax = evaluate_syntax(helo)
    if helo.name is None:
        return (syntax, *[replace(syntax, check=check) for check in _RESOLVING])  # there is nothing to look up
    a, aaaa = yield forward_questions(helo.name)
    resolves = evaluate_resolves(helo, a, aaaa)
    match = evaluate_address_match(address, helo, a if address.family == 4 else aaaa)
    if resolves.result is Result.FAIL and match.fix is not None and match.fix.records:
        resolves = replace(resolves, fix=match.fix)  # the record of this address makes the name resolve
    findings = (
        syntax,
        resolves,
        match,
        evaluate_ptr_match(address, helo, helo.name, ptr),
        evaluate_aligned(helo, helo.name, ptr, suffix or helo.default_suffix() or helo.name),
    )
    if address.special_use:
        nat = behind_nat(address)
        return tuple([it if it.fix is None or not it.fix.records else replace(it, fix=nat) for it in findings])
    own = next((name for name in confirmed if name.is_hostname and name.is_qualified and not special_use(name)), None)
    return findings if own is None else tuple([_offering(it, own) for it in findings])


def _offering(finding: Finding, own: DomainName) -> Finding:
    """Offer another way to fix it: the server can say *own*, a PTR name that resolves to its address."""
    if finding.fix is None or finding.subject.lower() == own:
        return finding
    if finding.fix is _SAY_A_HOST_NAME:
        return replace(finding, fix=Fix(f"Make the server say {own}, its PTR name, in HELO and EHLO."))
    question = f"Is {finding.subject} this server's own name? If not, make the server say {own}, its PTR name, instead."
    advice = finding.fix.advice
    return replace(finding, fix=replace(finding.fix, advice=f"{question} If it is, {advice[0].lower()}{advice[1:]}"))


_RESOLVING = (CheckName.HELO_RESOLVES, CheckName.HELO_ADDRESS_MATCH, CheckName.HELO_PTR_MATCH, CheckName.HELO_ALIGNED)


def forward_questions(name: DomainName) -> tuple[Question, Question]:
    """The forward lookups of a name: A, then AAAA."""
    return Question(name, "A"), Question(name, "AAAA")


@lru_cache(maxsize=4096)
def _passes(check: CheckName, subject: str) -> Finding:
    return Finding(check, Result.PASS, subject)


def _fails(check: CheckName, helo: HeloName, reason: Reason, sentence: str, fix: Fix) -> Finding:
    # Nobody should publish records for localhost: a name that is unfit has to change.
    fix = _SAY_A_HOST_NAME if helo.host_name is None or special_use(helo.host_name) else fix
    return Finding(check, Result.FAIL, helo.text, reason, sentence, fix)


def _unknown(check: CheckName, helo: HeloName, asked: DomainName | None, rdtype: str, answer: Answer) -> Finding:
    lookup = f"The {rdtype} lookup" if asked is None else f"The {asked} {rdtype} lookup"
    sentence = f"{lookup} got no answer ({why_unanswered(asked, answer)}): {nothing(answer)} is known to be wrong."
    return unknown(check, helo.text, Reason.of(answer.status), sentence)


_SAY_A_HOST_NAME = Fix("Make the server say its fully qualified host name, like mail.example.org, in HELO and EHLO.")


@lru_cache(maxsize=4096)
def evaluate_syntax(helo: HeloName) -> Finding:
    """Whether it is a fully qualified host name (RFC 5321 section 2.3.5, RFC 1123 section 2.1)."""
    check = CheckName.HELO_SYNTAX
    fix = _SAY_A_HOST_NAME
    if not helo.is_sendable:
        wrong = "has blanks or non-ASCII characters" if helo.text.strip() else "is empty"
        sentence = f"The HELO name {helo} {wrong}, so a server refuses the command with 501 (RFC 5321 section 4.1.1.1)."
        return _fails(check, helo, Reason.HELO_SYNTAX, sentence, fix)
    if helo.name is None and (helo.text.startswith("[") or _is_bare_address(helo.text)):
        kind = "an address literal" if helo.text.startswith("[") else "a bare address"
        return _fails(check, helo, Reason.HELO_LITERAL, f"The HELO name {helo} is {kind}, not a host name.", fix)
    if helo.text.endswith(".") and helo.host_name is not None:
        sentence = f"The HELO name {helo} ends in a dot, which names in SMTP do not have (RFC 5321 section 4.1.2)."
        fix = Fix(f"Make the server say {helo.text[:-1]}, without the final dot, in HELO and EHLO.")
        return _fails(check, helo, Reason.HELO_SYNTAX, sentence, fix)
    if helo.name is None or not helo.name.is_hostname or helo.text.endswith("."):
        sentence = (
            f"The HELO name {helo} is not a host name: labels of letters, digits and inner hyphens, "
            "joined by single dots, none at the end."
        )
        return _fails(check, helo, Reason.HELO_SYNTAX, sentence, fix)
    if not helo.name.is_qualified:
        sentence = f"The HELO name {helo} is a single label, not a fully qualified host name."
        return _fails(check, helo, Reason.HELO_UNQUALIFIED, sentence, fix)
    if clause := special_use(helo.name):
        sentence = f"The HELO name {helo} {clause}, so no receiver elsewhere can look it up."
        return _fails(check, helo, Reason.HELO_SPECIAL_USE, sentence, fix)
    return _passes(check, helo.text)


def evaluate_resolves(helo: HeloName, a: Answer, aaaa: Answer) -> Finding:
    """Whether the name has an address; one family is enough."""
    check = CheckName.HELO_RESOLVES
    if Status.ANSWER in {a.status, aaaa.status}:
        return _passes(check, helo.text)
    if not a.is_conclusive:
        return _unknown(check, helo, helo.name, "A", a)
    if not aaaa.is_conclusive:
        return _unknown(check, helo, helo.name, "AAAA", aaaa)
    gone = Status.NXDOMAIN in {a.status, aaaa.status}
    what = "does not exist in the DNS" if gone else "has neither an A nor an AAAA record"
    return _absent(check, helo, a if gone and a.status is Status.NXDOMAIN else aaaa, what, ())


def _absent(check: CheckName, helo: HeloName, forward: Answer, what: str, records: tuple[str, ...]) -> Finding:
    """The fault of a name without address records, or of the end of its CNAME chain."""
    name = helo.name if helo.name is not None else DomainName(".")
    end = forward.owner(name)
    advice = "Publish the record below." if records else f"Publish the address records of {end}."
    is_gone = forward.status is Status.NXDOMAIN
    reason = Reason.HELO_NXDOMAIN if is_gone else Reason.HELO_NODATA
    if forward.chain:
        last = (name, *forward.chain)[-2]
        problem = unusable(end, last)
        why = f"which {problem.what}. It {what}" if problem is not None else f"which {what}"
        sentence = f"The HELO name {helo} is a CNAME that leads to {end}, {why}."
        if problem is None:
            fix = Fix(f"{advice} Or point the CNAME at the name of the server.", end, records)
        else:
            fix = Fix(f"Correct the CNAME record of {last}: point it at the name of the server.", last)
        leads_nowhere = is_gone or check is CheckName.HELO_RESOLVES or problem is not None
        return _fails(check, helo, Reason.HELO_DANGLING if leads_nowhere else reason, sentence, fix)
    if name.is_qualified and (clause := special_use(name)):
        sentence = f"The HELO name {helo} {clause}. It {what}."
        return _fails(check, helo, Reason.HELO_SPECIAL_USE, sentence, _SAY_A_HOST_NAME)
    return _fails(check, helo, reason, f"The HELO name {helo} {what}.", Fix(advice, end, records))


def evaluate_address_match(address: Address, helo: HeloName, forward: Answer) -> Finding:
    """Whether the A or AAAA records of the name contain the address."""
    check = CheckName.HELO_ADDRESS_MATCH
    if address in forward.records:
        return _passes(check, helo.text)
    if not forward.is_conclusive:
        return _unknown(check, helo, helo.name, address.rdtype, forward)
    owner = forward.owner(helo.name) if helo.name is not None else ""
    records = (f"{owner}. {address.rdtype} {address}",)
    if forward.status is Status.ANSWER:
        via = f" is a CNAME that leads to {owner}, which" if forward.chain else ""
        sentence = f"The HELO name {helo}{via} resolves to {some(forward.addresses)}, not to {address}."
        fix = Fix("Publish the record below.", owner, records)
        return _fails(check, helo, Reason.HELO_MISMATCH, sentence, fix)
    what = "does not exist in the DNS" if forward.status is Status.NXDOMAIN else f"has no {address.rdtype} record"
    return _absent(check, helo, forward, f"{what}, so it does not resolve to {address}", records)


def evaluate_ptr_match(address: Address, helo: HeloName, name: DomainName, ptr: Answer) -> Finding:
    """Whether the name is one of the PTR names of the address."""
    check = CheckName.HELO_PTR_MATCH
    if name in ptr.records:
        return _passes(check, helo.text)
    if not ptr.is_conclusive:
        return _unknown(check, helo, address.reverse_name, "PTR", ptr)
    owner = ptr.owner(address.reverse_name)
    advice = f"Point the PTR record of {address} at {name}, or make the server say its PTR name in HELO."
    fix = Fix(advice, zone=owner, records=(f"{owner}. PTR {name}.",))
    if ptr.status is Status.ANSWER:
        is_or_are = "its PTR name is" if len(ptr.names) == 1 else "its PTR names are"
        sentence = f"The HELO name {helo} is not a PTR name of {address}; {is_or_are} {some(ptr.names)}."
        return _fails(check, helo, Reason.HELO_NOT_PTR, sentence, fix)
    reason = Reason.PTR_NXDOMAIN if ptr.status is Status.NXDOMAIN else Reason.PTR_NODATA
    return _fails(check, helo, reason, f"{address} has no PTR name, so none that is the HELO name {helo}.", fix)


def evaluate_aligned(helo: HeloName, name: DomainName, ptr: Answer, suffix: DomainName) -> Finding:
    """Whether the name and a PTR name are both in *suffix*."""
    check = CheckName.HELO_ALIGNED
    if not name.is_under(suffix):
        sentence = f"The HELO name {helo} is not in {suffix}."
        fix = Fix(f"Make the server say a name in {suffix}.")
        return _fails(check, helo, Reason.HELO_NOT_ALIGNED, sentence, fix)
    if any(ptr_name.is_under(suffix) for ptr_name in ptr.names):
        return _passes(check, helo.text)
    if not ptr.is_conclusive:
        return _unknown(check, helo, None, "PTR", ptr)
    fix = Fix(f"Point the PTR record at a name in {suffix}.")
    if ptr.status is Status.ANSWER:
        sentence = (
            f"No PTR name is in {suffix}, as the HELO name {helo} is: {some(ptr.names)}. "
            "Gmail, Postfix, Exim and Sendmail accept that; a few receivers do not."
        )
        return _fails(check, helo, Reason.HELO_NOT_ALIGNED, sentence, fix)
    reason = Reason.PTR_NXDOMAIN if ptr.status is Status.NXDOMAIN else Reason.PTR_NODATA
    return _fails(check, helo, reason, f"There is no PTR name, so none in {suffix} as the HELO name {helo} is.", fix)
