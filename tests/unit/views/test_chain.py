"""The chain of an address, as a graph and as a picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Question
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.checks.result import ADDRESS_CHECKS, CheckName
from exporter.views.chain import WIDTH, Shape, chain, draw, folded
from tests.factories import World, target

MTA = target("192.0.2.10", "mail.example.org")
EVERYTHING = frozenset(ADDRESS_CHECKS)
FORWARD = "mail.example.org A 192.0.2.10\n"


def drawn(zone, expect=EVERYTHING, subject=MTA):
    """The shapes and labels of the chain in a world: of each step and of the steps after it."""
    _, evidence = run_check(report(subject), World.parse(zone))
    return [
        [((step.shape, step.label), *[(after.shape, after.label) for after in step.onward]) for step in start.steps]
        for start in chain(subject, evidence, expect)
    ]


@pytest.mark.parametrize(
    ("zone", "reverse"),
    [
        pytest.param(
            f"10.2.0.192.in-addr.arpa PTR mail.example.org\n{FORWARD}",
            [((Shape.GOOD, "PTR"), (Shape.GOOD, "A"))],
            id="right",
        ),
        pytest.param(FORWARD, [((Shape.BROKEN, "NXDOMAIN"),)], id="no-ptr"),
        pytest.param(
            f"10.2.0.192.in-addr.arpa TXT empty\n{FORWARD}", [((Shape.BROKEN, "no PTR record"),)], id="ptr-nodata"
        ),
        pytest.param(
            f"10.2.0.192.in-addr.arpa PTR !servfail\n{FORWARD}",
            [((Shape.OPEN, "no answer: servfail"),)],
            id="silence-breaks-nothing",
        ),
        pytest.param(
            f"10.2.0.192.in-addr.arpa PTR gone.example.org\n{FORWARD}",
            [((Shape.GOOD, "PTR"), (Shape.BROKEN, "NXDOMAIN"))],
            id="forward-gone",
        ),
        pytest.param(
            f"10.2.0.192.in-addr.arpa PTR www.example.org\nwww.example.org A 192.0.2.80\n{FORWARD}",
            [((Shape.GOOD, "PTR"), (Shape.BROKEN, "another address"))],
            id="forward-elsewhere",
        ),
        pytest.param(
            "10.2.0.192.in-addr.arpa PTR mail.example.org\n10.2.0.192.in-addr.arpa PTR www.example.org\n"
            f"www.example.org A 192.0.2.80\n{FORWARD}",
            [((Shape.GOOD, "PTR"), (Shape.GOOD, "A")), ((Shape.GOOD, "PTR"), (Shape.ASIDE, "another address"))],
            id="one-name-is-enough",
        ),
    ],
)
def test_an_edge_is_broken_if_the_dns_answers_so(zone, reverse):
    """The steps from the address to its PTR names and back."""
    assert drawn(zone)[0] == reverse


def test_a_helo_name_that_resolves_elsewhere_by_design_is_an_aside():
    """It is broken only if the pool expects the address to match."""
    zone = "10.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.80\n"

    assert drawn(zone)[1] == [((Shape.BROKEN, "another address"),)]
    assert drawn(zone, frozenset({CheckName.FCRDNS}))[1] == [((Shape.ASIDE, "another address"),)]


def test_a_helo_literal_has_nothing_to_look_up():
    """An address literal is broken if the pool expects a name."""
    literal = target("192.0.2.10", "[192.0.2.10]")

    assert drawn(FORWARD, subject=literal)[1] == [((Shape.BROKEN, "no name"),)]


@given(st.text("ab.:", max_size=80), st.integers(4, 40), st.integers(1, 4))
def test_folded_lines_fit_and_lose_nothing_but_the_end(text, width, limit):
    """No line is too wide; together they are the text, or its beginning and an ellipsis."""
    lines = folded(text, width, limit)

    assert len(lines) <= limit
    assert all(len(line) <= width for line in lines)
    joined = "".join(lines)
    assert joined == text or (joined.endswith("…") and text.startswith(joined[:-1]))


@given(st.lists(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), max_size=14, unique_by=str))
def test_any_names_fit_into_the_picture(labels):
    """No box leaves the picture, none overlaps another, and each name is in a sentence."""
    names = sorted({DomainName.from_labels(one) for one in labels})
    ptr = {Question(MTA.address.reverse_name, "PTR"): frozenset(names)} if names else {}
    _, evidence = run_check(report(MTA), World(ptr))

    drawing = draw(chain(MTA, evidence, EVERYTHING))

    for box in drawing.boxes:
        assert box.x >= 0
        assert box.x + box.width <= WIDTH
        assert box.y >= 0
        assert box.y + box.height <= drawing.height
    for one in drawing.boxes:
        for other in drawing.boxes:
            apart = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert one is other or one.x != other.x or apart
    for name in names[:10]:
        assert any(name in sentence for sentence in drawing.sentences)
