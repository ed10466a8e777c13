"""Random addresses of ranges that are too large to enumerate: their results are counted separately."""

import asyncio

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Status
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, IprevVerdict, Result
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.sampling.sampler import Sampler
from exporter.state.board import Board
from exporter.state.counters import MAX_FAILURES
from tests.fakes import FakeResolver, run

SENDER = Address.parse("2001:db8::25")
TEXT = """
pools:
- {name: big, unlisted_samples: 6, sample: %s, addresses: [{network: "2001:db8::/32"}, {network: "2001:db8::20/123"}]}
"""


class Senders(FakeResolver):
    """A DNS in which the senders are forward-confirmed, and *others* is the status of all other PTR lookups."""

    def __init__(self, others=None, *, is_confirmed=lambda _resolver: False):
        super().__init__(self._answer, max_in_flight=100)
        self.others, self.is_confirmed = others, is_confirmed

    def _answer(self, question):
        is_reverse = question.rdtype == "PTR"
        nibbles = question.name[:64:2][::-1] if is_reverse else question.name[2:34]
        own = Address(bytes.fromhex(nibbles))
        if is_reverse and not is_sender(own) and self.others is not None:
            return Answer(self.others)
        if is_reverse:
            return Answer(Status.ANSWER, (DomainName(f"m-{nibbles}.example.org"),))
        return Answer(Status.ANSWER, (own if is_sender(own) or self.is_confirmed(self) else SENDER,))

    @property
    def drawn(self):
        """The reverse names in questions about other addresses."""
        names = [question.name for question in self.asked if question.rdtype == "PTR"]
        return {name for name in names if not is_sender(Address(bytes.fromhex(name[:64:2][::-1])))}


def is_sender(address):
    """Whether *address* is in 2001:db8::20/123."""
    return address.packed[:15] == SENDER.packed[:15] and address.packed[15] >> 5 == 1


def sampled(resolver, rounds=1, sample="false"):
    """The state of the pool after some rounds."""

    async def main():
        board, changes = Board(), []
        board.publish(build(parse(TEXT % sample, "test")))
        sampler = Sampler(board, lambda: resolver, on_change=lambda _pool, change: changes.append(change))
        sampler.follow()
        state = board.pools["big"]
        for number in range(rounds):
            sampler.tick("big")
            while state.counters.rounds == number:
                await asyncio.sleep(1)
        assert changes == []
        return state

    return run(main())


def verdicts(state):
    return {verdict.value: count for verdict, count in state.counters.not_enumerable.verdicts.items()}


def test_an_unused_address_is_no_failure():
    """Six a round have no PTR name: they are counted separately, and do not change the results of the pool."""
    state = sampled(Senders(Status.NXDOMAIN), rounds=2)
    assert verdicts(state) == {"pass": 0, "fail": 0, "permerror": 12, "temperror": 0}
    assert not state.counters.not_enumerable.failures
    assert state.results()[CheckName.FCRDNS, Result.PASS] == state.pool.size == 32
    assert state.sample_sums()[CheckName.FCRDNS] == (32, 0)
    assert state.counters.samples[CheckName.FCRDNS, Result.PASS] == 64
    assert state.counters.samples[CheckName.FCRDNS, Result.FAIL] == 0


def test_random_addresses_are_no_part_of_the_estimate():
    """Not even where rounds draw addresses of each prefix."""
    state = sampled(Senders(), sample="{ipv6_prefix: 124}")
    assert verdicts(state)["fail"] == 6
    assert state.sample_sums()[CheckName.FCRDNS] == (2, 0)


def test_names_that_do_not_resolve_back_are_confirmed_and_the_latest_are_kept():
    """Only so many failures are kept."""
    resolver = Senders()
    state = sampled(resolver, rounds=5)
    assert verdicts(state) == {"pass": 0, "fail": 30, "permerror": 0, "temperror": 0}
    assert len(resolver.confirmed) == 30 * 2
    failures = state.counters.not_enumerable.failures
    assert len(failures) == MAX_FAILURES
    assert all(one.address in state.pool.not_enumerable for one in failures)
    assert failures[-1].at > failures[0].at
    assert "is not forward-confirmed" in failures[-1].finding.sentence


def test_a_failure_that_is_not_confirmed_is_not_counted():
    """As if the address had not been answered."""
    state = sampled(Senders(is_confirmed=lambda resolver: bool(resolver.confirmed)))
    assert verdicts(state)["fail"] == 0


def test_a_broken_delegation_is_a_temperror():
    """For all addresses of the range."""
    state = sampled(Senders(Status.SERVFAIL))
    assert verdicts(state) == {"pass": 0, "fail": 0, "permerror": 0, "temperror": 6}


def test_a_reload_continues_the_random_order():
    """The next round draws other addresses, and the counters go on."""

    async def main():
        board, resolver = Board(), Senders(Status.NXDOMAIN)
        board.publish(build(parse(TEXT % "false", "test")))
        sampler = Sampler(board, lambda: resolver, on_change=lambda _pool, _change: None)
        drawn = []
        for text in (TEXT % "false", (TEXT % "false").replace("name: big", "name: big, series: none")):
            board.publish(build(parse(text, "test")))
            sampler.follow()
            state = board.pools["big"]
            before = state.counters.rounds
            resolver.asked.clear()
            sampler.tick("big")
            while state.counters.rounds == before:
                await asyncio.sleep(1)
            drawn.append(resolver.drawn)
        return state, drawn

    state, (first, second) = run(main())
    assert verdicts(state)[IprevVerdict.PERMERROR] == 12
    assert len(first) == len(second) == 6
    assert not first & second
