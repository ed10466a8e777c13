"""Is a domain's SPF record sound (RFC 7208)? Valid, within the limits, and not open to everybody.

The rule of this file: a fault anywhere in the tree of includes is the domain's fault, for its mail suffers; the fix
is a record of its own where one helps, else it says whose record has to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Check
from exporter.checks.domain import AnyReason, DomainCheckName, DomainFinding, DomainReason, Hint
from exporter.checks.names import DomainName
from exporter.checks.result import Fix, Reason, Result, some
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import CompiledSpf, size
from exporter.checks.spf.evaluate import merged, replacement, terms
from exporter.checks.spf.macros import MacroString, expand, name_of
from exporter.checks.spf.results import LIMITS, Limits, Outcome, SpfResult
from exporter.checks.spf.terms import (
    Mechanism,
    SpfRecord,
    no_target,
    only_record,
    spf_records,
    too_many_exchanges,
    unanswered,
)

# SECTION exporter.checks.spf.tree
# Everything that an SPF record leads to: its includes and redirects, read once each, and what they cost.
#
# The rule of this file: it reads the whole tree as if nothing ever matched, so its counts are the most that any
# address
# can meet; and it stops at a bounded number of lookups, however the records are woven.

TERM_LIMIT = 50
"""How many terms are followed into the DNS. Ten are allowed, so a tree of this size is long since wrong."""

TROUBLE_LIMIT = 10
"""How many troubles of a kind are told; who fixes these is told the next."""


@dataclass(frozen=True, slots=True)
class Node:
    """One record of the tree. *term* is what led to it, *path* the domains above it."""

    domain: str
    term: str
    path: tuple[str, ...]
    record: SpfRecord


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in the tree that no evaluation gets past: in the record of *domain*, at *term* (or its whole)."""

    domain: str
    term: str
    outcome: Outcome


@dataclass(slots=True)
class Tree:
    """What was found: *lookups* by the top record's terms, *void_lookups* as the terms that find nothing."""

    owner: str = ""
    records: tuple[bytes, ...] = ()
    nodes: list[Node] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    loops: list[Node] = field(default_factory=list)
    void_terms: list[tuple[str, str]] = field(default_factory=list)
    lookups: int = 0
    is_cut: bool = False
    """Whether it goes on beyond `TERM_LIMIT`, or in circles."""
    followed: int = 0

    def may_follow(self) -> bool:
        """Whether one more term may be followed."""
        self.followed += 1
        self.is_cut = self.is_cut or self.followed > TERM_LIMIT
        return self.followed <= TERM_LIMIT

    def add(self, trouble: Trouble) -> None:
        """Note a trouble, unless it is known, or one too many."""
        if trouble not in self.troubles and len(self.troubles) < TROUBLE_LIMIT:
            self.troubles.append(trouble)


def spf_tree(domain: str) -> Check[Tree]:
    """Read the record of *domain* and all that it includes or redirects to."""
    tree = Tree()
    yield from _read(tree, domain, "", ())
    return tree


def _read(tree: Tree, domain: str, term: str, path: tuple[str, ...]) -> Check[Outcome | None]:
    """Read one domain's record and go on from there; the outcome, where there is none to read."""
    name = name_of(domain)
    if name is None:
        return None
    question = Question(name, "TXT")
    (answer,) = yield [question]
    records = spf_records(answer.texts)
    if not path:
        tree.owner, tree.records = str(answer.chain[-1] if answer.chain else name), records
    if not answer.is_conclusive:
        tree.add(Trouble(domain, "", unanswered(question, answer)))
        return None
    read = only_record(name, answer, records)
    if isinstance(read, Outcome):
        if read.result is not SpfResult.NONE or not path:
            tree.add(Trouble(domain, "", read))
        return read
    node = Node(domain, term, path, read)
    tree.nodes.append(node)
    tree.lookups += read.lookups
    for mechanism in read.reachable:
        if mechanism.name == "include" and mechanism.target is not None:
            yield from _follow(tree, node, mechanism.target, mechanism.text)
        elif mechanism.name in {"a", "mx", "exists"}:
            yield from _look_up(tree, domain, mechanism)
    if read.redirect is not None and not read.has_all:
        yield from _follow(tree, node, read.redirect, read.redirect_text)
    return None


