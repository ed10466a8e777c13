"""Parses SPF records (RFC 7208 sections 4.5, 4.6, 5, 6 and 12), and words the outcomes of evaluating them.

A record is parsed as a whole before any term is evaluated, so that every receiver finds a syntax error (section 4.6).
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from exporter.checks.answers import Answer, Question, Status, why_unanswered
from exporter.checks.names import DomainName
from exporter.checks.repair import cleaned, quoted
from exporter.checks.result import Reason
from exporter.checks.spf.macros import MacroString, parse_macros
from exporter.checks.spf.results import Limits, Outcome, SpfResult
from exporter.checks.txt_records import copies

QUALIFIERS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}
LOOKUP_MECHANISMS = frozenset({"include", "a", "mx", "ptr", "exists"})

_VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([+~?-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_DUAL_CIDR = re.compile(r"(:.*?)??(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?", re.DOTALL)
_NETWORK = re.compile(r":(.*?)(?:/(0|[1-9][0-9]{0,2}))?", re.DOTALL)
_TOP_LABEL = re.compile(r"\.(?=[A-Za-z0-9-]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")


class Network(NamedTuple):
    """The addresses of an ``ip4`` or ``ip6`` term, as numbers; *high* is included."""

    family: int
    low: int
    high: int


class Mechanism(NamedTuple):
    """One mechanism.

    Attributes:
        qualifier: the result if it matches.
        name: ``all``, ``include``, ``a``, ``mx``, ``ptr``, ``ip4``, ``ip6`` or ``exists``.
        text: the term as published.
        target: its domain-spec; None for the domain of the record.
        prefix4: the prefix length for IPv4 addresses.
        prefix6: the prefix length for IPv6 addresses.
        network: the addresses of an ``ip4`` or ``ip6``.
    """

    qualifier: SpfResult
    name: str
    text: str
    target: MacroString | None = None
    prefix4: int = 32
    prefix6: int = 128
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """One well-formed record.

    Attributes:
        mechanisms: in order, those after ``all`` included.
        redirect: the domain-spec of its ``redirect``.
        exp: the domain-spec of its ``exp``.
        redirect_text: the ``redirect`` as published; it counts only without ``all`` (section 6.1).
        unknown: modifiers that RFC 7208 and RFC 6652 do not have, as published.
    """

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None = None
    exp: MacroString | None = None
    redirect_text: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def lookups(self) -> int:
        """The number of its terms that ask the DNS, if no earlier term matches."""
        asking = sum(mechanism.name in LOOKUP_MECHANISMS for mechanism in self.reachable)
        return asking + (self.redirect is not None and not self.has_all)

    @property
    def has_all(self) -> bool:
        """Whether it has an ``all``."""
        return any(mechanism.name == "all" for mechanism in self.mechanisms)

    @property
    def reachable(self) -> tuple[Mechanism, ...]:
        """The mechanisms up to the first ``all``: what follows it is ignored (section 5.1)."""
        for index, mechanism in enumerate(self.mechanisms):
            if mechanism.name == "all":
                return self.mechanisms[: index + 1]
        return self.mechanisms


LOOSE_VERSION = re.compile(
    r"\A[^a-z0-9]*(?:(?:in\s+)?txt[\s:=]+[^a-z0-9]*)?(?:"
    r"v\s*[=:]+\s*spf[\s_-]*(?:[1-9](?:\.0)?(?![0-9])|(?![a-z0-9]))"
    r"|spf2\.0/(?:mfrom|pra)(?:,(?:mfrom|pra))*|v?[-_ ]?spf1(?![0-9a-z.=:-]))[;,]*",
    re.IGNORECASE,
)
"""The version of a text that was meant to be an SPF record."""


class BadTerm(NamedTuple):
    """The first term of a record that is not well-formed, and what is wrong with it."""

    text: str
    why: str


def spf_records(texts: Sequence[bytes]) -> tuple[bytes, ...]:
    """The SPF records among TXT records (section 4.5)."""
    return tuple([text for text in texts if _VERSION.match(text)])


def near_misses(texts: Sequence[bytes]) -> tuple[bytes, ...]:
    """The TXT records that were meant to be SPF records, and are none."""
    return tuple([text for text in texts if not _VERSION.match(text) and LOOSE_VERSION.match(cleaned(text))])


def _why_none(text: bytes) -> str:
    if text[:1].isspace():
        return "it begins with white space"
    if text[:1] in b"\"'" or "\u201c" in text.decode("utf-8", "replace"):
        return "it has quotation marks in its text"
    if text[:7].lower() == b"spf2.0/":
        return "it is a Sender ID record (RFC 4406)"
    return "no blank follows v=spf1" if text[:6].lower() == b"v=spf1" else "it does not begin with v=spf1"


@lru_cache(maxsize=1024)
def parse_record(text: bytes) -> SpfRecord | BadTerm:
    """Parse an SPF record with its version. Recent ones are cached, since many addresses share a record."""
    return read_record(text)


def read_record(text: bytes) -> SpfRecord | BadTerm:
    """Parse an SPF record with its version."""
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    redirect_text = ""
    unknown: list[str] = []
    for word in text[len("v=spf1") :].split(b" "):
        if not word:
            continue
        term = word.decode("ascii", "replace")
        if not all(0x21 <= byte <= 0x7E for byte in word):
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
            elif name not in {"ra", "rp", "rr"}:
                unknown.append(term)
            if name == "redirect":
                redirect_text = term
            continue
        mechanism = _mechanism(term)
        if isinstance(mechanism, BadTerm):
            return mechanism
        mechanisms.append(mechanism)
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"), redirect_text, tuple(unknown))


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
    """Parse an address. An IPv4-mapped one is well-formed, although no client has one (section 5)."""
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
    """Parse a domain-spec (section 7.1): a macro string that ends in a macro or in a dot and a top label."""
    read = parse_macros(text)
    return read if read is not None and (read.ends_in_macro or _TOP_LABEL.search(text)) else None


# Results and explanations, shared by the evaluator and the compiler: they name the term and the record, never the
# address.
REASONS = {
    SpfResult.PASS: None,
    SpfResult.NEUTRAL: Reason.SPF_NEUTRAL,
    SpfResult.FAIL: Reason.SPF_FAIL,
    SpfResult.SOFTFAIL: Reason.SPF_SOFTFAIL,
}


def no_name(domain: str) -> Outcome:
    """The outcome for a domain that cannot have a record (section 4.3)."""
    return Outcome(SpfResult.NONE, Reason.SPF_NONE, f"{domain or 'an empty name'} is no qualified domain name")


def only_record(name: DomainName, answer: Answer, records: Sequence[bytes]) -> SpfRecord | Outcome:
    """The parsed record of *name*, or the outcome if there is not exactly one well-formed record (section 4.5)."""
    if not records:
        what = "does not exist" if answer.status is Status.NXDOMAIN else "has no SPF record"
        if near := near_misses(answer.texts):
            what += f": {quoted(near[0])} does not count, because {_why_none(near[0])}"
        return Outcome(SpfResult.NONE, Reason.SPF_NONE, f"{name} {what}")
    if len(records) > 1:
        why = f"{name} has {len(records)} SPF records, and one is allowed{copies(records)}"
        return Outcome(SpfResult.PERMERROR, Reason.SPF_SEVERAL_RECORDS, why)
    read = parse_record(records[0])
    if isinstance(read, BadTerm):
        why = f"the term {clip(read.text)} in the record of {name} {read.why}"
        return Outcome(SpfResult.PERMERROR, Reason.SPF_SYNTAX, why)
    return read


def matched(mechanism: Mechanism, domain: str) -> Outcome:
    """The outcome if a mechanism matches."""
    why = f"{clip(mechanism.text)} in the record of {domain} matches"
    return Outcome(mechanism.qualifier, REASONS[mechanism.qualifier], why)


def nothing_matches(domain: str) -> Outcome:
    """The outcome if no mechanism matches and there is no redirect (section 4.7)."""
    return Outcome(SpfResult.NEUTRAL, Reason.SPF_NEUTRAL, f"nothing in the record of {domain} matches")


def no_target(term: str, domain: str, target: str) -> Outcome:
    """The outcome of an include or redirect whose target has no SPF record (sections 5.2 and 6.1)."""
    why = f"{dead_end(term, domain)} leads to {clip(target)}, which has no SPF record"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_NO_TARGET, why)


def dead_end(term: str, domain: str) -> str:
    """How the clause of `no_target` begins."""
    return f"{clip(term)} in the record of {domain}"


def too_many_lookups(term: str, domain: str, limits: Limits) -> Outcome:
    """The outcome above the limit of terms that ask the DNS (section 4.6.4)."""
    why = f"{clip(term)} in the record of {domain} is DNS lookup {limits.lookups + 1} of {limits.lookups} allowed"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_LOOKUP_LIMIT, why)


def too_many_void_lookups(term: str, domain: str, limits: Limits) -> Outcome:
    """The outcome above the limit of void lookups (section 4.6.4)."""
    allowed = limits.void_lookups
    why = f"{clip(term)} in the record of {domain} is lookup {allowed + 1} of {allowed} that may find nothing"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_VOID_LOOKUP_LIMIT, why)


def too_many_exchanges(term: str, domain: str, count: int, limits: Limits) -> Outcome:
    """The outcome above the limit of MX records of one mechanism (section 4.6.4)."""
    why = f"{clip(term)} in the record of {domain} finds {count} mail exchanges of {limits.exchanges} allowed"
    return Outcome(SpfResult.PERMERROR, Reason.SPF_MX_LIMIT, why)


def unanswered(question: Question, answer: Answer) -> Outcome:
    """The outcome if a question got no answer."""
    why = f"the {question} lookup got no answer ({why_unanswered(question.name, answer)})"
    return Outcome(SpfResult.TEMPERROR, Reason.of(answer.status), why)


def clip(text: str, limit: int = 80) -> str:
    """Shorten a text from a record for a sentence."""
    return text if len(text) <= limit else f"{text[:limit]}..."
