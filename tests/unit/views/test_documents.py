"""JSON objects."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, ExtendedError, Question, Status
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.checks.result import ADDRESS_CHECKS
from exporter.state.address import AddressState
from exporter.views.documents import address_documents, evidence_document, fix_document, percentage, printable, rfc3339
from exporter.views.pools import Listed
from tests.factories import World, target

MTA = target("192.0.2.10", "mail.example.org", "other.example.org")
EVERYTHING = frozenset(ADDRESS_CHECKS)


def documents(world: World):
    """The objects of the address after one sample."""
    state, _ = AddressState(MTA).observe(*run_check(report(MTA), world), 1_700_000_000.5)
    return address_documents(Listed("test", 0, state, 0, ()), EVERYTHING)


def test_one_object_for_each_helo_name_with_the_findings_about_it():
    """Each has the finding of the address and the five of its name."""
    first, second = documents(World.parse("mail.example.org A 192.0.2.10"))

    assert (first["helo"], second["helo"]) == ("mail.example.org", "other.example.org")
    for one in (first, second):
        assert [check["check"] for check in one["checks"]] == [check.value for check in ADDRESS_CHECKS][
            : len(one["checks"])
        ]
        assert len(one["checks"]) == 6
    assert first["iprev"]["verdict"] == "permerror"
    assert first["sampled_at"] == "2023-11-14T22:13:20.500Z"
    assert {one["receiver"]: one["verdict"] for one in first["receivers"]}["strict-helo-equals-ptr"] == "reject"


@given(st.lists(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), min_size=1, max_size=3))
def test_any_name_in_the_dns_is_printable_ascii(labels):
    """Names of any bytes become strings that are safe in a terminal, page or log."""
    names = tuple(sorted({DomainName.from_labels(one) for one in labels}))
    world = World({Question(MTA.address.reverse_name, "PTR"): frozenset(names)})

    text = json.dumps(documents(world), ensure_ascii=False)

    assert all(" " <= character <= "~" for character in text)


@given(st.text(), st.text())
def test_the_text_of_a_server_is_escaped(server, error):
    """So is the text of an extended error."""
    answer = Answer(Status.SERVFAIL, server=server, errors=(ExtendedError(22, error),))

    (one,) = evidence_document({Question(DomainName("example.org"), "A"): answer})

    assert one["server"].isascii()
    assert one["server"].isprintable()
    assert one["errors"][0]["text"] == printable(error)


def test_each_record_of_a_fix_stands_under_its_own_name():
    """The PTR record is in the zone of the provider, the A record in that of the sender."""
    finding, *_ = run_check(report(target("192.0.2.1", "mail.example.org")), World.parse(""))[0].findings
    fix = fix_document(finding.fix)

    assert fix["zone"] == ""
    assert [(change["owner"], change["records"]) for change in fix["changes"]] == [
        ("1.2.0.192.in-addr.arpa", ["1.2.0.192.in-addr.arpa. PTR mail.example.org."]),
        ("mail.example.org", ["mail.example.org. A 192.0.2.1"]),
    ]


def test_never_is_null():
    """A time of 0 is not a date."""
    assert rfc3339(0.0) is None


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [
        (0, 10, "0%"),
        (0, 0, "0%"),
        (1, 458_752, "under 1%"),
        (1, 3, "33%"),
        (999, 1000, "over 99%"),
        (10, 10, "100%"),
    ],
)
def test_a_percentage_is_never_rounded_to_0_or_100(part, whole, percent):
    """Under 1% is not 0%, and over 99% is not 100%."""
    assert percentage(part, whole) == percent
