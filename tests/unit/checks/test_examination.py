"""Generic-looking PTR names: lines are flagged, mail servers are not."""

import pytest
from hypothesis import given

from exporter.checks.examination import GenericRule, generic_name
from tests.factories import address, name
from tests.strategies import any_addresses, domain_names

OF_MAIL_SERVERS = [
    ("104.47.1.50", "mail-bn1lp0150.outbound.protection.outlook.com"),
    ("40.107.22.50", "mail-am6eur05on2050.outbound.protection.outlook.com"),
    ("40.107.93.101", "mail-dm6nam10on2101.outbound.protection.outlook.com"),
    ("40.92.20.18", "mail-co1nam11olkn2018.outbound.protection.outlook.com"),
    ("52.100.0.243", "mail-bn8nam12hn0243.outbound.protection.outlook.com"),
    ("52.103.32.21", "mail-dbaeur03acsn20021.outbound.protection.outlook.com"),
    ("104.47.0.33", "mail-he1eur01lp0033.outbound.protection.outlook.com"),
    ("2a01:111:f403:2418::601", "mail-bn8nam12on20601.outbound.protection.outlook.com"),
    ("2a01:111:f403:c112::5", "mail-northcentralusazlp170130005.outbound.protection.outlook.com"),
    ("209.85.208.41", "mail-ed1-f41.google.com"),
    ("209.85.219.170", "mail-yb1-f170.google.com"),
    ("2a00:1450:4864:20::52c", "mail-ed1-x52c.google.com"),
    ("54.240.8.60", "a8-60.smtp-out.amazonses.com"),
    ("54.240.11.121", "a11-121.smtp-out.amazonses.com"),
    ("69.169.224.7", "b224-7.smtp-out.eu-central-1.amazonses.com"),
    ("149.72.120.5", "o1.ptr1234.example.com"),
    ("167.89.40.33", "o16789040x33.outbound-mail.sendgrid.net"),
    ("149.72.90.10", "wrqvnxnr.outbound-mail.sendgrid.net"),
    ("198.61.254.13", "m254-13.mailgun.net"),
    ("69.72.42.2", "m42-2.mailgun.net"),
    ("159.135.228.10", "mail228-10.mailgun.info"),
    ("198.2.132.12", "mail132-12.atl131.mandrillapp.com"),
    ("50.31.156.101", "mta200a-ord.mtasv.net"),
    ("103.168.172.148", "fout-a5-smtp.messagingengine.com"),
    ("136.143.188.12", "sender4-op-o12.zoho.com"),
    ("66.163.186.24", "sonic310-24.consmr.mail.ne1.yahoo.com"),
    ("185.70.40.131", "mail-40131.protonmail.ch"),
    ("148.163.158.5", "mx0b-001b2d01.pphosted.com"),
    ("91.220.42.211", "eu-smtp-delivery-211.mimecast.com"),
    ("212.227.126.130", "mout.kundenserver.de"),
    ("192.0.2.1", "mail.example.org"),
    ("192.0.2.1", "mta1.dynamicdns.example.org"),
    ("192.0.2.1", "static.example.org"),
    ("192.0.2.1", "adsl.example"),
    ("192.0.2.1", "mail.unknown"),
    ("198.51.100.7", "cust-100-8.lns3.example.au"),
    ("198.51.100.7", "cust-51-7.lns3.example.au"),
    ("198.51.100.7", "cust-1007.lns3.example.au"),
    ("198.51.100.7", "cust-0100-0007.lns3.example.au"),
    ("198.51.100.7", "smtp-198-51-100.example.net"),
    ("198.51.100.7", "mx198-100-51-7.example.net"),
    ("198.51.100.7", "c6336407aa.example.net"),
    ("198.51.100.7", "1980511000070.example.net"),
    ("2001:db8::64:7", "cust-100-7.lns3.example.au"),
    ("2001:db8:1:2:3:4:5:6", "mail-3-4-5-7.example.net"),
    ("2001:db8:1:2:3:4:5:6", "mail-6-5-4-3.example.net"),
    ("2001:db8::1a2b:3c4d:5e6f:7081", "mail-1a2b3c4d5e6f708.example.net"),
]

