"""What an SPF record says, term by term (RFC 7208 sections 4.5, 4.6, 5, 6 and 12).

The rule of this file: a record is read as a whole before any of it is evaluated, so that a syntax error anywhere in it
is found by everybody alike (section 4.6).
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.checks.result import Reason
from exporter.checks.spf.macros import MacroString, parse_macros
from exporter.checks.spf.results import Limits, Outcome, SpfResult

QUALIFIERS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}
LOOKUP_MECHANISMS = frozenset({"include", "a", "mx", "ptr", "exists"})

_VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([+~?-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_DUAL_CIDR = re.compile(r"(:.*?)??(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?", re.DOTALL)
_NETWORK = re.compile(r":(.*?)(?:/(0|[1-9][0-9]{0,2}))?", re.DOTALL)
_TOP_LABEL = re.compile(r"\.(?=[A-Za-z0-9-]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")


class Network(NamedTuple):
    """The addresses that an ``ip4`` or ``ip6`` names: as numbers, both ends included."""

    family: int
    low: int
    high: int


class Mechanism(NamedTuple):
    """One mechanism. *text* is as published; *target* is None where the record's own domain is meant."""

    qualifier: SpfResult
    name: str
    text: str
    target: MacroString | None = None
    prefix4: int = 32
    prefix6: int = 128
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """One record that is well-formed."""

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None = None
    exp: MacroString | None = None
    redirect_text: str = ""
    """The ``redirect`` as published; it counts only where no ``all`` is (section 6.1)."""

    @property
    def lookups(self) -> int:
        """How many of its own terms ask the DNS, if none before them matches."""
        asking = sum(mechanism.name in LOOKUP_MECHANISMS for mechanism in self.reachable)
        return asking + (self.redirect is not None and not self.has_all)

    @property
    def has_all(self) -> bool:
        """Whether an ``all`` ends it."""
        return any(mechanism.name == "all" for mechanism in self.mechanisms)

    @property
    def reachable(self) -> tuple[Mechanism, ...]:
        """The mechanisms up to the first ``all``: what follows it is ignored (section 5.1)."""
        for index, mechanism in enumerate(self.mechanisms):
            if mechanism.name == "all":
                return self.mechanisms[: index + 1]
        return self.mechanisms


class BadTerm(NamedTuple):
    """A record that is not well-formed: its first bad term, and what is wrong with it."""

    text: str
    why: str


def spf_records(texts: Sequence[bytes]) -> tuple[bytes, ...]:
    """The SPF records among TXT records (section 4.5)."""
    return tuple([text for text in texts if _VERSION.match(text)])


@lru_cache(maxsize=1024)
def parse_record(text: bytes) -> SpfRecord | BadTerm:
    """Read an SPF record, its version included; remembers the latest ones, for each is read for many addresses."""
    return read_record(text)


def read_record(text: bytes) -> SpfRecord | BadTerm:
    """Read an SPF record, its version included."""
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    redirect_text = ""
    for octets in text[len("v=spf1") :].split(b" "):
        if not octets:
            continue
        term = octets.decode("ascii", "replace")
        if not all(0x21 <= octet <= 0x7E for octet in octets):
            return BadTerm(ascii(term)[1:-1], "has a control or non-ASCII character")
        if modifier := _MODIFIER.fullmatch(term):
            name, value = modifier[1].lower(), modifier[2]
            known = name in {"redirect", "exp"}
            read = _domain_spec(value) if known else parse_macros(value)
            if read is None:
                return BadTerm(term, "has no domain" if known and not value else "is no valid modifier")
            if known and name in modifiers:
                return BadTerm(term, f"is the second {name}")
            if known:
                modifiers[name] = read
            if name == "redirect":
                redirect_text = term
            continue
        mechanism = _mechanism(term)
        if isinstance(mechanism, BadTerm):
            return mechanism
        mechanisms.append(mechanism)
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"), redirect_text)


def _mechanism(term: str) -> Mechanism | BadTerm:
    read = _MECHANISM.fullmatch(term)
    if read is None:
        return BadTerm(term, "is neither a mechanism nor a modifier")
    qualifier, name, rest = QUALIFIERS[read[1] or "+"], read[2].lower(), read[3]
    match name:
        case "all":
            return BadTerm(term, "takes no argument") if rest else Mechanism(qualifier, name, term)
        case "ip4" | "ip6":
            return _network_mechanism(term, qualifier, name, rest)
        case "a" | "mx":
            return _host_mechanism(term, qualifier, name, rest)
        case "include" | "exists" | "ptr":
            if name == "ptr" and not rest:
                return Mechanism(qualifier, name, term)
            target = _domain_spec(rest[1:]) if rest.startswith(":") else None
            if target is None:
                return BadTerm(term, "needs a domain name" if len(rest) < 2 else "has no valid domain name")
            return Mechanism(qualifier, name, term, target)
    return BadTerm(term, "is no mechanism of RFC 7208")


def _host_mechanism(term: str, qualifier: SpfResult, name: str, rest: str) -> Mechanism | BadTerm:
    read = _DUAL_CIDR.fullmatch(rest)
    if read is None:
        return BadTerm(term, "has no valid prefix length")
    target = None
    if read[1]:
        target = _domain_spec(read[1][1:])
        if target is None:
            return BadTerm(term, "has no valid domain name; addresses are for ip4 and ip6")
    prefix4, prefix6 = int(read[2] or 32), int(read[3] or 128)
    if prefix4 > 32 or prefix6 > 128:
        return BadTerm(term, "has a prefix length over 32 (IPv4) or 128 (IPv6)")
    return Mechanism(qualifier, name, term, target, prefix4, prefix6)


