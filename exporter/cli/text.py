"""`check --output text`: for a terminal, and for whoever copies from one.

The rule of this file: colour says nothing that a mark does not say too, and what has to be copied stands on a line of
its own, unbroken.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import click

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Evidence
from exporter.checks.examination import spf_fix
from exporter.checks.result import Fix, Result
from exporter.cli.examination import Examined
from exporter.cli.sentences import (
    FindingGroup,
    answer_words,
    delegation_words,
    error_words,
    finding_groups,
    headline,
    held_to,
    passing,
    publishings,
    receiver_lines,
    responsibility,
    sampled_at,
    shown_evidence,
    source_words,
    spf_words,
    zone_name,
)
from exporter.cli.subjects import (
    DomainExamined,
    NameExamined,
    Overall,
    PoolExamined,
    domain_headline,
    name_headline,
    name_held_to,
    name_lines,
    pool_headline,
    sentences,
)
from exporter.cli.trace import Trace
from exporter.views.chain import Shape, Step, chain

_WIDTH = 100
_COLOURS = {"good": "green", "bad": "red", "open": "yellow", "aside": "bright_black"}
_MARKS = {"good": "✓", "bad": "✗", "open": "?", "aside": "·"}
_ASCII_MARKS = {"good": "+", "bad": "x", "open": "?", "aside": "-"}
_SHAPES = {Shape.GOOD: "good", Shape.BROKEN: "bad", Shape.OPEN: "open", Shape.ASIDE: "aside"}
_BRANCHES = ("├─ ", "└─ ", "│  ", "   ")
_ASCII_BRANCHES = ("|- ", "`- ", "|  ", "   ")
OVERALL_KINDS = {Overall.PASS: "good", Overall.FINDING: "bad", Overall.INCONCLUSIVE: "open"}


@dataclass(frozen=True, slots=True)
class Paper:
    """What is written on: whether it shows colours, and characters beyond ASCII."""

    colour: bool = False
    unicode: bool = True

    def tint(self, text: str, kind: str) -> str:
        """*text* in the colour of its kind: good, bad, open, aside."""
        return click.style(text, fg=_COLOURS[kind]) if self.colour else text

    def bold(self, text: str) -> str:
        """A heading."""
        return click.style(text, bold=True) if self.colour else text

    def mark(self, kind: str) -> str:
        """The sign of a kind."""
        return self.tint((_MARKS if self.unicode else _ASCII_MARKS)[kind], kind)

    @property
    def branches(self) -> tuple[str, str, str, str]:
        """What a tree is drawn with: a branch, the last one, and what is under each."""
        return _BRANCHES if self.unicode else _ASCII_BRANCHES


def pool_text(one: PoolExamined, paper: Paper) -> Iterator[str]:
    """What there is to say of a pool as a whole, line by line."""
    kind = OVERALL_KINDS[one.overall]
    yield f"{paper.mark(kind)} {paper.tint(pool_headline(one), kind)}"
    for _, sentence in sentences(one):
        yield from wrapped(sentence, "    ")


def one_line(one: Examined | NameExamined | DomainExamined, paper: Paper) -> str:
    """The outcome alone: for a pass among many."""
    kind = OVERALL_KINDS[one.overall]
    if isinstance(one, DomainExamined):
        words = domain_headline(one)
    else:
        words = name_headline(one) if isinstance(one, NameExamined) else headline(one)
    return f"{paper.mark(kind)} {paper.tint(words, kind)}"


def text(one: Examined, paper: Paper) -> Iterator[str]:
    """Everything about one address, line by line."""
    kind = OVERALL_KINDS[one.overall]
    yield paper.bold(paper.tint(headline(one), kind))
    yield from wrapped(held_to(one))
    yield ""
    yield from tree(one, paper)
    yield from _checks(one, paper)
    yield from _spf(one, paper)
    yield from _receivers(one, paper)
    for name in one.names:
        yield from _coverage(name, paper)
    yield from _hints(one, paper)
    yield ""
    yield paper.bold("Who runs the reverse name")
    for sentence in responsibility(one.examination.reverse):
        yield from wrapped(sentence, "  ")
    for traced in one.traces:
        yield from _trace(traced, paper)
    yield from evidence_text(shown_evidence(one), one.evidence, paper)


def name_text(one: NameExamined, paper: Paper) -> Iterator[str]:
    """Everything about one HELO name of a pool, line by line."""
    kind = OVERALL_KINDS[one.overall]
    yield paper.bold(paper.tint(name_headline(one), kind))
    yield from wrapped(name_held_to(one))
    yield ""
    yield paper.bold("Addresses")
    for each, words in name_lines(one):
        yield from marked(paper, each, words)
    yield from _checks(one, paper)


def _checks(one: Examined | NameExamined, paper: Paper) -> Iterator[str]:
    yield ""
    yield paper.bold("Checks")
    if ok := passing(one):
        yield from marked(paper, "good", f"pass: {', '.join(ok)}")
    for group in finding_groups(one):
        yield from _finding(one, group, paper)


def _coverage(one: NameExamined, paper: Paper) -> Iterator[str]:
    """The name's addresses, in the explanation of one that says it: what they come to is no verdict on that one."""
    if one.examination.report.addresses:
        yield ""
        yield paper.bold(f"HELO {one.subject.helo}, the other way round")
        for kind, words in name_lines(one):
            yield from marked(paper, "aside" if kind == "bad" else kind, words)


