"""Is a domain's SPF record sound (RFC 7208)? Valid, within the limits, and not open to everybody.

The rule of this file: a fault anywhere in the tree of includes is the domain's fault, for its mail suffers; the mend
is a record of its own where one helps, else it says whose record has to change.
"""

from dataclasses import dataclass

from exporter.checks.check import Check
from exporter.checks.domain import AnyReason, DomainCheckName, DomainFinding, DomainReason, Hint
from exporter.checks.names import DomainName
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import CompiledSpf
from exporter.checks.spf.macros import expand
from exporter.checks.spf.mends import merged, replacement, terms
from exporter.checks.spf.ranges import size
from exporter.checks.spf.results import LIMITS, Limits, SpfResult
from exporter.checks.spf.terms import Mechanism
from exporter.checks.spf.tree import Node, Tree, Trouble, spf_tree
from exporter.checks.verdicts import Mend, Reason, Result, some

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


def _fails(domain: str, reason: AnyReason, sentence: str, mend: Mend) -> DomainFinding:
    return DomainFinding(_CHECK, Result.FAIL, domain, reason, sentence, mend)


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
        return _fails(domain, reason, sentence, Mend(f"Have the record of {trouble.domain} put right.", trouble.domain))
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
        mend = Mend(f"Have the record of {where} put right.", where)
    else:
        kept = [term for term in terms(tree.records[0]) if term != node.term]
        mend = replacement("Take the term out.", tree.owner, tree.records, kept)
    return _fails(domain, DomainReason.SPF_LOOP, sentence, mend)


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
    return _fails(domain, Reason.SPF_LOOKUP_LIMIT, sentence, Mend(advice, tree.owner))


def _over_void_limit(domain: DomainName, tree: Tree, limits: Limits) -> DomainFinding:
    shown = some([f"{term} in the record of {where}" for where, term in tree.void_terms])
    sentence = (
        f"SPF of {domain} has {len(tree.void_terms)} lookups that find nothing; "
        f"{limits.void_lookups} are allowed: {shown}."
    )
    own = {term for where, term in tree.void_terms if where == domain}
    if len(tree.void_terms) - len(own) > limits.void_lookups or not own:
        mend = Mend("Have those terms taken out, or their names published.", tree.owner)
    else:
        kept = [term for term in terms(tree.records[0]) if term not in own]
        mend = replacement("Take out the terms that find nothing.", tree.owner, tree.records, kept)
    return _fails(domain, Reason.SPF_VOID_LOOKUP_LIMIT, sentence, mend)


def _passes_all(domain: DomainName, tree: Tree, compiled: CompiledSpf, limits: Limits) -> Check[DomainFinding]:
    sentence = f"SPF of {domain} lets everybody pass: {size(compiled.authorised(4)):,} IPv4 addresses are authorised."
    passing = [it for it in tree.nodes[0].record.mechanisms if it.qualifier is SpfResult.PASS] if tree.nodes else []
    guilty = {it.text for it in passing if it.name == "all"}
    if not guilty:
        mend = Mend("Take out the terms that authorise so much: large networks, and includes of them.", tree.owner)
        return _fails(domain, DomainReason.SPF_PASSES_ALL, sentence, mend)
    sizes: dict[str, int] = {}
    for it in passing:  # also where nobody reads on now: it is read as soon as the all is gone
        if it.text not in guilty:
            sizes[it.text] = yield from _most(it, domain, limits)
    vast = [text for text, most in sizes.items() if most >= _EVERYBODY]
    kept = [term for term in terms(tree.records[0]) if term not in {*guilty, *vast}]
    without = f", without what lets everybody pass too: {some(vast)}" if vast else ""
    mend = replacement(f"End the record in -all{without}.", tree.owner, tree.records, [*kept, "-all"])
    if sum(sizes[term] for term in kept if term in sizes) >= _EVERYBODY:
        mend = Mend("End the record in -all, and take out most of what authorises so much.", tree.owner)
    return _fails(domain, DomainReason.SPF_PASSES_ALL, sentence, mend)


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
        mend = None
        if top.redirect is None:
            mend = replacement("End the record in ~all or -all.", tree.owner, tree.records, [*kept, "~all"])
        hints.append(Hint(_CHECK, domain, DomainReason.SPF_NEUTRAL_ALL, sentence, mend))
    if asking := [it.text for node in tree.nodes for it in node.record.mechanisms if it.name == "ptr"]:
        sentence = f"SPF of {domain} uses {some(asking)}, which RFC 7208 section 5.5 says not to publish."
        hints.append(Hint(_CHECK, domain, DomainReason.SPF_PTR, sentence))
    ignored = [it.text for it in top.mechanisms[len(top.reachable) :]]
    if ignored or (top.has_all and top.redirect is not None):
        shown = some([*ignored, *([top.redirect_text] if top.redirect is not None else [])])
        sentence = f"SPF of {domain} has terms after all, which nobody reads: {shown}."
        hints.append(Hint(_CHECK, domain, DomainReason.SPF_UNREACHABLE, sentence))
    return hints
