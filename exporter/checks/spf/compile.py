"""Evaluates an SPF record for all addresses at once (RFC 7208), so that a pool costs one evaluation.

The steps are those of `exporter.checks.spf.evaluate`, in the same order, with a set of addresses in place of one.
A term removes the addresses that it matches. The limits count the lookups that an address has passed, so addresses are
grouped by these counts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from exporter.checks.answers import Answer, Question, RRType, Status
from exporter.checks.check import Check, parallel
from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import BITS, CompiledSpf, OpenTerm, Range, RangeMap, Remaining
from exporter.checks.spf.macros import MacroString, expand, name_of
from exporter.checks.spf.results import LIMITS, Limits, Outcome, SpfResult
from exporter.checks.spf.terms import (
    Mechanism,
    SpfRecord,
    block,
    matched,
    near_misses,
    no_name,
    no_target,
    nothing_matches,
    only_record,
    spf_records,
    too_many_exchanges,
    too_many_lookups,
    too_many_void_lookups,
    unanswered,
)

State = tuple[int, int]
"""The lookups and void lookups that an address has passed."""

Decided = tuple[int, int, State, Outcome | None]
"""A range, its counts, and its outcome; None if that depends on more than the address."""

Undecided = dict[State, Remaining]

_ENUMERABLE = frozenset("d")
"""The only macro with the same value for every message: the domain of the record."""

TERM_LIMIT = 60
"""The number of terms that are followed into the DNS, for one family. A record within the limits has ten at most.
Addresses beyond it are left to `exporter.checks.spf.evaluate`."""

RANGE_LIMIT = 10_000
"""The number of ranges that the answers of a record may have, for one family: they are taken in one step, which may
not block the event loop. From the term that exceeds it on, addresses are left to `exporter.checks.spf.evaluate`."""

_FINAL = frozenset({SpfResult.TEMPERROR, SpfResult.PERMERROR})


def compile_spf(domain: str, *, limits: Limits = LIMITS) -> Check[CompiledSpf]:
    """The outcomes that `spf` would have for *domain*, for all addresses of both families."""
    four, six = _Compilation(4, limits), _Compilation(6, limits)
    maps = yield from parallel([four.run(domain), six.run(domain)])
    terms = tuple(dict.fromkeys([*four.open_terms, *six.open_terms]))
    return CompiledSpf(domain, maps[0], maps[1], terms, four.owner, four.records)


@dataclass(slots=True)
class _Compilation:
    """The evaluation for all addresses of one family.

    Attributes:
        family: 4 or 6.
        limits: the lookups that are allowed.
        open_terms: terms that ranges cannot express, so far.
        owner: the name that has the first record.
        records: the SPF records at *owner*.
        followed: the terms that asked the DNS so far.
        ranges: the number of ranges that their answers had.
    """

    family: Literal[4, 6]
    limits: Limits
    open_terms: list[OpenTerm] = field(default_factory=list)
    owner: str = ""
    records: tuple[bytes, ...] = ()
    followed: int = 0
    ranges: int = 0

    def run(self, domain: str) -> Check[RangeMap]:
        """Find the outcome of every address."""
        everything: Undecided = {(0, 0): Remaining([(0, (1 << BITS[self.family]) - 1)])}
        decided = yield from self._check_host(domain, everything, top=True)
        return RangeMap([(low, high, outcome) for low, high, _, outcome in decided])

    def _check_host(self, domain: str, undecided: Undecided, *, top: bool = False) -> Check[list[Decided]]:
        name = name_of(domain)
        if name is None or not name.is_qualified or domain.startswith("["):
            return _decide_all(undecided, no_name(domain))
        question = Question(name, "TXT")
        (answer,) = yield [question]
        if not answer.is_conclusive:
            return _decide_all(undecided, unanswered(question, answer))
        records = spf_records(answer.texts)
        if top:
            self.owner, self.records = str(answer.owner(name)), records or near_misses(answer.texts)
        read = only_record(name, answer, records)
        if isinstance(read, Outcome):
            return _decide_all(undecided, read)
        return (yield from self._evaluate(read, domain, undecided))

    def _evaluate(self, record: SpfRecord, domain: str, undecided: Undecided) -> Check[list[Decided]]:
        decided: list[Decided] = []
        for mechanism in record.mechanisms:
            if not any(undecided.values()):
                return decided
            if mechanism.name == "all":
                return decided + _decide_all(undecided, matched(mechanism, domain))
            if mechanism.network is not None:
                family, low, high = mechanism.network
                if family == self.family:
                    _decide(decided, undecided, [(low, high)], matched(mechanism, domain))
            else:
                yield from self._lookup(mechanism, domain, undecided, decided)
        if record.redirect is None:
            return decided + _decide_all(undecided, nothing_matches(domain))
        return decided + (yield from self._redirect(record, record.redirect, domain, undecided))

    def _redirect(
        self, record: SpfRecord, redirect: MacroString, domain: str, undecided: Undecided
    ) -> Check[list[Decided]]:
        decided: list[Decided] = []
        self._count_lookup(record.redirect_text, domain, undecided, decided)
        if not any(undecided.values()):
            return decided
        target = self._target(redirect, domain)
        self.followed += 1
        if target is None or self.followed > TERM_LIMIT:
            self.open_terms.append(OpenTerm(domain, record.redirect_text))
            return decided + _decide_all(undecided, None)
        for low, high, state, outcome in (yield from self._check_host(target, undecided)):
            if outcome is not None and outcome.result is SpfResult.NONE:
                outcome = no_target(record.redirect_text, domain, target)
            decided.append((low, high, state, outcome))
        return decided

    def _lookup(self, mechanism: Mechanism, domain: str, undecided: Undecided, decided: list[Decided]) -> Check[None]:
        """Take a mechanism that asks the DNS."""
        self._count_lookup(mechanism.text, domain, undecided, decided)
        if not any(undecided.values()):
            return
        target = domain if mechanism.target is None else self._target(mechanism.target, domain)
        self.followed += 1
        if target is None or mechanism.name == "ptr" or self.followed > TERM_LIMIT:
            self.open_terms.append(OpenTerm(domain, mechanism.text))
            decided += _decide_all(undecided, None)
            return
        if mechanism.name == "include":
            yield from self._include(mechanism, domain, target, undecided, decided)
            return
        name = name_of(target)
        if name is None:
            return
        if mechanism.name == "mx":
            yield from self._mx(mechanism, domain, name, undecided, decided)
            return
        rdtype: RRType = "A" if mechanism.name == "exists" or self.family == 4 else "AAAA"
        question = Question(name, rdtype)
        (answer,) = yield [question]
        self._take_hosts(mechanism, domain, question, answer, undecided, decided)

    def _include(
        self, mechanism: Mechanism, domain: str, target: str, undecided: Undecided, decided: list[Decided]
    ) -> Check[None]:
        inner = yield from self._check_host(target, undecided)
        onward: dict[State, list[Range]] = {}
        for low, high, state, outcome in inner:
            if outcome is None or outcome.result in _FINAL:
                decided.append((low, high, state, outcome))
            elif outcome.result is SpfResult.NONE:
                decided.append((low, high, state, no_target(mechanism.text, domain, target)))
            elif outcome.result is SpfResult.PASS:
                decided.append((low, high, state, matched(mechanism, domain)))
            else:
                onward.setdefault(state, []).append((low, high))
        undecided.clear()
        undecided.update({state: Remaining(ranges) for state, ranges in onward.items()})

    def _mx(
        self, mechanism: Mechanism, domain: str, name: DomainName, undecided: Undecided, decided: list[Decided]
    ) -> Check[None]:
        question = Question(name, "MX")
        (answer,) = yield [question]
        if not answer.is_conclusive:
            decided += _decide_all(undecided, unanswered(question, answer))
            return
        self._count_void(answer, mechanism.text, domain, undecided, decided)
        count = len(answer.exchanges)
        if count > self.limits.exchanges:
            decided += _decide_all(undecided, too_many_exchanges(mechanism.text, domain, count, self.limits))
            return
        hosts = dict.fromkeys([it.exchange for it in answer.exchanges if it.exchange != "."])
        questions = [Question(host, "A" if self.family == 4 else "AAAA") for host in hosts]
        if not questions or not any(undecided.values()):
            return
        answers = yield questions
        for asked, found in zip(questions, answers, strict=True):
            self._take_hosts(mechanism, domain, asked, found, undecided, decided)

    def _take_hosts(
        self,
        mechanism: Mechanism,
        domain: str,
        question: Question,
        answer: Answer,
        undecided: Undecided,
        decided: list[Decided],
    ) -> None:
        """Remove the addresses that an answer covers; all that are left if there is no answer, or a too long one."""
        if not answer.is_conclusive:
            decided += _decide_all(undecided, unanswered(question, answer))
            return
        self._count_void(answer, mechanism.text, domain, undecided, decided)
        if mechanism.name == "exists":
            if answer.status is Status.ANSWER:
                decided += _decide_all(undecided, matched(mechanism, domain))
            return
        host_bits = 32 - mechanism.prefix4 if self.family == 4 else 128 - mechanism.prefix6
        blocks = {block(int.from_bytes(it.packed, "big"), host_bits) for it in answer.addresses}
        self.ranges += len(blocks)
        if self.ranges > RANGE_LIMIT:
            self.open_terms.append(OpenTerm(domain, mechanism.text))
            decided += _decide_all(undecided, None)
            return
        _decide(decided, undecided, sorted(blocks), matched(mechanism, domain))

    def _target(self, text: MacroString, domain: str) -> str | None:
        """The name that a term asks for; None if it differs between messages."""
        return expand(text, {"d": domain.removesuffix(".")}) if text.letters <= _ENUMERABLE else None

    def _count_lookup(self, term: str, domain: str, undecided: Undecided, decided: list[Decided]) -> None:
        over = _count(undecided, (1, 0), lambda state: state[0] > self.limits.lookups)
        decided += _decide_all(over, too_many_lookups(term, domain, self.limits))

    def _count_void(self, answer: Answer, term: str, domain: str, undecided: Undecided, decided: list[Decided]) -> None:
        if answer.status.is_negative:
            over = _count(undecided, (0, 1), lambda state: state[1] > self.limits.void_lookups)
            decided += _decide_all(over, too_many_void_lookups(term, domain, self.limits))


def _count(undecided: Undecided, more: State, over: Callable[[State], bool]) -> Undecided:
    """Add to the counts of every group; remove and return the groups over the limit."""
    counted = {(state[0] + more[0], state[1] + more[1]): remaining for state, remaining in undecided.items()}
    undecided.clear()
    undecided.update({state: remaining for state, remaining in counted.items() if not over(state)})
    return {state: remaining for state, remaining in counted.items() if over(state)}


def _decide(decided: list[Decided], undecided: Undecided, ranges: Iterable[Range], outcome: Outcome) -> None:
    for low, high in ranges:
        for state, remaining in undecided.items():
            decided += [(*taken, state, outcome) for taken in remaining.take(low, high)]


def _decide_all(undecided: Undecided, outcome: Outcome | None) -> list[Decided]:
    return [(low, high, state, outcome) for state, remaining in undecided.items() for low, high in remaining.take_all()]
