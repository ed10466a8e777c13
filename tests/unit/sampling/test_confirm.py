"""A new failure is recorded if two sources report it: which source is asked next, and how disagreement ends."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.dns.resolvers import Source
from exporter.sampling.confirm import Quorum
from exporter.state.known import confirmed, failures

PASS = Finding(CheckName.FCRDNS, Result.PASS)
FAIL = Finding(CheckName.FCRDNS, Result.FAIL, reason=Reason.PTR_NXDOMAIN, sentence="It has no PTR record.")
OTHER = Finding(CheckName.FCRDNS, Result.FAIL, reason=Reason.FORWARD_NXDOMAIN, sentence="Its name does not exist.")
UNKNOWN = Finding(CheckName.FCRDNS, Result.UNKNOWN, reason=Reason.TIMEOUT)
LETTERS = {"p": PASS, "f": FAIL, "o": OTHER, "u": UNKNOWN}
SOURCES = [Source(name) for name in ("one", "two", "three", "four")]


class Report(NamedTuple):
    """A report on one or two things."""

    findings: tuple[Finding, ...]


class Bench:
    """A subject of which nothing is known, and an asker with these sources."""

    def __init__(self, sources, unconfirmed=0, known=()):
        self._sources, self._unconfirmed, self._known = sources, unconfirmed, failures(known)

    def known_failures(self):
        return self._known

    def confirmed(self, earlier, last):
        seen = self._known | failures([finding for each in earlier for finding in each.findings])
        return Report(tuple(confirmed(finding, seen) for finding in last.findings))

    def with_unknown(self, report, unknown):
        return Report(tuple(unknown.get(index, each) for index, each in enumerate(report.findings)))

    def unconfirmed_samples(self):
        return self._unconfirmed

    def sources(self, servers):
        return frozenset(map(Source, servers))

    def another(self, heard):
        return next((source for source in self._sources if source not in heard), None)


def evidence(*names):
    """Answers of these servers."""
    return {Question(DomainName(f"{name}.test"), "A"): Answer(Status.NXDOMAIN, server=name) for name in names}


def settled(results, *, first="one", unconfirmed=0, known=()):
    """Rerun until there are enough results. Returns the conclusion, and the sources that were asked.

    *results* has the results of each source in order, with a letter for each finding.
    """
    bench = Bench([source for source in SOURCES if source.resolver in results], unconfirmed, known)
    following = {name: iter(each) for name, each in results.items()}

    def report(name):
        return Report(tuple(LETTERS[letter] for letter in next(following[name])))

    mixed = first.split("+")
    quorum = Quorum(bench, bench, report(mixed[0]), evidence(*mixed))
    asked = []
    while (rerun := quorum.rerun()) is not None:
        name = rerun.source.resolver if rerun.source is not None else "one"
        asked.append(name if rerun.source is not None else "any")
        quorum.add(rerun.source, report(name), evidence(name))
    return quorum.conclusion(), asked


@pytest.mark.parametrize(
    ("results", "asked", "result", "reason", "pair"),
    [
        pytest.param({"one": "f", "two": "f"}, ["two"], "fail", "ptr-nxdomain", None, id="two-agree"),
        pytest.param({"one": "f", "two": "p"}, ["two"], "unknown", "disagreement", "one two", id="two-disagree"),
        pytest.param({"one": "f", "two": "u"}, ["two"], "unknown", "unconfirmed", None, id="the-other-is-silent"),
        pytest.param(
            {"one": "f", "two": "p", "three": "p"}, ["two", "three"], "pass", None, "one two", id="one-is-outvoted"
        ),
        pytest.param(
            {"one": "f", "two": "p", "three": "f"},
            ["two", "three"],
            "fail",
            "ptr-nxdomain",
            "one two",
            id="two-is-outvoted",
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
            id="three-sources-are-enough",
        ),
        pytest.param({"one": "f", "two": "o"}, ["two"], "unknown", "unconfirmed", None, id="two-fail-differently"),
        pytest.param(
            {"one": "f", "two": "o", "three": "o"},
            ["two", "three"],
            "fail",
            "forward-nxdomain",
            None,
            id="two-of-three-fail-alike",
        ),
        pytest.param(
            {"one": "f", "two": "o", "three": "p"},
            ["two", "three"],
            "unknown",
            "disagreement",
            "one three",
            id="three-differ",
        ),
        pytest.param({"one": "ff"}, ["any"], "fail", "ptr-nxdomain", None, id="alone-and-again"),
        pytest.param({"one": "fp"}, ["any"], "pass", None, None, id="alone-and-not-again"),
        pytest.param({"one": "fu"}, ["any"], "unknown", "timeout", None, id="alone-and-then-silent"),
    ],
)
def test_which_result_is_recorded(results, asked, result, reason, pair):
    """The table of all results that up to four sources can have for one failure."""
    outcome, sources = settled(results)

    (finding,) = outcome.report.findings
    assert (finding.result, finding.reason) == (result, reason)
    assert sources == asked
    assert (" ".join(sorted(outcome.dispute.pair, key="one two three".find)) if outcome.dispute else None) == pair
    assert outcome.is_waiting == (reason == "unconfirmed")


def test_a_dispute_names_both_sources():
    """In the sentence and in the record; and the servers of both have to pass their canaries."""
    outcome, _ = settled({"one": "f", "two": "p"})

    assert outcome.report.findings[0].sentence == (
        "two finds nothing wrong, but one does, so neither is believed: It has no PTR record."
    )
    assert (outcome.dispute.failing_source, outcome.dispute.passing_source) == (SOURCES[0], SOURCES[1])
    assert outcome.servers == {"one", "two"}


def test_a_result_of_several_sources_counts_for_none():
    """A first sample with answers of a lying source cannot be one of the two that agree."""
    outcome, asked = settled({"one": "fp", "two": "f"}, first="one+two")

    assert asked == ["one", "two"]
    assert outcome.report.findings[0].reason is Reason.DISAGREEMENT


def test_another_failure_of_the_only_source_confirms_nothing():
    """A wrong answer about the PTR record, and later one about an address, are not one failure seen twice."""
    outcome, asked = settled({"one": "fo"})

    assert asked == ["any"]
    assert outcome.report.findings[0].reason is Reason.UNCONFIRMED


def test_sources_that_fail_differently_are_believed_in_the_end():
    """In the third sample in a row, the first source is asked again, and its failure recorded if it persists."""
    outcome, asked = settled({"one": "ff", "two": "o"}, unconfirmed=2)

    assert asked == ["two", "one"]
    assert outcome.report.findings[0] is FAIL


def test_a_source_that_is_asked_twice_is_not_believed_where_another_contradicts_it():
    """It may be alone with one failure, and contradicted about another."""
    outcome, asked = settled({"one": ["ff", "ff"], "two": ["op"]}, unconfirmed=2)

    assert asked == ["two", "one"]
    assert [finding.result for finding in outcome.report.findings] == [Result.FAIL, Result.UNKNOWN]
    assert outcome.dispute is not None


def test_another_reason_for_a_known_failure_needs_two_sources():
    """A source that still sees the known one contradicts it, however often."""
    outcome, asked = settled({"one": "ff", "two": "o"}, unconfirmed=2, known=[OTHER])

    assert (asked, outcome.report.findings[0], outcome.is_waiting) == (["two"], OTHER, False)


def test_a_silent_resolver_does_not_suppress_a_failure_forever():
    """In the third sample in a row that only one source answers, that source is asked twice and believed."""
    outcome, asked = settled({"one": "ff", "two": "u"}, unconfirmed=2)

    assert asked == ["two", "one"]
    assert outcome.report.findings == (FAIL,)
    assert not outcome.is_waiting

    refuted, _ = settled({"one": "fp", "two": "u"}, unconfirmed=2)
    assert refuted.report.findings == (PASS,)


@given(st.lists(st.tuples(*[st.sampled_from("pfu")] * 2), min_size=3, max_size=3), st.integers(0, 2), st.booleans())
def test_one_liar_of_three_is_never_believed(letters, liar, takes_part):
    """Any failure of one of three sources, if the others pass or are silent, is not recorded."""
    results = {}
    for number, (source, each) in enumerate(zip(SOURCES, letters, strict=False)):
        honest = ["".join("p" if letter == "f" else letter for letter in each)] * 3
        results[source.resolver] = [["".join(each)] * 3, honest][number != liar]
    first = SOURCES[liar].resolver
    outcome, _ = settled(results, first=f"{first}+{SOURCES[liar - 1].resolver}" if takes_part else first)

    assert all(finding.result is not Result.FAIL for finding in outcome.report.findings)


@given(st.lists(st.tuples(*[st.sampled_from("fu")] * 2), min_size=3, max_size=3), st.integers(0, 2))
def test_one_liar_of_three_cannot_hide_a_failure(letters, liar):
    """A failure that both other sources report is recorded."""
    results = {source.resolver: ["ff"] * 3 for source in SOURCES[:3]}
    results[SOURCES[liar].resolver] = ["".join(letters[liar]).replace("u", "p")] * 3
    first = next(source.resolver for number, source in enumerate(SOURCES) if number != liar)

    outcome, _ = settled(results, first=first)

    assert outcome.report.findings == (FAIL, FAIL)
