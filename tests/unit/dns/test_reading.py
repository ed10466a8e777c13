"""What a reply says of a question, from its records: chains, negatives, contradictions, and for how long."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Status
from exporter.dns.codec import (
    MAX_LINKS,
    MAX_NEGATIVE_TTL,
    MAX_RECORDS,
    MAX_TTL,
    ReplyRecords,
    UnreadableError,
    clamp_ttl,
    interpret,
)
from tests.factories import address, addresses, name

WWW, WEB, ORG, ROOT = name("www.example.org"), name("web.example.net"), name("example.org"), name(".")
HERE, THERE = addresses("192.0.2.1", "192.0.2.2")


def content(*records, rcode=0, soa=(), is_referral=False):
    """A reply: records as (owner, record, TTL), where a name is a CNAME's; SOA records as (owner, TTL)."""
    made = ReplyRecords(rcode)
    for owner, record, ttl in records:
        made.add_answer(owner, record in (HERE, THERE), record, ttl)
    for owner, ttl in soa:
        made.add_authority(owner, ttl)
    made.is_referral = is_referral
    return made


@pytest.mark.parametrize(
    ("helo", "reading"),
    [
        pytest.param(content((WWW, HERE, 60)), (Status.ANSWER, (HERE,), (), 60), id="a-record"),
        pytest.param(
            content((WWW, THERE, 60), (WWW, HERE, 30), (WWW, HERE, 90)),
            (Status.ANSWER, (HERE, THERE), (), 30),
            id="records-in-order-each-once-with-the-smallest-ttl",
        ),
        pytest.param(
            content((WWW, WEB, 20), (WEB, HERE, 60)), (Status.ANSWER, (HERE,), (WEB,), 20), id="the-alias-goes-first"
        ),
        pytest.param(
            content((WWW, WEB, 60), (WEB, HERE, 20)), (Status.ANSWER, (HERE,), (WEB,), 20), id="the-record-goes-first"
        ),
        pytest.param(content((WWW, WEB, 60)), (None, (), (WEB,), 60), id="the-chain-leads-on"),
        pytest.param(
            content((WWW, WEB, 60), soa=[(name("example.net"), 30)]),
            (Status.NODATA, (), (WEB,), 30),
            id="nodata-at-the-end-of-a-chain",
        ),
        pytest.param(
            content((WWW, WEB, 20), soa=[(name("example.net"), 30)]),
            (Status.NODATA, (), (WEB,), 20),
            id="nodata-no-longer-than-its-alias",
        ),
        pytest.param(
            content((WWW, WEB, 60), soa=[(ORG, 30)]), (None, (), (WEB,), 60), id="the-soa-of-another-zone-says-nothing"
        ),
        pytest.param(content(soa=[(ORG, 30)]), (Status.NODATA, (), (), 30), id="nodata"),
        pytest.param(content(soa=[(ROOT, 30)]), (Status.NODATA, (), (), 30), id="nodata-of-the-root"),
        pytest.param(
            content(soa=[(name("example.net"), 5), (ORG, 30), (ROOT, 7)]),
            (Status.NODATA, (), (), 30),
            id="the-first-soa-that-fits",
        ),
        pytest.param(
            content(soa=[(ORG, 86_400)]), (Status.NODATA, (), (), MAX_NEGATIVE_TTL), id="no-nothing-lasts-for-hours"
        ),
        pytest.param(content(soa=[(ORG, 0)]), (Status.NODATA, (), (), 0), id="nodata-that-is-not-to-be-kept"),
        pytest.param(content(), (Status.NODATA, (), (), 0), id="nodata-without-an-soa-is-not-kept"),
        pytest.param(content(is_referral=True), (Status.REFUSED, (), (), 0), id="a-referral-tells-nothing"),
        pytest.param(
            content(soa=[(ORG, 30)], is_referral=True), (Status.NODATA, (), (), 30), id="unless-there-is-an-soa-too"
        ),
        pytest.param(content(rcode=3, soa=[(ORG, 30)]), (Status.NXDOMAIN, (), (), 30), id="nxdomain"),
        pytest.param(content(rcode=3), (Status.NXDOMAIN, (), (), 0), id="nxdomain-without-an-soa-is-not-kept"),
        pytest.param(
            content((WWW, WEB, 60), rcode=3), (Status.NXDOMAIN, (), (WEB,), 0), id="nxdomain-is-about-the-end"
        ),
        pytest.param(content((WWW, WWW, 60)), (Status.CHAIN, (), (WWW,), 60), id="an-alias-of-itself"),
        pytest.param(
            content((WWW, WEB, 60), (WEB, ORG, 9), (ORG, WEB, 60)), (Status.CHAIN, (), (WEB, ORG, WEB), 9), id="a-loop"
        ),
        pytest.param(content((WWW, HERE, 1 << 31)), (Status.ANSWER, (HERE,), (), 0), id="a-ttl-that-is-none"),
        pytest.param(content((WWW, HERE, 1 << 30)), (Status.ANSWER, (HERE,), (), MAX_TTL), id="a-ttl-of-decades"),
    ],
)
def test_what_a_reply_says(helo, reading):
    """RFC 2308 section 2, RFC 6604 section 3, RFC 2181 section 8."""
    helo.options = b"options"

    assert interpret(helo, WWW) == (*reading, b"options")


