"""Runs one check on what somebody answers, and awaits what comes of it."""

import asyncio
from typing import Protocol, TypeVar

from exporter.checks.answers import Question
from exporter.checks.check import Check, Evidence, OnAnswer, Run

ResultT = TypeVar("ResultT")


class Asker(Protocol):
    """What answers: `exporter.dns.resolvers.Resolvers`, or anything like it."""

    def ask(self, question: Question, on_answer: OnAnswer) -> None:
        """Get *question* answered; calls back exactly once."""


async def answered(check: Check[ResultT], asker: Asker) -> tuple[ResultT, Evidence]:
    """Run *check* on what *asker* answers: its outcome, and what that rests on."""
    outcome: asyncio.Future[tuple[ResultT, Evidence]] = asyncio.get_running_loop().create_future()
    Run(check, asker.ask, lambda found, seen: outcome.set_result((found, seen)), outcome.set_exception).start()
    return await outcome
