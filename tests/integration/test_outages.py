"""Outages of a real resolver, through the whole service: verdicts are withheld, none flips, and no burst comes after.

Unbound answers, and what is before it loses and delays packets. Half an hour of outage, and one
interval to recover from it, are in tests/truth, in simulated time.
"""

from contextlib import ExitStack

import pytest
import yaml

from tests.integration.kinds import DOMAIN
from tests.integration.proxy import Proxy
from tests.integration.serving import hurried, serving
from tests.integration.test_lying_resolvers import KEPT

pytestmark = pytest.mark.integration

SECONDS = 1.0
CAP = 300
SLACK = 1.25  # who sends at the right time may be kept from the processor before the packet leaves
COUNT = 40
LEFT_OPEN = ("forty-ptr-names",)  # names beyond the limit may be what confirms it
CONCLUSIVE = "maildns_fcrdns_conclusive"


@pytest.fixture
def watched(world, unbound):
    """The configuration of some addresses that Unbound knows all about, behind proxies, and the proxies."""
    clear = [one for one in world.expected if one.helo and one.verdict != "temperror" and one.kind not in LEFT_OPEN]
    entries = [{"ip": one.address, "helo": one.helo} for one in clear[:COUNT]]
    canary = {"must_resolve": [f"{DOMAIN} SOA"], "must_not_exist_under": DOMAIN, "interval": "1s"}

    def build(stack, *, resolvers=1):
        proxies = [stack.enter_context(Proxy(unbound.port)) for _ in range(resolvers)]
        listed = [
            {
                "name": f"resolver{place}",
                "servers": [proxy.address],
                "timeout": "500ms",
                "attempts": 2,
                "max_queries_per_second": CAP,
                "canary": canary,
            }
            for place, proxy in enumerate(proxies)
        ]
        text = yaml.safe_dump({"resolvers": listed, "pools": [{"name": "test", "receivers": [], "addresses": entries}]})
        return text, proxies

    return build


def last_conclusive(series):
    """What is held of the addresses."""
    return {family: series.get(family) for family in KEPT}


def conclusive(series):
    """How many addresses there are, and how many of them the latest sample of which was conclusive."""
    latest = series.get(CONCLUSIVE, {})
    return len(latest), sum(latest.values())


def known(series):
    """Whether the latest sample of each address left no check open, of HELO names neither."""
    results = series["maildns_pool_results"].items()
    return conclusive(series) == (COUNT, COUNT) and not sum(
        value for labels, value in results if ("result", "unknown") in labels
    )


def rounds(series):
    """How many rounds have ended."""
    return sum(series["maildns_pool_rounds_total"].values())


@pytest.mark.parametrize(
    ("loss", "delay_seconds"),
    [
        pytest.param(1.0, 0.0, id="silent"),
        pytest.param(0.5, 0.0, id="half-silent"),
        pytest.param(0.0, 5.0, id="slow"),
    ],
)
async def test_an_outage_flips_nothing_and_ends_without_a_burst(watched, loss, delay_seconds):
    """Every resolver silent, half silent or too slow, for some rounds, and back: nothing moves but what is known."""
    with ExitStack() as stack:
        text, (first, second) = watched(stack, resolvers=2)
        async with serving(lambda: hurried(text, SECONDS)) as exporter:
            before = await exporter.wait_for(known, "verdicts on all")
            for proxy in (first, second):
                proxy.loss, proxy.delay_seconds = loss, delay_seconds
            during = await exporter.wait_for(
                lambda s: rounds(s) >= rounds(before) + 4 and conclusive(s)[1] <= (0 if loss != 0.5 else 99),
                "an outage",
            )
            assert last_conclusive(during) == last_conclusive(before)
            for proxy in (first, second):
                proxy.loss = proxy.delay_seconds = 0.0
            after = await exporter.wait_for(lambda s: conclusive(s) == (COUNT, COUNT), "verdicts on all again")
            later = await exporter.wait_for(lambda s: rounds(s) >= rounds(after) + 2, "two more rounds")

        assert last_conclusive(after) == last_conclusive(before) == last_conclusive(later)
        assert sum(later["maildns_result_changes_total"].values()) == 0
        for proxy in (first, second):
            assert proxy.most_in_a_second() <= CAP * SLACK


async def test_another_resolver_stands_in_for_a_silent_one(watched):
    """The first one of two falls silent: verdicts go on, and go on when it is back."""
    with ExitStack() as stack:
        text, (first, second) = watched(stack, resolvers=2)
        async with serving(lambda: hurried(text, SECONDS)) as exporter:
            before = await exporter.wait_for(known, "verdicts on all")
            asked = len(second.arrivals)
            first.loss = 1.0
            down = frozenset({("resolver", "resolver0"), ("server", first.address)})
            silent = await exporter.wait_for(lambda s: s["maildns_resolver_up"][down] == 0, "a silent resolver")
            during = await exporter.wait_for(
                lambda s: rounds(s) >= rounds(silent) + 2 and conclusive(s) == (COUNT, COUNT),
                "verdicts of the other",
            )
            assert len(second.arrivals) > asked + 2 * COUNT
            first.loss = 0.0
            after = await exporter.wait_for(lambda s: s["maildns_resolver_up"][down] == 1, "both")

        assert last_conclusive(during) == last_conclusive(before) == last_conclusive(after)
        assert sum(after["maildns_result_changes_total"].values()) == 0
