"""What the resolvers counted, as Prometheus reads it."""

from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import IGNORED_REASONS
from exporter.metrics.collectors import DnsCollector


def shown(resolvers):
    """The value of every sample, by its name and the values of its labels."""
    families = DnsCollector(lambda: resolvers).collect()
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_ignored_packets_and_overflows_are_shown_from_the_start():
    """Each resolver has every reason as 0 before anything came, and then as many as were counted."""
    resolvers = Resolvers([ResolverSettings(name="a"), ResolverSettings(name="b")])
    before = shown(resolvers)
    resolvers["b"].statistics.ignored["case"] += 3
    resolvers["b"].statistics.overflowed += 2
    after = shown(resolvers)

    names = [("maildns_dns_ignored_packets_total", name, reason) for name in "ab" for reason in IGNORED_REASONS]
    names += [("maildns_dns_overflowed_questions_total", name) for name in "ab"]
    assert [before[name] for name in names] == [0] * len(names)
    assert {name: value for name, value in after.items() if value != before[name]} == {
        ("maildns_dns_ignored_packets_total", "b", "case"): 3,
        ("maildns_dns_overflowed_questions_total", "b"): 2,
    }
