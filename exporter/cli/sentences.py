"""What `check` says, in words that text and Markdown share.

The rule of this file: plain text in, plain text out; whatever came from the DNS is printable ASCII when it leaves.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from exporter.checks.answers import Answer, Question, Status, error_name
from exporter.checks.check import Evidence
from exporter.checks.examination import owner_of
from exporter.checks.names import DomainName
from exporter.checks.receivers import ReceiverResult, ReceiverVerdict, by_design
from exporter.checks.result import CheckName, Finding, Fix, Result
from exporter.checks.spf.results import SpfVerdict
from exporter.checks.zone_cut import ReverseZones, ZoneCut
from exporter.cli.examination import Examined
from exporter.cli.subjects import DomainExamined, NameExamined, Overall
from exporter.cli.trace import Delegation
from exporter.views.documents import moment, printable, records_of

_OPENING = re.compile(r"(the|no|neither|nothing|none) ")
"""What a sentence may be capitalised at: a name at its beginning keeps its letters."""


def headline(one: Examined) -> str:
    """The outcome in one line."""
    target = one.subject.target
    helo = ", ".join(f"HELO {helo}" for helo in target.helos) or "no HELO name"
    return f"{target.address}, {helo}: {outcome(one)}"


def outcome(one: Examined) -> str:
    """What it comes to, and by which checks."""
    match one.overall:
        case Overall.PASS:
            return "pass"
        case Overall.FINDING:
            odd = ["name servers contradict each other"] if any(it.is_contradictory for it in one.traces) else []
            which = ", ".join([*one.failing(), *_failing_spf(one), *odd])
            return f"FAIL ({which})"
        case _:
            which = ", ".join(one.failing(Result.UNKNOWN)) or "spf"
            return f"not known ({which})"


def _failing_spf(one: Examined) -> list[str]:
    verdicts = [verdict for several in one.examination.spf for verdict in several]
    wrong = [it for it in verdicts if one.was_given(it) and it.result not in ("pass", "temperror")]
    return ["spf of MAIL FROM"] if wrong else []


def held_to(one: Examined) -> str:
    """What was expected of it, and why."""
    subject = one.subject
    if subject.pool is not None:
        return f"Held to what the pool {subject.pool} expects (profile {subject.profile})."
    return f"In no pool of the configuration, so held to the profile {subject.profile}."


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings that say the same: *checks* come to *result* for the same cause."""

    checks: tuple[CheckName, ...]
    result: Result
    is_expected: bool
    reason: str
    sentence: str
    fix: Fix | None


def passing(one: Examined | NameExamined) -> list[str]:
    """The checks that pass for every HELO name."""
    worst: dict[CheckName, bool] = {}
    for finding in one.examination.report.findings:
        worst[finding.check] = worst.get(finding.check, True) and finding.result is Result.PASS
    return [check.value for check, passes in worst.items() if passes]


def finding_groups(one: Examined | NameExamined) -> list[FindingGroup]:
    """What does not pass: what is expected first, fails before unknowns."""
    expect = one.subject.expect
    wrong = [finding for finding in one.examination.report.findings if finding.result is not Result.PASS]

    def key(finding: Finding) -> tuple[bool, bool, str, str]:
        is_unexpected = finding.check not in expect
        return is_unexpected, finding.result is Result.UNKNOWN, finding.sentence, str(finding.fix)

    order = {key(finding): place for place, finding in reversed(list(enumerate(wrong)))}
    wrong.sort(key=lambda finding: (*key(finding)[:2], order[key(finding)]))
    groups = []
    for (is_unexpected, *_), some in groupby(wrong, key):
        findings = list(some)
        first = findings[0]
        checks = tuple(dict.fromkeys(finding.check for finding in findings))
        reason = first.reason.value if first.reason is not None else ""
        groups.append(FindingGroup(checks, first.result, not is_unexpected, reason, first.sentence, first.fix))
    return groups


@dataclass(frozen=True, slots=True)
class Publishing:
    """What to publish in one zone: *where* says who runs it; *lines* are for its file, *instead_of* have to go."""

    where: str
    lines: tuple[str, ...]
    instead_of: tuple[str, ...]


def publishings(one: Examined | NameExamined | DomainExamined, fix: Fix) -> Iterator[Publishing]:
    """The lines of a fix, by the zone that they go into."""
    zones = one.examination.zones

    def where(line: str) -> str:
        cut = zones.get(owner_of(line))
        return "" if cut is None else zone_words(cut)

    for place, lines in groupby(fix.records, where):
        mine = tuple(lines)
        owners = {owner_of(line) for line in mine}
        yield Publishing(place, mine, tuple(line for line in fix.replaces if owner_of(line) in owners))
    if not fix.records and fix.replaces:
        yield Publishing(where(fix.replaces[0]), (), fix.replaces)


def zone_words(cut: ZoneCut) -> str:
    """The zone, and who runs it."""
    if cut.zone is None:
        silent = f" ({cut.unanswered[0]}: {cut.unanswered[1]})" if cut.unanswered is not None else ""
        return f"a zone that could not be found{silent}"
    who = cut.mailbox or (f"RNAME {cut.soa.rname}" if cut.soa is not None else "")
    servers = f", on {', '.join(cut.servers)}" if cut.servers else ""
    zone = zone_name(cut.zone)
    if cut.unanswered is not None:
        name, status = cut.unanswered
        return f"a zone that does not answer ({name}: {status}), below {zone}, run by {who}{servers}"
    return f"{zone}, run by {who}{servers}"


