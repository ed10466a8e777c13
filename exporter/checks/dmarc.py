"""Is a domain's DMARC sound (RFC 9989)? A record is found, can be read, and reports may go where it sends them.

The rule of this file: what receivers have to ignore or treat as ``p=none`` is not sound, though nothing breaks.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check, parallel
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, unanswered
from exporter.checks.names import DomainName
from exporter.checks.result import Fix, Result, some
from exporter.checks.txt_records import clip, parse_tags, txt_line

# SECTION exporter.checks.dmarc.record
# What a DMARC policy record says (RFC 9989 sections 4.7 and 4.8).
#
# The rule of this file: it reads as receivers must. Unknown tags do not count, what cannot be read is as if it
# were not
# there, and both are noted.

_VALUES = {
    "t": re.compile("[yn]"),
    "psd": re.compile("[ynu]"),
    "adkim": re.compile("[rs]"),
    "aspf": re.compile("[rs]"),
    "fo": re.compile("[01ds](?::[01ds])*"),
}
HISTORIC = ("pct", "rf", "ri")
"""Tags of RFC 7489 that nobody is to read any more (RFC 9989 section 9.3)."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x2b\x2d-\x7e]+")
_SIZE = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE)


class Policy(StrEnum):
    """What is asked of receivers for mail that fails DMARC, weakest first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def strength(self) -> int:
        """How much it asks, to compare."""
        return list(Policy).index(self)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record, read. *p*, *sp* and *np* are None where they are absent or cannot be read.

    *bad_policies* are those of them that are there and cannot be read, *bad_tags* the other tags of which that is so,
    both as written. *historic* are tags that no longer count, *obsolete_sizes* URIs with a ``!size`` that does not.
    """

    text: bytes
    p: Policy | None
    sp: Policy | None
    np: Policy | None
    testing: bool = False
    psd: str = "u"
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    bad_policies: tuple[str, ...] = ()
    bad_tags: tuple[str, ...] = ()
    historic: tuple[str, ...] = ()
    obsolete_sizes: tuple[str, ...] = field(default=())

    @property
    def is_applied(self) -> bool:
        """Whether receivers go by it: its policies can be read, or it wants reports (section 4.10.1)."""
        return bool(self.rua) or (self.p is not None and not self.bad_policies)

    @property
    def own(self) -> Policy:
        """The policy for the domain that publishes it."""
        return Policy.NONE if self.p is None or self.bad_policies else self.p

    @property
    def subdomains(self) -> Policy:
        """The policy for existing subdomains without a record of their own."""
        return self.own if self.sp is None or self.bad_policies else self.sp

    @property
    def nonexistent(self) -> Policy:
        """The policy for subdomains that do not exist."""
        return self.subdomains if self.np is None or self.bad_policies else self.np


def dmarc_records(texts: Sequence[bytes]) -> tuple[DmarcRecord, ...]:
    """The policy records among TXT records: those that begin with ``v=DMARC1``, spelled so (section 4.7)."""
    read = [parse_dmarc(text) for text in texts]
    return tuple([record for record in read if record is not None])


@lru_cache(maxsize=1024)
def parse_dmarc(text: bytes) -> DmarcRecord | None:
    """Read a record; None if it is no DMARC policy record."""
    tags = parse_tags(text)
    if not tags.pairs or tags.pairs[0] != ("v", "DMARC1"):
        return None
    bad_policies, bad_tags = [], [tags.problem] if tags.problem else []
    policies: dict[str, Policy | None] = {}
    for name in ("p", "sp", "np"):
        value = tags.get(name).lower()
        policies[name] = Policy(value) if value in set(Policy) else None
        if name in tags and policies[name] is None:
            bad_policies.append(f"{name}={tags.get(name)}")
    read: dict[str, str] = {}
    for name, form in _VALUES.items():
        value = tags.get(name).lower()
        if form.fullmatch(value):
            read[name] = value
        elif name in tags:
            bad_tags.append(f"{name}={tags.get(name)}")
    uris: dict[str, tuple[str, ...]] = {}
    sizes: list[str] = []
    for name in ("rua", "ruf"):
        listed = [uri.strip() for uri in tags.get(name).split(",")] if name in tags else []
        sizes += [uri for uri in listed if _SIZE.search(uri)]
        plain = [_SIZE.sub("", uri) for uri in listed]
        uris[name] = tuple([uri for uri in plain if _is_uri(uri)])
        bad_tags += [f"{name}={uri}" for uri in plain if not _is_uri(uri)]
    return DmarcRecord(
        text,
        policies["p"],
        policies["sp"],
        policies["np"],
        testing=read.get("t") == "y",
        psd=read.get("psd", "u"),
        rua=uris["rua"],
        ruf=uris["ruf"],
        bad_policies=tuple(bad_policies),
        bad_tags=tuple(bad_tags),
        historic=tuple([name for name in HISTORIC if name in tags]),
        obsolete_sizes=tuple(sizes),
    )