def tree(one: Examined, paper: Paper) -> Iterator[str]:
    """The chain: from the address to its PTR names and back, and from its HELO names to their addresses."""
    for start in chain(one.subject.target, one.evidence, one.subject.expect):
        yield start.text if start.kind == "address" else f"{start.kind} {start.text}"
        yield from _steps(start.steps, paper, "")


def _steps(steps: Sequence[Step], paper: Paper, indent: str) -> Iterator[str]:
    branch, last, under, under_last = paper.branches
    for place, step in enumerate(steps):
        is_last = place == len(steps) - 1
        kind = _SHAPES[step.shape]
        via = "".join(f"CNAME {name}, " for name in step.via)
        words = f"{via}{step.label}{_led_to(step)}"
        yield f"{indent}{last if is_last else branch}{paper.mark(kind)} {paper.tint(words, kind)}"
        yield from _steps(step.onward, paper, indent + (under_last if is_last else under))


def _led_to(step: Step) -> str:
    if step.lines == ("?",):
        return ""
    joint = " " if step.label in {"PTR", "A", "AAAA"} else ": "
    return joint + ", ".join(step.lines).replace(", and ", " and ")


def _finding(one: Examined | NameExamined, group: FindingGroup, paper: Paper) -> Iterator[str]:
    kind = "open" if group.result is Result.UNKNOWN else "bad" if group.is_expected else "aside"
    aside = "" if group.is_expected else ", not expected to pass"
    yield from marked(paper, kind, f"{group.result}: {', '.join(group.checks)} ({group.reason}{aside})")
    yield from wrapped(group.sentence, "    ")
    if group.fix is not None and group.is_expected:
        yield from fix_text(one, group.fix)


def fix_text(one: Examined | NameExamined | DomainExamined, fix: Fix) -> Iterator[str]:
    """What to publish, where, and in place of what."""
    yield from wrapped(f"To fix it: {fix.advice}", "    ")
    for publishing in publishings(one, fix):
        if publishing.where:
            yield from wrapped(f"In {publishing.where}:", "    ")
        for line in publishing.lines:
            yield f"        {line}"
        if publishing.instead_of:
            yield "    in place of:" if publishing.lines else "    remove:"
        for line in publishing.instead_of:
            yield f"        {line}"


def _spf(one: Examined, paper: Paper) -> Iterator[str]:
    verdicts = dict.fromkeys(verdict for several in one.examination.spf for verdict in several)
    if verdicts:
        yield ""
        yield paper.bold("SPF")
    for verdict in verdicts:
        kind = {"pass": "good", "temperror": "open", "none": "aside", "neutral": "aside"}.get(verdict.result, "bad")
        if verdict.identity == "mailfrom" and kind == "aside":
            kind = "bad"
        yield from marked(paper, kind, spf_words(verdict))
        fix = spf_fix(one.subject.target, verdict)
        if fix is not None and not one.is_told(fix):
            yield from fix_text(one, fix)


def _receivers(one: Examined, paper: Paper) -> Iterator[str]:
    for helo, verdicts in zip(one.subject.target.helos, one.examination.receivers, strict=True):
        yield ""
        yield paper.bold(f"What receivers say to HELO {helo}")
        lines = receiver_lines(one, verdicts)
        refusals = [line for line in lines if line.is_refusal]
        for line in refusals:
            if line.verdict.is_conclusive:
                kind = "aside" if line.is_by_design else "bad"
                yield from marked(paper, kind, f"{line.verdict.receiver}: {line.word}. {line.why}")
        doubtful = [f"{line.verdict.receiver} ({line.word})" for line in refusals if not line.verdict.is_conclusive]
        if doubtful:
            yield from marked(paper, "open", f"refuse while the DNS does not answer: {', '.join(doubtful)}")
        accepting = [line.verdict.receiver for line in lines if not line.is_refusal]
        if accepting:
            yield from marked(paper, "good", f"accept: {', '.join(accepting)}")


