"""Evidence, packed and unpacked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, ExtendedError, MailExchange, Question, StartOfAuthority, Status, Text
from exporter.state.journal import MAX_BYTES, pack, unpack
from tests.strategies import INCONCLUSIVE, any_addresses, domain_names, ipv4_addresses, ipv6_addresses

numbers = st.integers(0, 2**31)
RECORDS = {
    "A": ipv4_addresses,
    "AAAA": ipv6_addresses,
    "CNAME": domain_names,
    "MX": st.builds(MailExchange, st.integers(0, 65535), domain_names),
    "NS": domain_names,
    "PTR": domain_names,
    "SOA": st.builds(StartOfAuthority, domain_names, domain_names, numbers),
    "TXT": st.builds(Text, st.binary(max_size=300)),
}


@st.composite
def answers(draw):
    """A question and any answer that fits it."""
    rdtype = draw(st.sampled_from(sorted(RECORDS)))
    records = tuple(draw(st.lists(RECORDS[rdtype], max_size=3)))
    status = Status.ANSWER if records else draw(st.sampled_from([Status.NODATA, Status.NXDOMAIN, *INCONCLUSIVE]))
    answer = Answer(
        status,
        records,
        tuple(draw(st.lists(domain_names, max_size=2))),
        draw(numbers),
        draw(st.sampled_from(["", "127.0.0.1:53", "https://dns.example/q"])),
        draw(numbers) / 1000,
        tuple(draw(st.lists(st.builds(ExtendedError, st.integers(0, 65535), st.text(max_size=20)), max_size=2))),
    )
    return Question(draw(domain_names), rdtype), answer


@given(st.lists(answers(), max_size=12))
def test_what_fits_comes_back_as_it_was(given_answers):
    """Each answer that is there is whole and in its place; what is left out would not have fitted."""
    evidence = dict(given_answers)

    packed = pack(evidence)

    assert packed.isascii()
    assert len(packed) <= MAX_BYTES
    found = unpack(packed)
    assert list(found.items()) == [item for item in evidence.items() if item[0] in found]
    if len(pack(dict(list(evidence.items())[:1]))) > 2 and evidence:
        assert found


@given(any_addresses)
def test_ordinary_evidence_fits(address):
    """A sample of ten answers is kept whole."""
    evidence = {
        Question(address.reverse_name, rdtype): Answer(Status.NXDOMAIN, server="192.0.2.53:53", asked_at=1.7e9)
        for rdtype in RECORDS
    }

    assert unpack(pack(evidence)) == evidence


@pytest.mark.parametrize(
    "text",
    ["", "1", "{}x", "[1]", "[[]]", '[["a","PTR","new",[],[],0,"",0,[]]]', '[["a","X","nodata",[],[],0,"",0,[]]]'],
)
def test_what_is_no_evidence_is_refused(text):
    """Nothing but a `ValueError`, whatever the text is."""
    with pytest.raises(ValueError, match="this is no packed evidence"):
        unpack(text)
