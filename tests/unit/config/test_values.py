"""Durations and networks: which texts are valid, and that `str` writes what `parse` reads."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.config.values import Duration, IPNetwork
from tests.strategies import any_addresses


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        pytest.param("0s", 0, id="nothing"),
        pytest.param("250ms", 250, id="milliseconds"),
        pytest.param("30s", 30_000, id="seconds"),
        pytest.param("5m", 300_000, id="minutes-not-milliseconds"),
        pytest.param("1h30m", 5_400_000, id="two-units"),
        pytest.param("1d2h3m4s5ms", 93_784_005, id="all-units"),
        pytest.param("90m", 5_400_000, id="more-than-one-of-the-next-unit"),
    ],
)
def test_durations_that_are_valid(text, milliseconds):
    """Every unit counts."""
    assert Duration.parse(text) == Duration(milliseconds)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        *[(text, "numbers with units") for text in ("", "s", "-1s", "\uff11s", "1e3s", "p", "P1M", "five minutes")],
        *[("1", "write 1s for 1 second, or 1m for 1 minute"), ("1.5", "write 1s500ms for 1.5 seconds, or 1m30s")],
        *[("300", "write 5m for 300 seconds"), ("1s1m", "write 1m1s")],
        *[("1m1m", "write 2m"), ("1 s", "write 1s"), ("1S", "write 1s"), ("1w", "write 7d"), ("1s\n", "write 1s")],
        *[
            ("5min", "write 5m"),
            ("2 Hours and 5 minutes", "write 2h5m"),
            ("P1DT2M", "write 1d2m"),
            ("0.5h", "write 30m"),
        ],
    ],
)
def test_durations_that_are_not_valid(text, hint):
    """No unit, a wrong order, a repeated unit, and non-ASCII digits are errors; what is clear is written right."""
    with pytest.raises(ValueError, match=hint):
        Duration.parse(text)


@given(st.integers(0, 10**12).map(Duration))
def test_the_text_of_a_duration_is_valid(duration):
    """`parse` reads what `str` writes."""
    assert Duration.parse(str(duration)) == duration
    assert duration.seconds * 1000 == pytest.approx(duration.milliseconds)


lengths = st.integers(0, 128)


@given(any_addresses, lengths)
def test_a_network_is_what_the_standard_library_has(address, length):
    """First, last, size and text agree with `ipaddress`. Host bits are an error."""
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
    """`parse` reads what `str` writes."""
    try:
        network = IPNetwork.parse(text)
    except ValueError:
        return
    assert IPNetwork.parse(str(network)) == network
    assert Address(network.packed).family == network.family
