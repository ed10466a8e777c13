"""`check --output markdown`: for a ticket.

The rule of this file: nothing that the DNS said can act as Markdown or HTML. In prose every punctuation character is
escaped; what has to be copied is in a fence that it cannot close.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Evidence
from exporter.checks.examination import spf_mend
from exporter.checks.verdicts import Mend, Result
from exporter.cli.check_domains import DomainExamined
from exporter.cli.check_names import NameExamined, name_headline, name_held_to, name_lines
from exporter.cli.check_pools import PoolExamined, pool_headline, sentences
from exporter.cli.check_run import Examined
from exporter.cli.check_text import Paper, tree
from exporter.cli.check_trace import Trace
from exporter.cli.check_words import (
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
    yield from _spf(one)
    yield from _receivers(one)
    for name in one.names:
        if name.examination.report.addresses:
            yield ""
            yield f"**HELO {escaped(str(name.subject.said))}, the other way round**"
            yield from _coverage(name)
    if one.examination.generic_names:
        yield ""
    for hint in one.examination.generic_names:
        yield f"Hint: {escaped(hint.sentence)}"
    yield ""
    yield "**Who runs the reverse name.** " + " ".join(map(escaped, responsibility(one.examination.reverse)))
    for traced in one.traces:
        yield from _trace(traced)
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
    yield from _coverage(one)
    yield ""
    yield from _findings(one)


def _coverage(one: NameExamined) -> Iterator[str]:
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
        if group.mend is not None and group.is_expected:
            yield from mend_markdown(one, group.mend)


def mend_markdown(one: Examined | NameExamined | DomainExamined, mend: Mend) -> Iterator[str]:
    """What to publish, where, and in place of what."""
    yield ""
    yield f"  To fix it: {escaped(mend.advice)}"
    for publishing in publishings(one, mend):
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


def _spf(one: Examined) -> Iterator[str]:
    verdicts = dict.fromkeys(verdict for several in one.examination.spf for verdict in several)
    if verdicts:
        yield ""
        yield "**SPF**"
        yield ""
    for verdict in verdicts:
        yield f"- {escaped(spf_words(verdict))}"
        mend = spf_mend(one.subject.target, verdict)
        if mend is not None and not one.is_told(mend):
            yield from mend_markdown(one, mend)


def _receivers(one: Examined) -> Iterator[str]:
    for said, verdicts in zip(one.subject.target.helos, one.examination.receivers, strict=True):
        yield ""
        yield f"**What receivers say to HELO {escaped(str(said))}**"
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


def _trace(traced: Trace) -> Iterator[str]:
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
