"""What receivers would say, sample after sample: reused while nothing changed, and never when something did."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks import report as module
from exporter.checks.check import run_check
from exporter.checks.receivers import DEFAULT_RECEIVERS, Receiver
from exporter.checks.report import Predicted, predictions, report
from tests.factories import SERVFAIL, World, question, target
from tests.strategies import outages, targets, worlds

EVERYONE = tuple(Receiver)
MTA_NAME = "mail.example.org"
MTA = target("192.0.2.10", MTA_NAME)
RIGHT = World.parse(
    """
    10.2.0.192.in-addr.arpa PTR mail.example.org
    mail.example.org A 192.0.2.10
    mail.example.org MX 10 mx.example.org
    mx.example.org A 192.0.2.20
    """
)


def sampled(ours, world, before=None):
    """A report with every receiver in it, and its evidence."""
    return run_check(report(ours, policies=EVERYONE, before=before), world)


@given(targets, worlds(), worlds(), st.data())
def test_a_prediction_after_another_is_the_one_that_would_have_been_made_without_it(ours, first, second, data):
    """Whatever the DNS was like before, the verdicts are those of the DNS as it is."""
    earlier, evidence = sampled(ours, first)
    now = data.draw(st.sampled_from([first, second])).without_answers_to(data.draw(outages(list(evidence))))

    fresh, _ = sampled(ours, now)
    built_on, _ = sampled(ours, now, Predicted(evidence, earlier.receivers))

    assert built_on == fresh


def test_unchanged_evidence_is_not_judged_again(monkeypatch):
    """The same answers give the very same verdicts, without running a single model."""
    earlier, evidence = sampled(MTA, RIGHT)
    monkeypatch.setattr(module, "receivers", None)

    later, again = sampled(MTA, RIGHT, Predicted(evidence, earlier.receivers))

    assert later.receivers is earlier.receivers
    assert again.keys() == evidence.keys()


def test_what_spf_asked_is_not_asked_again():
    """TXT records are no receiver's here, so one that is among the evidence costs nothing and decides nothing."""
    earlier, evidence = sampled(MTA, RIGHT)
    more = {**evidence, question("example.org", "TXT"): SERVFAIL}

    later, asked = run_check(predictions(MTA, EVERYONE, Predicted(more, earlier.receivers)), RIGHT)

    assert later is earlier.receivers
    assert question("example.org", "TXT") not in asked


def test_another_kind_of_nothing_is_judged_anew():
    """A name that exists without addresses is not one that does not exist, though neither has records."""
    empty, gone = (
        World.parse(f"10.2.0.192.in-addr.arpa PTR x.example.org\n{more}") for more in (f"{MTA_NAME} TXT x", "")
    )
    earlier, evidence = sampled(MTA, empty)

    later, _ = sampled(MTA, gone, Predicted(evidence, earlier.receivers))

    assert later.receivers is not earlier.receivers
    assert later == sampled(MTA, gone)[0]


def test_what_nobody_wants_any_more_is_not_asked_for():
    """When the PTR name changes, the one before is forgotten; when the MX record does, its host."""
    earlier, evidence = sampled(MTA, RIGHT)
    moved = World.parse(
        """
        10.2.0.192.in-addr.arpa PTR other.example.org
        other.example.org A 192.0.2.10
        mail.example.org A 192.0.2.10
        mail.example.org MX 10 mx2.example.org
        """
    )
    _, asked = sampled(MTA, moved, Predicted(evidence, earlier.receivers))

    assert asked.keys() == sampled(MTA, moved)[1].keys()
    assert question("mx.example.org", "A") in evidence
    assert question("mx.example.org", "A") not in asked


def test_an_inconclusive_prediction_is_made_again():
    """What was a guess is not built on, even if the answers are the same."""
    silent = RIGHT.without_answers_to({question("10.2.0.192.in-addr.arpa", "PTR"): SERVFAIL.status})
    earlier, evidence = sampled(MTA, silent)

    assert not Predicted(evidence, earlier.receivers).matches(MTA, EVERYONE)


def test_other_receivers_are_predicted_anew():
    """A reload that names others does not get the verdicts of the ones before."""
    earlier, evidence = sampled(MTA, RIGHT)
    before = Predicted(evidence, earlier.receivers)

    later, _ = run_check(report(MTA, policies=[Receiver.GMAIL], before=before), RIGHT)

    assert [[it.receiver for it in row] for row in later.receivers] == [[Receiver.GMAIL]]


@given(targets, worlds())
def test_without_receivers_nothing_more_is_asked_or_said(ours, world):
    """A pool that predicts none costs and says what it did before there were predictions."""
    with_none, evidence = run_check(report(ours, policies=()), world)
    with_all, more = sampled(ours, world)

    assert with_none.receivers == ()
    assert evidence.keys() <= more.keys()
    assert (with_none.iprev, with_none.findings) == (with_all.iprev, with_all.findings)


def test_an_address_without_helo_names_is_not_predicted():
    """There is nothing that a receiver could judge."""
    ours = target("192.0.2.10")

    judged, evidence = sampled(ours, RIGHT)

    assert judged.receivers == ()
    assert evidence.keys() == run_check(report(ours), RIGHT)[1].keys()


@given(targets, worlds(), st.booleans())
def test_the_short_list_makes_no_sample_wait_longer(ours, world, is_second):
    """Beside the checks, its questions take two round trips as well, so that time-outs do not add up."""
    judged, evidence = run_check(report(ours, policies=DEFAULT_RECEIVERS), world)
    before = Predicted(evidence, judged.receivers) if is_second else None
    check, steps, answers, known = report(ours, policies=DEFAULT_RECEIVERS, before=before), 0, None, set()
    try:
        while True:
            batch = check.send(answers)
            steps += bool(set(batch) - known)
            known |= set(batch)
            answers = [world(question) for question in batch]
    except StopIteration:
        pass

    assert steps <= 2
