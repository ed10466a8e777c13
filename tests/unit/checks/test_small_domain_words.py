"""MX, MTA-STS and TLS-RPT: what a person is told, and what a report has besides its verdict."""

import pytest

from exporter.checks.check import run_check
from exporter.checks.inbound import mta_sts, mx, tls_rpt
from exporter.checks.result import Result
from tests.factories import World, name

DOMAIN = name("example.org")
STS = "_mta-sts.example.org TXT v=STSv1; id=20260101;"
STS_HOST = "mta-sts.example.org A 192.0.2.80"


def told(check, zone):
    """The finding of a domain in a world of these records, or the one hint about what passes."""
    report, _ = run_check(check(DOMAIN), World.parse(zone))
    hints = getattr(report, "hints", ())
    return hints[0] if report.finding.result is Result.PASS else report.finding


NULL_MX = ("example.org. MX 0 .",)
STS_LINE = ('_mta-sts.example.org. TXT "v=STSv1; id=1;"',)
RPT_LINE = ('_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:tls-reports@example.org"',)
RPT_AT = "_smtp._tls.example.org TXT v=TLSRPTv1;"


@pytest.mark.parametrize(
    ("check", "zone", "sentence", "zone_to_fix", "records"),
    [
        pytest.param(
            mx,
            "example.org MX 10 a.example.org\nexample.org MX 20 b.example.org\nb.example.org A 192.0.2.1",
            "The mail exchange a.example.org of example.org does not resolve: 1 of 2.",
            "example.org",
            (),
            id="one-host-is-gone",
        ),
        pytest.param(
            mx,
            "example.org MX 10 a.example.org\nexample.org MX 20 b.example.org",
            "The mail exchanges a.example.org, b.example.org of example.org do not resolve: 2 of 2.",
            "example.org",
            (),
            id="both-are-gone",
        ),
        pytest.param(
            mx,
            "example.org MX 10 a.example.org\na.example.org AAAA 2001:db8::1\nexample.org MX 20 b.example.org\n"
            "b.example.org CNAME a.example.org",
            "The mail exchange b.example.org of example.org is an alias, which an MX record must not name (RFC 2181).",
            "example.org",
            (),
            id="one-is-an-alias",
        ),
        pytest.param(
            mx,
            "",
            "example.org does not exist, and no address either: mail to it, bounces included, goes nowhere.",
            "example.org",
            NULL_MX,
            id="no-such-domain",
        ),
        pytest.param(
            mx,
            "example.org TXT x",
            "example.org has no MX record, and no address either: mail to it, bounces included, goes nowhere.",
            "example.org",
            NULL_MX,
            id="neither-mx-nor-address",
        ),
        pytest.param(
            mx,
            "example.org CNAME www.example.org\nwww.example.org CNAME w3.example.net\nw3.example.net A 192.0.2.80",
            "example.org has no MX record, so its mail goes to the host of that name.",
            "w3.example.net",
            ("w3.example.net. MX 0 .",),
            id="the-end-of-its-aliases-is-where-the-null-mx-goes",
        ),
        pytest.param(
            mta_sts,
            "_mta-sts.example.org CNAME a.example.net\na.example.net CNAME b.example.net",
            "example.org announces no MTA-STS policy: b.example.net has no record that begins with v=STSv1.",
            "b.example.net",
            ('b.example.net. TXT "v=STSv1; id=1;"',),
            id="sts-missing-at-the-end-of-its-aliases",
        ),
        pytest.param(
            mta_sts,
            f"{STS}\n_mta-sts.example.org TXT v=STSv1; id=1;",
            "example.org has 2 MTA-STS records, so senders ignore all of them (RFC 8461 section 3.1).",
            "_mta-sts.example.org",
            STS_LINE,
            id="sts-twice",
        ),
        pytest.param(
            mta_sts,
            "_mta-sts.example.org TXT v=STSv1; id=a-b;",
            "The MTA-STS record of example.org cannot be read: its id= is not 1 to 32 letters and digits.",
            "_mta-sts.example.org",
            STS_LINE,
            id="sts-with-a-bad-id",
        ),
        pytest.param(
            mta_sts,
            "_mta-sts.example.org TXT v=STSv1; id=1; moo",
            "The MTA-STS record of example.org cannot be read: moo is no tag of the form name=value.",
            "_mta-sts.example.org",
            STS_LINE,
            id="sts-that-is-no-list-of-tags",
        ),
        pytest.param(
            mta_sts,
            STS,
            "The MTA-STS policy of example.org cannot be fetched: its host mta-sts.example.org does not resolve.",
            "mta-sts.example.org",
            (),
            id="sts-without-a-host",
        ),
        pytest.param(
            tls_rpt,
            "_smtp._tls.example.org CNAME a.example.net\na.example.net CNAME b.example.net",
            "example.org asks for no TLS reports: b.example.net has no record that begins with v=TLSRPTv1.",
            "b.example.net",
            ('b.example.net. TXT "v=TLSRPTv1; rua=mailto:tls-reports@example.org"',),
            id="rpt-missing-at-the-end-of-its-aliases",
        ),
        pytest.param(
            tls_rpt,
            f"{RPT_AT} rua=mailto:a@example.org\n{RPT_AT} rua=mailto:b@example.org",
            "example.org has 2 TLS reporting records, so senders ignore all of them (RFC 8460 section 3).",
            "_smtp._tls.example.org",
            ('_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:a@example.org"',),
            id="rpt-twice",
        ),
        pytest.param(
            tls_rpt,
            RPT_AT,
            "The TLS reporting record of example.org cannot be read: its rua= has nothing, "
            "where a mailto: or https: URI is wanted.",
            "_smtp._tls.example.org",
            RPT_LINE,
            id="rpt-to-nowhere",
        ),
        pytest.param(
            tls_rpt,
            f"{RPT_AT} rua=mailto:a@example.org, moo, baa",
            "The TLS reporting record of example.org cannot be read: its rua= has moo, "
            "where a mailto: or https: URI is wanted.",
            "_smtp._tls.example.org",
            RPT_LINE,
            id="rpt-to-what-is-no-place",
        ),
        pytest.param(
            tls_rpt,
            f"{RPT_AT} rua=mailto:a@example.org; moo",
            "The TLS reporting record of example.org cannot be read: moo is no tag of the form name=value.",
            "_smtp._tls.example.org",
            RPT_LINE,
            id="rpt-that-is-no-list-of-tags",
        ),
    ],
)
def test_what_a_person_is_told(check, zone, sentence, zone_to_fix, records):
    """What was found, and the record to publish where a sender looks at last; what it replaces is what is there."""
    world = World.parse(zone)
    helo = told(check, zone)

    assert helo.sentence == sentence
    assert (helo.fix.zone, helo.fix.records) == (zone_to_fix, records)
    if check is not mx:
        known = [text for asked in world.records for text in world(asked).texts]
        at = next((str(asked.name) for asked in world.records), "")
        expected = [f'{at}. TXT "{text.decode()}"' for text in known] if records and known else []
        assert sorted(helo.fix.replaces) == sorted(expected)


