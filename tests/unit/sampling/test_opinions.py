"""A failure is believed when two voices have it; whom one more question goes to, and what disagreement comes to."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.dns.resolvers import Voice
from exporter.sampling.confirm import Opinions
from exporter.state.known import believed, gathered

PASS = Finding(CheckName.FCRDNS, Result.PASS)
FAIL = Finding(CheckName.FCRDNS, Result.FAIL, reason=Reason.PTR_NXDOMAIN, sentence="It has no PTR record.")
UNKNOWN = Finding(CheckName.FCRDNS, Result.UNKNOWN, reason=Reason.TIMEOUT)
LETTERS = {"p": PASS, "f": FAIL, "u": UNKNOWN}
VOICES = [Voice(name) for name in ("one", "two", "three", "four")]


class Report(NamedTuple):
    """A report on one or two things."""

    findings: tuple[Finding, ...]


class Bench:
    """Judges as `exporter.state` does, of an address of which nothing is held; *voices* can be asked."""

    def __init__(self, voices, waited=0):
        self._voices, self._waited = voices, waited

    def confirmed(self, earlier, last):
        return Report(believed({}, gathered([each.findings for each in earlier]), last.findings))

    def doubted(self, report, doubts):
        return Report(tuple(doubts.get(place, each) for place, each in enumerate(report.findings)))

    def waited(self):
        return self._waited

    def voices(self, servers):
        return frozenset(map(Voice, servers))

    def another(self, heard):
        return next((voice for voice in self._voices if voice not in heard), None)


def evidence(*names):
    """Build what shows that these were asked."""
    return {Question(DomainName(f"{name}.test"), "A"): Answer(Status.NXDOMAIN, server=name) for name in names}


def settled(says, *, first="one", waited=0):
    """Ask for opinions until none is wanted: *says* has a voice's words in their order. The outcome, and who was asked.

    A word is a letter for each finding.
    """
    bench = Bench([voice for voice in VOICES if voice.resolver in says], waited)
    words = {name: iter(helo) for name, helo in says.items()}

    def report(name):
        return Report(tuple(LETTERS[letter] for letter in next(words[name])))

    mixed = first.split("+")
    opinions = Opinions(bench, bench, report(mixed[0]), evidence(*mixed))
    asked = []
    while (wanted := opinions.wanted()) is not None:
        name = wanted.voice.resolver if wanted.voice is not None else "one"
        asked.append(name if wanted.voice is not None else "anybody")
        opinions.add(wanted.voice, report(name), evidence(name))
    return opinions.outcome(), asked


@pytest.mark.parametrize(
    ("says", "asked", "result", "reason", "pair"),
    [
        pytest.param({"one": "f", "two": "f"}, ["two"], "fail", "ptr-nxdomain", None, id="two-agree"),
        pytest.param({"one": "f", "two": "p"}, ["two"], "unknown", "disagreement", "one two", id="two-disagree"),
        pytest.param({"one": "f", "two": "u"}, ["two"], "unknown", "unconfirmed", None, id="the-other-is-silent"),
        pytest.param(
            {"one": "f", "two": "p", "three": "p"}, ["two", "three"], "pass", None, "one two", id="one-is-outvoted"
        ),
        pytest.param(
            {"one": "f", "two": "p", "three": "f"}, ["two", "three"], "fail", "ptr-nxdomain", "one two", id="two-is"
        ),
        pytest.param(
            {"one": "f", "two": "u", "three": "f"}, ["two", "three"], "fail", "ptr-nxdomain", None, id="two-is-silent"
        ),
        pytest.param(
            {"one": "f", "two": "p", "three": "u"},
            ["two", "three"],
            "unknown",
            "disagreement",
            "one two",
            id="three-is-silent",
        ),
        pytest.param(
            {"one": "f", "two": "u", "three": "u", "four": "f"},
            ["two", "three"],
            "unknown",
            "unconfirmed",
            None,
            id="three-opinions-are-enough",
        ),
        pytest.param({"one": "ff"}, ["anybody"], "fail", "ptr-nxdomain", None, id="alone-and-again"),
        pytest.param({"one": "fp"}, ["anybody"], "pass", None, None, id="alone-and-not-again"),
        pytest.param({"one": "fu"}, ["anybody"], "unknown", "timeout", None, id="alone-and-then-silent"),
    ],
)
def test_whom_to_believe(says, asked, result, reason, pair):
    """The table of everything that up to four voices can say of one failure."""
    outcome, heard = settled(says)

    (finding,) = outcome.report.findings
    assert (finding.result, finding.reason) == (result, reason)
    assert heard == asked
    assert (" ".join(sorted(outcome.dispute.pair, key="one two three".find)) if outcome.dispute else None) == pair
    assert outcome.is_waiting == (reason == "unconfirmed")


def test_a_dispute_names_who_says_what():
    """The sentence and the record have both sides, and every one of their canaries has to pass."""
    outcome, _ = settled({"one": "f", "two": "p"})

    assert outcome.report.findings[0].sentence == (
        "two finds nothing wrong, but one does, so neither is believed: It has no PTR record."
    )
    assert (outcome.dispute.failing_source, outcome.dispute.passing_source) == (VOICES[0], VOICES[1])
    assert outcome.servers == {"one", "two"}


def test_what_several_had_a_part_in_is_nobodys_opinion():
    """A first sample that a liar had a part in cannot be one of the two that agree."""
    outcome, asked = settled({"one": "fp", "two": "f"}, first="one+two")

    assert asked == ["one", "two"]
    assert outcome.report.findings[0].reason is Reason.DISAGREEMENT


def test_a_silent_resolver_holds_no_failure_back_for_good():
    """In the third sample in a row of which nobody else says anything, who said it is asked again, and believed."""
    outcome, asked = settled({"one": "ff", "two": "u"}, waited=2)

    assert asked == ["two", "one"]
    assert outcome.report.findings == (FAIL,)
    assert not outcome.is_waiting

    refuted, _ = settled({"one": "fp", "two": "u"}, waited=2)
    assert refuted.report.findings == (PASS,)


@given(st.lists(st.tuples(*[st.sampled_from("pfu")] * 2), min_size=3, max_size=3), st.integers(0, 2), st.booleans())
def test_one_liar_of_three_is_never_believed(says, liar, takes_part):
    """Whatever one of three says, while the others pass what passes or are silent, no failure comes of it."""
    words = {}
    for place, (voice, letters) in enumerate(zip(VOICES, says, strict=False)):
        honest = ["".join("p" if letter == "f" else letter for letter in letters)] * 3
        words[voice.resolver] = [["".join(letters)] * 3, honest][place != liar]
    first = VOICES[liar].resolver
    outcome, _ = settled(words, first=f"{first}+{VOICES[liar - 1].resolver}" if takes_part else first)

    assert all(finding.result is not Result.FAIL for finding in outcome.report.findings)


@given(st.lists(st.tuples(*[st.sampled_from("fu")] * 2), min_size=3, max_size=3), st.integers(0, 2))
def test_one_liar_of_three_hides_nothing_that_the_others_both_see(says, liar):
    """Whatever one of three says, a failure that both others see in whole is believed."""
    words = {voice.resolver: ["ff"] * 3 for voice in VOICES[:3]}
    words[VOICES[liar].resolver] = ["".join(says[liar]).replace("u", "p")] * 3
    first = next(voice.resolver for place, voice in enumerate(VOICES) if place != liar)

    outcome, _ = settled(words, first=first)

    assert outcome.report.findings == (FAIL, FAIL)
