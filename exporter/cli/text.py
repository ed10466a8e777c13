"""The output of `check` as text for a terminal, and as Markdown for a ticket."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import click

from exporter.checks.result import Fix
from exporter.cli.examination import AnyChecked, CheckedAddress, CheckedDomain, CheckedPool, Overall
from exporter.cli.sentences import (
    Bullet,
    evidence_lines,
    evidence_time,
    headline,
    paragraphs,
    publications,
    sections,
)
from exporter.views.chain import ChainStep, Shape, chain

_WIDTH = 100
_COLOURS = {"good": "green", "bad": "red", "open": "yellow", "aside": "bright_black"}
_SYMBOLS = {"good": "✓", "bad": "✗", "open": "?", "aside": "·"}
_ASCII_SYMBOLS = {"good": "+", "bad": "x", "open": "?", "aside": "-"}
_SHAPES = {Shape.GOOD: "good", Shape.BROKEN: "bad", Shape.OPEN: "open", Shape.ASIDE: "aside"}
_BRANCHES = ("├─ ", "└─ ", "│  ", "   ")
_ASCII_BRANCHES = ("|- ", "`- ", "|  ", "   ")
_OVERALL_KINDS = {Overall.PASS: "good", Overall.FINDING: "bad", Overall.INCONCLUSIVE: "open"}

_ACTIVE = re.compile(r"[\\`*_\[\]<>&|#~$^]|://|(?<![A-Za-z0-9])@|(?i:www)\.")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", "://": "&#58;//", "@": "&#64;"}
"""What a backslash does not escape everywhere: in tables, in HTML, and in what becomes a link or a mention."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Whether the output has colours, and characters beyond ASCII. A colour never says more than the symbol does."""

    colour: bool = False
    unicode: bool = True

    def tint(self, text: str, kind: str) -> str:
        """*text* in the colour of its kind: good, bad, open, aside."""
        return click.style(text, fg=_COLOURS[kind]) if self.colour else text

    def bold(self, text: str) -> str:
        """*text* as a heading."""
        return click.style(text, bold=True) if self.colour else text

    def symbol(self, kind: str) -> str:
        """The symbol of a kind, in its colour."""
        return self.tint((_SYMBOLS if self.unicode else _ASCII_SYMBOLS)[kind], kind)

    @property
    def branches(self) -> tuple[str, str, str, str]:
        """The parts of a tree: a branch, the last branch, and the indentation below each."""
        return _BRANCHES if self.unicode else _ASCII_BRANCHES


def one_line(one: AnyChecked | CheckedPool, style: TextStyle) -> str:
    """The headline alone, for one pass among many."""
    kind = _OVERALL_KINDS[one.overall]
    return f"{style.symbol(kind)} {style.tint(headline(one), kind)}"


def text(one: AnyChecked | CheckedPool, style: TextStyle) -> Iterator[str]:
    """Everything about one subject, line by line."""
    yield style.bold(style.tint(headline(one), _OVERALL_KINDS[one.overall]))
    for paragraph in paragraphs(one):
        yield from _wrapped(paragraph)
    if isinstance(one, CheckedAddress):
        yield ""
        yield from tree(one, style)
    for section in sections(one):
        yield ""
        yield style.bold(section.title)
        for bullet in section.bullets:
            yield from _bullet_text(one, bullet, style)
    if isinstance(one, CheckedAddress | CheckedDomain):
        yield ""
        time = evidence_time(one.evidence)
        yield style.bold(f"Evidence, {time}" if time else "Evidence")
        for line in evidence_lines(one):
            yield f"  {line.text}" + (style.tint(f"  ({line.source})", "aside") if line.source else "")
            yield from [f"      {style.tint(error, 'open')}" for error in line.errors]


def tree(one: CheckedAddress, style: TextStyle) -> Iterator[str]:
    """The chain: from the address to its PTR names and back, and from its HELO names to their addresses."""
    for start in chain(one.job.target, one.evidence, one.job.expect):
        yield start.text if start.kind == "address" else f"{start.kind} {start.text}"
        yield from _branches(start.steps, style, "")


def _branches(steps: Sequence[ChainStep], style: TextStyle, indent: str) -> Iterator[str]:
    branch, last, under, under_last = style.branches
    for number, step in enumerate(steps, 1):
        is_last = number == len(steps)
        kind = _SHAPES[step.shape]
        line = "".join(f"CNAME {name}, " for name in step.via) + step.label
        if step.lines != ("?",):
            line += " " if step.label in {"PTR", "A", "AAAA"} else ": "
            line += ", ".join(step.lines).replace(", and ", " and ")
        yield f"{indent}{last if is_last else branch}{style.symbol(kind)} {style.tint(line, kind)}"
        yield from _branches(step.onward, style, indent + (under_last if is_last else under))


