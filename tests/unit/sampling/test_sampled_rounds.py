"""Rounds that sample some of each prefix: what they find, what they ask, and what they count."""

import asyncio
import re

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Status
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.inventory.draws import SEARCH
from exporter.metrics.collectors import sums_of
from exporter.sampling.sampler import Sampler
from exporter.state.board import Board
from exporter.state.pool import WorstPrefixes
from tests.fakes import FakeResolver, run

FCRDNS = CheckName.FCRDNS
CONFIGURATION = """
resolvers: [{name: local, servers: [127.0.0.1], max_queries_per_second: %s}]
pools: [{name: big, interval: 1h, sample: %s, addresses: [%s]}]
"""


def configuration(*networks, sample="{per_prefix: 1}", rate="500"):
    return CONFIGURATION % (rate, sample, ", ".join(f"{{network: {network}}}" for network in networks))


def everything(is_broken, *, is_silent=lambda _address: False):
    """A DNS in which every IPv4 address is forward-confirmed, except those that *is_broken* or *is_silent* names."""

    def answer(question):
        numbers = re.findall(r"\d+", question.name)
        if question.rdtype != "PTR":
            return Answer(Status.ANSWER, (Address.parse(".".join(numbers)),))
        if is_silent(_address(question)):
            return Answer(Status.TIMEOUT)
        if is_broken(_address(question)):
            return Answer(Status.NXDOMAIN)
        return Answer(Status.ANSWER, (DomainName(f"m-{'-'.join(reversed(numbers))}.example.org"),))

    return answer


def _address(question):
    return ".".join(reversed(re.findall(r"\d+", question.name)))


def reversed_addresses(resolver):
    """The addresses whose PTR records were asked for, in order."""
    return [_address(question) for question in resolver.asked if question.rdtype == "PTR"]


class Watched:
    """A sampler over one pool."""

    def __init__(self, world, text):
        resolver = self.resolver = FakeResolver(world, max_in_flight=100)
        self.board = Board()
        self.sampler = Sampler(self.board, lambda: resolver, on_change=lambda _pool, _change: None)
        self.use(text)

    def use(self, text):
        self.board.publish(build(parse(text, "test")))
        self.sampler.follow()

    @property
    def pool(self):
        return self.board.pools["big"]

    async def rounds(self, count=1):
        """Run some rounds; give the addresses that were asked about in the last one."""
        for _ in range(count):
            before = self.pool.counters.rounds
            self.resolver.asked.clear()
            self.sampler.tick("big")
            while self.pool.counters.rounds == before:
                await asyncio.sleep(1)
        return reversed_addresses(self.resolver)

    @property
    def worst(self):
        return {text: (failing, sampled) for text, failing, sampled in WorstPrefixes(self.pool)()}


def test_a_prefix_that_is_wholly_broken_is_found_in_the_first_round():
    """One address of each /24 is asked for; where it fails, eight more are, and they do not count."""

    async def main():
        watched = Watched(everything(lambda address: address.startswith("10.0.7.")), configuration("10.0.0.0/20"))
        asked = await watched.rounds()
        return asked, watched.worst, sums_of(watched.pool)[FCRDNS]

    asked, worst, sums = run(main())

    prefixes = [address.rpartition(".")[0] for address in asked]
    assert {f"10.0.{third}" for third in range(16)} == set(prefixes)
    assert worst == {"10.0.7.0/24": (1 + SEARCH, 1 + SEARCH)}
    assert prefixes.count("10.0.7") == 2 * (1 + SEARCH)  # each of them was confirmed
    assert len(prefixes) == 15 + 2 * (1 + SEARCH)
    assert sums == (16, 1)


