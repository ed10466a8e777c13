"""The chain of an address as a graph: to its PTR names and back, and from its HELO names to their addresses.

An edge is broken only if the DNS answered. An unanswered lookup makes an open edge, and what neither helps nor harms (a
second PTR name, an address of another server) an aside.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Evidence
from exporter.checks.helo import HeloName
from exporter.checks.iprev import NAME_LIMIT
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import CheckName, some


class Shape(StrEnum):
    """How an edge is drawn."""

    GOOD = "good"
    BROKEN = "broken"
    OPEN = "open"
    """The DNS did not answer."""
    ASIDE = "aside"
    """It neither helps nor harms."""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """An edge of the graph, with the box that it leads to.

    Attributes:
        shape: How the edge is drawn.
        label: The text on the edge.
        lines: The text in the box.
        sentence: The same in a sentence, for readers who do not see the picture.
        via: The CNAMEs in between.
        onward: The edges from the box.
    """

    shape: Shape
    label: str
    lines: tuple[str, ...]
    sentence: str
    via: tuple[DomainName, ...] = ()
    onward: tuple["ChainStep", ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a part of the chain: *kind* is ``address`` or ``HELO``, *text* the address or HELO name."""

    kind: str
    text: str
    steps: tuple[ChainStep, ...] = field(default=())


def chain(target: Target, evidence: Evidence, expect: Collection[CheckName]) -> list[Start]:
    """The chain in *evidence*: first that of the address, then that of each HELO name."""
    address = target.address
    return [
        Start("address", str(address), _reverse(address, evidence)),
        *[Start("HELO", str(helo), _helo(address, helo, evidence, expect)) for helo in target.helos],
    ]


def _reverse(address: Address, evidence: Evidence) -> tuple[ChainStep, ...]:
    ptr = evidence.get(Question(address.reverse_name, "PTR"))
    if ptr is None:
        return ()
    if ptr.status is not Status.ANSWER:
        shape = _negative(ptr)
        sentence = f"The PTR lookup of {address} ({address.reverse_name}): {_outcome(ptr, 'PTR')}."
        lines = ("no PTR name",) if ptr.is_conclusive else ("?",)
        return (ChainStep(shape, _outcome(ptr, "PTR"), lines, sentence, ptr.chain),)
    names = ptr.names[:NAME_LIMIT]
    answers = {name: evidence.get(Question(name, address.rdtype)) for name in names}
    is_confirmed = any(answer is not None and address in answer.records for answer in answers.values())
    steps = [_ptr_name(address, ptr, name, answers[name], is_confirmed=is_confirmed) for name in names]
    if len(ptr.names) > NAME_LIMIT:
        more = f"{len(ptr.names) - NAME_LIMIT} more"
        sentence = f"{more} PTR names are not followed: only the first {NAME_LIMIT} in alphabetical order are."
        steps.append(ChainStep(Shape.ASIDE, "not followed", (more,), sentence))
    return tuple(steps)


def _ptr_name(
    address: Address, ptr: Answer, name: DomainName, answer: Answer | None, *, is_confirmed: bool
) -> ChainStep:
    sentence = f"{address} has the PTR name {name}."
    if answer is None:
        return ChainStep(Shape.GOOD, "PTR", (name,), sentence, ptr.chain)
    onward = _forward(address, name, answer, spare=is_confirmed)
    return ChainStep(Shape.GOOD, "PTR", (name,), sentence, ptr.chain, (onward,))


def _forward(address: Address, name: str, answer: Answer, *, spare: bool) -> ChainStep:
    """The edge from a name to its addresses; with *spare* it does not have to lead to *address*."""
    rdtype = address.rdtype
    if address in answer.records:
        others = len(answer.addresses) - 1
        lines = (str(address), f"and {others} more") if others else (str(address),)
        return ChainStep(Shape.GOOD, rdtype, lines, f"{name} resolves to {address}.", answer.chain)
    if not answer.is_conclusive:
        label = _outcome(answer, rdtype)
        return ChainStep(Shape.OPEN, label, ("?",), f"The {rdtype} lookup of {name}: {label}.", answer.chain)
    shape = Shape.ASIDE if spare else Shape.BROKEN
    if answer.status is Status.ANSWER:
        sentence = f"{name} resolves to {some(answer.addresses)}, not to {address}."
        return ChainStep(shape, "another address", _few(answer.addresses), sentence, answer.chain)
    what = f"no {rdtype} record" if answer.status is Status.NODATA else "no such name"
    return ChainStep(shape, _outcome(answer, rdtype), (what,), f"{name}: {what} ({answer.status}).", answer.chain)


