"""What `make soak` is made of, without the soak."""

import dns.message
import dns.rcode
import pytest

from exporter.config.loader import parse
from exporter.errors import ConfigError
from tests.soak.__main__ import configurations
from tests.soak.nameserver import answer


def test_every_text_of_the_soak_is_as_good_as_it_says():
    """The good ones have the pools that a scrape must show, the bad one is refused."""
    for text, is_good, pools in configurations("127.0.0.1:53", 512, "30s"):
        if is_good:
            assert {pool.name for pool in parse(text, "soak").pools} == pools
        else:
            with pytest.raises(ConfigError):
                parse(text, "soak")


@pytest.mark.parametrize(
    ("name", "rdtype", "said"),
    [
        ("3.2.1.10.in-addr.arpa.", "PTR", "mta-10-1-2-3.example.org."),
        ("mta-10-1-2-3.example.org.", "A", "10.1.2.3"),
        ("mta-10-1-2-3.example.org.", "AAAA", None),
        (".", "NS", "."),
        ("0123.invalid.", "A", "NXDOMAIN"),
    ],
)
def test_its_server_knows_every_address(name, rdtype, said):
    """There and back, and the canary."""
    query = dns.message.make_query(name, rdtype)
    reply = dns.message.from_wire(answer(query.to_wire()))

    assert reply.id == query.id
    if said == "NXDOMAIN":
        assert reply.rcode() == dns.rcode.NXDOMAIN
    else:
        assert [record.to_text() for rrset in reply.answer for record in rrset] == ([said] if said else [])