def _hints(one: Examined, paper: Paper) -> Iterator[str]:
    if one.examination.generic_names:
        yield ""
        yield paper.bold("Hints")
    for hint in one.examination.generic_names:
        yield from marked(paper, "aside", hint.sentence)


def _trace(traced: Trace, paper: Paper) -> Iterator[str]:
    yield ""
    yield paper.bold(f"What each server of {traced.zone} says to {traced.question}")
    for server in traced.servers:
        serial = f"serial {server.serial}" if server.serial is not None else ""
        words = ", ".join(filter(None, [answer_words(server.answer), serial]))
        yield from marked(paper, "good" if server.answer.is_conclusive else "open", f"{server}: {words}")
        for error in error_words(server.answer):
            yield from wrapped(error, "    ")
    if not traced.servers:
        yield from marked(paper, "open", "Its name servers are not known.")
    for sentence in traced.differences:
        yield from marked(paper, "bad", sentence)
    if traced.servers and not traced.differences:
        yield from marked(paper, "good", "All of them say the same.")
    if traced.delegation is not None:
        yield ""
        yield paper.bold(f"How {zone_name(traced.delegation.parent)} delegates {traced.zone}")
        for kind, words in delegation_words(traced.delegation):
            yield from marked(paper, kind, words)


def evidence_text(shown: Sequence[tuple[Question, Answer]], evidence: Evidence, paper: Paper) -> Iterator[str]:
    """The answers that are *shown*, and when the last one of the *evidence* came."""
    yield ""
    when = sampled_at(evidence)
    yield paper.bold(f"Evidence, {when}" if when else "Evidence")
    for question, answer in shown:
        source = source_words(answer)
        yield f"  {question}: {answer_words(answer)}" + (paper.tint(f"  ({source})", "aside") if source else "")
        for error in error_words(answer):
            yield f"      {paper.tint(error, 'open')}"