def _follow(tree: Tree, node: Node, target: MacroString, term: str) -> Check[None]:
    if not target.letters <= {"d"}:
        return
    domain = expand(target, {"d": node.domain})
    path = (*node.path, node.domain)
    if name_of(domain) in map(name_of, path):
        tree.is_cut = True
        known = any((loop.path[-1], loop.term) == (node.domain, term) for loop in tree.loops)
        if not known and len(tree.loops) < TROUBLE_LIMIT:
            tree.loops.append(Node(domain, term, path, node.record))
        return
    if not tree.may_follow():
        return
    missing = yield from _read(tree, domain, term, path)
    if (missing is not None and missing.result is SpfResult.NONE) or name_of(domain) is None:
        tree.add(Trouble(node.domain, term, no_target(term, node.domain, domain)))


def _look_up(tree: Tree, domain: str, mechanism: Mechanism) -> Check[None]:
    """Ask what a term would ask of either family, to see whether it finds anything."""
    if mechanism.target is not None and not mechanism.target.letters <= {"d"}:
        return
    name = name_of(domain if mechanism.target is None else expand(mechanism.target, {"d": domain}))
    if name is None or not tree.may_follow():
        return
    if mechanism.name == "mx":
        question = Question(name, "MX")
        (answer,) = yield [question]
        _note(tree, domain, mechanism, [question], [answer])
        if len(answer.exchanges) > LIMITS.exchanges:
            outcome = too_many_exchanges(mechanism.text, domain, len(answer.exchanges), LIMITS)
            tree.add(Trouble(domain, mechanism.text, outcome))
        hosts = list(dict.fromkeys([it.exchange for it in answer.exchanges[: LIMITS.exchanges] if it.exchange != "."]))
        for host in hosts:
            yield from _look_up_host(tree, domain, mechanism, host)
    elif mechanism.name == "a":
        yield from _look_up_host(tree, domain, mechanism, name)
    else:
        asked = [Question(name, "A")]
        _note(tree, domain, mechanism, asked, (yield asked))


def _look_up_host(tree: Tree, domain: str, mechanism: Mechanism, host: DomainName) -> Check[None]:
    questions = [Question(host, "A"), Question(host, "AAAA")]
    _note(tree, domain, mechanism, questions, (yield questions))


def _note(
    tree: Tree, domain: str, mechanism: Mechanism, questions: Sequence[Question], answers: Sequence[Answer]
) -> None:
    """Take down lookups that find nothing, in either family, or get no answer."""
    if all(answer.status.is_negative for answer in answers):
        tree.void_terms.append((domain, mechanism.text))
    for question, answer in zip(questions, answers, strict=True):
        if not answer.is_conclusive:
            tree.add(Trouble(domain, mechanism.text, unanswered(question, answer)))


# SECTION exporter.checks.spf.domain

_CHECK = DomainCheckName.SPF
_EVERYBODY = 1 << 31
"""So many IPv4 addresses, half of all, are everybody: ``+all``, or ``ip4:0.0.0.0/0`` by any other name."""


@dataclass(frozen=True, slots=True)
class SpfDomainReport:
    """What there is to know about a domain's SPF record, whoever sends.

    *lookups* and *void_lookups* are the most that an address can meet, against *limits*. *domains* are those whose
    records belong to it, its own first. *compiled* is what it says of all addresses; *authorised4* and *authorised6*
    count those that pass.
    """

    domain: DomainName
    findings: tuple[DomainFinding, ...]
    hints: tuple[Hint, ...]
    records: tuple[bytes, ...]
    lookups: int
    void_lookups: int
    limits: Limits
    domains: tuple[str, ...]
    compiled: CompiledSpf

    @property
    def authorised4(self) -> int:
        """How many IPv4 addresses pass; those that only an evaluation can tell are not counted."""
        return size(self.compiled.authorised(4))

    @property
    def authorised6(self) -> int:
        """How many IPv6 addresses pass, likewise."""
        return size(self.compiled.authorised(6))


