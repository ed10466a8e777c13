"""Is the DMARC record of a domain sound (RFC 9989)? It exists, is valid, and its reports may go where it sends them.

A record that receivers ignore or treat as ``p=none`` is a fault, even though nothing breaks.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check, parallel
from exporter.checks.domain import Hint, beside_cname, failed, passed, unanswered
from exporter.checks.names import DomainName
from exporter.checks.repair import DMARC, Meant, elsewhere, quoted, report_uris
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, some
from exporter.checks.txt_records import Tags, clip, copies, parse_tags, txt_line

_CHECK = CheckName.DMARC
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
"""How a record begins (RFC 9989 section 4.8): only the value is case-sensitive, and nothing comes before it."""
_EMPTY_TAG = re.compile(rb";[ \t]*;")
_POLICIES = ("p", "sp", "np")
_VALUES = {
    "t": re.compile("[yn]"),
    "psd": re.compile("[ynu]"),
    "adkim": re.compile("[rs]"),
    "aspf": re.compile("[rs]"),
    "fo": re.compile("(?!.*([01ds]).*\\1)(?!.*[01].*[01])[01ds](?::[01ds])*"),
}
HISTORIC = ("pct", "rf", "ri")
"""Tags of RFC 7489 that receivers no longer read (RFC 9989 section 9.3)."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x2b\x2d-\x7e]+")
_SIZE = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE)


class DmarcPolicy(StrEnum):
    """What receivers should do with mail that fails DMARC, weakest first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def strength(self) -> int:
        """A number to compare policies."""
        return list(DmarcPolicy).index(self)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One policy record (RFC 9989 section 4.7), read as receivers must: unknown tags do not count.

    Attributes:
        text: The record as published.
        p: The policy; None if it is absent or not valid. The same goes for *sp* and *np*.
        sp: The policy for existing subdomains.
        np: The policy for subdomains that do not exist.
        testing: Whether receivers should apply the next weaker policy.
        psd: Whether the domain is a public suffix: y, n, or u for unknown.
        rua: URIs for aggregate reports.
        ruf: URIs for failure reports.
        bad_policies: Policy tags whose value is not valid, as written.
        bad_tags: Other tags whose name or value is not valid, as written.
        repeated: Tags that occur more than once, which makes the whole record invalid (RFC 6376 section 3.2).
        historic: Tags that receivers no longer read.
        obsolete_sizes: URIs with a ``!size``, which receivers no longer read.
    """

    text: bytes
    p: DmarcPolicy | None
    sp: DmarcPolicy | None
    np: DmarcPolicy | None
    testing: bool = False
    psd: str = "u"
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    bad_policies: tuple[str, ...] = ()
    bad_tags: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    historic: tuple[str, ...] = ()
    obsolete_sizes: tuple[str, ...] = ()

    @property
    def is_applied(self) -> bool:
        """Whether receivers apply it: its policies are valid, or it asks for reports (section 4.10.1)."""
        return not self.repeated and (bool(self.rua) or (self.p is not None and not self.bad_policies))

    @property
    def own(self) -> DmarcPolicy:
        """The policy for the domain that publishes the record."""
        return DmarcPolicy.NONE if self.p is None or self.bad_policies else self.p

    @property
    def subdomains(self) -> DmarcPolicy:
        """The policy for existing subdomains."""
        return self.own if self.sp is None or self.bad_policies else self.sp

    @property
    def nonexistent(self) -> DmarcPolicy:
        """The policy for subdomains that do not exist."""
        return self.subdomains if self.np is None or self.bad_policies else self.np


def dmarc_records(texts: Sequence[bytes]) -> tuple[DmarcRecord, ...]:
    """The policy records among TXT records: those that begin with exactly ``v=DMARC1`` (section 4.7)."""
    read = [parse_dmarc(text) for text in texts]
    return tuple([record for record in read if record is not None])


