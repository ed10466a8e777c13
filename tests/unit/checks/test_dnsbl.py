"""DNSBL (RFC 5782): what is a listing, and everything that only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.answers import Question, Status
from exporter.checks.check import run_check
from exporter.checks.dnsbl import Blocklist, ListHealth, dnsbl, list_health, query_name
from exporter.checks.result import CheckName, Reason, Result
from tests.factories import World, address, name
from tests.strategies import INCONCLUSIVE, any_addresses

ZONE = name("zen.example.org")
LIST = Blocklist(ZONE, {address("127.0.0.4"): "XBL", address("127.0.0.2"): "SBL"})
OURS = address("192.0.2.10")
CHECK = CheckName.FCRDNS  # any will do: the finding only carries it
WORKS = "2.0.0.127.zen.example.org A 127.0.0.2\n"
MAPPED = "2.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20


def evaluate(zone, ours=OURS, health=None):
    """Ask the list in a world of these records."""
    return run_check(dnsbl(CHECK, ours, LIST, health), World.parse(zone))[0]


def test_query_names():
    """IPv4 bytes and IPv6 nibbles are reversed under the list's zone, as sections 2.1 and 2.4 show."""
    assert query_name(address("192.0.2.99"), name("bad.example.com")) == "99.2.0.192.bad.example.com"
    assert query_name(address("2001:db8:1:2:3:4:567:89ab"), name("ugly.example.com")) == (
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com"
    )


@pytest.mark.parametrize(
    ("zone", "result", "reason"),
    [
        pytest.param(WORKS, Result.PASS, None, id="not-listed"),
        pytest.param(WORKS + "10.2.0.192.zen.example.org A 127.0.0.4", Result.FAIL, "dnsbl-listed", id="listed"),
        pytest.param("zen.example.org A 192.0.2.1", Result.UNKNOWN, "dnsbl-untrusted", id="test-point-missing"),
        pytest.param(
            WORKS + "1.0.0.127.zen.example.org A 127.0.0.2", Result.UNKNOWN, "dnsbl-untrusted", id="lists-everything"
        ),
        pytest.param(
            "2.0.0.127.zen.example.org A 127.255.255.254", Result.UNKNOWN, "dnsbl-blocked", id="blocked-at-test-point"
        ),
        pytest.param(
            WORKS + "10.2.0.192.zen.example.org A 127.255.255.252", Result.UNKNOWN, "dnsbl-blocked", id="blocked"
        ),
        pytest.param(
            WORKS + "10.2.0.192.zen.example.org A 127.0.0.4\n10.2.0.192.zen.example.org A 127.255.255.255",
            Result.UNKNOWN,
            "dnsbl-blocked",
            id="blocked-and-listed",
        ),
        pytest.param(
            WORKS + "10.2.0.192.zen.example.org A 203.0.113.7", Result.UNKNOWN, "dnsbl-untrusted", id="rewritten"
        ),
        pytest.param(
            WORKS + "10.2.0.192.zen.example.org A 127.0.0.1", Result.UNKNOWN, "dnsbl-untrusted", id="sinkhole"
        ),
        pytest.param("2.0.0.127.zen.example.org A 203.0.113.7", Result.UNKNOWN, "dnsbl-untrusted", id="wildcard"),
        pytest.param(WORKS + "10.2.0.192.zen.example.org A !servfail", Result.UNKNOWN, "servfail", id="servfail"),
        pytest.param("2.0.0.127.zen.example.org A !timeout", Result.UNKNOWN, "timeout", id="list-times-out"),
    ],
)
def test_verdicts(zone, result, reason):
    """Only an answer in 127/8 of a list that passes its test points is a listing."""
    listing = evaluate(zone)

    assert (listing.finding.result, listing.finding.reason) == (result, reason)
    assert listing.finding.subject == "zen.example.org"
    assert listing.is_listed == {Result.PASS: False, Result.FAIL: True}.get(result)


def test_a_listing_is_named_by_its_codes():
    """Codes have the names that are configured, others are shown; the list's own text is kept."""
    listing = evaluate(
        WORKS
        + """
        10.2.0.192.zen.example.org A 127.0.0.4
        10.2.0.192.zen.example.org A 127.0.0.9
        10.2.0.192.zen.example.org TXT see https://zen.example.org/192.0.2.10
        """
    )

    assert listing.codes == ("XBL", "127.0.0.9")
    assert listing.texts == (b"see https://zen.example.org/192.0.2.10",)
    assert listing.finding.sentence == "192.0.2.10 is listed in zen.example.org: XBL, 127.0.0.9."


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (252, "127.255.255.252: the name of the list is misspelt"),
        (254, "127.255.255.254: the query came through a public or shared resolver"),
        (255, "127.255.255.255: too many queries"),
        (253, "127.255.255.253)"),
    ],
)
def test_a_refusal_says_what_its_code_means(code, meaning):
    """The three codes of the large lists have different causes, at the test point as for an address."""
    at_test_point = evaluate(f"2.0.0.127.zen.example.org A 127.255.255.{code}")
    for_address = evaluate(f"{WORKS}10.2.0.192.zen.example.org A 127.255.255.{code}")

    assert meaning in at_test_point.finding.sentence
    assert meaning in for_address.finding.sentence