def _is_uri(text: str) -> bool:
    if _URI.fullmatch(text) is None or "!" in text:
        return False
    return not text.lower().startswith("mailto:") or destination(text) is not None


def destination(uri: str) -> DomainName | None:
    """The host that a ``mailto:`` URI's reports go to; None for another scheme, or no address."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        return None
    local, at, host = unquote(rest.partition("?")[0]).rpartition("@")
    try:
        name = DomainName(host) if at and local and "\\" not in host else None
    except ValueError:
        return None
    return name if name is not None and name.is_hostname else None


# SECTION exporter.checks.dmarc.walk
# The DNS tree walk (RFC 9989 section 4.10): which records are above a domain, and which of them counts.
#
# The rule of this file: the walk goes from the longest name to the shortest, and an answer that is missing on
# the way is
# as good as every record that could have been in it; so it ends the walk without a conclusion.

_MAX_QUERIES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """The one policy record of a name on the way."""

    domain: DomainName
    record: DmarcRecord


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk from *start* found.

    *own* is the record of *start* itself; *applied* the one that counts for its mail: its own, that of its
    organizational domain, or that of a public suffix. *organizational* is None, and *missing* is the unanswered
    question, where the walk could not be finished; *answers* has every answer of the way, in its order.
    """

    start: DomainName
    own: Found | None
    applied: Found | None
    organizational: DomainName | None
    answers: tuple[tuple[Question, Answer], ...]
    missing: tuple[Question, Answer] | None = None


def walk_targets(domain: DomainName) -> tuple[DomainName, ...]:
    """The names of a walk, at most eight: the domain, then its parents; of a longer name, the last seven labels on."""
    labels = domain.labels
    if not labels:
        return ()
    first = min(len(labels) - 1, _MAX_QUERIES - 1)
    parents = [DomainName.from_labels(labels[len(labels) - count :]) for count in range(first, 0, -1)]
    return (domain, *parents)


def record_name(domain: DomainName) -> DomainName | None:
    """Where a domain's policy record is; None if that name would be too long."""
    try:
        return DomainName.from_labels([b"_dmarc", *domain.labels])
    except ValueError:
        return None


def tree_walk(domain: DomainName) -> Check[Walk]:
    """Walk from *domain* to the root."""
    asked = [(target, name) for target in walk_targets(domain) if (name := record_name(target)) is not None]
    questions = [Question(name, "TXT") for _, name in asked]
    answers = (yield questions) if questions else ()
    seen = tuple(zip(questions, answers, strict=True))
    found: list[Found] = []
    missing = None
    for (target, _), (question, answer) in zip(asked, seen, strict=True):
        if not answer.is_conclusive:
            missing = (question, answer)
            break
        records = dmarc_records(answer.texts)
        if len(records) == 1:
            found.append(Found(target, records[0]))
            if records[0].psd in {"n", "y"}:
                break
    own = found[0] if found and found[0].domain == domain else None
    if missing is not None:
        return Walk(domain, own, own, None, seen, missing)
    organizational = _organizational(domain, found)
    return Walk(domain, own, own or _applied(organizational, found), organizational, seen)


