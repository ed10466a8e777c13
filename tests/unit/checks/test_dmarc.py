"""DMARC: what is true in any world. The cases of RFC 9989 are in tests/conformance/dmarc."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Record, Status, Text
from exporter.checks.check import run_check
from exporter.checks.dmarc import destination, dmarc, parse_dmarc, tree_walk_names
from exporter.checks.names import DomainName
from exporter.checks.result import Result
from exporter.checks.txt_records import parse_tags
from tests.domains import overall
from tests.examples import examples
from tests.factories import World, name, question
from tests.mistakes import broken
from tests.strategies import outages

START = name("a.mail.example.org")
HOSTS = ("a.mail.example.org", "mail.example.org", "example.org", "org", "reports.example.net", "example.net")

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
    known: dict[Question, frozenset[Record]] = {}
    for host in HOSTS:
        texts = draw(st.lists(records | st.sampled_from(["v=spf1 -all", "v=DMARC2"]), max_size=2))
        if texts:
            known[Question(name(f"_dmarc.{host}"), "TXT")] = frozenset([Text(text.encode()) for text in texts])
        if draw(st.booleans()):
            owner = name(f"{host}._report._dmarc.reports.example.net")
            known[Question(owner, "TXT")] = frozenset({Text(b"v=DMARC1")})
    return World(known)


@given(dmarc_worlds(), st.data())
def test_an_outage_withholds_a_verdict_but_never_changes_it(world, data):
    """Losing answers leaves the verdict alone or makes it unknown; a known policy is the right one."""
    before, evidence = run_check(dmarc(START), world)
    after, _ = run_check(dmarc(START), world.without_answers_to(data.draw(outages(list(evidence)))))

    assert overall(after.findings) in {overall(before.findings), Result.UNKNOWN}
    assert after.policy in {before.policy, None}


@given(dmarc_worlds(), st.randoms())
def test_the_order_of_records_never_matters(world, random):
    """Records in any order, each of them twice, give the same report and evidence."""

    def shuffled(asked):
        answer = world(asked)
        known = [*answer.records, *answer.records]
        random.shuffle(known)
        return Answer(answer.status, tuple(known), answer.chain, answer.ttl)

    assert run_check(dmarc(START), shuffled) == run_check(dmarc(START), world)


@given(dmarc_worlds())
def test_publishing_the_fix_removes_the_fault(world):
    """Publishing what a finding or hint asks for ends it."""
    report, _ = run_check(dmarc(START), world)
    for helo in (*report.findings, *report.hints):
        if helo.fix and helo.fix.records:
            after, _ = run_check(dmarc(START), world.apply(helo.fix))
            assert (helo.reason, helo.sentence) not in [
                (it.reason, it.sentence) for it in (*after.findings, *after.hints)
            ]


EQUALS = (
    lambda text: text.replace("p=", "p:", 1),
    lambda text: text.replace("p=reject", "p=rejct").replace("p=quarantine", "p=quarantene"),
    lambda text: text.replace(" p=", " p = "),
    lambda text: text.replace("rua=", "rua:"),
)
whole_records = st.builds(
    "v=DMARC1; p={}{}; rua={}{}".format,
    st.sampled_from(["none", "quarantine", "reject"]),
    st.sampled_from(["", "; sp=reject", "; sp=quarantine; np=reject", "; adkim=s"]),
    st.sampled_from(["mailto:d@example.org", "mailto:d@example.org,mailto:e@example.org"]),
    st.sampled_from(["", "; ruf=mailto:f@example.org; fo=1:d", "; aspf=s; x=1"]),
)
MAY_STAY = {"dmarc-monitoring", "dmarc-weaker-subdomains"}


@examples(400)
@given(whole_records.flatmap(lambda whole: st.tuples(st.just(whole), broken(whole, EQUALS))))
def test_fixes_lead_back_to_the_record_that_was_meant(records):
    """Whatever is broken about it: once no fault is left, it has each policy, report address and tag that it had."""
    whole, text = records
    asked = question("_dmarc.example.org", "TXT")
    world = World({asked: frozenset({Text(text.encode())})})
    for _ in range(3):
        report, _ = run_check(dmarc(name("example.org")), world)
        fixes = [it.fix for it in (*report.findings, *report.hints) if it.fix and it.reason not in MAY_STAY]
        if not fixes:
            break
        world = world.apply(fixes[0])
    (fixed,) = world(asked).texts

    assert not fixes
    assert set(parse_tags(fixed).pairs) == set(parse_tags(whole.encode()).pairs)


@given(st.binary(max_size=300))
def test_any_bytes_are_read(text):
    """No record can break the reader, and what does not begin with the version is no record."""
    assert parse_dmarc(text) is None or text.strip().startswith(b"v")
    read = parse_dmarc(b"v=DMARC1;" + text)

    assert read is not None
    assert read.own.strength <= 2


@given(st.lists(st.sampled_from(["a", "b", "example", "org"]), min_size=1, max_size=20))
def test_a_tree_walk_has_eight_steps_at_most(labels):
    """However many labels a domain has, the walk ends at its last one, and starts at itself."""
    domain = DomainName(".".join(labels))
    targets = tree_walk_names(domain)

    assert targets[0] == domain
    assert targets[-1] == labels[-1]
    assert len(targets) == min(len(labels), 8)


def test_destinations():
    """Only a mailbox with a host name is one that can be asked whether it wants reports."""
    assert destination("mailto:d%40x@example.org?subject=x") == "example.org"
    assert [destination(uri) for uri in ("https://example.org/x", "mailto:d", "mailto:@x", "mailto:d@a..b")] == [
        None
    ] * 4


@pytest.mark.parametrize(
    ("record", "uris", "bad"),
    [
        ("rua=mailto:d@example.org", ("mailto:d@example.org",), ()),
        ("rua=mailto:d@example.org!10m", ("mailto:d@example.org",), ()),
        ("rua=mailto:a@example.org , https://example.net/x", ("mailto:a@example.org", "https://example.net/x"), ()),
        ("rua=d@example.org", (), ("rua=d@example.org",)),
        ("rua=mailto:d", (), ("rua=mailto:d",)),
        ("rua=MAILTO:d", (), ("rua=MAILTO:d",)),
        ("rua=mailto:d@-example.org,mailto:a@example.org", ("mailto:a@example.org",), ("rua=mailto:d@-example.org",)),
        ("rua=mailto:d!x@example.org", (), ("rua=mailto:d!x@example.org",)),
        ("rua=https://example.org/!x", (), ("rua=https://example.org/!x",)),
        ("rua=", (), ("rua=",)),
    ],
)
def test_where_reports_can_go(record, uris, bad):
    """A URI, of which a mailto: one has a mailbox at a host name; a size at its end no longer counts (section 4.8)."""
    read = parse_dmarc(f"v=DMARC1; p=none; {record}".encode())

    assert (read.rua, read.bad_tags) == (uris, bad)


@pytest.mark.parametrize(
    "uri", ["https://d@example.org", "mailto:d@\\109ail.example.org", "mailto:d@example.org.x_y", "mailto:"]
)
def test_what_nobody_can_be_asked_about(uri):
    """Other schemes have no host that could agree, and no escape stands for a dot."""
    assert destination(uri) is None


def _only(zone, reason):
    """The finding or hint with *reason* about example.org in a world of these records."""
    report, _ = run_check(dmarc(name("example.org")), World.parse(zone))
    (helo,) = [it for it in (*report.findings, *report.hints) if it.reason == reason]
    return helo


REPORTS = "rua=mailto:d@example.org"


@pytest.mark.parametrize(
    ("record", "reason", "fixed"),
    [
        (f"v=DMARC1; sp=none; {REPORTS}", "dmarc-monitoring", f"v=DMARC1; p=quarantine; sp=none; {REPORTS}"),
        (f"v=DMARC1; p=reject; t=y; {REPORTS}", "dmarc-testing", f"v=DMARC1; p=reject; {REPORTS}"),
        (
            f"v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; {REPORTS}",
            "dmarc-weaker-subdomains",
            f"v=DMARC1; p=reject; adkim=s; {REPORTS}",
        ),
        (
            "v=DMARC1; p=reject; rua=mailto:d@example.org!1m,mailto:e@example.org; ruf=mailto:d@example.org!2g; pct=5",
            "dmarc-historic-tag",
            f"v=DMARC1; p=reject; {REPORTS},mailto:e@example.org; ruf=mailto:d@example.org",
        ),
        ("v=DMARC1; p=reject; rua=!1m", "dmarc-historic-tag", "v=DMARC1; p=reject"),
        (f"v=DMARC1; sp=all; {REPORTS}", "dmarc-policy", f"v=DMARC1; p=none; {REPORTS}"),
        (f"v=DMARC1; p=rejct; np=al; {REPORTS}", "dmarc-policy", f"v=DMARC1; p=reject; {REPORTS}"),
        (f"v=DMARC1; p=moo; np=al; {REPORTS}", "dmarc-policy", f"v=DMARC1; p=none; {REPORTS}"),
    ],
)
def test_a_record_is_rewritten_but_for_what_is_wrong(record, reason, fixed):
    """All other tags stay as they are, in their order, p first after the version; what goes is named."""
    fix = _only(f"_dmarc.example.org TXT {record}", reason).fix

    assert fix.records == (f'_dmarc.example.org. TXT "{fixed}"',)
    assert fix.replaces == (f'_dmarc.example.org. TXT "{record}"',)


@pytest.mark.parametrize(
    ("record", "reason", "sentence"),
    [
        (
            "v=DMARC1; adkim=s",
            "dmarc-policy",
            "has no p=, so receivers do not apply it at all (RFC 9989 section 4.10.1).",
        ),
        (
            f"v=DMARC1; p=rejct; sp=x; {REPORTS}",
            "dmarc-policy",
            "has p=rejct, sp=x, so receivers treat it as p=none (RFC 9989 section 4.10.1).",
        ),
        (
            f"v=DMARC1; p=reject; pct=5; rf=afrf; {REPORTS}!1m",
            "dmarc-historic-tag",
            (
                "has tags that receivers no longer read (RFC 9989): pct=5, rf=afrf, mailto:d@example.org!1m. "
                "Receivers that follow RFC 7489 apply the policy to 5% of the mail that fails."
            ),
        ),
        (
            f"v=DMARC1; p=reject; adkim=x; {REPORTS}",
            "dmarc-bad-tag",
            "has tags that receivers cannot read and ignore: adkim=x.",
        ),
    ],
)
def test_what_is_wrong_with_a_record_is_quoted(record, reason, sentence):
    """The sentence says what receivers do with it."""
    helo = _only(f"_dmarc.example.org TXT {record}", reason)

    assert helo.sentence == f"The DMARC record of example.org {sentence}"


def test_bytes_of_a_record_that_is_ignored_are_shown_as_escapes():
    """What is no ASCII cannot break the sentence."""
    known = {Question(name("_dmarc.example.org"), "TXT"): frozenset([Text(b"v=dmarc1; p=none; x=\xff")])}
    report, _ = run_check(dmarc(name("example.org")), World(known))

    assert report.findings[0].sentence == (
        "Receivers ignore the DMARC record of example.org, because it begins with v=dmarc1, and not with v=DMARC1: "
        r"v=dmarc1; p=none; x=\xff."
    )


def test_a_policy_of_its_own_asks_for_nothing_more():
    """Whether the domain exists matters only where a record above it says np."""
    own = "_dmarc.mail.example.org TXT v=DMARC1; p=reject; np=none; rua=mailto:d@mail.example.org"
    above = "_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:d@example.org"

    for zone in (own, above):
        _, evidence = run_check(dmarc(name("mail.example.org")), World.parse(zone))
        assert {asked.rdtype for asked in evidence} <= {"TXT", "CNAME"}
    _, evidence = run_check(
        dmarc(name("mail.example.org")), World.parse(above.replace("p=reject", "p=reject; np=none"))
    )
    assert question("mail.example.org", "MX") in evidence


@pytest.mark.parametrize(("status", "reason"), [(Status.ANSWER, "txt-beside-cname"), (Status.TIMEOUT, "timeout")])
def test_a_cname_beside_the_record_is_a_fault(status, reason):
    """A server that answers with both makes what receivers see a matter of chance; silence leaves it open."""
    world = World.parse("_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:d@example.org")
    target = (name("_dmarc.example.net"),) if status is Status.ANSWER else ()

    def ask(asked):
        return Answer(status, target) if asked.rdtype == "CNAME" else world(asked)

    (finding,) = run_check(dmarc(name("example.org")), ask)[0].findings
    assert finding.reason == reason
    if finding.fix is not None:
        assert finding.fix.replaces == ("_dmarc.example.org. CNAME _dmarc.example.net.",)


def test_the_question_that_ended_the_tree_walk_is_named():
    """Of several without an answer it is the one nearest to the domain."""
    zone = "_dmarc.mail.example.org TXT !refused\n_dmarc.example.org TXT !servfail"
    report, _ = run_check(dmarc(name("a.mail.example.org")), World.parse(zone))

    (finding,) = report.findings
    assert finding.sentence == (
        "The _dmarc.mail.example.org TXT lookup got no answer (refused): nothing is known to be wrong."
    )


def test_ten_destinations_are_asked_the_same_ones_each_time():
    """The first ten hosts in order, each once, however they are listed."""
    hosts = [f"r{number:02}.example.net" for number in range(12, 0, -1)]
    uris = ",".join([f"mailto:d@{host}" for host in (*hosts, *hosts)])
    report, evidence = run_check(
        dmarc(name("example.org")), World.parse(f"_dmarc.example.org TXT v=DMARC1;p=none;rua={uris}")
    )

    assert [it.host for it in report.destinations] == sorted(hosts)[:10]
    assert {it.is_authorised for it in report.destinations} == {False}
    assert len([asked for asked in evidence if asked.rdtype == "TXT"]) == 2 + 10
