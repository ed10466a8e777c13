"""What is published: reading it, and what exists because of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.names import DomainName
from exporter.demo.world import RecordSet, Zone, lineage, parse_records
from tests.strategies import domain_names

NAMES = tuple(map(DomainName, [".", "org", "example.org", "a.example.org", "b.a.example.org", "example.net"]))


def shown(record_sets):
    """Record sets as text, for comparing."""
    return [(str(it.owner), it.rdtype, it.ttl, [rdata.to_text() for rdata in it.rdatas]) for it in record_sets]


def test_zone_file_text_is_read():
    """Owners may be relative, absolute, "@" or left out; class and TTL may be; comments and blank lines are skipped."""
    lines = [
        "; a comment",
        "$ORIGIN example.org.",
        "$TTL 60",
        "",
        "@ IN MX 10 mail",
        "mail 5 A 192.0.2.1 ; another",
        "     A 192.0.2.2",
        "  ; indented",
        "1.2.0.192.in-addr.arpa. 7 IN ptr Mail",
        '@ TXT "v=spf1 -all" "; no comment"',
    ]
    assert shown(parse_records(lines)) == [
        ("example.org", "MX", 60, ["10 mail.example.org."]),
        ("mail.example.org", "A", 5, ["192.0.2.1", "192.0.2.2"]),
        ("1.2.0.192.in-addr.arpa", "PTR", 7, ["Mail.example.org."]),
        ("example.org", "TXT", 60, ['"v=spf1 -all" "; no comment"']),
    ]


def test_a_record_that_is_repeated_is_published_once():
    """A set has no duplicates (RFC 2181 section 5)."""
    (records,) = parse_records(["a.example. A 192.0.2.1", "A.example. A 192.0.2.1"])
    assert len(records.rdatas) == 1


@pytest.mark.parametrize(
    ("line", "helo"),
    [
        ("mail.example.org.", "not a record"),
        ("mail.example.org. NOSUCH 1", "NOSUCH"),
        ("mail.example.org. A 192.0.2.256", "192.0.2.256"),
        ("a..b. A 192.0.2.1", "empty"),
        ("mail.example.org. A 192.0.2.1 192.0.2.2", "EOL"),
    ],
)
def test_what_is_no_record_is_refused_with_its_line(line, helo):
    """A slip in a test's or the world's records is found where it is, not in a verdict."""
    with pytest.raises(ValueError, match=r"(?s)world\.zone: line 2: ") as caught:
        parse_records(["example.org. A 192.0.2.1", line], source="world.zone")
    assert helo in str(caught.value)


@given(domain_names)
def test_any_name_can_be_published(name):
    """Whatever a `DomainName` shows is read back as that name, as owner and as what a PTR record points at."""
    (records,) = parse_records([f"{str(name).removesuffix('.')}. PTR {str(name).removesuffix('.')}."])
    assert records.owner == name
    assert records.target == name


@given(domain_names)
def test_a_lineage_ends_at_the_root(name):
    """A name's lineage is itself and its parents, one by one, the root included."""
    expected = [name]
    while expected[-1] != ".":
        expected.append(expected[-1].parent)
    assert list(lineage(name)) == expected


changes = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["A", "TXT", "CNAME"]), st.booleans()), max_size=20
)


@given(changes)
def test_what_exists_follows_from_what_is_published(made):
    """However records came and went: a name exists if it or a name below it has records (RFC 8020)."""
    rdata = {"A": "192.0.2.1", "TXT": '"x"', "CNAME": "target.example."}
    zone = Zone()
    for name, rdtype, is_published in made:
        if is_published:
            (records,) = parse_records([f"{str(name).removesuffix('.')}. {rdtype} {rdata[rdtype]}"])
            zone.put(records)
        else:
            zone.remove(name, rdtype)
    owners = {records.owner for records in zone}
    for name in NAMES:
        assert zone.exists(name) == any(owner.is_under(name) for owner in owners)
        types = {records.rdtype for records in zone if records.owner == name}
        assert types == {"CNAME"} or "CNAME" not in types


def test_the_authority_is_the_nearest_zone():
    """A negative answer carries the SOA record of the zone that the name is in (RFC 2308 section 3)."""
    zone = Zone(parse_records([". SOA a b 1 2 3 4 5", "example.org. SOA c d 1 2 3 4 5"]))
    owners = [
        it.owner for it in map(zone.authority, map(DomainName, ["x.example.org", "example.net", "example.org"])) if it
    ]
    assert owners == ["example.org", ".", "example.org"]
    assert Zone().authority(DomainName("example.org")) is None


def test_all_records_of_a_name_can_be_withdrawn():
    """Without a type, everything at the name goes, and what is below it stays."""
    zone = Zone(parse_records(["a.example. A 192.0.2.1", "a.example. TXT x", "b.a.example. A 192.0.2.2"]))
    zone.remove(DomainName("a.example"))
    assert [(it.owner, it.rdtype) for it in zone] == [("b.a.example", "A")]
    assert isinstance(zone.get(DomainName("b.a.example"), "A"), RecordSet)