def marked(paper: Paper, kind: str, words: str) -> Iterator[str]:
    """A sentence behind a mark; further lines are indented."""
    first, *rest = textwrap.wrap(words, _WIDTH - 4, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"  {paper.mark(kind)} {first}"
    for line in rest:
        yield f"    {line}"


def wrapped(words: str, indent: str = "") -> Iterator[str]:
    """Prose, in lines of a width that can be read."""
    for line in textwrap.wrap(words, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
        yield indent + line


# SECTION exporter.cli.check_markdown
# `check --output markdown`: for a ticket.
#
# The rule of this file: nothing that the DNS said can act as Markdown or HTML. In prose every punctuation
# character is
# escaped; what has to be copied is in a fence that it cannot close.

_ACTIVE = re.compile(r"[\\`*_\[\]<>&|#~$^]|://|(?<![A-Za-z0-9])@|(?i:www)\.")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", "://": "&#58;//", "@": "&#64;"}
"""What a backslash does not disarm everywhere: in tables, in HTML, and in what turns into a link or a mention."""


def markdown(one: Examined, paper: Paper) -> Iterator[str]:
    """Everything about one address, line by line; of *paper*, only the characters matter."""
    yield f"### {escaped(headline(one))}"
    yield ""
    yield escaped(held_to(one))
    yield ""
    yield from _fence(tree(one, replace(paper, colour=False)))
    yield ""
    yield from _findings(one)
    yield from _spf_check_markdown(one)
    yield from _receivers_check_markdown(one)
    for name in one.names:
        if name.examination.report.addresses:
            yield ""
            yield f"**HELO {escaped(str(name.subject.helo))}, the other way round**"
            yield from _coverage_check_markdown(name)
    if one.examination.generic_names:
        yield ""
    for hint in one.examination.generic_names:
        yield f"Hint: {escaped(hint.sentence)}"
    yield ""
    yield "**Who runs the reverse name.** " + " ".join(map(escaped, responsibility(one.examination.reverse)))
    for traced in one.traces:
        yield from _trace_check_markdown(traced)
    yield ""
    yield from evidence_markdown(shown_evidence(one), one.evidence)


def pool_markdown(one: PoolExamined) -> Iterator[str]:
    """What there is to say of a pool as a whole, line by line."""
    yield f"### {escaped(pool_headline(one))}"
    for _, sentence in sentences(one):
        yield ""
        yield escaped(sentence)


def name_markdown(one: NameExamined) -> Iterator[str]:
    """Everything about one HELO name of a pool, line by line."""
    yield f"### {escaped(name_headline(one))}"
    yield ""
    yield escaped(name_held_to(one))
    yield from _coverage_check_markdown(one)
    yield ""
    yield from _findings(one)


def _coverage_check_markdown(one: NameExamined) -> Iterator[str]:
    yield ""
    for _, words in name_lines(one):
        yield f"- {escaped(words)}"


def escaped(text: str) -> str:
    """*text* as prose that shows itself."""
    return _ACTIVE.sub(_disarmed, text)


def _disarmed(found: re.Match[str]) -> str:
    active = found[0]
    if active[-1] == ".":
        return f"{active[:-1]}&#46;"  # www. would become a link
    return _ENTITIES.get(active) or f"\\{active}"


def _findings(one: Examined | NameExamined) -> Iterator[str]:
    yield "**Checks**"
    yield ""
    if ok := passing(one):
        yield f"- pass: {escaped(', '.join(ok))}"
    for group in finding_groups(one):
        word = "not known" if group.result is Result.UNKNOWN else "**FAIL**" if group.is_expected else "fail"
        aside = "" if group.is_expected else ", not expected to pass"
        checks = escaped(", ".join(group.checks))
        yield f"- {word}: {checks} ({escaped(group.reason)}{aside}). {escaped(group.sentence)}"
        if group.fix is not None and group.is_expected:
            yield from fix_markdown(one, group.fix)


def fix_markdown(one: Examined | NameExamined | DomainExamined, fix: Fix) -> Iterator[str]:
    """What to publish, where, and in place of what."""
    yield ""
    yield f"  To fix it: {escaped(fix.advice)}"
    for publishing in publishings(one, fix):
        yield ""
        if publishing.where:
            yield f"  In {escaped(publishing.where)}:"
            yield ""
        if publishing.lines:
            yield from _fence(publishing.lines, "  ")
        if publishing.instead_of:
            if publishing.lines:
                yield ""
            yield "  in place of:" if publishing.lines else "  remove:"
            yield ""
            yield from _fence(publishing.instead_of, "  ")
    yield ""


def _spf_check_markdown(one: Examined) -> Iterator[str]:
    verdicts = dict.fromkeys(verdict for several in one.examination.spf for verdict in several)
    if verdicts:
        yield ""
        yield "**SPF**"
        yield ""
    for verdict in verdicts:
        yield f"- {escaped(spf_words(verdict))}"
        fix = spf_fix(one.subject.target, verdict)
        if fix is not None and not one.is_told(fix):
            yield from fix_markdown(one, fix)


def _receivers_check_markdown(one: Examined) -> Iterator[str]:
    for helo, verdicts in zip(one.subject.target.helos, one.examination.receivers, strict=True):
        yield ""
        yield f"**What receivers say to HELO {escaped(str(helo))}**"
        yield ""
        lines = receiver_lines(one, verdicts)
        refusals = [line for line in lines if line.is_refusal]
        if refusals:
            yield "| Receiver | Verdict | Why |"
            yield "|---|---|---|"
        for line in refusals:
            word = line.word if line.is_by_design else f"**{line.word}**"
            yield f"| {escaped(line.verdict.receiver)} | {word} | {escaped(line.why)} |"
        if refusals:
            yield ""
        yield f"Accept: {', '.join([line.verdict.receiver for line in lines if not line.is_refusal]) or 'none'}."


def _trace_check_markdown(traced: Trace) -> Iterator[str]:
    yield ""
    yield f"**What each server of {escaped(traced.zone)} says to {escaped(str(traced.question))}**"
    yield ""
    for server in traced.servers:
        serial = f", serial {server.serial}" if server.serial is not None else ""
        yield f"- {escaped(str(server))}: {escaped(answer_words(server.answer))}{serial}"
    for sentence in traced.differences or ("All of them say the same.",):
        yield f"- {escaped(sentence)}"
    if traced.delegation is not None:
        yield ""
        yield f"**How {escaped(zone_name(traced.delegation.parent))} delegates {escaped(traced.zone)}**"
        yield ""
        for _, words in delegation_words(traced.delegation):
            yield f"- {escaped(words)}"


def evidence_markdown(shown: Iterable[tuple[Question, Answer]], evidence: Evidence) -> Iterator[str]:
    """The answers that are *shown*, and when the last one of the *evidence* came."""
    lines = []
    for question, answer in shown:
        source = source_words(answer)
        lines.append(f"{question}: {answer_words(answer)}" + (f"  ({source})" if source else ""))
        lines += [f"    {error}" for error in error_words(answer)]
    when = sampled_at(evidence)
    yield f"<details><summary>Evidence{f', {escaped(when)}' if when else ''}</summary>"
    yield ""
    yield from _fence(lines)
    yield ""
    yield "</details>"


def _fence(lines: Iterable[str], indent: str = "") -> Iterator[str]:
    """A code block that none of its lines can end."""
    inside = list(lines)
    longest = max((len(run) for line in inside for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{indent}{fence}text"
    for line in inside:
        yield f"{indent}{line}"
    yield f"{indent}{fence}"