def test_what_a_report_tells_besides():
    """Hosts, identifier, places and record, as far as there are any; a null MX names no host."""
    null, _ = run_check(mx(DOMAIN), World.parse("example.org MX 0 ."))
    both, _ = run_check(mx(DOMAIN), World.parse("example.org MX 0 .\nexample.org MX 10 a.example.org"))
    policy, _ = run_check(mta_sts(DOMAIN), World.parse(f"{STS}\n{STS_HOST}"))
    unread, _ = run_check(mta_sts(DOMAIN), World.parse("_mta-sts.example.org TXT v=STSv1; id=-;"))
    reports, _ = run_check(tls_rpt(DOMAIN), World.parse(f"{RPT_AT} rua=mailto:a@example.org , https://example.net/x"))
    nowhere, _ = run_check(tls_rpt(DOMAIN), World.parse(RPT_AT))

    assert (null.is_null, null.hosts) == (True, ())
    assert (both.is_null, both.hosts) == (False, ("a.example.org",))
    assert (policy.policy_id, policy.record) == ("20260101", b"v=STSv1; id=20260101;")
    assert (unread.policy_id, unread.record) == ("", b"v=STSv1; id=-;")
    assert reports.uris == ("mailto:a@example.org", "https://example.net/x")
    assert reports.record == b"v=TLSRPTv1; rua=mailto:a@example.org , https://example.net/x"
    assert (nowhere.uris, nowhere.record) == ((), b"v=TLSRPTv1;")


@pytest.mark.parametrize(
    ("zone", "hosts"),
    [
        ("mx.example.org A 192.0.2.1", ("mx.example.org",)),
        ("mx.example.org A !timeout", ("mx.example.org",)),
        ("", ("mx.example.org",)),
        ("mx.example.org CNAME m.example.org\nm.example.org A 192.0.2.1", ("mx.example.org",)),
    ],
)
def test_hosts_and_aliases_are_told_whatever_becomes_of_them(zone, hosts):
    """A host that is gone or silent is one of the domain's all the same, and none of these is a null MX."""
    report, _ = run_check(mx(DOMAIN), World.parse(f"example.org MX 10 mx.example.org\n{zone}"))

    assert (report.hosts, report.is_null) == (hosts, False)


def test_twenty_hosts_are_asked_for():
    """The first ones by preference; the others are told, and not followed."""
    zone = "\n".join([f"example.org MX {number} mx{number}.example.org" for number in range(10, 40)])
    hosts = [f"mx{number}.example.org A 192.0.2.{number}" for number in range(10, 30)]
    report, evidence = run_check(mx(DOMAIN), World.parse("\n".join([zone, *hosts])))

    assert report.finding.result is Result.PASS
    assert len(report.hosts) == 30
    assert len(evidence) == 1 + 2 * 20
