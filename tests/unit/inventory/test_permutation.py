"""The order without a list is the same for ever, and depends on all that it is made of."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.inventory.draws import chance, mixed, permuted

NUMBERS = st.integers(min_value=0, max_value=2**128 - 1)


def test_an_order_is_the_same_in_every_release():
    """How far a rotation has come is kept on disk: another order there would leave addresses out, and repeat others."""
    assert [permuted(index, 10, 7) for index in range(10)] == [1, 7, 4, 2, 6, 0, 3, 5, 8, 9]
    assert [permuted(index, 7, 2**70) for index in range(7)] == [6, 5, 4, 2, 1, 3, 0]
    assert mixed(1, 2, 3) == 431043667342955391
    assert (mixed(0), mixed(2**64), mixed(2**70)) == (15041319014400591657, 14335451749947300952, 9043895928113191086)


@given(st.lists(NUMBERS, min_size=1, max_size=3), st.data())
def test_every_bit_matters(numbers, data):
    """Whichever bit of whichever number is another one, what they are mixed to is another one, of 64 bits."""
    place = data.draw(st.integers(0, len(numbers) - 1))
    bit = data.draw(st.integers(0, max(0, numbers[place].bit_length() - 2)))  # the highest one says how many there are
    others = [number ^ (1 << bit if at == place and number > 1 else 0) for at, number in enumerate(numbers)]

    assert (mixed(*numbers) == mixed(*others)) is (numbers == others)
    assert 0 <= mixed(*numbers) < 2**64


@given(st.lists(NUMBERS, min_size=1, max_size=3))
def test_a_chance_is_one(numbers):
    """From 0 up to 1, and never 1."""
    assert 0 <= chance(*numbers) < 1


def test_chances_are_evenly_distributed():
    """Of 4,000 keys each tenth has about a tenth: 400, give or take five standard deviations."""
    tenths = [int(10 * chance(key, 1)) for key in range(4_000)]

    assert all(305 < tenths.count(tenth) < 495 for tenth in range(10))
