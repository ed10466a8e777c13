"""Evaluates SPF for one address (check_host() of RFC 7208 section 4), and makes findings and fixes of the result.

Answers are read in a fixed order, even where they were asked for together, and the first missing answer ends the
evaluation. So an outage can only withhold a result. The one exception, which RFC 7208 section 5.5 demands, is recorded
as `SpfVerdict.unanswered_ptr`.
"""

from dataclasses import dataclass, field
from typing import NoReturn

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, RRType, Status
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, unknown
from exporter.checks.spf.compiled import CompiledSpf
from exporter.checks.spf.fixes import authorising
from exporter.checks.spf.macros import MacroString, dotted, expand, name_of, parse_macros
from exporter.checks.spf.results import LIMITS, Explain, Identity, Limits, Outcome, SpfResult, SpfVerdict, Step
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


class Ended(Exception):  # noqa: N818  # no error: the RFC's "check_host() immediately returns"
    """The evaluation is over: a temperror or permerror, whatever record it happened in."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


def spf(
    address: Address,
    identity: Identity,
    domain: str,
    *,
    sender: str = "",
    helo: str = "",
    limits: Limits = LIMITS,
    explain: Explain | None = None,
) -> Check[SpfVerdict]:
    """Evaluate the SPF record of *domain* for *address*.

    *domain* is the client's HELO name, or the part of its MAIL FROM after the @. Any text is allowed; one that cannot
    have a record results in ``none`` (section 4.3). *sender* is the whole mailbox, by default the domain's postmaster.
    *helo* is the value of the macro ``%{h}``. With *explain*, one more question asks for the explanation of a fail.
    """
    run = _Evaluation(address, sender or f"postmaster@{domain}", helo or domain, limits)
    try:
        outcome = yield from run.check_host(domain, 0)
    except Ended as ended:
        outcome = ended.outcome
    explanation = None
    if explain is not None and outcome.result is SpfResult.FAIL and run.explaining is not None:
        explanation = yield from run.explanation(run.explaining[0], run.explaining[1], explain)
    return SpfVerdict(
        identity,
        domain,
        outcome,
        trace=tuple(run.trace),
        lookups=run.lookups,
        void_lookups=run.void_lookups,
        owner=run.owner,
        records=run.records,
        unanswered_ptr=run.unanswered_ptr,
        explanation=explanation,
    )


@dataclass(slots=True)
class _Evaluation:
    """One evaluation that is under way.

    Attributes:
        address: the client's address.
        sender: the mailbox in MAIL FROM, for macros.
        helo: the HELO name, for macros.
        limits: the lookups that are allowed.
        lookups: the terms so far that asked the DNS.
        void_lookups: the questions so far that were answered with NXDOMAIN or NODATA.
        owner: the name that has the first record.
        records: the SPF records at *owner*; if there is none, the texts that were meant to be one.
        unanswered_ptr: why PTR names are missing that a ``ptr`` or ``%{p}`` needs.
        explaining: the ``exp`` of the record that matched, and its domain.
        trace: the terms so far, in order.
    """

    address: Address
    sender: str
    helo: str
    limits: Limits
    lookups: int = 0
    void_lookups: int = 0
    owner: str = ""
    records: tuple[bytes, ...] = ()
    unanswered_ptr: Status | None = None
    explaining: tuple[MacroString, str] | None = None
    trace: list[Step] = field(default_factory=list)

    def check_host(self, domain: str, depth: int) -> Check[Outcome]:
        """Evaluate one domain's record; the result may be none. Errors end the whole evaluation."""
        name = name_of(domain)
        if name is None or not name.is_qualified or domain.startswith("["):
            return no_name(domain)
        answer = yield from self._ask(name, "TXT")
        records = spf_records(answer.texts)
        if not self.owner:  # a redirect leads to a record of another domain
            self.owner, self.records = str(answer.owner(name)), records or near_misses(answer.texts)
        read = only_record(name, answer, records)
        if isinstance(read, Outcome):
            if read.result is SpfResult.NONE:
                return read
            self._end(read)
        return (yield from self._evaluate(read, domain, depth))

    def _evaluate(self, record: SpfRecord, domain: str, depth: int) -> Check[Outcome]:
        for mechanism in record.mechanisms:
            found = yield from self._traced(mechanism, domain, depth)
            if found:
                self.explaining = (record.exp, domain) if record.exp is not None else None
                return matched(mechanism, domain)
        if record.redirect is None:
            return nothing_matches(domain)
        return (yield from self._redirect(record, domain, depth))

    def _redirect(self, record: SpfRecord, domain: str, depth: int) -> Check[Outcome]:
        assert record.redirect is not None  # noqa: S101  # for mypy
        self._count_lookup(record.redirect_text, domain)
        target = yield from self._expand(record.redirect, domain)
        self._note(depth, domain, record.redirect_text, "redirect", target)
        outcome = yield from self.check_host(target, depth)
        if outcome.result is SpfResult.NONE:
            self._end(no_target(record.redirect_text, domain, target))
        return outcome

    def _traced(self, mechanism: Mechanism, domain: str, depth: int) -> Check[bool]:
        try:
            found, detail = yield from self._matches(mechanism, domain, depth)
        except Ended as ended:
            self._note(depth, domain, mechanism.text, ended.outcome.result, ended.outcome.why)
            raise
        self._note(depth, domain, mechanism.text, "match" if found else "no match", detail)
        return found

    def _matches(self, mechanism: Mechanism, domain: str, depth: int) -> Check[tuple[bool, str]]:
        """Whether a mechanism matches the address, and what was compared."""
        name = mechanism.name
        if name == "all":
            return True, ""
        if mechanism.network is not None:
            family, low, high = mechanism.network
            packed = self.address.packed
            return family == self.address.family and low <= int.from_bytes(packed, "big") <= high, ""
        self._count_lookup(mechanism.text, domain)
        target = domain if mechanism.target is None else (yield from self._expand(mechanism.target, domain))
        match name:
            case "include":
                return (yield from self._include(mechanism, domain, target, depth))
            case "ptr":
                names, detail = yield from self._validated_names(mechanism.text, domain)
                wanted = name_of(target)
                return wanted is not None and any(found.is_under(wanted) for found in names), detail
        asked = name_of(target)
        if asked is None:
            return False, f"{target} cannot be in the DNS"
        match name:
            case "exists":
                answer = yield from self._ask(asked, "A")
                self._count_void(answer, mechanism.text, domain)
                return answer.status is Status.ANSWER, f"{asked} A: {answer.status}"
            case "a":
                answer = yield from self._ask(asked, self.address.rdtype)
                self._count_void(answer, mechanism.text, domain)
                return self._covers(answer, mechanism), f"{asked} {self.address.rdtype}: {_shown(answer)}"
        return (yield from self._mx(mechanism, domain, asked))

    def _include(self, mechanism: Mechanism, domain: str, target: str, depth: int) -> Check[tuple[bool, str]]:
        outcome = yield from self.check_host(target, depth + 1)
        if outcome.result is SpfResult.NONE:
            self._end(no_target(mechanism.text, domain, target))
        self.explaining = None  # section 6.2: never the included domain's
        return outcome.result is SpfResult.PASS, f"{target}: {outcome.result}"

    def _mx(self, mechanism: Mechanism, domain: str, asked: DomainName) -> Check[tuple[bool, str]]:
        answer = yield from self._ask(asked, "MX")
        self._count_void(answer, mechanism.text, domain)
        hosts = list(dict.fromkeys([it.exchange for it in answer.exchanges if it.exchange != "."]))
        if len(answer.exchanges) > self.limits.exchanges:
            self._end(too_many_exchanges(mechanism.text, domain, len(answer.exchanges), self.limits))
        questions = [Question(host, self.address.rdtype) for host in hosts]
        answers = (yield questions) if questions else ()
        for question, found in zip(questions, answers, strict=True):
            if not found.is_conclusive:
                self._end(unanswered(question, found))
            self._count_void(found, mechanism.text, domain)
            if self._covers(found, mechanism):
                return True, f"{question}: {_shown(found)}"
        return False, f"{asked} MX: {answer.status}, {len(hosts)} hosts"

    def _covers(self, answer: Answer, mechanism: Mechanism) -> bool:
        four = self.address.family == 4
        host_bits = 32 - mechanism.prefix4 if four else 128 - mechanism.prefix6
        mine = block(int.from_bytes(self.address.packed, "big"), host_bits)
        return any(block(int.from_bytes(it.packed, "big"), host_bits) == mine for it in answer.addresses)

    def _validated_names(self, term: str, domain: str) -> Check[tuple[list[DomainName], str]]:
        """The PTR names that resolve back to the address (section 5.5), sorted, without unanswered ones."""
        pointer = Question(self.address.reverse_name, "PTR")
        (ptr,) = yield [pointer]
        if not ptr.is_conclusive:
            self.unanswered_ptr = ptr.status
            return [], f"{pointer}: {ptr.status}"
        self._count_void(ptr, term, domain)
        names = ptr.names[: self.limits.ptr_names]
        answers = (yield [Question(name, self.address.rdtype) for name in names]) if names else ()
        valid = []
        for name, answer in zip(names, answers, strict=True):
            if not answer.is_conclusive:
                self.unanswered_ptr = answer.status
                continue
            self._count_void(answer, term, domain)
            if self.address in answer.records:
                valid.append(name)
        limit = f" of the first {len(names)} of {len(ptr.names)}" if len(ptr.names) > len(names) else ""
        return valid, f"validated names: {', '.join(valid) or 'none'}{limit}"

    def _expand(self, text: MacroString, domain: str, explain: Explain | None = None) -> Check[str]:
        letters = text.letters
        if not letters:
            return expand(text, {})
        local, at, sender_domain = self.sender.rpartition("@")
        values = {
            "s": self.sender if local else f"postmaster@{sender_domain}",
            "l": local or "postmaster",
            "o": sender_domain if at else self.sender,
            "d": domain.removesuffix("."),
            "i": dotted(self.address),
            "v": "in-addr" if self.address.family == 4 else "ip6",
            "h": self.helo,
            "p": "unknown",
        }
        if explain is not None:
            values |= {"c": str(self.address), "r": explain.receiver, "t": str(explain.now)}
        if "p" in letters:
            names, _ = yield from self._validated_names("%{p}", domain)
            own = name_of(domain)
            rank = sorted(names, key=lambda it: (it != own, own is None or not it.is_under(own), it))
            values["p"] = rank[0] if rank else "unknown"
        return expand(text, values)

    def explanation(self, exp: MacroString, domain: str, explain: Explain) -> Check[str | None]:
        """The domain's text for a fail (section 6.2); None if there is no usable one."""
        try:
            target = name_of((yield from self._expand(exp, domain)))
            if target is None:
                return None
            (answer,) = yield [Question(target, "TXT")]
            if len(answer.texts) != 1 or not answer.texts[0].isascii():
                return None
            text = parse_macros(answer.texts[0].decode("ascii"), explaining=True)
            return None if text is None else (yield from self._expand(text, domain, explain))
        except Ended:  # a %{p} over the limit of void lookups: no explanation, the same result
            return None

    def _ask(self, name: DomainName, rdtype: RRType) -> Check[Answer]:
        question = Question(name, rdtype)
        (answer,) = yield [question]
        if not answer.is_conclusive:
            self._end(unanswered(question, answer))
        return answer

    def _count_lookup(self, term: str, domain: str) -> None:
        self.lookups += 1
        if self.lookups > self.limits.lookups:
            self._end(too_many_lookups(term, domain, self.limits))

    def _count_void(self, answer: Answer, term: str, domain: str) -> None:
        if answer.status.is_negative:
            self.void_lookups += 1
            if self.void_lookups > self.limits.void_lookups:
                self._end(too_many_void_lookups(term, domain, self.limits))

    def _note(self, depth: int, domain: str, term: str, outcome: str, detail: str) -> None:
        self.trace.append(Step(depth, domain, term, outcome, detail, self.lookups, self.void_lookups))

    def _end(self, outcome: Outcome) -> NoReturn:
        raise Ended(outcome)