def _organizational(start: DomainName, found: list[Found]) -> DomainName:
    """Section 4.10.2: the domain with psd=n; the one below psd=y; else the shortest with a record; else the start."""
    for it in found:
        if it.record.psd == "n":
            return it.domain
        if it.record.psd == "y" and it.domain != start:
            labels = start.labels
            return DomainName.from_labels(labels[len(labels) - len(it.domain.labels) - 1 :])
    return found[-1].domain if found else start


def _applied(organizational: DomainName, found: list[Found]) -> Found | None:
    """Section 4.10.1: the record of the organizational domain, else that of the public suffix."""
    for it in found:
        if it.domain == organizational:
            return it
    return next((it for it in found if it.record.psd == "y"), None)


# SECTION exporter.checks.dmarc.hints
# What works in a DMARC record and could be better (RFC 9989 sections 4.7, 5.1 and 9.3).
#
# The rule of this file: nothing here is a fault; each hint says what receivers make of the record as it stands.

_CHECK = DomainCheckName.DMARC


def rewritten(advice: str, found: Found, changes: Mapping[str, str | None]) -> Fix:
    """Publish the record with these tags changed, or without those that are None."""
    owner = record_name(found.domain) or found.domain
    known = dict(parse_tags(found.record.text).pairs)
    version = known.pop("v")
    tags = {"v": version, **({"p": changes["p"]} if "p" in changes else {}), **known, **changes}
    text = "; ".join([f"{name}={value}" for name, value in tags.items() if value is not None])
    old = (txt_line(owner, found.record.text),)
    return Fix(advice, owner, (txt_line(owner, text.encode("ascii", "replace")),), old)


def dmarc_hints(domain: DomainName, found: Found) -> Iterator[Hint]:
    """Every hint about the record that counts for *domain*."""
    record, where = found.record, found.domain
    known = parse_tags(record.text)

    def hint(reason: DomainReason, sentence: str, fix: Fix | None = None) -> Hint:
        return Hint(_CHECK, domain, reason, sentence, fix)

    if record.is_applied and record.own is Policy.NONE and not record.bad_policies:
        sentence = f"The DMARC policy of {where} is none: receivers report, and let everything through."
        fix = rewritten("Ask for more once the reports show that your own mail passes.", found, {"p": "quarantine"})
        yield hint(DomainReason.DMARC_MONITORING, sentence, fix)
    if record.testing and record.own is not Policy.NONE:
        sentence = (
            f"The DMARC policy of {where} is in test mode (t=y): receivers apply one level less than {record.own}."
        )
        yield hint(DomainReason.DMARC_TESTING, sentence, rewritten("Take t=y out.", found, {"t": None}))
    weaker = [
        f"{name}={policy}"
        for name, policy in (("sp", record.subdomains), ("np", record.nonexistent))
        if policy.strength < record.own.strength
    ]
    if weaker:
        sentence = (
            f"The DMARC policy of {where} is weaker for names below it: {', '.join(weaker)}, with p={record.own}."
        )
        changes = {it.partition("=")[0]: None for it in weaker}
        fix = rewritten("Take them out, so that p counts for all of them.", found, changes)
        yield hint(DomainReason.DMARC_WEAKER_SUBDOMAINS, sentence, fix)
    if record.historic or record.obsolete_sizes:
        what = some([*[f"{name}=" for name in record.historic], *map(clip, record.obsolete_sizes)])
        sentence = f"The DMARC record of {where} has what receivers no longer read (RFC 9989): {what}."
        sized = {name for name in ("rua", "ruf") if "!" in known.get(name)}
        changes = dict.fromkeys(record.historic) | {name: ",".join(getattr(record, name)) or None for name in sized}
        yield hint(DomainReason.DMARC_HISTORIC_TAG, sentence, rewritten("Take it out.", found, changes))
    if record.bad_tags:
        sentence = (
            f"The DMARC record of {where} has what receivers cannot read and ignore: {clip(some(record.bad_tags))}."
        )
        yield hint(DomainReason.DMARC_BAD_TAG, sentence)
    if not record.rua:
        sentence = f"The DMARC record of {where} asks for no reports (rua=), so nobody hears who sends in its name."
        yield hint(DomainReason.DMARC_NO_REPORTS, sentence)