def spf_domain(domain: DomainName, *, limits: Limits = LIMITS) -> Check[SpfDomainReport]:
    """Judge the SPF record of *domain* and all that it leads to."""
    tree = yield from spf_tree(domain)
    compiled = yield from compile_spf(domain, limits=limits)
    findings = [_trouble(domain, tree, trouble) for trouble in tree.troubles]
    findings += [_loop(domain, tree, node) for node in tree.loops]
    if tree.lookups > limits.lookups or (tree.is_cut and not tree.loops):
        findings.append(_over_limit(domain, tree, limits))
    if len(tree.void_terms) > limits.void_lookups:
        findings.append(_over_void_limit(domain, tree, limits))
    if size(compiled.authorised(4)) >= _EVERYBODY:
        findings.append((yield from _passes_all(domain, tree, compiled, limits)))
    return SpfDomainReport(
        domain,
        tuple(findings) or (DomainFinding(_CHECK, Result.PASS, domain),),
        tuple(_hints(domain, tree)),
        tree.records,
        tree.lookups,
        len(tree.void_terms),
        limits,
        tuple(dict.fromkeys([node.domain for node in tree.nodes])),
        compiled,
    )


def _fails(domain: str, reason: AnyReason, sentence: str, fix: Fix) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, fix)


def _trouble(domain: DomainName, tree: Tree, trouble: Trouble) -> DomainFinding:
    result, reason, why = trouble.outcome
    assert reason is not None  # noqa: S101  # a trouble is no pass
    if result is SpfResult.TEMPERROR:
        return DomainFinding(_CHECK, Result.UNKNOWN, domain, reason, f"SPF of {domain}: {why}.")
    own = trouble.domain == domain
    sentence = f"SPF of {domain} is broken: {why}."
    if reason is Reason.SPF_NONE:
        advice = (
            "Publish an SPF record that names what sends for the domain; the one below is for a domain without mail."
        )
        return _fails(domain, reason, f"{domain} has no SPF record.", replacement(advice, tree.owner, (), ["-all"]))
    if not own:
        return _fails(domain, reason, sentence, Fix(f"Have the record of {trouble.domain} put right.", trouble.domain))
    match reason:
        case Reason.SPF_SEVERAL_RECORDS:
            advice, kept = "Publish one record in place of them, like the one below.", merged(tree.records)
        case Reason.SPF_NO_TARGET:
            advice = "Take the term out, or have its target publish an SPF record."
            kept = [term for term in terms(tree.records[0]) if term != trouble.term]
        case Reason.SPF_MX_LIMIT:
            advice = "Name the servers that send, by ip4 and ip6, in place of the term."
            kept = [term for term in terms(tree.records[0]) if term != trouble.term]
        case _:
            advice, kept = "Publish the record without what cannot be read.", terms(tree.records[0])
    return _fails(domain, reason, sentence, replacement(advice, tree.owner, tree.records, kept))


def _loop(domain: DomainName, tree: Tree, node: Node) -> DomainFinding:
    where = node.path[-1]
    sentence = f"SPF of {domain} goes in circles: {node.term} in the record of {where} leads back to {node.domain}."
    if where != domain:
        fix = Fix(f"Have the record of {where} put right.", where)
    else:
        kept = [term for term in terms(tree.records[0]) if term != node.term]
        fix = replacement("Take the term out.", tree.owner, tree.records, kept)
    return _fails(domain, DomainReason.SPF_LOOP, sentence, fix)


def _over_limit(domain: DomainName, tree: Tree, limits: Limits) -> DomainFinding:
    costs = dict.fromkeys([node.term for node in tree.nodes if len(node.path) == 1], 0)
    branch = ""
    for node in tree.nodes[1:]:
        branch = node.term if len(node.path) == 1 else branch
        costs[branch] += node.record.lookups + (len(node.path) == 1)
    dearest = sorted(costs.items(), key=lambda it: (-it[1], it[0]))
    least = "at least " if tree.is_cut else ""
    sentence = f"SPF of {domain} takes {least}{tree.lookups} DNS lookups; {limits.lookups} are allowed."
    shown = some([f"{term} ({cost} lookups)" for term, cost in dearest])
    advice = f"Take terms out, or replace them by the ip4 and ip6 terms behind them{': ' + shown if shown else ''}."
    return _fails(domain, Reason.SPF_LOOKUP_LIMIT, sentence, Fix(advice, tree.owner))