def test_a_prefix_that_is_known_to_fail_is_not_searched_again_but_its_failures_are_looked_at():
    """A fix of an address that was found to fail is seen in the next round, not in 256."""

    async def main():
        broken = {"10.0.7."}
        watched = Watched(everything(lambda address: address.startswith(tuple(broken))), configuration("10.0.0.0/20"))
        await watched.rounds()
        second = await watched.rounds()
        known = watched.worst
        broken.clear()
        await watched.rounds()
        return second, known, watched.worst

    second, known, fixed = run(main())

    assert len(set(second)) == 15 + 1 + SEARCH  # what the search looked at has its own turn next
    assert known == {"10.0.7.0/24": (1 + SEARCH, 1 + SEARCH)}
    assert fixed == {}


def test_every_address_has_its_turn():
    """After as many rounds as a prefix has addresses, all of them were sampled, and each broken one is known."""

    async def main():
        watched = Watched(
            everything(lambda address: address in {"10.0.0.3", "10.0.1.200"}),
            configuration("10.0.0.0/25", "10.0.1.128/25", sample="{per_prefix: 16}"),
        )
        await watched.rounds(8)
        return [state.sampled_at > 0 for state in watched.pool.sampled()], watched.worst

    sampled, worst = run(main())

    assert len(sampled) == 256
    assert worst == {"10.0.0.0/24": (1, 128), "10.0.1.0/24": (1, 128)}


def test_what_the_dns_does_not_answer_counts_on_neither_side():
    """An outage of a quarter of the prefixes makes the sample smaller, not better or worse."""

    async def main():
        watched = Watched(
            everything(
                lambda address: address.startswith("10.0.3."),
                is_silent=lambda address: int(address.split(".")[2]) % 4 == 0,
            ),
            configuration("10.0.0.0/20"),
        )
        await watched.rounds()
        return sums_of(watched.pool)[FCRDNS]

    assert run(main()) == (12, 1)


def test_a_pool_that_fits_is_swept_and_all_of_it_counts():
    """Without a word of `sample`, every address is sampled as long as the rounds fit into the budget."""

    async def main(text):
        watched = Watched(everything(lambda address: address.endswith(".9")), text)
        asked = await watched.rounds()
        return len(set(asked)), sums_of(watched.pool)[FCRDNS]

    fits = configuration("10.0.0.0/22", sample="auto")
    assert run(main(fits)) == (1024, (1024, 4))
    too_slow = configuration("10.0.0.0/22", sample="auto", rate="0.5")
    asked, sums = run(main(too_slow))
    assert (asked, sums[0]) == (4, 4)
    forced = configuration("10.0.0.0/22", sample="false", rate="0.5")
    assert run(main(forced)) == (1024, (1024, 4))


def test_a_pool_that_changes_before_its_round_has_ended_goes_on_where_it_stopped():
    """However often a pool changes, each of its addresses has its turn."""

    async def main(sample):
        text = configuration("10.0.0.0/20", sample=sample)
        watched = Watched(everything(lambda _address: False), text)
        await watched.rounds()
        watched.resolver.asked.clear()
        for _ in range(3):  # each time a third of the way through
            watched.sampler.tick("big")
            await asyncio.sleep(0.9 * 3600 / 3 + 20)
            text = text.replace("interval: 1h", "interval: 60m") if "1h" in text else text
            watched.use(text.replace("]}]", f", {{ip: 192.0.2.{len(watched.resolver.asked) % 200}}}]}}]"))
        return {address.rpartition(".")[0] for address in reversed_addresses(watched.resolver)}

    everywhere = {f"10.0.{third}" for third in range(16)}
    assert run(main("{per_prefix: 1}")) >= everywhere
    assert run(main("false")) >= everywhere


def test_a_sum_of_half_a_round_is_not_shown():
    """Until the first round has ended nobody knows anything of the whole pool."""

    async def main():
        watched = Watched(everything(lambda _address: True), configuration("10.0.0.0/20"))
        watched.sampler.tick("big")
        await asyncio.sleep(0.015)
        return sums_of(watched.pool)[FCRDNS]

    assert run(main()) == (0, 0)
