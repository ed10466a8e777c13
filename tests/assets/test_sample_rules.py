"""The estimated share of a pool that fails: Wilson's interval, calculated a second time with scipy."""

import math

import pytest
import yaml

from dashboards.generator.pool_rules import LOWER, RATIO, UPPER
from exporter.views.pools import estimate
from tests.assets.rule_cases import RULES, always, series
from tests.integration.servers.prometheus import promtool

LABELS = {"pool": "corporate", "check": "fcrdns"}
pytestmark = pytest.mark.slow  # scipy takes seconds to load


def score_ends(size, sampled, failed):
    """The ends of the 95% interval: the shares at which a score test just does not reject the sample.

    The variance is that of a sample without replacement. This solves the equation; the rules contain the solution.
    """
    from scipy import optimize, stats  # takes a second to import

    seen = failed / sampled
    deviations = stats.norm.ppf(0.975)

    def excess(share):
        variance = share * (1 - share) / sampled * (size - sampled) / (size - 1)
        return (seen - share) ** 2 - deviations**2 * variance

    if sampled == size:
        return seen, seen
    inside = 1e-12  # if all fail, or none, the observed share solves the equation too
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
    """For every sample, to a hundredth of a percent; the samples of two shards are added. Pages show the same."""
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
    shown = estimate(size, sampled, failed)
    assert (shown.share, shown.lower, shown.upper) == pytest.approx((failed / sampled, lower, upper), abs=1e-4)


@pytest.mark.parametrize(("sampled", "failed"), [(1_792, 18), (1_792, 0), (40, 40), (1, 1), (10, 5)])
def test_the_bounds_for_a_huge_pool_are_those_of_scipy(tmp_path, sampled, failed):
    """For a sample much smaller than the pool the correction does nothing, and scipy calculates the same interval."""
    from scipy import stats

    wilson = stats.binomtest(failed, sampled).proportion_ci(0.95, method="wilson")
    scraped = series("maildns_pool_addresses", always(10**12), pool="corporate")
    scraped |= series("maildns_pool_sample_addresses", always(sampled), **LABELS)
    scraped |= series("maildns_pool_sample_failures", always(failed), **LABELS)

    outcome = promtool("test", "rules", write(tmp_path, scraped, {LOWER: wilson.low, UPPER: wilson.high}))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_without_a_sample_there_is_no_estimate(tmp_path):
    """Before the first round there is no series, rather than a share of zero."""
    scraped = series("maildns_pool_addresses", always(10), pool="corporate")
    for family in ("maildns_pool_sample_addresses", "maildns_pool_sample_failures"):
        scraped |= series(family, always(0), **LABELS)

    outcome = promtool("test", "rules", write(tmp_path, scraped, {RATIO: None, LOWER: None, UPPER: None}))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def write(folder, scraped, expected):
    """A unit test for promtool with the expected value of each recording rule."""
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