@pytest.mark.parametrize(
    "helo",
    [
        pytest.param(content((WWW, WEB, 1), (WWW, HERE, 1)), id="a-record-beside-an-alias"),
        pytest.param(content((ORG, HERE, 1)), id="a-record-at-a-name-that-was-not-asked-for"),
        pytest.param(content((WWW, WEB, 1), (ORG, HERE, 1)), id="a-record-at-no-name-of-the-chain"),
        pytest.param(content((WWW, HERE, 1), rcode=3), id="a-record-at-a-name-that-does-not-exist"),
    ],
)
def test_what_contradicts_itself_is_not_read(helo):
    """No part of such a reply is believed."""
    with pytest.raises(UnreadableError):
        interpret(helo, WWW)


def test_a_name_has_one_alias():
    """The same one twice is one (RFC 2181 section 10.1)."""
    with pytest.raises(UnreadableError, match="two CNAME records"):
        content((WWW, WEB, 60), (WWW, ORG, 60))
    with pytest.raises(UnreadableError, match="two CNAME records"):
        content().add_answer(WWW, False, HERE, 60)
    assert interpret(content((WWW, WEB, 60), (WWW, WEB, 20)), WWW)[:4] == (None, (), (WEB,), 20)


def test_an_alias_that_was_asked_for_is_no_chain():
    """Whoever asks for the CNAME record gets it, and is led nowhere (RFC 1034 section 3.6.2)."""
    made = ReplyRecords(0)
    made.add_answer(WWW, True, WEB, 60)

    assert interpret(made, WWW)[:4] == (Status.ANSWER, (WEB,), (), 60)


@pytest.mark.parametrize("links", [MAX_LINKS, MAX_LINKS + 1])
def test_sixteen_aliases_are_followed(links):
    """One more is a chain that is too long."""
    chain = [name(f"n{number}.example.org") for number in range(links + 1)]
    records = [(owner, to, 60) for owner, to in pairwise(chain)]
    status, _, followed, *_ = interpret(content(*records, (chain[-1], HERE, 60)), chain[0])

    assert status is (Status.ANSWER if links == MAX_LINKS else Status.CHAIN)
    assert followed == tuple(chain[1:])


def test_a_thousand_records_are_kept():
    """The first ones in order."""
    many = [address(f"10.0.{number // 250}.{number % 250}") for number in range(MAX_RECORDS + 5)]
    made = ReplyRecords(0)
    for one in reversed(many):
        made.add_answer(WWW, True, one, 60)

    assert interpret(made, WWW)[1] == tuple(many[:MAX_RECORDS])


@given(st.integers(0, 2**32 - 1))
def test_a_ttl_that_can_be_believed(ttl):
    """A day at most; the sign bit makes it 0 (RFC 2181 section 8)."""
    assert clamp_ttl(ttl) == (0 if ttl >= 2**31 else min(ttl, 86_400))
