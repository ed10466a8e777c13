"""Records to publish in place of wrong ones: well-formed, and as near to what was there as can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.spf.fixes import authorising, merged, naming, repaired, replacement
from exporter.checks.spf.terms import BadTerm, read_record
from tests.examples import examples
from tests.factories import address


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        pytest.param(b"v=spf1", [], id="nothing"),
        pytest.param(b"v=spf1 a  mx   -all", ["a", "mx", "-all"], id="spaces"),
        pytest.param(
            b"v=spf1 ip4:moo a \xfc ipv4:192.0.2.1 -all", ["a", "ip4:192.0.2.1", "-all"], id="what-cannot-be-read-goes"
        ),
        pytest.param(b"v=spf1 a a -all", ["a", "a", "-all"], id="a-mechanism-may-come-twice"),
        pytest.param(
            b"v=spf1 redirect=a.example REDIRECT=b.example exp=c.example exp=d.example",
            ["redirect=a.example", "exp=c.example"],
            id="a-modifier-may-not",
        ),
        pytest.param(b"v=spf1 moo=1 moo=2 -all", ["moo=1", "moo=2", "-all"], id="but-for-unknown-ones"),
    ],
)
def test_the_terms_that_can_stay(record, kept):
    """RFC 7208 section 6: redirect and exp must appear only once; other modifiers are not for us to judge."""
    assert list(repaired(record).terms) == kept


@pytest.mark.parametrize(
    ("records", "kept"),
    [
        pytest.param([b"v=spf1 a -all", b"v=spf1 mx ~all"], ["a", "mx", "~all"], id="the-softer-end-counts"),
        pytest.param([b"v=spf1 a", b"v=spf1 a mx ?ALL"], ["a", "mx", "?all"], id="each-term-once"),
        pytest.param(
            [b"v=spf1 a redirect=x.example", b"v=spf1 mx -all"],
            ["a", "mx", "include:x.example", "-all"],
            id="a-redirect-becomes-an-include",
        ),
        pytest.param(
            [b"v=spf1 exists:%{i}.a=b.example moo=x:y exp=e.example", b"v=spf1 a:c.example"],
            ["exists:%{i}.a=b.example", "moo=x:y", "exp=e.example", "a:c.example"],
            id="modifiers-stay",
        ),
        pytest.param([b"v=spf1 mx", b"v=spf1 a"], ["mx", "a"], id="without-an-end"),
        pytest.param([b"v=spf1 ?all", b"v=spf1 mx +all"], ["mx", "?all"], id="whatever-the-end-says"),
    ],
)
def test_several_records_as_one(records, kept):
    """Everything that authorises, in order, then one end."""
    assert list(merged(records).terms) == kept


octets = st.lists(
    st.sampled_from(
        [b"a", b"+all", b"-all", b"redirect=x.example", b"exp=y.example", b"moo=1", b"ip4:x", b"\xff", b""]
    ),
    max_size=8,
).map(lambda some: b"v=spf1 " + b" ".join(some))


@examples(40)
@given(st.lists(octets, min_size=1, max_size=3))
def test_what_is_written_can_be_read(records):
    """Whatever the records, the one in place of them is well-formed."""
    fix = authorising(address("192.0.2.10"), "example.org", records)
    (line,) = fix.records

    assert not isinstance(read_record(line.split('"')[1].encode()), BadTerm)
    assert len(fix.replaces) == len(records)


@pytest.mark.parametrize(
    ("ip", "records", "line", "replaces"),
    [
        ("192.0.2.10", [], "v=spf1 ip4:192.0.2.10 mx ~all", ()),
        ("2001:db8::1", [b"v=spf1 a -all"], "v=spf1 ip6:2001:db8::1 a -all", ('example.org. TXT "v=spf1 a -all"',)),
        (
            "192.0.2.10",
            [b"v=spf1 a ~all", b"v=spf1 mx -all"],
            "v=spf1 ip4:192.0.2.10 a mx ~all",
            ('example.org. TXT "v=spf1 a ~all"', 'example.org. TXT "v=spf1 mx -all"'),
        ),
    ],
)
def test_an_address_is_named_first(ip, records, line, replaces):
    """Before every term that could refuse it."""
    fix = authorising(address(ip), "example.org", records)

    assert fix.records == (f'example.org. TXT "{line}"',)
    assert (fix.zone, fix.replaces) == ("example.org", replaces)


def test_advice():
    """One's own words, or what there is to do: publish a record, or another one."""
    ours = address("192.0.2.10")

    assert naming(ours) == "ip4:192.0.2.10"
    assert authorising(ours, "x.example", []).advice == (
        "Publish an SPF record for x.example that authorises the address."
    )
    assert authorising(ours, "x.example", [b"v=spf1 -all"]).advice == (
        "Authorise the address: publish the record below in place of the present one."
    )
    assert {authorising(ours, "x.example", some, advice="Do.").advice for some in ([], [b"v=spf1"])} == {"Do."}
    assert replacement("Do.", "x.example", [], []).records == ('x.example. TXT "v=spf1"',)
