"""Checks the SPF record of a domain (RFC 7208): valid, within the limits, and not open to everybody.

A fault in an included record is a finding about the domain, whose mail it affects. The fix is a record of the domain if
that helps; else it says whose record has to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import Hint
from exporter.checks.host_names import special_use
from exporter.checks.names import DomainName
from exporter.checks.public_suffix import registrable_domain
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, some, unknown
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import CompiledSpf, size
from exporter.checks.spf.fixes import (
    COMPLETE_FIRST,
    corrected,
    kept_senders,
    meant_terms,
    names_senders,
    repaired,
    repaired_term,
    replacement,
    without_dead,
)
from exporter.checks.spf.macros import MacroString, expand, name_of
from exporter.checks.spf.results import LIMITS, Limits, Outcome, SpfResult
from exporter.checks.spf.terms import (
    Mechanism,
    SpfRecord,
    near_misses,
    no_target,
    only_record,
    read_record,
    spf_records,
    too_many_exchanges,
    unanswered,
)

TERM_LIMIT = 50
"""The number of terms that are followed into the DNS. RFC 7208 allows ten."""

TROUBLE_LIMIT = 10
"""The number of troubles of a kind that are reported."""

_CHECK = CheckName.SPF
_EVERYBODY = 1 << 31
"""This many IPv4 addresses, half of all, count as everybody: ``+all``, or large networks."""


@dataclass(frozen=True, slots=True)
class SpfNode:
    """One record of the tree.

    Attributes:
        domain: the domain of the record.
        term: the term that led to it; "" for the first record.
        path: the domains above it, the top one first.
        record: the parsed record.
    """

    domain: str
    term: str
    path: tuple[str, ...]
    record: SpfRecord


@dataclass(frozen=True, slots=True)
class SpfTrouble:
    """A fault that ends an evaluation, in the record of *domain*, at *term*; "" for the whole record."""

    domain: str
    term: str
    outcome: Outcome


@dataclass(slots=True)
class SpfTree:
    """A record and everything that it includes or redirects to.

    Each record is read once, as if no term matched: the counts are the maximum that an address can meet.

    Attributes:
        owner: the name that has the top record, at the end of a CNAME chain.
        records: the SPF records at *owner*; if there is none, the texts that were meant to be one.
        nodes: the records, the top one first.
        troubles: faults that end an evaluation.
        loops: records that a term leads back to.
        void_terms: for IPv4 and IPv6 senders, the terms that find nothing, with the domain of their record.
        families: the address families that the records name senders of.
        found: the ``ip4`` and ``ip6`` terms that stand for what a term of the top record finds.
        unregistered: domains that do not exist, with the domain of a record, its term that leads there, and the mail
            exchange of that term that is in such a domain, if it is not the term itself.
        lookups: terms that ask the DNS.
        is_cut: whether it continues beyond `TERM_LIMIT`, or in circles.
        followed: terms that were followed so far.
    """

    owner: str = ""
    records: tuple[bytes, ...] = ()
    nodes: list[SpfNode] = field(default_factory=list)
    troubles: list[SpfTrouble] = field(default_factory=list)
    loops: list[SpfNode] = field(default_factory=list)
    void_terms: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: {4: [], 6: []})
    families: set[int] = field(default_factory=set)
    found: dict[str, list[str]] = field(default_factory=dict)
    unregistered: dict[DomainName, tuple[str, str, str]] = field(default_factory=dict)
    lookups: int = 0
    is_cut: bool = False
    followed: int = 0

    @property
    def void_lookups(self) -> int:
        """The lookups that find nothing, for senders of the family with more of them."""
        return len(self.void_terms[self.worse_family])

    @property
    def worse_family(self) -> int:
        """The family of the senders with more void lookups; one that the records name no sender of does not count."""
        return max(sorted(self.families or {4, 6}), key=lambda it: len(self.void_terms[it]))

    def may_follow(self) -> bool:
        """Whether one more term may be followed."""
        self.followed += 1
        self.is_cut = self.is_cut or self.followed > TERM_LIMIT
        return self.followed <= TERM_LIMIT

    def add(self, trouble: SpfTrouble) -> None:
        """Add a trouble, unless it is in the list or the list is full."""
        if trouble not in self.troubles and len(self.troubles) < TROUBLE_LIMIT:
            self.troubles.append(trouble)


def spf_tree(domain: str) -> Check[SpfTree]:
    """Read the record of *domain* and everything that it includes or redirects to."""
    tree = SpfTree()
    yield from _read(tree, domain, "", ())
    return tree


def _read(tree: SpfTree, domain: str, term: str, path: tuple[str, ...]) -> Check[Outcome | None]:
    """Read the record of one domain and follow its terms; the outcome if there is no usable record."""
    name = name_of(domain)
    if name is None:
        return None
    question = Question(name, "TXT")
    (answer,) = yield [question]
    records = spf_records(answer.texts)
    if not path:
        tree.owner, tree.records = str(answer.owner(name)), records or near_misses(answer.texts)
    if not answer.is_conclusive:
        tree.add(SpfTrouble(domain, "", unanswered(question, answer)))
        return None
    read = only_record(name, answer, records)
    if isinstance(read, Outcome):
        if read.result is not SpfResult.NONE or not path:
            tree.add(SpfTrouble(domain, "", read))
        return read
    node = SpfNode(domain, term, path, read)
    tree.nodes.append(node)
    tree.lookups += read.lookups
    tree.families |= {it.network.family for it in read.reachable if it.network is not None}
    for mechanism in read.reachable:
        if mechanism.name == "include" and mechanism.target is not None:
            yield from _follow(tree, node, mechanism.target, mechanism.text)
        elif mechanism.name in {"a", "mx", "exists"}:
            yield from _look_up(tree, domain, mechanism)
    if read.redirect is not None and not read.has_all:
        yield from _follow(tree, node, read.redirect, read.redirect_text)
    return None


def _follow(tree: SpfTree, node: SpfNode, target: MacroString, term: str) -> Check[None]:
    if not target.letters <= {"d"}:
        return
    domain = expand(target, {"d": node.domain})
    path = (*node.path, node.domain)
    if name_of(domain) in map(name_of, path):
        tree.is_cut = True
        known = any((loop.path[-1], loop.term) == (node.domain, term) for loop in tree.loops)
        if not known and len(tree.loops) < TROUBLE_LIMIT:
            tree.loops.append(SpfNode(domain, term, path, node.record))
        return
    if not tree.may_follow():
        return
    missing = yield from _read(tree, domain, term, path)
    name = name_of(domain)
    if (missing is not None and missing.result is SpfResult.NONE) or name is None:
        tree.add(SpfTrouble(node.domain, term, no_target(term, node.domain, domain)))
        if name is not None:
            yield from _registration(tree, node.domain, term, name)


def _registration(tree: SpfTree, where: str, term: str, name: DomainName, exchange: str = "") -> Check[None]:
    """Find out whether anybody could register the domain that a term leads to."""
    domain = registrable_domain(name)
    if domain is None or domain in tree.unregistered or special_use(domain) or len(tree.unregistered) >= TROUBLE_LIMIT:
        return
    (answer,) = yield [Question(domain, "NS")]
    if answer.status is Status.NXDOMAIN and not answer.chain:
        tree.unregistered[domain] = where, term, exchange


def _look_up(tree: SpfTree, domain: str, mechanism: Mechanism) -> Check[None]:
    """Ask what a term would ask for both address families, to see whether it finds anything."""
    if mechanism.target is not None and not mechanism.target.letters <= {"d"}:
        return
    name = name_of(domain if mechanism.target is None else expand(mechanism.target, {"d": domain}))
    if name is None or not tree.may_follow():
        return
    if mechanism.name == "mx":
        question = Question(name, "MX")
        (answer,) = yield [question]
        _note(tree, domain, mechanism, [question], [answer])
        if answer.status is Status.NXDOMAIN:
            yield from _registration(tree, domain, mechanism.text, answer.owner(name))
        if len(answer.exchanges) > LIMITS.exchanges:
            outcome = too_many_exchanges(mechanism.text, domain, len(answer.exchanges), LIMITS)
            tree.add(SpfTrouble(domain, mechanism.text, outcome))
        hosts = list(dict.fromkeys([it.exchange for it in answer.exchanges[: LIMITS.exchanges] if it.exchange != "."]))
        for host in hosts:
            yield from _look_up_host(tree, domain, mechanism, host)
    elif mechanism.name == "a":
        yield from _look_up_host(tree, domain, mechanism, name)
    else:
        asked = [Question(name, "A")]
        answers = yield asked
        _note(tree, domain, mechanism, asked, answers)
        if answers[0].status is Status.NXDOMAIN:
            yield from _registration(tree, domain, mechanism.text, answers[0].owner(name))


def _look_up_host(tree: SpfTree, domain: str, mechanism: Mechanism, host: DomainName) -> Check[None]:
    questions = [Question(host, "A"), Question(host, "AAAA")]
    answers = yield questions
    _note(tree, domain, mechanism, questions, answers)
    if all(it.status is Status.NXDOMAIN for it in answers):
        exchange = host if mechanism.name == "mx" else ""
        yield from _registration(tree, domain, mechanism.text, answers[0].owner(host), exchange)


def _note(
    tree: SpfTree, domain: str, mechanism: Mechanism, questions: Sequence[Question], answers: Sequence[Answer]
) -> None:
    """Record lookups that find nothing, for each family; what the others find; and those without an answer."""
    for question, answer in zip(questions, answers, strict=True):
        for family in (4, 6) if len(questions) == 1 else (4,) if question.rdtype == "A" else (6,):
            if answer.status.is_negative:
                tree.void_terms[family].append((domain, mechanism.text))
        for it in answer.addresses if mechanism.name != "exists" else ():
            tree.families.add(it.family)
            tree.found.setdefault(mechanism.text, []).append(_naming(mechanism, it))
        if not answer.is_conclusive:
            tree.add(SpfTrouble(domain, mechanism.text, unanswered(question, answer)))


def _naming(mechanism: Mechanism, address: Address) -> str:
    """The term that stands for an address that *mechanism* finds."""
    prefix = mechanism.prefix4 if address.family == 4 else mechanism.prefix6
    length = "" if prefix == 8 * len(address.packed) else f"/{prefix}"
    sign = mechanism.text[0] if mechanism.text[0] in "+-~?" else ""
    return f"{sign}ip{address.family}:{address}{length}"


@dataclass(frozen=True, slots=True)
class SpfDomainReport:
    """The SPF record of a domain, for all senders.

    Attributes:
        domain: the domain.
        findings: one for each fault, or one pass.
        hints: remarks that are no faults.
        records: its SPF records, as published.
        lookups: the maximum of lookups that an address can need.
        void_lookups: the maximum of void lookups, likewise.
        limits: the lookups that are allowed.
        domains: the domains whose records belong to it, its own first.
        compiled: the outcomes for all addresses.
    """

    domain: DomainName
    findings: tuple[Finding, ...]
    hints: tuple[Hint, ...]
    records: tuple[bytes, ...]
    lookups: int
    void_lookups: int
    limits: Limits
    domains: tuple[str, ...]
    compiled: CompiledSpf

    @property
    def authorised4(self) -> int:
        """The number of IPv4 addresses that pass, without those that have to be evaluated."""
        return size(self.compiled.authorised(4))

    @property
    def authorised6(self) -> int:
        """The number of IPv6 addresses that pass, likewise."""
        return size(self.compiled.authorised(6))


def spf_domain(domain: DomainName, *, limits: Limits = LIMITS) -> Check[SpfDomainReport]:
    """Check the SPF record of *domain* and everything that it includes or redirects to."""
    tree = yield from spf_tree(domain)
    compiled = yield from compile_spf(domain, limits=limits)
    findings = []
    for trouble in tree.troubles:
        findings.append((yield from _trouble(domain, tree, trouble, limits)))  # noqa: PERF401  # it asks questions
    findings += [_loop(domain, tree, node) for node in tree.loops]
    if tree.lookups > limits.lookups or (tree.is_cut and not tree.loops):
        findings.append(_over_limit(domain, tree, limits))
    if tree.void_lookups > limits.void_lookups:
        findings.append(_over_void_limit(domain, tree, limits))
    if size(compiled.authorised(4)) >= _EVERYBODY:
        findings.append((yield from _passes_all(domain, tree, compiled, limits)))
    return SpfDomainReport(
        domain,
        tuple(findings) or (Finding(_CHECK, Result.PASS, domain),),
        tuple(_hints(domain, tree)),
        spf_records(tree.records),
        tree.lookups,
        tree.void_lookups,
        limits,
        tuple(dict.fromkeys([node.domain for node in tree.nodes])),
        compiled,
    )


def _fails(domain: str, reason: Reason, sentence: str, fix: Fix) -> Finding:
    return Finding(_CHECK, Result.FAIL, domain, reason, sentence, fix)


def _unknown(domain: DomainName, outcome: Outcome) -> Finding:
    return unknown(_CHECK, domain, outcome.reason, f"SPF of {domain}: {outcome.why}.")


def _trouble(domain: DomainName, tree: SpfTree, trouble: SpfTrouble, limits: Limits) -> Check[Finding]:
    result, reason, why = trouble.outcome
    assert reason is not None  # noqa: S101  # a trouble is no pass
    if result is SpfResult.TEMPERROR:
        return _unknown(domain, trouble.outcome)
    own = trouble.domain == domain
    sentence = f"SPF of {domain} is broken: {why}."
    if reason is Reason.SPF_NONE:
        sentence = f"{why}." if tree.records else f"{domain} has no SPF record."
        first = yield from _first_record(domain, tree, limits)
        return first if isinstance(first, Finding) else _fails(domain, reason, sentence, first)
    if not own:
        fix = Fix(f"Ask for the record of {trouble.domain} to be corrected.", trouble.domain)
        return _fails(domain, reason, sentence, fix)
    match reason:
        case Reason.SPF_SEVERAL_RECORDS:
            advice = "Publish one record in place of them: every sender of them, and the end that refuses least."
            fix = yield from _corrected(domain, tree.owner, tree.records, limits, advice)
        case Reason.SPF_NO_TARGET:
            fix = without_dead(tree.owner, tree.records, [trouble.term])
        case Reason.SPF_MX_LIMIT:
            fix = yield from _without_mx(domain, tree, trouble.term)
        case _:
            fix = yield from _corrected(domain, tree.owner, tree.records, limits, "Publish the record repaired.")
    return _fails(domain, reason, sentence, fix)


def _corrected(domain: DomainName, owner: str, records: Sequence[bytes], limits: Limits, advice: str) -> Check[Fix]:
    """The fix that publishes the records repaired and as one; in words, if that record would need too many lookups."""
    fix = corrected(owner, records, advice=advice)
    needed = yield from _lookups(domain, meant_terms(records))
    if not fix.records or needed <= limits.lookups:
        return fix
    limit = f"It would need {needed} DNS lookups, and {limits.lookups} are allowed"
    return Fix(f"{fix.advice} {limit}: first replace terms by the ip4 and ip6 terms behind them.", owner)


def _lookups(domain: DomainName, terms: Sequence[str]) -> Check[int]:
    """The lookups that a record of these terms needs, with those of all that it includes or redirects to."""
    record = read_record(" ".join(["v=spf1", *terms]).encode("ascii", "replace"))
    if not isinstance(record, SpfRecord):
        return 0
    targets = [it.target for it in record.reachable if it.name == "include"]
    targets += [] if record.has_all else [record.redirect]
    needed = record.lookups
    for target in targets:
        if target is not None and target.letters <= {"d"}:
            tree = yield from spf_tree(expand(target, {"d": domain}))
            needed += tree.lookups
    return needed


def _without_mx(domain: DomainName, tree: SpfTree, term: str) -> Check[Fix]:
    """The fix that names the hosts of an ``mx`` by their addresses; in words, if they are many or not all known."""
    fix = Fix(f"Replace {term} by ip4 and ip6 terms that name the sending servers.", tree.owner)
    mechanism = next(it for it in tree.nodes[0].record.mechanisms if it.text == term)
    name = domain if mechanism.target is None else name_of(expand(mechanism.target, {"d": domain}))
    if name is None:
        return fix
    (answer,) = yield [Question(name, "MX")]
    hosts = dict.fromkeys([it.exchange for it in answer.exchanges if it.exchange != "."])
    if len(hosts) > _MAX_NAMED:
        return fix
    answers = yield [question for host in hosts for question in (Question(host, "A"), Question(host, "AAAA"))]
    named = [_naming(mechanism, address) for it in answers for address in it.addresses]
    if len(named) > _MAX_NAMED or not all(it.is_conclusive for it in answers):
        return fix
    kept = [it for one in repaired(tree.records[0]).terms for it in (named if one == term else [one])]
    advice = f"Name the addresses behind {term}, as below, and leave out those that do not send."
    return kept_senders(advice, tree.owner, tree.records, list(dict.fromkeys(kept)))


_MAX_NAMED = 30
"""How many hosts, and addresses, a fix names in place of one term."""


def _first_record(domain: DomainName, tree: SpfTree, limits: Limits) -> Check[Fix | Finding]:
    """What to publish where no record counts: the one that nearly does, a list to complete, or that all is refused.

    All is refused only for a domain without a sign of mail: no MX record but the null MX, and no address. While a lost
    answer leaves that open, the finding is unknown.
    """
    if tree.records:
        return (yield from _corrected(domain, tree.owner, tree.records[:1], limits, "Publish the record repaired."))
    questions = [Question(domain, "MX"), Question(domain, "A"), Question(domain, "AAAA")]
    mx, *hosts = yield questions
    signs = [mx] if mx.exchanges or not mx.is_conclusive else [mx, *hosts]
    if not any(sign.records for sign in signs):
        lost = [it for it in zip(questions, signs, strict=False) if not it[1].is_conclusive]
        if lost:
            return _unknown(domain, unanswered(*lost[0]))
    is_null = [it.exchange for it in mx.exchanges] == ["."]
    if is_null or not any(sign.records for sign in signs):
        advice = "Publish an SPF record that names what sends for the domain. If nothing does, publish the one below."
        return replacement(advice, tree.owner, (), ["-all"], warning="It refuses all mail of the domain.")
    advice = "Publish an SPF record that names what sends for the domain, like the one below."
    return replacement(advice, tree.owner, (), ["mx" if mx.exchanges else "a", "~all"], warning=COMPLETE_FIRST)


def _loop(domain: DomainName, tree: SpfTree, node: SpfNode) -> Finding:
    where = node.path[-1]
    sentence = f"SPF of {domain} goes in circles: {node.term} in the record of {where} leads back to {node.domain}."
    if where != domain:
        fix = Fix(f"Ask for the record of {where} to be corrected.", where)
    else:
        kept = [term for term in repaired(tree.records[0]).terms if term != node.term]
        fix = kept_senders("Remove the term, which names nobody else.", tree.owner, tree.records, kept)
    return _fails(domain, Reason.SPF_LOOP, sentence, fix)


def _over_limit(domain: DomainName, tree: SpfTree, limits: Limits) -> Finding:
    costs = dict.fromkeys([node.term for node in tree.nodes if len(node.path) == 1], 0)
    branch = ""
    for node in tree.nodes[1:]:
        branch = node.term if len(node.path) == 1 else branch
        costs[branch] += node.record.lookups + (len(node.path) == 1)
    dearest = sorted(costs.items(), key=lambda it: (-it[1], it[0]))
    prefix = "at least " if tree.is_cut else ""
    sentence = f"SPF of {domain} needs {prefix}{tree.lookups} DNS lookups; {limits.lookups} are allowed."
    shown = some([f"{term} ({cost} lookups)" for term, cost in dearest])
    advice = f"Remove terms, or replace them by the ip4 and ip6 terms behind them{': ' + shown if shown else ''}."
    return _fails(domain, Reason.SPF_LOOKUP_LIMIT, sentence, Fix(advice, tree.owner))


def _over_void_limit(domain: DomainName, tree: SpfTree, limits: Limits) -> Finding:
    family = tree.worse_family
    void = tree.void_terms[family]
    shown = some(list(dict.fromkeys([f"{term} in the record of {where}" for where, term in void])))
    whom = "" if tree.void_terms[4] == tree.void_terms[6] else f" for IPv{family} senders"
    sentence = (
        f"SPF of {domain} has {len(void)} lookups that find nothing{whom}; {limits.void_lookups} are allowed: {shown}."
    )
    own = {term for where, term in (*tree.void_terms[4], *tree.void_terms[6]) if where == domain}
    others = max(sum(where != domain for where, _ in it) for it in tree.void_terms.values())
    if others > limits.void_lookups or not own:
        fix = Fix("Ask for these terms to be removed, or their names to be published.", tree.owner)
    else:
        ours = repaired(tree.records[0]).terms
        kept = [it for term in ours for it in (tree.found.get(term, []) if term in own else [term])]
        advice = "Remove the terms that find nothing, and name the addresses that the others find."
        fix = kept_senders(advice, tree.owner, tree.records, list(dict.fromkeys(kept)))
    return _fails(domain, Reason.SPF_VOID_LOOKUP_LIMIT, sentence, fix)


def _passes_all(domain: DomainName, tree: SpfTree, compiled: CompiledSpf, limits: Limits) -> Check[Finding]:
    sentence = f"SPF of {domain} lets everybody pass: {size(compiled.authorised(4)):,} IPv4 addresses are authorised."
    passing = [it for it in tree.nodes[0].record.mechanisms if it.qualifier is SpfResult.PASS] if tree.nodes else []
    guilty = {it.text for it in passing if it.name == "all"}
    if not guilty:
        fix = Fix("Remove the terms that authorise this many: large networks, and includes of them.", tree.owner)
        return _fails(domain, Reason.SPF_PASSES_ALL, sentence, fix)
    sizes: dict[str, int] = {}
    for it in passing:  # also terms after the all: they count as soon as it is gone
        if it.text not in guilty:
            sizes[it.text] = yield from _max_addresses(it, domain, limits)
    vast = [text for text, count in sizes.items() if count >= _EVERYBODY]
    kept = [term for term in repaired(tree.records[0]).terms if term not in {*guilty, *vast}]
    without = f", without what lets everybody pass too: {some(vast)}" if vast else ""
    new = [*([] if names_senders(kept) else ["mx"]), *kept, "~all"]
    fix = replacement(f"End the record in ~all{without}.", tree.owner, tree.records, new, warning=COMPLETE_FIRST)
    if sum(sizes[term] for term in kept if term in sizes) >= _EVERYBODY:
        fix = Fix("End the record in ~all, and remove terms that authorise large networks.", tree.owner)
    return _fails(domain, Reason.SPF_PASSES_ALL, sentence, fix)


def _max_addresses(mechanism: Mechanism, domain: str, limits: Limits) -> Check[int]:
    """The number of IPv4 addresses that a term names. A host counts as one address, a macro as none."""
    if mechanism.network is not None:
        return mechanism.network.high - mechanism.network.low + 1 if mechanism.network.family == 4 else 0
    if mechanism.name == "include" and mechanism.target is not None and mechanism.target.letters <= {"d"}:
        included = yield from compile_spf(expand(mechanism.target, {"d": domain}), limits=limits)
        return size(included.authorised(4))
    return 1 << (32 - mechanism.prefix4) if mechanism.name in {"a", "mx"} else 0


def _hints(domain: DomainName, tree: SpfTree) -> list[Hint]:
    hints: list[Hint] = []
    if not tree.nodes:
        return hints
    top = tree.nodes[0].record
    last = _ending(tree)
    ends = [] if last is None else [it for it in last.mechanisms if it.name == "all"]
    if last is not None and (not ends or ends[0].qualifier is SpfResult.NEUTRAL):
        sentence = f"SPF of {domain} ends in neutral: it says nothing about addresses that it does not name."
        kept = list(repaired(tree.records[0]).terms)
        fix = None
        if last is top:
            at = next((index for index, term in enumerate(kept) if term.lower() == "?all"), len(kept))
            kept[at : at + 1] = ["~all"]
            fix = replacement("End the record in ~all or -all.", tree.owner, tree.records, kept)
        hints.append(Hint(_CHECK, domain, Reason.SPF_NEUTRAL_ALL, sentence, fix))
    if top.unknown:
        hints.append(_unknown_modifiers(domain, tree, top.unknown))
    for gone, (where, term, exchange) in tree.unregistered.items():
        sentence = (
            f"SPF of {domain} trusts a domain that nobody owns: {term} in the record of {where} leads to {gone}, "
            f"which does not exist. Anyone can register it, and then send mail as {domain}."
        )
        fix = Fix(f"Ask for the record of {where} to be corrected.", where)
        if exchange:
            fix = Fix(f"Remove or correct the MX record that names {exchange}.", where)
        elif where == domain and term.lstrip("+-~?").lower().startswith(("include:", "redirect=")):
            fix = without_dead(tree.owner, tree.records, [term])
        elif where == domain:
            kept = [it for it in repaired(tree.records[0]).terms if it != term]
            fix = kept_senders(f"Publish the record without {term}.", tree.owner, tree.records, kept)
        hints.append(Hint(_CHECK, domain, Reason.SPF_TAKEOVER, sentence, fix))
    if asking := [it.text for node in tree.nodes for it in node.record.mechanisms if it.name == "ptr"]:
        sentence = f"SPF of {domain} uses {some(asking)}, which RFC 7208 section 5.5 says not to publish."
        hints.append(Hint(_CHECK, domain, Reason.SPF_PTR, sentence))
    ignored = [it.text for it in top.mechanisms[len(top.reachable) :]]
    if ignored or (top.has_all and top.redirect is not None):
        shown = some([*ignored, *([top.redirect_text] if top.redirect is not None else [])])
        sentence = f"SPF of {domain} has terms after all, which are ignored: {shown}."
        hints.append(Hint(_CHECK, domain, Reason.SPF_UNREACHABLE, sentence))
    return hints


def _ending(tree: SpfTree) -> SpfRecord | None:
    """The record that ends the evaluation, through every redirect; None if that is not known."""
    node = tree.nodes[0]
    while node.record.redirect is not None and not node.record.has_all:
        path = (*node.path, node.domain)
        following = [it for it in tree.nodes if it.path == path and it.term == node.record.redirect_text]
        if not following or tree.is_cut:
            return None
        node = following[0]
    return node.record


def _unknown_modifiers(domain: DomainName, tree: SpfTree, modifiers: Sequence[str]) -> Hint:
    meant = {term: it for term in modifiers if (it := repaired_term(term.replace("=", ":", 1))) is not None}
    sentence = f"SPF of {domain} has modifiers that nobody knows, so receivers ignore them: {some(modifiers)}."
    fix = None
    if meant:
        sentence += (
            f" Probably meant is {some([' '.join(it) for it in meant.values()])}: until then it names no sender."
        )
        advice = "Write a colon, not an equals sign."
        if all(it.lower().startswith(("ip4:", "ip6:")) for terms in meant.values() for it in terms):
            kept = [it for term in repaired(tree.records[0]).terms for it in meant.get(term, (term,))]
            fix = replacement(advice, tree.owner, tree.records, kept)
        else:  # it takes lookups: the record might break
            first = "Check first that what it names has an SPF record or addresses, and that 10 lookups are enough"
            fix = Fix(f"{advice} {first}: otherwise receivers reject the whole record.", tree.owner)
    return Hint(_CHECK, domain, Reason.SPF_UNKNOWN_MODIFIER, sentence, fix)