def _few(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    shown = tuple(map(str, addresses[:2]))
    return (*shown[:1], f"and {len(addresses) - 1} more") if len(addresses) > 2 else shown


def _helo(address: Address, helo: HeloName, evidence: Evidence, expect: Collection[CheckName]) -> tuple[ChainStep, ...]:
    if helo.name is None:
        sentence = f"{helo} is no domain name: there is nothing to look up."
        shape = Shape.BROKEN if CheckName.HELO_SYNTAX in expect else Shape.ASIDE
        return (ChainStep(shape, "no name", ("nothing to look up",), sentence),)
    answer = evidence.get(Question(helo.name, address.rdtype))
    if answer is None:
        return ()
    return (_forward(address, helo.text, answer, spare=CheckName.HELO_ADDRESS_MATCH not in expect),)


def _negative(answer: Answer) -> Shape:
    return Shape.BROKEN if answer.is_conclusive else Shape.OPEN


def _outcome(answer: Answer, rdtype: str) -> str:
    match answer.status:
        case Status.NXDOMAIN:
            return "NXDOMAIN"
        case Status.NODATA:
            return f"no {rdtype} record"
        case status:
            return f"no answer: {status}"


WIDTH = 980
_COLUMNS = ((0, 220), (356, 300), (780, 200))
"""Left edge and width of the three columns of boxes: starts, names, addresses."""
_CHARACTER = 7.3
"""The width of a character: the font is monospaced, so text has a known width without a browser."""
_LINE = 18
_PADDING = 11
_GAP = 16
_PART_GAP = 34
_STEEP = 30
_FEW = 3
"""With more steps than this, the good ones have no label."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box with text.

    Attributes:
        x: Its left edge.
        y: Its top edge.
        width: Its width.
        height: Its height.
        lines: The text, folded to fit.
        title: The whole text.
        kind: Its style: ``start``, ``name`` or a `Shape`.
    """

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    title: str
    kind: str

    @property
    def middle(self) -> float:
        """The vertical position of its centre."""
        return self.y + self.height / 2

    def baseline(self, line: int) -> float:
        """The vertical position of the text of a line."""
        return self.y + _PADDING + _LINE * line + 13


@dataclass(frozen=True, slots=True)
class Line:
    """A curve from one box to another.

    Attributes:
        x1: Where it starts.
        y1: Where it starts.
        x2: Where it ends.
        y2: Where it ends.
        shape: Its style.
        label: The text on it.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    shape: Shape
    label: str

    @property
    def path(self) -> str:
        """The curve as an SVG path."""
        bend = (self.x2 - self.x1) / 2
        return (
            f"M{self.x1:g} {self.y1:g}C{self.x1 + bend:g} {self.y1:g} "
            f"{self.x2 - bend:g} {self.y2:g} {self.x2 - 9:g} {self.y2:g}"
        )

    @property
    def head(self) -> str:
        """The arrow head as an SVG path."""
        return f"M{self.x2 - 9:g} {self.y2 - 5:g}L{self.x2 - 1:g} {self.y2:g}L{self.x2 - 9:g} {self.y2 + 5:g}Z"

    @property
    def middle(self) -> tuple[float, float]:
        """The position of its label and symbol: halfway, or near the end of a steep line, where others are close."""
        if abs(self.y2 - self.y1) > _STEEP:
            return self.x2 - 52, self.y2
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that is `WIDTH` wide.

    Attributes:
        height: Its height.
        boxes: The boxes.
        lines: The lines between them.
        sentences: The same in words.
    """

    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    sentences: tuple[str, ...]


def draw(starts: Sequence[Start]) -> Drawing:
    """Lay out the chain, each part below the one before."""
    boxes: list[Box] = []
    lines: list[Line] = []
    y = 4.0
    for start in starts:
        y = _part(start, y, boxes, lines) + _PART_GAP
    return Drawing(y - _PART_GAP + 4, tuple(boxes), tuple(lines), tuple(_sentences(starts)))


def _part(start: Start, top: float, boxes: list[Box], lines: list[Line]) -> float:
    """Lay out one start with its steps below *top*, and return the bottom."""
    own = _box(0, 0.0, (start.text,), "start", caption=start.kind)
    column = 1 if start.kind == "address" else 2
    rows = [(step, _step_box(column, step), [_step_box(2, onward) for onward in step.onward]) for step in start.steps]
    heights = [max(one.height for one in (box, *after)) for _, box, after in rows]
    height = max(own.height, sum(heights) + _GAP * (len(rows) - 1))
    own = replace(own, y=top + (height - own.height) / 2)
    boxes.append(own)
    y = top + (height - sum(heights) - _GAP * (len(rows) - 1)) / 2
    for (step, name, after), row in zip(rows, heights, strict=True):
        box = replace(name, y=y + (row - name.height) / 2)
        boxes.append(box)
        label = "" if step.shape is Shape.GOOD and len(rows) > _FEW else step.label
        lines.append(Line(own.x + own.width, own.middle, box.x, box.middle, step.shape, label))
        for onward, unplaced in zip(step.onward, after, strict=True):
            end = replace(unplaced, y=y + (row - unplaced.height) / 2)
            boxes.append(end)
            lines.append(Line(box.x + box.width, box.middle, end.x, end.middle, onward.shape, onward.label))
        y += row + _GAP
    return top + height


def _step_box(column: int, step: ChainStep) -> Box:
    kind = step.shape.value if step.onward == () and step.label != "PTR" else "name"
    caption = f"via {step.via[-1]}" if step.via else ""
    return _box(column, 0.0, step.lines, kind, caption=caption)


def _box(column: int, y: float, texts: Sequence[str], kind: str, *, caption: str = "") -> Box:
    x, width = _COLUMNS[column]
    fits = int((width - 2 * _PADDING) / _CHARACTER)
    shown = [line for text in texts for line in folded(text, fits)]
    if caption:
        captions = folded(caption, fits, 1)
        shown = [*shown, *captions] if kind != "start" else [*captions, *shown]
    height = 2 * _PADDING + _LINE * len(shown) - 4
    return Box(x, y, width, height, tuple(shown), " ".join([*texts, caption]).strip(), kind)


def folded(text: str, width: int, limit: int = 3) -> list[str]:
    """Break a name into at most *limit* lines of at most *width* characters, after a dot or colon if possible."""
    lines: list[str] = []
    rest = text
    while len(rest) > width and len(lines) < limit - 1:
        cut = rest.rfind(".", 1, width) + 1 or rest.rfind(":", 1, width) + 1 or width
        lines.append(rest[:cut])
        rest = rest[cut:]
    lines.append(rest if len(rest) <= width else rest[: width - 1] + "…")
    return lines


def _sentences(starts: Sequence[Start]) -> Iterator[str]:
    for start in starts:
        for step in start.steps:
            yield step.sentence
            for onward in step.onward:
                yield onward.sentence