# SECTION exporter.checks.dmarc.check

_MAX_DESTINATIONS = 10


@dataclass(frozen=True, slots=True)
class Destination:
    """A host that reports are to go to. *is_authorised*: it agrees, or need not; None while that is not known."""

    host: DomainName
    is_authorised: bool | None


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """What a domain's DMARC came to.

    *record_domain* is where the record that counts was found: the domain, or one above it. *policy* is what it asks
    for mail of this domain, *subdomain_policy* and *nonexistent_policy* for mail of names below it; None without a
    record that counts. With *is_testing* (``t=y``), receivers apply the next weaker one: *effective_policy*.
    """

    domain: DomainName
    findings: tuple[DomainFinding, ...]
    hints: tuple[Hint, ...] = ()
    record: bytes = b""
    record_domain: DomainName | None = None
    organizational_domain: DomainName | None = None
    policy: Policy | None = None
    subdomain_policy: Policy | None = None
    nonexistent_policy: Policy | None = None
    is_testing: bool = False
    destinations: tuple[Destination, ...] = ()

    @property
    def effective_policy(self) -> Policy | None:
        """What receivers apply: in test mode, one level below the policy (section 4.7)."""
        if self.policy is None or not self.is_testing:
            return self.policy
        return list(Policy)[max(self.policy.strength - 1, 0)]


def dmarc(domain: DomainName) -> Check[DmarcReport]:
    """Judge what receivers find for mail from *domain*."""
    walk = yield from tree_walk(domain)
    if walk.applied is None:
        return DmarcReport(domain, (_nothing_applies(domain, walk),), organizational_domain=walk.organizational)
    found = walk.applied
    record = found.record
    exists = True
    if found.domain != domain and record.np is not None:
        question = Question(domain, "MX")
        (answer,) = yield [question]
        if not answer.is_conclusive:
            return DmarcReport(domain, (unanswered(_CHECK, domain, question, answer),), record=record.text)
        exists = answer.status is not Status.NXDOMAIN
    report = _report(domain, walk, found, exists=exists)
    if not record.is_applied:
        return replace(report, policy=None, subdomain_policy=None, nonexistent_policy=None)
    destinations, findings = yield from _destinations(walk, found)
    return replace(
        report,
        findings=tuple([it for it in (*report.findings, *findings) if it.result is not Result.PASS])
        or (DomainFinding(_CHECK, Result.PASS, domain),),
        destinations=destinations,
    )


def _report(domain: DomainName, walk: Walk, found: Found, *, exists: bool) -> DmarcReport:
    record = found.record
    inherited = record.subdomains if exists else record.nonexistent
    findings = list(_several(domain, walk))
    if record.bad_policies or (record.p is None and not record.rua):
        findings.append(_bad_policy(domain, found))
    return DmarcReport(
        domain,
        tuple(findings) or (DomainFinding(_CHECK, Result.PASS, domain),),
        tuple(dmarc_hints(domain, found)),
        record.text,
        found.domain,
        walk.organizational,
        record.own if found.domain == domain else inherited,
        record.subdomains,
        record.nonexistent,
        record.testing,
    )


def _fails(domain: str, reason: DomainReason, sentence: str, fix: Fix) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, fix)


def _nothing_applies(domain: DomainName, walk: Walk) -> DomainFinding:
    several = list(_several(domain, walk))
    if several:
        return several[0]
    if walk.missing is not None:
        return unanswered(_CHECK, domain, *walk.missing)
    owner = record_name(domain) or domain
    line = txt_line(owner, b"v=DMARC1; p=none")
    advice = "Publish a policy record: the one below changes nothing yet, and reports can be asked for with rua=."
    texts = walk.answers[0][1].texts if walk.answers else ()
    alike = [text for text in texts if b"dmarc1" in text.lower()]
    if alike:
        sentence = (
            f"The DMARC record of {domain} is ignored, because it does not begin with v=DMARC1, spelled so: "
            f"{clip(alike[0].decode('ascii', 'backslashreplace'))}."
        )
        fix = Fix(advice, owner, (line,), tuple([txt_line(owner, text) for text in alike]))
        return _fails(domain, DomainReason.DMARC_SYNTAX, sentence, fix)
    sentence = f"{domain} has no DMARC policy record, and no domain above it has one that applies."
    return _fails(domain, DomainReason.DMARC_MISSING, sentence, Fix(advice, owner, (line,)))


