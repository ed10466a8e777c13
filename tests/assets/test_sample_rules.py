"""The estimate of what share of a pool fails: Wilson's interval, worked out a second time, with scipy."""

import math

import pytest
import yaml

from dashboards.generator.sample_rules import LOWER, RATIO, UPPER
from tests.assets.rule_cases import RULES, always, series
from tests.integration.servers.prometheus import promtool

LABELS = {"pool": "corporate", "check": "fcrdns"}
pytestmark = pytest.mark.slow  # scipy takes seconds to load


def score_ends(size, sampled, failed):
    """The ends of the 95% interval: those shares at which a score test only just does not reject the sample.

    The variance is that of a sample without replacement. Solved as an equation, where the rules have the solution.
    """
    from scipy import optimize, stats  # a second to import, for this file only

    seen = failed / sampled
    deviations = stats.norm.ppf(0.975)

    def excess(share):
        variance = share * (1 - share) / sampled * (size - sampled) / (size - 1)
        return (seen - share) ** 2 - deviations**2 * variance

    if sampled == size:
        return seen, seen
    inside = 1e-12  # where all fail, or none, the share that was seen solves the equation too
    return (
        optimize.brentq(excess, 0.0, seen - inside) if failed else 0.0,
        optimize.brentq(excess, seen + inside, 1.0) if failed < sampled else 1.0,
    )


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
    lower, upper = score_ends(size, sampled, failed)
    scraped = {}
    for instance, part in (("a:1", (size - size // 3, sampled - sampled // 3, failed - failed // 3)),
                           ("b:1", (size // 3, sampled // 3, failed // 3))):  # fmt: skip
        families = ("maildns_pool_addresses", "maildns_pool_sample_addresses", "maildns_pool_sample_failures")
        for family, value in zip(families, part, strict=True):
            labels = {"pool": "corporate"} if family == "maildns_pool_addresses" else LABELS
            scraped |= series(family, always(value), instance=instance, **labels)

    outcome = promtool("test", "rules", write(tmp_path, scraped, {RATIO: failed / sampled, LOWER: lower, UPPER: upper}))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(("sampled", "failed"), [(1_792, 18), (1_792, 0), (40, 40), (1, 1), (10, 5)])
def test_of_a_pool_without_end_the_bounds_are_those_of_scipy(tmp_path, sampled, failed):
    """Where the sample is next to nothing of the pool, the correction does nothing: scipy has that interval."""
    from scipy import stats

    wilson = stats.binomtest(failed, sampled).proportion_ci(0.95, method="wilson")
    scraped = series("maildns_pool_addresses", always(10**12), pool="corporate")
    scraped |= series("maildns_pool_sample_addresses", always(sampled), **LABELS)
    scraped |= series("maildns_pool_sample_failures", always(failed), **LABELS)

    outcome = promtool("test", "rules", write(tmp_path, scraped, {LOWER: wilson.low, UPPER: wilson.high}))

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
