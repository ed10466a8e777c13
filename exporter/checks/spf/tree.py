"""Everything that an SPF record leads to: its includes and redirects, read once each, and what they cost.

The rule of this file: it reads the whole tree as if nothing ever matched, so its counts are the most that any address
can meet; and it stops at a bounded number of lookups, however the records are woven.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Check
from exporter.checks.names import DomainName
from exporter.checks.spf.macros import MacroString, expand, name_of
from exporter.checks.spf.outcomes import no_target, only_record, too_many_exchanges, unanswered
from exporter.checks.spf.results import LIMITS, Outcome, SpfResult
from exporter.checks.spf.terms import Mechanism, SpfRecord, spf_records

TERM_LIMIT = 50
"""How many terms are followed into the DNS. Ten are allowed, so a tree of this size is long since wrong."""

TROUBLE_LIMIT = 10
"""How many troubles of a kind are told; who mends these is told the next."""


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