@lru_cache(maxsize=1024)
def parse_dmarc(text: bytes) -> DmarcRecord | None:
    """Read a record; None if it is not a DMARC policy record."""
    if _VERSION.match(text) is None:
        return None
    tags, bad_policies, bad_tags = _read_tags(text)
    policies: dict[str, DmarcPolicy | None] = {}
    for name in _POLICIES:
        value = tags.get(name).lower()
        policies[name] = DmarcPolicy(value) if value in set(DmarcPolicy) else None
        if name in tags and policies[name] is None:
            bad_policies.append(f"{name}={tags.get(name)}")
    read: dict[str, str] = {}
    for name, pattern in _VALUES.items():
        value = tags.get(name).lower()
        if pattern.fullmatch(value):
            read[name] = value
        elif name in tags:
            bad_tags.append(f"{name}={tags.get(name)}")
    uris: dict[str, tuple[str, ...]] = {}
    sizes: list[str] = []
    for name in ("rua", "ruf"):
        listed = [uri.strip() for uri in tags.get(name).split(",")] if name in tags else []
        sizes += [uri for uri in listed if _SIZE.search(uri)]
        listed = [_SIZE.sub("", uri) for uri in listed]
        uris[name] = tuple([uri for uri in listed if _is_uri(uri)])
        bad_tags += [f"{name}={uri}" for uri in listed if not _is_uri(uri)]
    return DmarcRecord(
        text,
        **policies,
        testing=read.get("t") == "y",
        psd=read.get("psd", "u"),
        rua=uris["rua"],
        ruf=uris["ruf"],
        bad_policies=tuple(bad_policies),
        bad_tags=tuple(bad_tags),
        repeated=tuple(dict.fromkeys([name for name, _ in tags.pairs if [it for it, _ in tags.pairs].count(name) > 1])),
        historic=tuple([name for name in HISTORIC if name in tags]),
        obsolete_sizes=tuple(sizes),
    )


def _read_tags(text: bytes) -> tuple[Tags, list[str], list[str]]:
    """The tags, known names in lower case; parts that stand for a missing policy; other parts that cannot be read."""
    read = parse_tags(text)
    pairs = tuple([(name.lower() if name.lower() in DMARC.names else name, value) for name, value in read.pairs])
    capitals = [f"{name}=" for name, _ in read.pairs[1:] if name.lower() in DMARC.names and name != name.lower()]
    tags = Tags(pairs)
    meant = DMARC.meant(text)
    known = dict(meant.pairs) if meant is not None else {}
    is_meant = "p" not in tags and "p" in known
    policies = [it for it in read.strays if is_meant and re.search(r"p\s*[:=\s]", it, re.IGNORECASE)]
    aliases = [f"{name}={value}" for name, value in pairs if name.lower() in DMARC.aliases]
    policies += aliases if is_meant else []
    empty = [";;"] if _EMPTY_TAG.search(text) else []
    return tags, policies, [*capitals, *[it for it in (*read.strays, *aliases) if it not in policies], *empty]


def _is_uri(text: str) -> bool:
    if _URI.fullmatch(text) is None or "!" in text:
        return False
    return not text.lower().startswith("mailto:") or destination(text) is not None