def _several(domain: DomainName, walk: Walk) -> Iterable[DomainFinding]:
    """Several records at the domain itself: all are discarded (section 4.10), whatever is found above."""
    for question, answer in walk.answers[:1]:
        records = dmarc_records(answer.texts)
        if len(records) > 1:
            sentence = f"{domain} has {len(records)} DMARC policy records, so receivers discard all of them."
            lines = tuple([txt_line(question.name, record.text) for record in records])
            fix = Fix("Leave one of them, and take the others out.", question.name, (lines[0],), lines)
            yield _fails(domain, DomainReason.DMARC_SEVERAL_RECORDS, sentence, fix)


def _bad_policy(domain: DomainName, found: Found) -> DomainFinding:
    record = found.record
    what = clip(some(record.bad_policies)) if record.bad_policies else "no p="
    then = "treat it as p=none" if record.is_applied else "do not apply it at all"
    sentence = f"The DMARC record of {found.domain} has {what}, so receivers {then} (RFC 9989 section 4.10.1)."
    bad = {it.partition("=")[0] for it in record.bad_policies}
    fix = rewritten(
        "Publish the policy that is meant: none, quarantine or reject; below, none.",
        found,
        {**dict.fromkeys(bad), **({"p": "none"} if record.p is None else {})},
    )
    return _fails(domain, DomainReason.DMARC_POLICY, sentence, fix)


def _destinations(walk: Walk, found: Found) -> Check[tuple[tuple[Destination, ...], list[DomainFinding]]]:
    """Whether every host that reports are to go to agrees (RFC 9990 section 4)."""
    uris = [*found.record.rua, *found.record.ruf]
    hosts = [host for uri in uris if (host := destination(uri)) is not None]
    chosen = sorted(set(hosts))[:_MAX_DESTINATIONS]
    judged = yield from parallel([_destination(walk, found, host) for host in chosen])
    return tuple([it for it, _ in judged]), [finding for _, finding in judged if finding is not None]


def _destination(walk: Walk, found: Found, host: DomainName) -> Check[tuple[Destination, DomainFinding | None]]:
    organizational = found.domain if walk.organizational is None else walk.organizational
    if host == found.domain:
        return Destination(host, is_authorised=True), None
    if host.is_under(organizational):
        theirs = yield from tree_walk(host)
        if theirs.missing is not None and walk.missing is None:
            return Destination(host, None), unanswered(_CHECK, walk.start, *theirs.missing)
        if theirs.organizational == organizational:
            return Destination(host, is_authorised=True), None
    try:
        owner = DomainName(f"{found.domain}._report._dmarc.{host}")
    except ValueError:
        return Destination(host, is_authorised=False), None
    question = Question(owner, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return Destination(host, None), unanswered(_CHECK, walk.start, question, answer)
    if dmarc_records(answer.texts):
        return Destination(host, is_authorised=True), None
    if walk.missing is not None:  # without the organizational domain, it is open whether the host is a stranger
        return Destination(host, None), unanswered(_CHECK, walk.start, *walk.missing)
    sentence = f"DMARC reports of {found.domain} do not arrive at {host}: it does not say that it wants them."
    line = txt_line(owner, b"v=DMARC1")
    fix = Fix(f"Have whoever runs {host} publish the record below.", owner, (line,))
    finding = _fails(walk.start, DomainReason.DMARC_REPORTS_UNAUTHORISED, sentence, fix)
    return Destination(host, is_authorised=False), finding