def test_an_ipv6_list_has_the_mapped_test_points():
    """::ffff:127.0.0.2 is listed and ::ffff:127.0.0.1 is not (section 5)."""
    health, evidence = run_check(list_health(LIST, 6), World.parse(f"{MAPPED}.zen.example.org A 127.0.0.2"))

    assert health == ListHealth(ZONE, 6, works=True)
    assert Question(name(f"{MAPPED}.zen.example.org"), "A") in evidence


LISTED = f"{MAPPED}.zen.example.org A 127.0.0.2\n"
NOT_LISTED = LISTED.replace("2", "1", 1)
POINT = b"\xff\xff\x7f\0\0\x01"


@pytest.mark.parametrize(
    ("family", "zone", "health"),
    [
        pytest.param(
            4,
            "zen.example.org TXT x",
            ListHealth(
                ZONE,
                4,
                works=False,
                reason=Reason.DNSBL_UNTRUSTED,
                sentence="zen.example.org does not work: its test point 127.0.0.2 is not listed (RFC 5782 section 5).",
            ),
            id="has-nothing",
        ),
        pytest.param(
            4,
            "2.0.0.127.zen.example.org A 203.0.113.7",
            ListHealth(
                ZONE,
                4,
                works=False,
                reason=Reason.DNSBL_UNTRUSTED,
                sentence="zen.example.org does not work: its test point 127.0.0.2 is 203.0.113.7 (RFC 5782 section 5).",
            ),
            id="answers-as-no-list-does",
        ),
        pytest.param(
            6,
            LISTED + NOT_LISTED,
            ListHealth(
                ZONE,
                6,
                works=False,
                reason=Reason.DNSBL_UNTRUSTED,
                sentence=f"zen.example.org lists everything: even its test point {Address(bytes(10) + POINT)}, "
                "which no list has (RFC 5782 section 5).",
            ),
            id="lists-everything",
        ),
        pytest.param(
            6,
            LISTED + NOT_LISTED.replace("127.0.0.2", "!servfail"),
            ListHealth(
                ZONE,
                6,
                works=None,
                reason=Reason.SERVFAIL,
                sentence=f"The {NOT_LISTED.partition(' ')[0]} A lookup got no answer (servfail).",
            ),
            id="says-nothing-of-the-other-point",
        ),
    ],
)
def test_the_health_of_a_list(family, zone, health):
    """Section 5: one test point is listed, the other is not; the sentence says what is wrong."""
    assert run_check(list_health(LIST, family), World.parse(zone))[0] == health


def test_why_it_is_unknown_whether_an_address_is_listed():
    """What is wrong with the list follows, where that is known."""
    why = ListHealth(ZONE, 4, works=None, reason=Reason.TIMEOUT, sentence="It was silent.")
    unknown = "Whether zen.example.org lists 192.0.2.10 is unknown."

    assert evaluate("", health=why).finding.sentence == f"{unknown} It was silent."
    assert evaluate("", health=ListHealth(ZONE, 4, works=None)).finding.sentence == unknown
    assert evaluate("", health=ListHealth(ZONE, 4, works=None)).finding.reason is Reason.DNSBL_UNTRUSTED


def test_a_known_health_is_not_asked_for_again():
    """A list that is known to work costs one question an address; one that does not, none."""
    works = run_check(dnsbl(CHECK, OURS, LIST, ListHealth(ZONE, 4, works=True)), World())
    broken = ListHealth(ZONE, 4, works=False, reason=Reason.DNSBL_BLOCKED, sentence="It refuses us.")
    fails = run_check(dnsbl(CHECK, OURS, LIST, broken), World())

    assert (works[0].is_listed, len(works[1])) == (False, 1)
    assert (fails[0].is_listed, fails[0].finding.reason, len(fails[1])) == (None, Reason.DNSBL_BLOCKED, 0)


answers = st.sampled_from(["127.0.0.2", "127.0.0.4", "127.0.0.1", "127.255.255.254", "203.0.113.7", ""])


@given(any_addresses, st.tuples(answers, answers, answers), st.sets(st.integers(0, 2)), st.sampled_from(INCONCLUSIVE))
def test_an_outage_withholds_a_verdict_but_never_changes_it(ours, helo, lost, status):
    """Whatever the list says and whatever goes unanswered, a verdict stays or becomes unknown."""
    points = [bytes([127, 0, 0, byte]) for byte in (2, 1)]
    mapped = [Address(point if ours.family == 4 else bytes(10) + b"\xff\xff" + point) for point in points]
    asked = [query_name(it, ZONE) for it in (*mapped, ours)]
    zone = "\n".join(f"{owner} A {it}" for owner, it in zip(asked, helo, strict=True) if it)
    world = World.parse(zone)
    before = run_check(dnsbl(CHECK, ours, LIST), world)[0].finding
    dark = world.without_answers_to({Question(asked[index], "A"): status for index in lost})
    after = run_check(dnsbl(CHECK, ours, LIST), dark)[0].finding

    assert after == before or after.result is Result.UNKNOWN
    assert status is not Status.ANSWER