def destination(uri: str) -> DomainName | None:
    """The host of a ``mailto:`` URI; None for another scheme, or if it is not a mail address."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto" or rest.startswith("//"):
        return None
    local, at, host = unquote(rest.partition("?")[0]).rpartition("@")
    try:
        name = DomainName(host) if at and local and "\\" not in host else None
    except ValueError:
        return None
    return name if name is not None and name.is_hostname else None


_MAX_QUERIES = 8


@dataclass(frozen=True, slots=True)
class PublishedRecord:
    """A policy record, the domain that publishes it, and the name that has it, perhaps behind a CNAME."""

    domain: DomainName
    record: DmarcRecord
    owner: DomainName


@dataclass(frozen=True, slots=True)
class PolicyDiscovery:
    """The result of the DNS tree walk from a domain.

    Attributes:
        start: The domain.
        applied: The record that receivers apply: its own, that of its organizational domain, or of a public suffix.
        organizational: The organizational domain; None if an answer is missing.
        answers: Every question with its answer, from the longest name to the shortest.
        missing: The question without an answer that ended the walk: any record could be there.
    """

    start: DomainName
    applied: PublishedRecord | None
    organizational: DomainName | None
    answers: tuple[tuple[Question, Answer], ...]
    missing: tuple[Question, Answer] | None = None


def tree_walk_names(domain: DomainName) -> tuple[DomainName, ...]:
    """The domain and its parents, at most eight names: a long name is continued with its last seven labels."""
    labels = domain.labels
    if not labels:
        return ()
    first = min(len(labels) - 1, _MAX_QUERIES - 1)
    parents = [DomainName.from_labels(labels[len(labels) - count :]) for count in range(first, 0, -1)]
    return (domain, *parents)


def record_name(domain: DomainName) -> DomainName | None:
    """The name of the policy record of a domain; None if it would be too long."""
    try:
        return DomainName.from_labels([b"_dmarc", *domain.labels])
    except ValueError:
        return None


def tree_walk(domain: DomainName) -> Check[PolicyDiscovery]:
    """Do the DNS tree walk from *domain* (section 4.10)."""
    asked = [(target, name) for target in tree_walk_names(domain) if (name := record_name(target)) is not None]
    questions = [Question(name, "TXT") for _, name in asked]
    answers = (yield questions) if questions else ()
    seen = tuple(zip(questions, answers, strict=True))
    found: list[PublishedRecord] = []
    missing = None
    for (target, _), (question, answer) in zip(asked, seen, strict=True):
        if not answer.is_conclusive:
            missing = (question, answer)
            break
        records = dmarc_records(answer.texts)
        if len(records) == 1:
            found.append(PublishedRecord(target, records[0], answer.owner(question.name)))
            if records[0].psd in {"n", "y"}:
                break
    own = found[0] if found and found[0].domain == domain else None
    if missing is not None:
        return PolicyDiscovery(domain, own, None, seen, missing)
    organizational = _organizational(domain, found)
    return PolicyDiscovery(domain, own or _applied(organizational, found), organizational, seen)


def _organizational(start: DomainName, found: list[PublishedRecord]) -> DomainName:
    """Section 4.10.2: the domain with psd=n; or the one below psd=y; or the shortest with a record; or the start."""
    for it in found:
        if it.record.psd == "n":
            return it.domain
        if it.record.psd == "y" and it.domain != start:
            labels = start.labels
            return DomainName.from_labels(labels[len(labels) - len(it.domain.labels) - 1 :])
    return found[-1].domain if found else start


def _applied(organizational: DomainName, found: list[PublishedRecord]) -> PublishedRecord | None:
    """Section 4.10.1: the record of the organizational domain, or else of the public suffix."""
    for it in found:
        if it.domain == organizational:
            return it
    return next((it for it in found if it.record.psd == "y"), None)


_MAX_DESTINATIONS = 10


@dataclass(frozen=True, slots=True)
class Destination:
    """A host for reports. *is_authorised*: whether it agrees, or need not; None if that is unknown."""

    host: DomainName
    is_authorised: bool | None


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """The DMARC record that receivers apply to a domain.

    Attributes:
        domain: The domain.
        findings: The faults, or one pass.
        hints: What could be better.
        record: The record; b"" without one.
        record_domain: The domain that publishes it: *domain*, or one above it.
        organizational_domain: None if it is not known.
        policy: For mail from *domain*; None without a record that applies.
        subdomain_policy: For mail from names below it.
        nonexistent_policy: For mail from names below it that do not exist.
        is_testing: Whether the record is in test mode (``t=y``).
        destinations: The hosts for reports.
    """

    domain: DomainName
    findings: tuple[Finding, ...]
    hints: tuple[Hint, ...] = ()
    record: bytes = b""
    record_domain: DomainName | None = None
    organizational_domain: DomainName | None = None
    policy: DmarcPolicy | None = None
    subdomain_policy: DmarcPolicy | None = None
    nonexistent_policy: DmarcPolicy | None = None
    is_testing: bool = False
    destinations: tuple[Destination, ...] = ()

    @property
    def effective_policy(self) -> DmarcPolicy | None:
        """What receivers apply: in test mode, one level below the policy (section 4.7)."""
        if self.policy is None or not self.is_testing:
            return self.policy
        return list(DmarcPolicy)[max(self.policy.strength - 1, 0)]


def dmarc(domain: DomainName) -> Check[DmarcReport]:
    """Check what receivers find for mail from *domain*."""
    tree = yield from tree_walk(domain)
    for question, answer in tree.answers[:1]:
        if answer.texts and not answer.chain:
            (cname,) = yield [Question(question.name, "CNAME")]
            for finding in beside_cname(_CHECK, domain, question.name, answer, cname):
                return DmarcReport(domain, (finding,), organizational_domain=tree.organizational)
    if tree.applied is None:
        finding = yield from _nothing_applies(domain, tree)
        return DmarcReport(domain, (finding,), organizational_domain=tree.organizational)
    found = tree.applied
    record = found.record
    exists = True
    if found.domain != domain and record.np is not None:
        question = Question(domain, "MX")
        (answer,) = yield [question]
        if not answer.is_conclusive:
            return DmarcReport(domain, (unanswered(_CHECK, domain, question, answer),), record=record.text)
        exists = answer.status is not Status.NXDOMAIN
    report = _report(domain, tree, found, exists=exists)
    if not record.is_applied:
        return replace(report, policy=None, subdomain_policy=None, nonexistent_policy=None)
    uris = [*record.rua, *record.ruf]
    hosts = sorted({host for uri in uris if (host := destination(uri)) is not None})[:_MAX_DESTINATIONS]
    checked = yield from parallel([_destination(tree, found, host) for host in hosts])
    findings = (*report.findings, *[finding for _, finding in checked if finding is not None])
    faults = tuple([it for it in findings if it.result is not Result.PASS])
    return replace(report, findings=faults or (passed(_CHECK, domain),), destinations=tuple([it for it, _ in checked]))


def _report(domain: DomainName, tree: PolicyDiscovery, found: PublishedRecord, *, exists: bool) -> DmarcReport:
    record = found.record
    inherited = record.subdomains if exists else record.nonexistent
    findings = list(_own_fault(domain, tree))
    if record.repeated:
        findings.append(_repeated(domain, found))
    elif record.bad_policies or (record.p is None and not record.rua):
        findings.append(_bad_policy(domain, found))
    return DmarcReport(
        domain,
        tuple(findings) or (passed(_CHECK, domain),),
        tuple(_hints(domain, found)),
        record.text,
        found.domain,
        tree.organizational,
        record.own if found.domain == domain else inherited,
        record.subdomains,
        record.nonexistent,
        record.testing,
    )


def _nothing_applies(domain: DomainName, tree: PolicyDiscovery) -> Check[Finding]:
    own = list(_own_fault(domain, tree))
    if own and own[0].reason is Reason.DMARC_SEVERAL_RECORDS:
        return own[0]
    if tree.missing is not None:
        return unanswered(_CHECK, domain, *tree.missing)
    if own:
        return own[0]
    owner = record_name(domain) or domain
    if (found := (yield from _misplaced(domain))) is not None:
        at, meant = found
        why = "" if parse_dmarc(meant.text) is not None else f", and {meant.why}"
        sentence = (
            f"{domain} has no DMARC policy record: its record is at {at}, where no receiver looks{why}: {meant.quoted}."
        )
        fix = _of_meant(f"Move it to {owner}, as below.", owner, meant, at)
        return failed(_CHECK, domain, Reason.DMARC_MISSING, sentence, fix)
    for _, answer in tree.answers[:1]:
        if answer.chain:
            return _behind_cname(domain, owner, answer)
    advice = "Publish a policy record. The one below changes nothing yet; add rua= to ask for reports."
    sentence = f"{domain} has no DMARC policy record, and no domain above it has one that applies."
    fix = Fix(advice, owner, (txt_line(owner, b"v=DMARC1; p=none"),))
    return failed(_CHECK, domain, Reason.DMARC_MISSING, sentence, fix)


def _behind_cname(domain: DomainName, owner: DomainName, answer: Answer) -> Finding:
    """The fault of a CNAME that leads to no policy: a TXT record beside it would not count (RFC 1034 section 3.6.2)."""
    end = answer.owner(owner)
    what = "does not exist" if answer.status is Status.NXDOMAIN else "has no policy record"
    sentence = f"{domain} has no DMARC policy record: {owner} is a CNAME that leads to {end}, which {what}."
    fix = Fix(
        f"Have the policy published at {end}, or correct the CNAME, or remove it and publish the policy there.", owner
    )
    reason = Reason.DMARC_MISSING if answer.status is Status.ANSWER else Reason.DMARC_DANGLING
    return failed(_CHECK, domain, reason, sentence, fix)


def _misplaced(domain: DomainName) -> Check[tuple[DomainName, Meant] | None]:
    """A policy record that was put in the wrong place, with that place: at the domain, or below a missing final dot."""
    above = [name for name in tree_walk_names(domain)[1:] if name.is_qualified]
    doubled = [f"_dmarc.{domain}.{origin}" for origin in (domain, *above[:2])]
    for found_at, answer in (yield from elsewhere([domain, f"dmarc.{domain}", *doubled])):
        meant = DMARC.first_meant(answer.texts, versioned=True)
        if meant is not None and not answer.chain:
            return found_at, meant
    return None


def _own_fault(domain: DomainName, tree: PolicyDiscovery) -> Iterator[Finding]:
    """What keeps a record of the domain itself from counting: there are several (section 4.10), or it is broken."""
    for question, answer in tree.answers[:1]:
        owner = answer.owner(question.name)
        records = dmarc_records(answer.texts)
        meant = DMARC.first_meant(answer.texts)
        if len(records) > 1:
            yield _several(domain, owner, [record.text for record in records])
        elif meant is not None and not records:
            sentence = f"Receivers ignore the DMARC record of {domain}, because {meant.why}: {meant.quoted}."
            fix = _of_meant("Publish it as below, repaired.", owner, meant, owner)
            yield failed(_CHECK, domain, Reason.DMARC_SYNTAX, sentence, fix)


def _several(domain: DomainName, owner: DomainName, texts: Sequence[bytes]) -> Finding:
    """The fault of several records: the fix has the strictest policy, and all that the others add to it."""
    known = sorted([_repaired(text) for text in texts], key=_strength, reverse=True)
    tags = dict(known[0])
    for other in known[1:]:
        for name, value in other.items():
            if name in DMARC.uris:
                tags[name] = ",".join(report_uris(f"{tags.get(name, '')},{value}"))
            elif name not in _POLICIES:
                tags.setdefault(name, value)
    what = f"{len(texts)} DMARC policy records, so receivers discard all of them (RFC 9989 section 4.10)"
    sentence = f"{domain} has {what}{copies(texts)}."
    lines = tuple([txt_line(owner, text) for text in texts])
    lost = [
        f"{name}={it[name]}" for it in known[1:] for name in it if name not in DMARC.uris and it[name] != tags.get(name)
    ]
    left_out = f" Left out: {clip(some(lost))}." if lost else ""
    advice = f"Publish one record, as below, with the strictest policy and the report addresses of all.{left_out}"
    warning = _ENFORCING if _strength(tags) > (0, 0, 0) else ""
    fix = Fix(advice, owner, (_line(owner, tags),), lines, warning)
    return failed(_CHECK, domain, Reason.DMARC_SEVERAL_RECORDS, sentence, fix)


_ENFORCING = "No receiver applies a policy now. If you do not know yet that all your mail passes, begin with p=none."


def _strength(tags: Mapping[str, str]) -> tuple[int, ...]:
    """How strict the policies of a record are: of the domain, of existing names below it, and of others."""
    p = tags.get("p", "none")
    sp = tags.get("sp", p)
    return tuple([_POLICY_NAMES.index(it) if it in _POLICY_NAMES else 0 for it in (p, sp, tags.get("np", sp))])


_POLICY_NAMES = [policy.value for policy in DmarcPolicy]
_SPELT_OUT = {"adkim": ("relaxed", "strict"), "aspf": ("relaxed", "strict"), "t": ("yes", "no"), "psd": ("yes", "no")}


def _repaired(text: bytes) -> dict[str, str]:
    """The tags of a record without its version: what can be repaired is, what receivers ignore anyway stays."""
    meant = DMARC.meant(text)
    tags: dict[str, str] = {}
    for name, value in () if meant is None else meant.pairs:
        if name in _POLICIES:
            policy = re.sub("[^a-z]", "", value.lower())
            policy = (*difflib.get_close_matches(policy, _POLICY_NAMES, 1, 0.7), value)[0]
            tags[name] = policy if _strength({"p": policy}) >= _strength({"p": tags.get(name, "")}) else tags[name]
        elif name in DMARC.uris:
            tags[name] = ",".join(report_uris(f"{tags.get(name, '')},{value}"))
        elif name == "fo":
            wanted = dict.fromkeys(re.findall("[01ds]", value.lower()))
            tags.setdefault(name, ":".join([it for it in wanted if it != "0" or "1" not in wanted]))
        else:
            word = value.lower().strip("\"'. ")
            tags.setdefault(name, word[0] if word in _SPELT_OUT.get(name, ()) else value)
    return {name: value for name, value in tags.items() if value}


def _line(owner: DomainName, tags: Mapping[str, str]) -> str:
    """The record with these tags, ``p`` first after the version, as readers of RFC 7489 want it."""
    pairs = [*[(name, tags[name]) for name in tags if name == "p"], *[it for it in tags.items() if it[0] != "p"]]
    return txt_line(owner, DMARC.text(pairs))


def _of_meant(advice: str, owner: DomainName, meant: Meant, at: DomainName) -> Fix:
    """Publish at *owner*, repaired, what a record at the name *at* was meant to be."""
    tags = {"p": "none", **_repaired(meant.text)}
    if tags["p"] not in _POLICY_NAMES:
        advice = f"{advice} It has p={clip(tags['p'])}, which is no policy: choose none, quarantine or reject."
        tags["p"] = "none"
    if meant.lost:
        advice = f"{advice} What is no tag is left out: {clip(some(meant.lost))}."
    old = (txt_line(at, meant.text),)
    return Fix(advice, owner, (_line(owner, tags),), old, _ENFORCING if _strength(tags) > (0, 0, 0) else "")


def _repeated(domain: DomainName, found: PublishedRecord) -> Finding:
    names = some([f"{name}=" for name in found.record.repeated])
    what = f"has {names} more than once, which makes the whole record invalid (RFC 6376 section 3.2)"
    sentence = f"The DMARC record of {found.domain} {what}: {quoted(found.record.text)}."
    advice = "Publish each tag once, as below: with the strictest policy, and all report addresses."
    fix = _rewritten(advice, found, {})
    return failed(_CHECK, domain, Reason.DMARC_SYNTAX, sentence, replace(fix, warning=_ENFORCING))


def _bad_policy(domain: DomainName, found: PublishedRecord) -> Finding:
    record = found.record
    what = clip(some(record.bad_policies)) if record.bad_policies else "no p="
    then = "treat it as p=none" if record.is_applied else "do not apply it at all"
    sentence = f"The DMARC record of {found.domain} has {what}, so receivers {then} (RFC 9989 section 4.10.1)."
    repaired = _repaired(record.text)
    unread = [name for name in _POLICIES if repaired.get(name, "none") not in _POLICY_NAMES]
    if unread or "p" not in repaired:
        advice = "Publish the policy that you mean: none, as below, quarantine or reject."
        advice += "".join([f" {name}={clip(repaired[name])} is left out." for name in unread if name != "p"])
        changes = {**dict.fromkeys(unread), **({"p": "none"} if "p" in unread or "p" not in repaired else {})}
        fix = _rewritten(advice, found, changes)
    else:
        fix = _rewritten("Publish it as below, with the policy that it was meant to have.", found, {})
    if _strength({**repaired, **({"p": "none"} if "p" in unread else {})}) > (0, 0, 0):
        fix = replace(fix, warning=_ENFORCING)
    return failed(_CHECK, domain, Reason.DMARC_POLICY, sentence, fix)


def _destination(
    tree: PolicyDiscovery, found: PublishedRecord, host: DomainName
) -> Check[tuple[Destination, Finding | None]]:
    """Whether a host for reports agrees to get them (RFC 9990 section 4)."""
    organizational = found.domain if tree.organizational is None else tree.organizational
    if host == found.domain:
        return Destination(host, is_authorised=True), None
    if host.is_under(organizational):
        theirs = yield from tree_walk(host)
        if theirs.missing is not None and tree.missing is None:
            return Destination(host, None), unanswered(_CHECK, tree.start, *theirs.missing)
        if theirs.organizational == organizational:
            return Destination(host, is_authorised=True), None
    try:
        owner = DomainName(f"{found.domain}._report._dmarc.{host}")
    except ValueError:
        return Destination(host, is_authorised=False), None
    question = Question(owner, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return Destination(host, None), unanswered(_CHECK, tree.start, question, answer)
    if dmarc_records(answer.texts):
        return Destination(host, is_authorised=True), None
    if tree.missing is not None:  # the host could be in the same, unknown organizational domain
        return Destination(host, None), unanswered(_CHECK, tree.start, *tree.missing)
    sentence = f"DMARC reports of {found.domain} do not arrive at {host}: it has no record that accepts them."
    line = txt_line(owner, b"v=DMARC1;")  # with the semicolon, which readers of RFC 7489 expect
    fix = Fix(f"Ask the operator of {host} to publish the record below.", owner, (line,))
    finding = failed(_CHECK, tree.start, Reason.DMARC_REPORTS_UNAUTHORISED, sentence, fix)
    return Destination(host, is_authorised=False), finding


def _rewritten(advice: str, found: PublishedRecord, changes: Mapping[str, str | None]) -> Fix:
    """Publish the record with these changes; a tag whose value is None is removed."""
    tags = {**_repaired(found.record.text), **changes}
    kept = {name: value for name, value in tags.items() if value is not None}
    return Fix(advice, found.owner, (_line(found.owner, kept),), (txt_line(found.owner, found.record.text),))


def _hints(domain: DomainName, found: PublishedRecord) -> Iterator[Hint]:
    """What works but could be better in the record that applies to *domain* (sections 4.7, 5.1 and 9.3)."""
    record, where = found.record, found.domain

    def hint(reason: Reason, sentence: str, fix: Fix | None = None) -> Hint:
        return Hint(_CHECK, domain, reason, sentence, fix)

    if record.is_applied and record.own is DmarcPolicy.NONE and not record.bad_policies:
        what = "is none" if record.p is not None else "is none, because its record has no p="
        sentence = f"The DMARC policy of {where} {what}: receivers report, and accept everything."
        fix = _rewritten("Ask for more once the reports show that your own mail passes.", found, {"p": "quarantine"})
        yield hint(Reason.DMARC_MONITORING, sentence, replace(fix, warning=_ENFORCING))
    if record.testing and record.own is not DmarcPolicy.NONE:
        what = f"receivers apply one level less than {record.own}"
        sentence = f"The DMARC policy of {where} is in test mode (t=y): {what}."
        yield hint(Reason.DMARC_TESTING, sentence, _rewritten("Remove t=y.", found, {"t": None}))
    weaker = [
        f"{name}={policy}"
        for name, policy in (("sp", record.subdomains), ("np", record.nonexistent))
        if policy.strength < record.own.strength
    ]
    if weaker:
        what = f"{', '.join(weaker)}, with p={record.own}"
        sentence = f"The DMARC policy of {where} is weaker for names below it: {what}."
        changes = {it.partition("=")[0]: None for it in weaker}
        fix = _rewritten("Remove them, so that p counts for all of them.", found, changes)
        fix = replace(fix, warning="Mail of names below it that does not pass will be treated as p says.")
        yield hint(Reason.DMARC_WEAKER_SUBDOMAINS, sentence, fix)
    if record.historic or record.obsolete_sizes:
        yield hint(Reason.DMARC_HISTORIC_TAG, *_historic(found))
    if record.bad_tags:
        yield hint(Reason.DMARC_BAD_TAG, *_bad_tags(found))
    if not record.rua and "rua" not in _repaired(record.text):
        sentence = f"The DMARC record of {where} asks for no reports (rua=), so you do not learn who sends in its name."
        yield hint(Reason.DMARC_NO_REPORTS, sentence)


def _historic(found: PublishedRecord) -> tuple[str, Fix]:
    record = found.record
    tags = _repaired(record.text)
    what = some([*[f"{name}={tags.get(name, '')}" for name in record.historic], *map(clip, record.obsolete_sizes)])
    sentence = f"The DMARC record of {found.domain} has tags that receivers no longer read (RFC 9989): {what}."
    percent = tags.get("pct", "")
    sized = {name: ",".join([_SIZE.sub("", uri) for uri in tags.get(name, "").split(",")]) for name in DMARC.uris}
    changes: dict[str, str | None] = {**dict.fromkeys(record.historic), **{k: v or None for k, v in sized.items()}}
    advice, warning = "Remove them.", ""
    if percent.isdigit() and int(percent) < _ALL:
        sentence += f" Receivers that follow RFC 7489 apply the policy to {percent}% of the mail that fails."
        warning = "Without pct=, receivers that follow RFC 7489 apply the policy to all mail that fails."
    if percent.isdigit() and int(percent) == 0:
        advice = "Publish t=y, which asks for the same, in place of pct=0."
        warning += " They do not read t=y: choose p=none if that would be too early."
        changes["t"] = "y"
    return sentence, replace(_rewritten(advice, found, changes), warning=warning)


_ALL = 100


def _bad_tags(found: PublishedRecord) -> tuple[str, Fix]:
    what = clip(some(found.record.bad_tags))
    sentence = f"The DMARC record of {found.domain} has tags that receivers cannot read and ignore: {what}."
    tags: dict[str, str | None] = dict(_repaired(found.record.text))
    written = parse_dmarc(DMARC.text([(name, value) for name, value in tags.items() if value is not None]))
    bad = () if written is None else written.bad_tags
    for name in {it.partition("=")[0] for it in bad}:
        uris = [uri for uri in (tags.get(name) or "").split(",") if f"{name}={_SIZE.sub('', uri)}" not in bad]
        tags[name] = ",".join(uris) if name in DMARC.uris and uris else None
    left = f", without {clip(some(bad))}, which no receiver can read" if bad else ""
    fix = _rewritten(f"Publish the record as below{left}.", found, tags)
    gains_policy = found.record.p is None and tags.get("p", "none") != "none"
    return sentence, replace(fix, warning=_ENFORCING if gains_policy else "")