def _shown(answer: Answer) -> str:
    return ", ".join(map(str, answer.addresses[:3])) or str(answer.status)


def spf_helo(address: Address, helo: HeloName, *, limits: Limits = LIMITS) -> Check[SpfVerdict]:
    """Evaluate the HELO identity (RFC 7208 section 2.3); a name that is no domain name has the result none."""
    return (yield from spf(address, "helo", helo.text, helo=helo.text, limits=limits))


def spf_mailfrom(address: Address, mail_from: str, *, helo: str = "", limits: Limits = LIMITS) -> Check[SpfVerdict]:
    """Evaluate the MAIL FROM identity (section 2.4); *mail_from* is a mailbox, or a domain for its postmaster."""
    _, at, domain = mail_from.rpartition("@")
    return (yield from spf(address, "mailfrom", domain, sender=mail_from if at else "", helo=helo, limits=limits))


def spf_finding(check: CheckName, address: Address, verdict: SpfVerdict) -> Finding:
    """The finding of one evaluation; its subject is the domain. Every result other than pass is a fail or unknown."""
    if verdict.unanswered_ptr is not None and verdict.result is not SpfResult.TEMPERROR:
        sentence = (
            f"SPF of {verdict.domain} for {address} is {verdict.result} if its ptr term does not match, "
            f"but a question about the PTR names got no answer ({verdict.unanswered_ptr})."
        )
        return unknown(check, verdict.domain, Reason.of(verdict.unanswered_ptr), sentence)
    return _finding(check, address, verdict.domain, verdict.outcome, verdict.owner, verdict.records)