def _over_void_limit(domain: DomainName, tree: Tree, limits: Limits) -> DomainFinding:
    shown = some([f"{term} in the record of {where}" for where, term in tree.void_terms])
    sentence = (
        f"SPF of {domain} has {len(tree.void_terms)} lookups that find nothing; "
        f"{limits.void_lookups} are allowed: {shown}."
    )
    own = {term for where, term in tree.void_terms if where == domain}
    if len(tree.void_terms) - len(own) > limits.void_lookups or not own:
        fix = Fix("Have those terms taken out, or their names published.", tree.owner)
    else:
        kept = [term for term in terms(tree.records[0]) if term not in own]
        fix = replacement("Take out the terms that find nothing.", tree.owner, tree.records, kept)
    return _fails(domain, Reason.SPF_VOID_LOOKUP_LIMIT, sentence, fix)


def _passes_all(domain: DomainName, tree: Tree, compiled: CompiledSpf, limits: Limits) -> Check[DomainFinding]:
    sentence = f"SPF of {domain} lets everybody pass: {size(compiled.authorised(4)):,} IPv4 addresses are authorised."
    passing = [it for it in tree.nodes[0].record.mechanisms if it.qualifier is SpfResult.PASS] if tree.nodes else []
    guilty = {it.text for it in passing if it.name == "all"}
    if not guilty:
        fix = Fix("Take out the terms that authorise so much: large networks, and includes of them.", tree.owner)
        return _fails(domain, DomainReason.SPF_PASSES_ALL, sentence, fix)
    sizes: dict[str, int] = {}
    for it in passing:  # also where nobody reads on now: it is read as soon as the all is gone
        if it.text not in guilty:
            sizes[it.text] = yield from _most(it, domain, limits)
    vast = [text for text, most in sizes.items() if most >= _EVERYBODY]
    kept = [term for term in terms(tree.records[0]) if term not in {*guilty, *vast}]
    without = f", without what lets everybody pass too: {some(vast)}" if vast else ""
    fix = replacement(f"End the record in -all{without}.", tree.owner, tree.records, [*kept, "-all"])
    if sum(sizes[term] for term in kept if term in sizes) >= _EVERYBODY:
        fix = Fix("End the record in -all, and take out most of what authorises so much.", tree.owner)
    return _fails(domain, DomainReason.SPF_PASSES_ALL, sentence, fix)


def _most(mechanism: Mechanism, domain: str, limits: Limits) -> Check[int]:
    """How many IPv4 addresses it names by itself; a host counts as one address, and macros as nobody."""
    if mechanism.network is not None:
        return mechanism.network.high - mechanism.network.low + 1 if mechanism.network.family == 4 else 0
    if mechanism.name == "include" and mechanism.target is not None and mechanism.target.letters <= {"d"}:
        included = yield from compile_spf(expand(mechanism.target, {"d": domain}), limits=limits)
        return size(included.authorised(4))
    return 1 << (32 - mechanism.prefix4) if mechanism.name in {"a", "mx"} else 0


def _hints(domain: DomainName, tree: Tree) -> list[Hint]:
    hints: list[Hint] = []
    if not tree.nodes:
        return hints
    top = tree.nodes[0].record
    last = tree.nodes[-1].record if top.redirect is not None and not top.has_all else top
    ends = [it for it in last.mechanisms if it.name == "all"]
    if not tree.is_cut and (not ends or ends[0].qualifier is SpfResult.NEUTRAL):
        sentence = f"SPF of {domain} ends in neutral: of whoever it does not name, it says nothing."
        kept = [term for term in terms(tree.records[0]) if term.lower() != "?all"]
        fix = None
        if top.redirect is None:
            fix = replacement("End the record in ~all or -all.", tree.owner, tree.records, [*kept, "~all"])
        hints.append(Hint(_CHECK, domain, DomainReason.SPF_NEUTRAL_ALL, sentence, fix))
    if asking := [it.text for node in tree.nodes for it in node.record.mechanisms if it.name == "ptr"]:
        sentence = f"SPF of {domain} uses {some(asking)}, which RFC 7208 section 5.5 says not to publish."
        hints.append(Hint(_CHECK, domain, DomainReason.SPF_PTR, sentence))
    ignored = [it.text for it in top.mechanisms[len(top.reachable) :]]
    if ignored or (top.has_all and top.redirect is not None):
        shown = some([*ignored, *([top.redirect_text] if top.redirect is not None else [])])
        sentence = f"SPF of {domain} has terms after all, which nobody reads: {shown}."
        hints.append(Hint(_CHECK, domain, DomainReason.SPF_UNREACHABLE, sentence))
    return hints
