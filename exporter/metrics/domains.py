"""The families about domains, read from the board of domains; and from the pools, which their SPF records stand beside.

The rule of this file: as in `exporter.metrics.fleet`, families are built anew on each scrape from one generation, in a
thread beside the event loop, and the DNS is asked nothing.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.checks.domain import DomainCheckName, DomainFinding, Hint
from exporter.checks.spf.ranges import size
from exporter.metrics import catalogue
from exporter.metrics.fleet import Scrape
from exporter.state.board import Board
from exporter.state.domain import DomainState
from exporter.state.domain_board import DomainBoard, DomainCounters
from exporter.state.domain_held import is_conclusive
from exporter.state.two_lists import FAMILIES, Comparisons, TwoLists, count

_VALID = {
    DomainCheckName.SPF: catalogue.DOMAIN_SPF_VALID,
    DomainCheckName.DMARC: catalogue.DOMAIN_DMARC_VALID,
    DomainCheckName.MX: catalogue.DOMAIN_MX_VALID,
    DomainCheckName.MTA_STS: catalogue.DOMAIN_MTA_STS_VALID,
    DomainCheckName.TLS_RPT: catalogue.DOMAIN_TLS_RPT_VALID,
}


class DomainsCollector(Collector):
    """Shows the board of domains."""

    def __init__(self, domains: DomainBoard, board: Board, comparisons: Comparisons) -> None:
        self._domains = domains
        self._board = board
        self._comparisons = comparisons

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family that the current generation has a series of."""
        scrape = Scrape()
        pools = tuple(self._board.pools.values())
        generation = self._domains.generation()
        self._comparisons.forget(generation)
        for name, state in generation.items():
            _add_counters(scrape, name, self._domains.counters(name))
            _add_domain(scrape, name, state)
            if state.spf is not None:
                _add_lists(scrape, name, self._comparisons.of(name, state.spf.compiled, pools))
        yield from scrape.metrics()


def _add_counters(scrape: Scrape, name: str, counters: DomainCounters) -> None:
    scrape[catalogue.DOMAIN_SAMPLES].add((name,), counters.samples)
    for (check, result), changes in counters.changes.items():
        scrape[catalogue.DOMAIN_CHANGES].add((name, check, result), changes)


def _add_domain(scrape: Scrape, name: str, state: DomainState) -> None:
    labels = (name,)
    if state.is_healthy is not None:
        scrape[catalogue.DOMAIN_HEALTHY].add(labels, state.is_healthy)
    if state.latest is not None:
        scrape[catalogue.DOMAIN_CONCLUSIVE].add(labels, is_conclusive(state.latest.findings))
    for finding in state.problems:
        scrape[catalogue.DOMAIN_PROBLEM].add(_fault(name, finding), 1)
    for fault in dict.fromkeys([_fault(name, hint) for hints in state.hints.values() for hint in hints]):
        scrape[catalogue.DOMAIN_HINT].add(fault, 1)
    for check, family in _VALID.items():
        passes = state.passes(check)
        if passes is not None:
            scrape[family].add(labels, passes)
    _add_records(scrape, name, state)
    for family, moment in (
        (catalogue.DOMAIN_LAST_SAMPLE, state.sampled_at),
        (catalogue.DOMAIN_LAST_CONCLUSIVE_SAMPLE, state.concluded_at),
        (catalogue.DOMAIN_LAST_CHANGE, state.changed_at),
    ):
        if moment:
            scrape[family].add(labels, moment)


def _add_records(scrape: Scrape, name: str, state: DomainState) -> None:
    if state.spf is not None:
        scrape[catalogue.DOMAIN_SPF_LOOKUPS].add((name,), state.spf.lookups)
        scrape[catalogue.DOMAIN_SPF_VOID_LOOKUPS].add((name,), state.spf.void_lookups)
    for selector in state.settings.selectors:
        passes = state.passes(DomainCheckName.DKIM, selector)
        if passes is not None:
            scrape[catalogue.DOMAIN_DKIM_KEY_VALID].add((name, selector), passes)
        key = state.dkim.get(selector)
        if key is not None and key.bits is not None:
            scrape[catalogue.DOMAIN_DKIM_KEY_BITS].add((name, selector), key.bits)
        if key is not None and key.key_type:
            scrape[catalogue.DOMAIN_DKIM_KEY_INFO].add((name, selector, key.key_type), 1)
    dmarc = state.dmarc
    if dmarc is not None and dmarc.policy is not None:
        testing = str(dmarc.is_testing).lower()
        labels = (name, dmarc.policy, dmarc.subdomain_policy or dmarc.policy, testing)
        scrape[catalogue.DOMAIN_DMARC_POLICY_INFO].add(labels, 1)


def _add_lists(scrape: Scrape, name: str, lists: TwoLists) -> None:
    for family in FAMILIES:
        labels = (name, str(family))
        scrape[catalogue.DOMAIN_SPF_AUTHORISED].add(labels, size(lists.authorised[family]))
        scrape[catalogue.DOMAIN_SPF_UNUSED].add(labels, size(lists.unused[family]))
    for one in lists.pools:
        pool = (name, one.pool)
        if one.is_sender:
            scrape[catalogue.DOMAIN_SPF_UNAUTHORISED].add(pool, count(one.unauthorised))
            scrape[catalogue.DOMAIN_SPF_OPEN].add(pool, count(one.open))
        scrape[catalogue.DOMAIN_SPF_UNCONFIRMED].add(pool, one.unconfirmed)


def _fault(name: str, told: DomainFinding | Hint) -> tuple[str, str, str, str]:
    selector = told.subject if told.check is DomainCheckName.DKIM else ""
    return (name, told.check, told.reason or "", selector)