def _network_mechanism(term: str, qualifier: SpfResult, name: str, rest: str) -> Mechanism | BadTerm:
    read = _NETWORK.fullmatch(rest)
    family, bits = (4, 32) if name == "ip4" else (6, 128)
    packed = _packed(read[1], family) if read else None
    if read is None or packed is None:
        return BadTerm(term, f"needs an IPv{family} address or network")
    prefix = int(read[2]) if read[2] else bits
    if prefix > bits:
        return BadTerm(term, f"has a prefix length over {bits}")
    low, high = block(int.from_bytes(packed, "big"), bits - prefix)
    return Mechanism(qualifier, name, term, network=Network(family, low, high))


def _packed(text: str, family: int) -> bytes | None:
    """Read an address; an IPv4-mapped one is well-formed too, though no client is ever judged as one (section 5)."""
    if "%" in text:
        return None
    try:
        return ipaddress.IPv4Address(text).packed if family == 4 else ipaddress.IPv6Address(text).packed
    except ValueError:
        return None


def block(number: int, host_bits: int) -> tuple[int, int]:
    """The lowest and highest address of the network that *number* is in."""
    low = number >> host_bits << host_bits
    return low, low + (1 << host_bits) - 1


def _domain_spec(text: str) -> MacroString | None:
    """Read a domain-spec (section 7.1): a macro string that ends in a macro or in a top label after a dot."""
    read = parse_macros(text)
    return read if read is not None and (read.ends_in_macro or _TOP_LABEL.search(text)) else None


# SECTION exporter.checks.spf.outcomes
# How an evaluation ends, in one place, so that whoever evaluates says the same of the same.
#
# The rule of this file: an outcome's clause names the term and the record that it is about, never the address.

REASONS = {
    SpfResult.PASS: None,
    SpfResult.NEUTRAL: Reason.SPF_NEUTRAL,
    SpfResult.FAIL: Reason.SPF_FAIL,
    SpfResult.SOFTFAIL: Reason.SPF_SOFTFAIL,
}


def no_name(domain: str) -> Outcome:
    """The domain cannot have a record (RFC 7208 section 4.3)."""
    return Outcome(SpfResult.NONE, Reason.SPF_NONE, f"{domain or 'an empty name'} is no qualified domain name")


def only_record(name: DomainName, answer: Answer, records: Sequence[bytes]) -> SpfRecord | Outcome:
    """The one record of *name*, read; or why there is none to evaluate (sections 4.5 and 4.6)."""
    if not records:
        what = "does not exist" if answer.status is Status.NXDOMAIN else "has no SPF record"
        return Outcome(SpfResult.NONE, Reason.SPF_NONE, f"{name} {what}")
    if len(records) > 1:
        why = f"{name} has {len(records)} SPF records, and one is allowed"
        return Outcome(SpfResult.PERMERROR, Reason.SPF_SEVERAL_RECORDS, why)
    read = parse_record(records[0])
    if isinstance(read, BadTerm):
        why = f"the term {clip(read.text)} in the record of {name} {read.why}"
        return Outcome(SpfResult.PERMERROR, Reason.SPF_SYNTAX, why)
    return read


def matched(mechanism: Mechanism, domain: str) -> Outcome:
    """A mechanism matches: its qualifier is the result."""
    why = f"{clip(mechanism.text)} in the record of {domain} matches"
    return Outcome(mechanism.qualifier, REASONS[mechanism.qualifier], why)


def nothing_matches(domain: str) -> Outcome:
    """No mechanism matches, and there is no redirect (section 4.7)."""
    return Outcome(SpfResult.NEUTRAL, Reason.SPF_NEUTRAL, f"nothing in the record of {domain} matches")


def no_target(term: str, domain: str, target: str) -> Outcome:
    """An include or redirect leads to no SPF record (sections 5.2 and 6.1)."""
    why = f"{clip(term)} in the record of {domain} leads to {clip(target)}, which has no SPF record"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_NO_TARGET, why)


def too_many_lookups(term: str, domain: str, limits: Limits) -> Outcome:
    """Section 4.6.4, the limit of terms that ask the DNS."""
    why = f"{clip(term)} in the record of {domain} is DNS lookup {limits.lookups + 1} of {limits.lookups} allowed"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_LOOKUP_LIMIT, why)


def too_many_void_lookups(term: str, domain: str, limits: Limits) -> Outcome:
    """Section 4.6.4, the limit of lookups that find nothing."""
    allowed = limits.void_lookups
    why = f"{clip(term)} in the record of {domain} is lookup {allowed + 1} of {allowed} that may find nothing"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_VOID_LOOKUP_LIMIT, why)


def too_many_exchanges(term: str, domain: str, count: int, limits: Limits) -> Outcome:
    """Section 4.6.4, the limit of MX records of one mechanism."""
    why = f"{clip(term)} in the record of {domain} finds {count} mail exchanges of {limits.exchanges} allowed"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_MX_LIMIT, why)


def unanswered(question: Question, answer: Answer) -> Outcome:
    """The DNS did not say."""
    why = f"the {question} lookup got no answer ({answer.status})"
    return Outcome(SpfResult.TEMPERROR, Reason.of(answer.status), why)


def clip(text: str, limit: int = 80) -> str:
    """A text from a record, short enough for a sentence."""
    return text if len(text) <= limit else f"{text[:limit]}..."
