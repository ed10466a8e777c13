"""Lines of the exposition, held to what prometheus-client writes."""

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.metrics.exposition import Lines
from exporter.metrics.families import Family

hostile = st.text() | st.sampled_from(
    ['"', "\\", "\n", "\\n", 'a"b\\c\nd', "}", "\r", "\u2028", "# EOF\n", "\ud83d\ude00"]
)
values = (
    st.floats().filter(lambda value: value or math.copysign(1, value) > 0)
    | st.integers(-(10**6), 10**6)
    | st.booleans()
)
label_names = st.lists(
    st.sampled_from(["pool", "ip", "helo", "check", "reason", "a", "Z", "_x"]), max_size=4, unique=True
)


class Reference:
    """The same samples, for prometheus-client."""

    def __init__(self, family: Family, samples) -> None:
        self._series = family.series()
        for labels, value in samples:
            self._series.add(labels, value)

    def collect(self):
        yield self._series.metric


@given(st.data(), label_names, st.sampled_from(["gauge", "counter"]))
def test_lines_are_those_of_prometheus_client_in_every_format(data, names, kind):
    """Whatever labels hold, and whatever the value is."""
    family = Family("maildns_test_total" if kind == "counter" else "maildns_test", kind, tuple(names), "Help.")
    label_values = st.lists(hostile.filter(encodes), min_size=len(names), max_size=len(names)).map(tuple)
    samples = data.draw(st.lists(st.tuples(label_values, values), max_size=6))
    lines = Lines()
    for labels, value in samples:
        lines[family].add(labels, value)

    reference = Reference(family, samples)
    expected = {kind: generate(reference) for kind, generate in GENERATORS.items()}
    text = lines.texts().get(family, b"")
    for generated in expected.values():
        headers, found, rest = generated.partition(text) if text else (generated, b"", b"")
        assert found == text
        assert all(line.startswith(b"# ") for line in headers.splitlines() + rest.splitlines())


def encodes(text: str) -> bool:
    """Whether prometheus-client can write it at all."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


GENERATORS = {"text": generate_latest, "openmetrics": generate_openmetrics}


def test_a_sample_that_makes_no_line_spoils_no_other():
    """Too few labels, a value that is no number, a label that is no text or no Unicode."""
    family = Family("maildns_test", "gauge", ("ip", "pool"), "Help.")
    other = Family("maildns_other", "gauge", ("ip", "pool"), "Help.")
    lines = Lines()
    lines[family].add(("first", "good"), 1)
    for labels, value in [(("few",), 1), (("x", "y"), "z"), (("x", 5), 1), (("x", "\ud800"), 1), ((["x"], "y"), 1)]:
        lines[family].add(labels, value)
    lines[family].add(("last", "good"), 2.5)
    lines[other].add(("x", "\ud800"), 1)

    assert lines.texts() == {
        family: b'maildns_test{ip="first",pool="good"} 1.0\nmaildns_test{ip="last",pool="good"} 2.5\n'
    }
