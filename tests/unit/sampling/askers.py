"""An asker that answers from a world, for what asks in the background."""

import asyncio
from math import inf

from exporter.checks.answers import Answer, Status
from tests.factories import World


class WorldAsker:
    """Answers from *world* after a moment; *past_the_cache* is the world for confirmations, if that is another one.

    *asked* has each question with whether it was a confirmation. *doubts* are what verifications come to, in order.
    """

    deadline_seconds = 5.0
    max_in_flight = 10

    def __init__(self, world: World | None, *, past_the_cache: World | None = None) -> None:
        self.world = world
        self.past_the_cache = past_the_cache
        self.asked: list[tuple[str, bool]] = []
        self.doubts: list[Status] = []
        self.verifications = 0

    def verify(self, servers, verified):
        """Believe everybody, unless there is a doubt left."""
        self.verifications += 1
        verified(self.doubts.pop(0) if self.doubts else None)

    def ask(self, question, on_answer, *, max_age_seconds=inf, confirm=False, voice=None):
        """Answer after a hundredth of a second; a world that is None lets every question time out."""
        self.asked.append((str(question), confirm))
        world = self.past_the_cache if confirm and self.past_the_cache is not None else self.world
        answer = Answer(Status.TIMEOUT) if world is None else world(question)._replace(server="192.0.2.53:53")
        asyncio.get_running_loop().call_later(0.01, on_answer, question, answer)
