"""The estimate of what share of a pool fails: Wilson's interval, worked out a second time, by other means."""

import math

import pytest
import yaml

from dashboards.generator.sample_rules import LOWER, RATIO, UPPER
from tests.assets.rule_cases import RULES, always, series
from tests.integration.servers.prometheus import promtool

LABELS = {"pool": "corporate", "check": "fcrdns"}


def bounds(size, sampled, failed):
    """The ends of the interval: those shares from which the sample's is just 1.96 deviations away, by bisection."""
    if sampled == size:
        return failed / sampled, failed / sampled
    effective = sampled * (size - 1) / (size - sampled)
    seen = failed / sampled

    def is_too_far(share):
        return abs(seen - share) > 1.96 * math.sqrt(share * (1 - share) / effective)

    ends = []
    for far in (0.0, 1.0):
        near = seen
        for _ in range(100):
            middle = (near + far) / 2
            near, far = (near, middle) if is_too_far(middle) else (middle, far)
        ends.append(near)
    return ends[0], ends[1]


@pytest.mark.parametrize(
    ("size", "sampled", "failed"),
    [
        pytest.param(458_752, 1_792, 18, id="one-of-each-prefix"),
        pytest.param(458_752, 1_792, 0, id="none-of-them-fails"),
        pytest.param(458_752, 1_792, 1_792, id="all-of-them-fail"),
        pytest.param(256, 128, 13, id="half-of-the-pool"),
        pytest.param(1_000, 1_000, 37, id="a-sweep"),
        pytest.param(1, 1, 1, id="one-address"),
        pytest.param(2, 1, 0, id="one-of-two"),
    ],
)
def test_the_recorded_bounds_are_those_of_wilson(tmp_path, size, sampled, failed):
    """Whatever the sample, to a hundredth of a percent; two shards' samples are one."""
    lower, upper = bounds(size, sampled, failed)
    scraped = {}
    for instance, part in (("a:1", (size - size // 3, sampled - sampled // 3, failed - failed // 3)),
                           ("b:1", (size // 3, sampled // 3, failed // 3))):  # fmt: skip
        families = ("maildns_pool_addresses", "maildns_pool_sample_addresses", "maildns_pool_sample_failures")
        for family, value in zip(families, part, strict=True):
            labels = {"pool": "corporate"} if family == "maildns_pool_addresses" else LABELS
            scraped |= series(family, always(value), instance=instance, **labels)

    outcome = promtool("test", "rules", write(tmp_path, scraped, {RATIO: failed / sampled, LOWER: lower, UPPER: upper}))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_nothing_is_estimated_of_nothing(tmp_path):
    """Before the first round there is no share, and not a share of zero."""
    scraped = series("maildns_pool_addresses", always(10), pool="corporate")
    for family in ("maildns_pool_sample_addresses", "maildns_pool_sample_failures"):
        scraped |= series(family, always(0), **LABELS)

    outcome = promtool("test", "rules", write(tmp_path, scraped, {RATIO: None, LOWER: None, UPPER: None}))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def write(folder, scraped, expected):
    """A unit test for promtool: what each recording rule comes to."""
    tests = [
        {
            "expr": f"round({record}, 0.0001)",
            "eval_time": "10m",
            "exp_samples": []
            if value is None
            else [
                {
                    "labels": '{job="maildns", pool="corporate", check="fcrdns"}',
                    "value": math.floor(value * 10_000 + 0.5) / 10_000,
                }
            ],
        }
        for record, value in expected.items()
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in scraped.items()],
        "promql_expr_test": tests,
    }
    file = folder / "rules.test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    return file
