"""Who runs a name: the nearest SOA record, the delegations of RFC 2317, and what an outage leaves open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Status
from exporter.checks.check import run_check
from exporter.checks.zone_cut import mailbox, reverse_zones, zone_cut
from tests.factories import World, address, name, question
from tests.strategies import outages

WORLD = World.parse(
    """
    . SOA a.root-servers.net. nstld.verisign-grs.com. 1
    2.0.192.in-addr.arpa SOA ns1.isp.example. noc.isp.example. 7
    2.0.192.in-addr.arpa NS ns1.isp.example.
    2.0.192.in-addr.arpa NS ns2.isp.example.
    10.2.0.192.in-addr.arpa PTR mail.example.org
    13.2.0.192.in-addr.arpa CNAME 13.0-63.customer.example
    customer.example SOA ns.customer.example. dns\\.admin.customer.example. 3
    customer.example NS ns.customer.example.
    13.0-63.customer.example PTR mail4.example.org
    8.b.d.0.1.0.0.2.ip6.arpa SOA ns1.isp.example. noc.isp.example. 7
    """
)


def found(zone):
    """What a test looks at."""
    return str(zone.zone), zone.mailbox, [str(server) for server in zone.servers], zone.is_certain


def test_the_nearest_soa_record_is_the_zone():
    """Names without one of their own belong to the zone above, with its servers and its mail address."""
    zones, _ = run_check(reverse_zones(address("192.0.2.10")), WORLD)

    assert zones.owner == "10.2.0.192.in-addr.arpa"
    assert zones.delegating is None
    assert found(zones.cut) == (
        "2.0.192.in-addr.arpa",
        "noc@isp.example",
        ["ns1.isp.example", "ns2.isp.example"],
        True,
    )


def test_a_name_may_be_a_zone_itself():
    """The walk begins with the name."""
    cut, _ = run_check(zone_cut(name("customer.example")), WORLD)

    assert found(cut) == ("customer.example", "dns.admin@customer.example", ["ns.customer.example"], True)


@pytest.mark.parametrize(
    ("asked", "zone", "is_delegated"),
    [
        ("mail.example.co.uk", "example.co.uk", True),
        ("mail.unregistered.co.uk", "co.uk", False),
        ("co.uk", "co.uk", True),
        ("mail.office.lan", ".", False),
        ("1.113.0.203.in-addr.arpa", "in-addr.arpa", False),
    ],
)
def test_a_name_below_a_public_suffix_is_not_delegated(asked, zone, is_delegated):
    """Who runs co.uk cannot publish records of a domain that nobody has registered."""
    soa = "SOA ns.example. noc.example. 1"
    world = World.parse(f". {soa}\nco.uk {soa}\nexample.co.uk {soa}\nin-addr.arpa {soa}")
    cut, _ = run_check(zone_cut(name(asked)), world)

    assert (cut.zone, cut.is_delegated) == (zone, is_delegated)


def test_who_delegates_by_cname_is_not_who_publishes():
    """RFC 2317: the PTR record is in the customer's zone, the CNAME in that of the provider."""
    zones, _ = run_check(reverse_zones(address("192.0.2.13")), WORLD)

    assert zones.owner == "13.0-63.customer.example"
    assert found(zones.cut)[0] == "customer.example"
    assert found(zones.delegating)[:2] == ("2.0.192.in-addr.arpa", "noc@isp.example")


def test_a_delegation_is_seen_when_its_zone_is_silent():
    """The PTR answer is lost with its chain; the CNAME record is the provider's, and answers."""
    silent = {
        question(owner, rdtype): Status.SERVFAIL
        for owner, rdtype in [
            ("13.2.0.192.in-addr.arpa", "PTR"),
            ("13.0-63.customer.example", "SOA"),
            ("0-63.customer.example", "SOA"),
            ("customer.example", "SOA"),
        ]
    }
    world = WORLD.without_answers_to(silent)

    zones, _ = run_check(reverse_zones(address("192.0.2.13")), world)

    assert zones.owner == "13.0-63.customer.example"
    assert not zones.cut.is_certain
    assert zones.cut.unanswered == (name("customer.example"), Status.SERVFAIL)
    assert zones.cut.zone == "."
    assert zones.delegating.is_certain


def test_a_way_that_is_lost_leaves_the_zone_open():
    """Without the PTR answer and without its first step, the zone of the reverse name is only where to ask further."""
    lost = {question("13.2.0.192.in-addr.arpa", rdtype): Status.REFUSED for rdtype in ("PTR", "CNAME")}
    zones, evidence = run_check(reverse_zones(address("192.0.2.13")), WORLD.without_answers_to(lost))

    assert lost.keys() <= evidence.keys()
    assert zones.owner == "13.2.0.192.in-addr.arpa"
    assert zones.delegating is None
    assert found(zones.cut)[0] == "2.0.192.in-addr.arpa"
    assert not zones.cut.is_certain
    assert zones.cut.unanswered == (name("13.2.0.192.in-addr.arpa"), Status.REFUSED)


