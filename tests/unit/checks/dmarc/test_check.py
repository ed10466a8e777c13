"""DMARC: what must hold in any world. What RFC 9989 says is in tests/conformance/dmarc."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Record, Text
from exporter.checks.check import judge
from exporter.checks.dmarc.check import dmarc
from exporter.checks.dmarc.record import destination, parse_dmarc
from exporter.checks.dmarc.walk import walk_targets
from exporter.checks.domain import overall
from exporter.checks.names import DomainName
from exporter.checks.verdicts import Result
from tests.factories import World, name
from tests.strategies import outages

START = name("a.mail.example.org")
PLACES = ("a.mail.example.org", "mail.example.org", "example.org", "org", "reports.example.net", "example.net")

policies = st.sampled_from(["none", "quarantine", "reject", "bad", ""])
records = st.builds(
    "v=DMARC1;p={};sp={};np={};t={};psd={};rua={}".format,
    policies,
    st.sampled_from(["none", "reject", "", "bad"]),
    st.sampled_from(["none", "reject", ""]),
    st.sampled_from(["y", "n", ""]),
    st.sampled_from(["y", "n", "u", "u", "u", ""]),
    st.sampled_from(["", "mailto:d@example.org", "mailto:d@reports.example.net,mailto:d@mail.example.org!1m", "moo"]),
).map(lambda text: ";".join([tag for tag in text.split(";") if not tag.endswith("=")]))


@st.composite
def dmarc_worlds(draw):
    """Draw records along the way up, and at where reports go."""
    held: dict[Question, frozenset[Record]] = {}
    for place in PLACES:
        texts = draw(st.lists(records | st.sampled_from(["v=spf1 -all", "v=DMARC2"]), max_size=2))
        if texts:
            held[Question(name(f"_dmarc.{place}"), "TXT")] = frozenset([Text(text.encode()) for text in texts])
        if draw(st.booleans()):
            owner = name(f"{place}._report._dmarc.reports.example.net")
            held[Question(owner, "TXT")] = frozenset({Text(b"v=DMARC1")})
    return World(held)


@given(dmarc_worlds(), st.data())
def test_an_outage_withholds_a_verdict_but_never_changes_it(world, data):
    """Losing answers leaves the verdict alone or makes it unknown; a policy that is told is the right one."""
    before, evidence = judge(dmarc(START), world)
    after, _ = judge(dmarc(START), world.without_answers_to(data.draw(outages(list(evidence)))))

    assert overall(after.findings) in {overall(before.findings), Result.UNKNOWN}
    assert after.policy in {before.policy, None}


@given(dmarc_worlds(), st.randoms())
def test_the_order_of_records_never_matters(world, random):
    """Records in any order, each of them twice, give the same report and evidence."""

    def shuffled(asked):
        answer = world(asked)
        held = [*answer.records, *answer.records]
        random.shuffle(held)
        return Answer(answer.status, tuple(held), answer.chain, answer.ttl)

    assert judge(dmarc(START), shuffled) == judge(dmarc(START), world)


@given(dmarc_worlds())
def test_publishing_the_mend_removes_the_fault(world):
    """Whoever publishes what a finding or hint asks for does not get to hear of it again."""
    report, _ = judge(dmarc(START), world)
    for said in (*report.findings, *report.hints):
        if said.mend and said.mend.records:
            after, _ = judge(dmarc(START), world.apply(said.mend))
            assert (said.reason, said.sentence) not in [
                (it.reason, it.sentence) for it in (*after.findings, *after.hints)
            ]


@given(st.binary(max_size=300))
def test_any_octets_are_read(octets):
    """No record can break the reader, and what does not begin with the version is no record."""
    assert parse_dmarc(octets) is None or octets.strip().startswith(b"v")
    read = parse_dmarc(b"v=DMARC1;" + octets)

    assert read is not None
    assert read.own.strength <= 2


@given(st.lists(st.sampled_from(["a", "b", "example", "org"]), min_size=1, max_size=20))
def test_a_walk_has_eight_steps_at_most(labels):
    """However many labels a domain has, the walk ends at its last one, and starts at itself."""
    domain = DomainName(".".join(labels))
    targets = walk_targets(domain)

    assert targets[0] == domain
    assert targets[-1] == labels[-1]
    assert len(targets) == min(len(labels), 8)


def test_destinations():
    """Only a mailbox with a host name is one that can be asked whether it wants reports."""
    assert destination("mailto:d%40x@example.org?subject=x") == "example.org"
    assert [destination(uri) for uri in ("https://example.org/x", "mailto:d", "mailto:@x", "mailto:d@a..b")] == [
        None
    ] * 4