def compiled_finding(check: CheckName, address: Address, compiled: CompiledSpf) -> Finding | None:
    """The same finding, from a compiled record; None if the address has to be evaluated."""
    outcome = compiled.outcome(address)
    if outcome is None:
        return None
    return _finding(check, address, compiled.domain, outcome, compiled.owner, compiled.records)


def _finding(
    check: CheckName, address: Address, domain: str, outcome: Outcome, owner: str, records: tuple[bytes, ...]
) -> Finding:
    result, reason, why = outcome
    if result is SpfResult.PASS:
        return Finding(check, Result.PASS, domain)
    sentence = f"SPF of {domain} for {address} is {result}, not pass: {why}."
    if result is SpfResult.TEMPERROR:
        return unknown(check, domain, reason, sentence)
    if not owner:
        fix = Fix("Make the server use a qualified domain name, for which an SPF record can be published.")
        return Finding(check, Result.FAIL, domain, reason, sentence, fix)
    limited = reason in {Reason.SPF_LOOKUP_LIMIT, Reason.SPF_VOID_LOOKUP_LIMIT, Reason.SPF_MX_LIMIT}
    advice = "Correct the record. Until then, name the address first, as below." if limited else ""
    fix = authorising(
        address, owner, records, advice=advice, why=why, host="a" if check is CheckName.SPF_HELO else "mx"
    )
    return Finding(check, Result.FAIL, domain, reason, sentence, fix)