def test_of_several_silent_names_the_one_nearest_to_the_zone_is_named():
    """The zone may begin there, and at none that is further from it without beginning there too."""
    reverse = "13.2.0.192.in-addr.arpa"
    lost = {question(reverse, rdtype): Status.REFUSED for rdtype in ("PTR", "CNAME", "SOA")}
    lost[question("2.0.192.in-addr.arpa", "SOA")] = Status.TIMEOUT
    zones, _ = run_check(reverse_zones(address("192.0.2.13")), WORLD.without_answers_to(lost))

    assert (zones.cut.zone, zones.cut.unanswered) == (".", (name("2.0.192.in-addr.arpa"), Status.TIMEOUT))


def test_what_is_behind_an_alias_is_another_names():
    """Neither an SOA record nor name servers that a CNAME leads to are the zone's own."""
    world = World.parse(
        """
        a.example.org CNAME other.example
        other.example SOA ns.other.example. noc.other.example. 1
        other.example NS ns.other.example.
        example.org SOA ns.example.org. noc.example.org. 1
        """
    )
    cut, _ = run_check(zone_cut(name("a.example.org")), world)
    servers = question("example.org", "NS")
    aliased, _ = run_check(
        zone_cut(name("example.org")), lambda it: world(question("a.example.org", "NS") if it == servers else it)
    )

    assert found(cut) == ("example.org", "noc@example.org", [], True)
    assert aliased.servers == ()


def test_eight_names_are_asked_for_at_once():
    """A zone among the first eight costs no more than those, whatever is above it."""
    world = World.parse("0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa SOA a. b. 1")
    _, near = run_check(reverse_zones(address("2001:db8::")), world)
    _, far = run_check(reverse_zones(address("2001:db8::10")), WORLD)

    assert sorted(question.rdtype for question in near) == ["NS", "PTR", *["SOA"] * 8]
    assert sorted(question.rdtype for question in far) == ["NS", "PTR", *["SOA"] * 32]


def test_an_ipv6_name_is_walked_to_its_end():
    """34 labels take a few steps, not 34."""
    zones, evidence = run_check(reverse_zones(address("2001:db8::10")), WORLD)

    assert zones.cut.zone == "8.b.d.0.1.0.0.2.ip6.arpa"
    assert len(evidence) < 40


def test_without_any_soa_record_there_is_no_zone():
    """A resolver that knows no root leaves it open."""
    cut, _ = run_check(zone_cut(name("mail.example.org")), World())

    assert found(cut) == ("None", None, [], False)


@given(st.sampled_from(["192.0.2.10", "192.0.2.13", "192.0.3.1", "2001:db8::10"]), st.data())
def test_an_outage_may_withhold_the_zone_but_never_move_it(ip, data):
    """Whatever answers are lost, a zone that is certain is the one that it was."""
    before, evidence = run_check(reverse_zones(address(ip)), WORLD)
    after, _ = run_check(reverse_zones(address(ip)), WORLD.without_answers_to(data.draw(outages(list(evidence)))))

    if after.cut.is_certain:
        assert (after.owner, after.cut.zone) == (before.owner, before.cut.zone)


@pytest.mark.parametrize(
    ("rname", "wanted"),
    [
        pytest.param("hostmaster.example.org", "hostmaster@example.org", id="first-label-is-the-local-part"),
        pytest.param("dns\\.admin.example.org", "dns.admin@example.org", id="an-escaped-dot-stays-in-it"),
        pytest.param(".", None, id="the-root-is-none"),
        pytest.param("hostmaster", None, id="a-single-label-is-none"),
        pytest.param("bad\\032name.example.org", None, id="a-space-is-none"),
        pytest.param("\\027[31m.example.org", None, id="an-escape-sequence-is-none"),
        pytest.param("x.\\010evil.example.org", None, id="a-newline-in-the-domain-is-none"),
        pytest.param("a\\.\\.b.example.org", None, id="two-dots-are-none"),
        pytest.param("\\.a.example.org", None, id="a-dot-at-the-start-is-none"),
        pytest.param("a\\..example.org", None, id="a-dot-at-the-end-is-none"),
        pytest.param("hostmaster.example", None, id="a-domain-of-one-label-is-none"),
        pytest.param("a.b_c.example", None, id="a-domain-that-is-no-host-name-is-none"),
        pytest.param("\\252.example.org", None, id="an-byte-outside-ascii-is-none"),
    ],
)
def test_rname_as_a_mail_address(rname, wanted):
    """RFC 1035 section 8; what is no mail address is not shown as one."""
    assert mailbox(name(rname)) == wanted