def _bullet_text(one: AnyChecked | CheckedPool, bullet: Bullet, style: TextStyle) -> Iterator[str]:
    line = f"{bullet.label}: {bullet.text}" if bullet.label else bullet.text
    first, *rest = _wrapped(line, "    ") or ["    "]
    yield f"  {style.symbol(bullet.kind)} {first[4:]}"
    yield from rest
    for sentence in bullet.details:
        yield from _wrapped(sentence, "    ")
    if bullet.fix is not None and not isinstance(one, CheckedPool):
        yield from _fix_text(one, bullet.fix)


def _fix_text(one: AnyChecked, fix: Fix) -> Iterator[str]:
    """What to publish, where, and in place of what; lines to copy are unbroken."""
    yield from _wrapped(f"To fix it: {fix.advice}", "    ")
    if fix.warning:
        yield from _wrapped(f"Before you publish it: {fix.warning}", "    ")
    for change in publications(one, fix):
        if change.zone:
            yield from _wrapped(f"In {change.zone}:", "    ")
        yield from [f"        {line}" for line in change.records]
        if change.obsolete:
            yield "    in place of:" if change.records else "    remove:"
        yield from [f"        {line}" for line in change.obsolete]


def _wrapped(prose: str, indent: str = "") -> list[str]:
    lines = textwrap.wrap(prose, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
    return [indent + line for line in lines]


def markdown(one: AnyChecked | CheckedPool, style: TextStyle) -> Iterator[str]:
    """Everything about one subject, line by line; *style* decides only on the characters of the tree.

    Text from the DNS is escaped or inside a fence, so that it is neither Markdown nor HTML.
    """
    yield f"### {escaped(headline(one))}"
    for paragraph in paragraphs(one):
        yield ""
        yield escaped(paragraph)
    if isinstance(one, CheckedAddress):
        yield ""
        yield from _fence(tree(one, replace(style, colour=False)))
    for section in sections(one):
        yield ""
        yield f"**{escaped(section.title)}**"
        yield ""
        for bullet in section.bullets:
            yield from _bullet_markdown(one, bullet)
    if isinstance(one, CheckedAddress | CheckedDomain):
        time = evidence_time(one.evidence)
        lines = []
        for line in evidence_lines(one):
            lines.append(line.text + (f"  ({line.source})" if line.source else ""))
            lines += [f"    {error}" for error in line.errors]
        yield ""
        yield f"<details><summary>Evidence{f', {escaped(time)}' if time else ''}</summary>"
        yield ""
        yield from _fence(lines)
        yield ""
        yield "</details>"


def _bullet_markdown(one: AnyChecked | CheckedPool, bullet: Bullet) -> Iterator[str]:
    label = escaped(bullet.label)
    if label:
        label = f"**{label}**: " if bullet.kind == "bad" else f"{label}: "
    yield f"- {label}{'. '.join(map(escaped, [bullet.text, *bullet.details]))}"
    if bullet.fix is not None and not isinstance(one, CheckedPool):
        yield from _fix_markdown(one, bullet.fix)


def _fix_markdown(one: AnyChecked, fix: Fix) -> Iterator[str]:
    yield ""
    yield f"  To fix it: {escaped(fix.advice)}"
    if fix.warning:
        yield f"  **Before you publish it:** {escaped(fix.warning)}"
    for change in publications(one, fix):
        yield ""
        if change.zone:
            yield f"  In {escaped(change.zone)}:"
            yield ""
        if change.records:
            yield from _fence(change.records, "  ")
        if change.obsolete:
            if change.records:
                yield ""
            yield "  in place of:" if change.records else "  remove:"
            yield ""
            yield from _fence(change.obsolete, "  ")
    yield ""


def escaped(prose: str) -> str:
    """*prose* so that Markdown shows it as it is."""
    return _ACTIVE.sub(_escape, prose)


def _escape(found: re.Match[str]) -> str:
    active = found[0]
    if active[-1] == ".":
        return f"{active[:-1]}&#46;"  # www. would become a link
    return _ENTITIES.get(active) or f"\\{active}"


def _fence(lines: Iterable[str], indent: str = "") -> Iterator[str]:
    """A code block with a fence longer than any run of backticks in it."""
    inside = list(lines)
    longest = max((len(run) for line in inside for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{indent}{fence}text"
    yield from [f"{indent}{line}" for line in inside]
    yield f"{indent}{fence}"
