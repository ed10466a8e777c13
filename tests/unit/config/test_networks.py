"""Networks: read, written, and measured."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.config.values import IPNetwork
from tests.strategies import any_addresses

lengths = st.integers(0, 128)


@given(any_addresses, lengths)
def test_a_network_is_what_the_standard_library_has(address, length):
    """First, last, size and text agree with `ipaddress`, unless there are host bits to complain of."""
    text = f"{address}/{min(length, len(address.packed) * 8)}"
    theirs = ipaddress.ip_network(text, strict=False)
    if isinstance(theirs, ipaddress.IPv6Network) and theirs.network_address.ipv4_mapped:
        return
    ours = IPNetwork.parse(str(theirs))
    assert (ours.first, ours.last) == (int(theirs.network_address), int(theirs.broadcast_address))
    assert (ours.size, str(ours), ours.family) == (theirs.num_addresses, str(theirs), theirs.version)
    if str(theirs) != text:
        with pytest.raises(ValueError, match=re.escape(f"the network is {theirs},")):
            IPNetwork.parse(text)


networks = st.builds(
    lambda address, length: str(
        ipaddress.ip_network((address.packed, min(length, 8 * len(address.packed))), strict=False)
    ),
    any_addresses,
    lengths,
)


@given(st.text(st.sampled_from("0123456789abcdef.:/ %-\uff11"), max_size=24) | networks)
def test_any_text_is_a_network_or_a_value_error(text):
    """What is read is written back to the same network."""
    try:
        network = IPNetwork.parse(text)
    except ValueError:
        return
    assert IPNetwork.parse(str(network)) == network
    assert Address(network.packed).family == network.family