OF_LINES = [
    ("71.162.12.34", "pool-71-162-12-34.bstnma.fios.verizon.net", "address"),
    ("67.171.0.90", "c-67-171-0-90.hsd1.wa.comcast.net", "address"),
    ("198.51.100.7", "ec2-198-51-100-7.compute-1.amazonaws.com", "address"),
    ("198.51.100.7", "static.7.100.51.198.clients.example.de", "address"),
    ("198.51.100.7", "198051100007.ctinets.example.com", "address"),
    ("198.51.100.7", "host-c6336407.wbb.example.net", "address"),
    ("198.51.100.7", "7.100.51.198.dynamic.example.net", "address"),
    ("198.51.100.7", "p57a1b2c3.dip0.t-ipconnect.example", "line"),
    ("198.51.100.7", "dsl-kpobras-ff7bdc00-12.dhcp.example.fi", "line"),
    ("198.51.100.7", "adsl-123.bb.example.gr", "line"),
    ("198.51.100.7", "dynamic.example.net.id", "line"),
    ("198.51.100.7", "cust-100-7.lns3.example.au", "customer"),
    ("198.51.100.7", "pool.100.7.region.example.net", "customer"),
    ("198.51.100.7", "unassigned.example.com", "placeholder"),
    ("198.51.100.7", "localhost", "placeholder"),
    ("198.51.100.7", "7.100.51.198.in-addr.arpa", "reverse-tree"),
    ("2001:db8:1:2:3:4:5:6", "2001-db8-1-2-3-4-5-6.dyn6.example.net", "address"),
    ("198.51.100.7", "007100051198.pools.example.net", "address"),
    ("198.51.100.7", "mail.198.51.100.007.example.net", "address"),
    ("198.51.100.7", "h0xc6336407.example.net", "address"),
    ("198.51.100.7", "a-1-198-51-100-7-2.example.net", "address"),
    ("198.51.100.7", "7-100-dsl.cust.example.net", "line"),
    ("198.51.100.7", "not-set.example", "placeholder"),
    ("198.51.100.7", "7-100.unused.example.net", "placeholder"),
    ("2001:db8::1a2b:3c4d:5e6f:7081", "1a2b3c4d5e6f7081.ipv6.example.net", "address"),
    ("2001:db8::1a2b:3c4d:5e6f:7081", "1.8.0.7.f.6.e.5.d.4.c.3.b.2.a.1.example.net", "address"),
    ("2001:db8::1a2b:3c4d:5e6f:7081", "1a2b-3c4d.5e6f-7081.example.net", "address"),
    ("2001:db8:1:2:3::6", "0003-0-0000-0006.example.net", "address"),
    ("2001:db8:1:2:3:4:5:6", "x1-2-3-4-5-6-7.example.net", "address"),
]


@pytest.mark.parametrize(("ip", "ptr_name"), OF_MAIL_SERVERS)
def test_the_names_of_mail_servers_are_left_alone(ip, ptr_name):
    """No name is flagged that a provider of mail gives its servers."""
    assert generic_name(address(ip), name(ptr_name)) is None


@pytest.mark.parametrize(("ip", "ptr_name", "rule"), OF_LINES)
def test_the_names_of_lines_are_flagged(ip, ptr_name, rule):
    """A name that an access provider gives its lines is flagged, and by the rule that fits."""
    hint = generic_name(address(ip), name(ptr_name))

    assert hint is not None
    assert hint.rule is GenericRule(rule)
    assert hint.sentence.startswith(f"The PTR name {ptr_name} looks generic: it ")


@given(any_addresses, domain_names)
def test_any_name_can_be_looked_at(client, ptr_name):
    """Names of any bytes get a hint or none."""
    hint = generic_name(client, ptr_name)

    assert hint is None or hint.name == ptr_name