def zone_name(zone: DomainName) -> str:
    """A zone as sentences call it."""
    return "the root zone" if zone == "." else f"the zone {zone}"


def delegation_words(delegation: Delegation) -> Iterator[tuple[str, str]]:
    """What the parent's servers say, and what does not fit, a line each: its kind (good, bad, open), and the words."""
    for helo in delegation.servers:
        yield "good" if helo.answer.is_conclusive else "open", f"{helo}: {answer_words(helo.answer)}"
    for sentence in delegation.differences:
        yield "bad", sentence
    if delegation.names and not delegation.differences:
        yield "good", "To the servers that the zone itself lists."


def responsibility(zones: ReverseZones) -> list[str]:
    """Who runs the PTR records, in sentences."""
    sentences = [f"{zones.owner} is in {zone_words(zones.cut)}."]
    if zones.delegating is not None:
        reverse = zones.address.reverse_name
        is_same = zones.cut.is_certain and zones.delegating.zone == zones.cut.zone
        where = "the same zone" if is_same else zone_words(zones.delegating)
        sentences.append(f"{reverse} leads there by CNAME (RFC 2317), and is in {where}.")
    return sentences


@dataclass(frozen=True, slots=True)
class ReceiverLine:
    """What one receiver does, and whether the sender means it so."""

    verdict: ReceiverVerdict
    is_by_design: bool

    @property
    def is_refusal(self) -> bool:
        """Whether it refuses, for all that is known."""
        return self.verdict.result is not ReceiverResult.ACCEPT

    @property
    def why(self) -> str:
        """The cause of a refusal, as a sentence; whether it is by design."""
        why = self.verdict.sentence.partition(": ")[2]
        design = " Nothing that is expected here would satisfy it." if self.is_by_design else ""
        begins = why[:1].upper() + why[1:] if _OPENING.match(why) else why
        return f"{begins}{design}"

    @property
    def word(self) -> str:
        """The outcome in a word or two."""
        verdict = self.verdict
        code = f" {verdict.code}" if verdict.code else ""
        design = ", by design" if self.is_by_design else ""
        share = f" ({verdict.share:.0%} accepted)" if 0 < verdict.share < 1 else ""
        return f"{verdict.result}{code}{share}{design}"


def receiver_lines(one: Examined, verdicts: Sequence[ReceiverVerdict]) -> list[ReceiverLine]:
    """The receivers that refuse first, those that do so by design after the others."""
    lines = [ReceiverLine(verdict, by_design(verdict, one.subject.expect)) for verdict in verdicts]
    return sorted(lines, key=lambda line: (not line.is_refusal, line.is_by_design))


def spf_words(verdict: SpfVerdict) -> str:
    """One evaluation in a sentence."""
    return f"{verdict.identity} {printable(verdict.domain)}: {verdict.result}, {printable(verdict.outcome.why)}."


def shown_evidence(one: Examined) -> list[tuple[Question, Answer]]:
    """The answers that a person wants to see: of the walk to a zone cut, only its end, and errors on the way."""
    reverse = one.examination.reverse
    cuts = [reverse.cut, reverse.delegating, *one.examination.zones.values()]
    zones = {cut.zone for cut in cuts if cut is not None}
    return [
        (question, answer)
        for question, answer in one.evidence.items()
        if question.rdtype not in ("SOA", "NS") or answer.errors or question.name in zones
    ]


def answer_words(answer: Answer) -> str:
    """What was answered: the records, or what there was instead."""
    via = "".join(f"CNAME {name}, " for name in answer.chain)
    if answer.status is Status.ANSWER:
        return via + ", ".join(records_of(answer))
    if answer.status.is_negative:
        return via + answer.status.value.upper()
    return f"{via}no answer: {answer.status}"


def source_words(answer: Answer) -> str:
    """Where an answer came from, and how long it may be kept."""
    ttl = f"TTL {answer.ttl}" if answer.is_conclusive else ""
    return ", ".join(filter(None, [ttl, printable(answer.server)]))


def error_words(answer: Answer) -> list[str]:
    """The Extended DNS Errors (RFC 8914) of an answer."""
    return [
        f"extended DNS error {error.code} ({error_name(error)})" + (f": {printable(error.text)}" if error.text else "")
        for error in answer.errors
    ]


def sampled_at(evidence: Evidence) -> str:
    """When the last answer came, or nothing where nobody knows."""
    return moment(max((answer.asked_at for answer in evidence.values()), default=0.0)) or ""


def summary(addresses: dict[Overall, int], names: dict[Overall, int], domains: dict[Overall, int]) -> str:
    """How many came to what."""
    lines = [_sum_of(addresses, "address", "addresses")] if addresses or not domains else []
    if names:
        lines.append(_sum_of(names, "HELO name, the other way round", "HELO names, the other way round"))
    if domains:
        lines.append(_sum_of(domains, "domain", "domains"))
    return "\n".join(lines)


def _sum_of(counts: dict[Overall, int], one: str, several: str) -> str:
    total = sum(counts.values())
    parts = [
        f"{counts.get(overall, 0)} {word}"
        for overall, word in ((Overall.PASS, "pass"), (Overall.FINDING, "fail"), (Overall.INCONCLUSIVE, "not known"))
    ]
    return f"{total} {one if total == 1 else several}: {', '.join(parts)}."
