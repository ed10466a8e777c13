"""Names and queries in wire format are what dnspython makes of them."""

import random

import dns.name
from hypothesis import given
from hypothesis import strategies as st

from exporter.dns.codec import NameReader, Randomness, mixed_case, wire_name
from exporter.dns.servers import opt_record, read_options
from tests.strategies import domain_names


@given(domain_names)
def test_a_name_is_written_and_read_back(name):
    """Any name is the same octets as dnspython's, and reads back as itself."""
    wire = wire_name(name)

    assert wire == dns.name.Name([*name.labels, b""]).to_wire()
    assert NameReader(bytes(12) + wire).read(12) == (name, 12 + len(wire))


@given(domain_names, st.integers())
def test_random_case_changes_nothing_but_case(name, seed):
    """A name in random case is the same name, with the same octets where there are no letters."""
    wire = wire_name(name)
    mixed = mixed_case(wire, Randomness(random.Random(seed)).take)

    assert mixed.lower() == wire.lower()
    assert NameReader(bytes(12) + mixed).read(12)[0] == name


def test_random_case_is_random():
    """Both cases of every letter turn up."""
    take = Randomness(random.Random(1)).take
    seen = {octet for _ in range(100) for octet in mixed_case(b"\4mail\0", take)}

    assert seen == set(b"mailMAIL\4\0")


def test_randomness_is_never_given_out_twice():
    """What is taken in small pieces is the source's octets in their order, without overlap."""
    source, again = random.Random(7), random.Random(7)
    take = Randomness(source).take
    octets = b"".join([take(7) for _ in range(2_340)])  # just within the first fetch of 16,384

    assert octets == again.randbytes(16_384)[: len(octets)]
    assert take(7) == again.randbytes(16_384)[:7]


@given(st.binary(max_size=60))
def test_options_of_any_kind_are_read(octets):
    """Whatever stands in the options, reading them ends, and gives cookies of a right length alone."""
    cookie, errors = read_options(octets)

    assert cookie is None or len(cookie) in (0, 8, *range(16, 41))
    assert len(errors) <= 8


def test_a_cookie_is_written_as_it_is_read():
    """The OPT record of a query carries the cookie (RFC 7873 section 4), or nothing."""
    record = opt_record(b"12345678")

    assert read_options(record[11:])[0] == b"12345678"
    assert opt_record(b"") == b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
