"""Attacks the real engine with broken replies over UDP and TCP: ``python -m tests.fuzz.engine --mutants 200000``.

Each question is answered with a few mutants of a real reply, and then with the real reply. Every question must be
answered exactly once, with a well-formed `Answer`. No exception may reach the event loop, no callback may block it for
more than `BOUND_SECONDS` of processor time, and no question may stay open.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, MailExchange, Question, RRType, StartOfAuthority, Text
from exporter.checks.names import DomainName
from exporter.dns.resolver import Resolver
from tests.fuzz.mutation import RDTYPES, Mutator
from tests.integration.misbehaving import Misbehaving
from tests.integration.packets import Query, reply
from tests.integration.running import longest_callback, resolver_for
from tests.integration.sending import BEHAVIOURS, Sending

BOUND_SECONDS = 0.1
MUTANTS_A_QUESTION = 8
IN_FLIGHT = 64
_RECORDS: dict[str, type] = {
    "A": Address,
    "AAAA": Address,
    "PTR": DomainName,
    "NS": DomainName,
    "CNAME": DomainName,
    "MX": MailExchange,
    "SOA": StartOfAuthority,
    "TXT": Text,
}


@dataclass
class Outcome:
    """The result of an attack.

    Attributes:
        mutants: How many broken replies were sent.
        questions: How many questions were asked.
        statuses: The answers by status.
        transports: The queries by transport.
        ignored: The ignored packets by reason.
        longest_seconds: The longest time that a callback blocked the event loop.
        complaints: What was wrong; empty if the attack failed.
    """

    mutants: int = 0
    questions: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    transports: Counter[str] = field(default_factory=Counter)
    ignored: dict[str, int] = field(default_factory=dict)
    longest_seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        statuses = ", ".join(f"{count} {status}" for status, count in self.statuses.most_common())
        ignored = ", ".join(f"{count} {reason}" for reason, count in self.ignored.items() if count)
        transports = ", ".join(f"{count} over {transport}" for transport, count in self.transports.items())
        return (
            f"{self.mutants} mutants, {self.questions} questions (queries: {transports})\n"
            f"answers: {statuses}\nignored: {ignored}\n"
            f"longest callback: {self.longest_seconds * 1000:.1f} ms of processor time\n"
            + "".join(f"COMPLAINT: {complaint}\n" for complaint in self.complaints[:20])
        )


def install(mutator: Mutator) -> None:
    """Add the behaviours that answer with mutants: over UDP, or over TCP after a truncated reply."""

    def over_udp(query: Query) -> Sequence[Sending]:
        return [*[Sending(mutator.broken(query)) for _ in range(MUTANTS_A_QUESTION)], Sending(mutator.right(query))]

    def over_tcp(query: Query) -> Sequence[Sending]:
        if query.transport == "udp":
            return [Sending(reply(query, flags=0x8380))]
        broken = [Sending(mutator.broken(query)) for _ in range(MUTANTS_A_QUESTION)]
        if query.id % 4 == 0:
            return [*broken, Sending(mutator.broken_frame(query), frame=False)]
        return [*broken, Sending(mutator.right(query))]

    BEHAVIOURS["mutant-udp"] = over_udp
    BEHAVIOURS["mutant-tcp"] = over_tcp


def faults(question: Question, answer: Answer) -> list[str]:
    """Everything that is not well-formed about an answer."""
    found = []
    if not all(isinstance(record, _RECORDS[question.rdtype]) for record in answer.records):
        found.append(f"{question} has records of another type: {answer.records}")
    names = [*answer.names, *answer.chain, *[exchange.exchange for exchange in answer.exchanges]]
    found += [f"{question} has the name {name!r}, which is not canonical" for name in names if DomainName(name) != name]
    found += [f"{question} has {address!r}" for address in answer.addresses if len(address.packed) not in {4, 16}]
    if not 0 <= answer.ttl <= 86_400:
        found.append(f"{question} has a TTL of {answer.ttl}")
    if answer != Answer(*answer):
        found.append(f"{question} has records that are not sorted and distinct: {answer.records}")
    return found


async def attack(mutants: int, seed: int) -> Outcome:
    """Attack a resolver with at least *mutants* broken replies."""
    outcome, mutator = Outcome(), Mutator(seed)
    install(mutator)

    def complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        outcome.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(complain)
    with Misbehaving() as server:
        async with resolver_for(
            server.address, timeout_seconds=0.5, attempts=2, max_in_flight=IN_FLIGHT, cache_entries=1_000
        ) as resolver:
            with longest_callback() as longest:
                await asyncio.gather(
                    *[_keep_asking(resolver, lane, mutants, mutator, outcome) for lane in range(IN_FLIGHT)]
                )
            if resolver.in_flight:
                outcome.complaints.append(f"{resolver.in_flight} questions are still open")
            outcome.ignored = dict(resolver.statistics.ignored)
        for (_, transport), count in server.asked.items():
            outcome.transports[transport] += count
    outcome.mutants, outcome.longest_seconds = mutator.made, longest.seconds
    if longest.seconds > BOUND_SECONDS:
        outcome.complaints.append(f"the loop was blocked for {longest.seconds:.3f} s by {longest.name}")
    return outcome


async def _keep_asking(resolver: Resolver, lane: int, mutants: int, mutator: Mutator, outcome: Outcome) -> None:
    """Ask one question after the other until enough mutants were sent."""
    number = lane
    while mutator.made < mutants:
        rdtype: RRType = RDTYPES[number % len(RDTYPES)]  # type: ignore[assignment]
        transport = "tcp" if number // IN_FLIGHT % 4 == 3 else "udp"
        question = Question(DomainName(f"{number:08}.mutant-{transport}.example.org"), rdtype)
        answers: list[Answer] = []
        done = asyncio.get_running_loop().create_future()
        resolver.ask(question, lambda _, answer, answers=answers, done=done: _take(answers, answer, done))
        try:
            await asyncio.wait_for(done, 30)
        except TimeoutError:
            outcome.complaints.append(f"{question} was never answered")
            return
        outcome.questions += 1
        outcome.statuses[answers[0].status] += 1
        outcome.complaints += faults(question, answers[0])
        if len(answers) != 1:
            outcome.complaints.append(f"{question} was answered {len(answers)} times")
        number += IN_FLIGHT


def _take(answers: list[Answer], answer: Answer, done: asyncio.Future[None]) -> None:
    answers.append(answer)
    if not done.done():
        done.set_result(None)


def main() -> int:
    """Run an attack from the command line; exit with 1 if there are complaints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    started = time.monotonic()
    outcome = asyncio.run(attack(options.mutants, options.seed))
    print(f"seed {options.seed}, {time.monotonic() - started:.0f} s\n{outcome}")
    return 1 if outcome.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
