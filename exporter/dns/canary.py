"""Is a server telling the truth? Names that must resolve, and a random one that must not exist.

The rule of this file: only what the server says conclusively can contradict; silence makes the canary not well, but
takes nobody's trust away. Trust that was lost comes back with the opposite answer to the same question. Whoever is
about to believe news has the server checked anew (`verify`): it may have begun to lie since the last check.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.codec import Take
from exporter.dns.servers import Server
from exporter.dns.settings import CanarySettings

ROOT_SERVERS = Question(DomainName("."), "NS")
"""What a server is asked to find out whether it is there."""

Probe = Callable[[Server, Question, OnAnswer], None]
"""Asks one server, and no other."""

Verified = Callable[[Status | None], None]
"""Hears why a server is not believed; None if it is."""

_RANDOM_BYTES = 10
_LEAST_GAP_SECONDS = 0.05  # between two checks of a server, however much news there is to verify


class Canary:
    """Watches one server. *probe* asks it; *changed* is called when it loses or regains trust."""

    def __init__(
        self, settings: CanarySettings | None, server: Server, probe: Probe, take: Take, changed: Callable[[], None]
    ) -> None:
        self._settings = settings
        server.canary_ok = settings is None
        self._server = server
        self._probe = probe
        self._take = take
        self._changed = changed
        self._contradictions: set[Question] = set()
        self.due_at = -math.inf if settings is not None else math.inf
        """When it wants to be checked again, on the monotonic clock."""
        self.is_checking = False
        self.was_checked = False
        self._began_at = -math.inf
        self._waiting: list[Verified] = []
        self._hearing: list[Verified] = []

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for the next check."""
        return bool(self._waiting)

    def verify(self, verified: Verified) -> None:
        """Tell *verified* whether the server is believed after a check that begins from now on, which is due soon."""
        if self._settings is None:
            verified(None)
            return
        self._waiting.append(verified)
        self.due_at = min(self.due_at, self._began_at + _LEAST_GAP_SECONDS)

    def close(self) -> None:
        """Tell those who wait that no check will vouch for the server any more."""
        unheard, self._hearing, self._waiting = self._hearing + self._waiting, [], []
        for verified in unheard:
            verified(Status.CANARY)

    def check(self, now: float, done: Callable[[], None]) -> None:
        """Ask everything once; *done* is called when all of it is answered, or is known not to be."""
        questions = self._questions()
        self.is_checking = True
        self.due_at = now + (self._settings.interval_seconds if self._settings is not None else math.inf)
        self._began_at = now
        self._hearing, self._waiting = self._waiting, []
        answers: dict[Question, Answer] = {}

        def take(question: Question, answer: Answer) -> None:
            answers[question] = answer
            if len(answers) == len(questions):
                self._judge(answers, questions)
                self.is_checking = False
                self.was_checked = True
                heard, self._hearing = self._hearing, []
                for verified in heard:
                    verified(Status.CANARY if self._server.contradicted else None)
                done()

        for question in tuple(questions):
            self._probe(self._server, question, take)

    def _questions(self) -> dict[Question, Question]:
        """What is asked, and what each question is remembered as: the random one changes its name each time."""
        settings = self._settings
        if settings is None:
            return {ROOT_SERVERS: ROOT_SERVERS}
        questions = {question: question for question in settings.must_resolve}
        under = settings.must_not_exist_under
        if under is not None:
            label = self._take(_RANDOM_BYTES).hex().encode()
            questions[Question(DomainName.from_labels([label, *under.labels]), "A")] = Question(under, "A")
        return questions or {ROOT_SERVERS: ROOT_SERVERS}

    def _judge(self, answers: dict[Question, Answer], questions: dict[Question, Question]) -> None:
        settings = self._settings
        if settings is None or (not settings.must_resolve and settings.must_not_exist_under is None):
            self._server.canary_ok = True
            return  # it was only asked whether it is there
        all_well = True
        for question, answer in answers.items():
            is_right = (
                answer.status is Status.ANSWER if question in settings.must_resolve else answer.status.is_negative
            )
            if is_right:
                self._contradictions.discard(questions[question])
            else:
                all_well = False
                if answer.is_conclusive:
                    self._contradictions.add(questions[question])
        self._server.canary_ok = all_well
        contradicted = bool(self._contradictions)
        if contradicted != self._server.contradicted:
            self._server.contradicted = contradicted
            self._changed()


# SECTION exporter.dns.watch
# Asks the canaries of a resolver's servers: when they are due, when news waits for them, when a server went
# silent.
#
# The rule of this file: one check of a server at a time, however many wait for it.

_LEAST_WAIT_SECONDS = 0.001


class Watch:
    """Watches *servers*, each by the one of *canaries* at the same place.

    *reach* is called before a server is asked, *checked* after each check.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        canaries: Sequence[Canary],
        *,
        clock: Callable[[], float],
        reach: Callable[[Server], None],
        checked: Callable[[], None],
    ) -> None:
        self._servers = servers
        self._canaries = canaries
        self._clock = clock
        self._reach = reach
        self._checked = checked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_informed(self) -> bool:
        """Whether a server is known to tell the truth, or nothing more is to be heard of any."""
        return any(server.canary_ok for server in self._servers) or all(canary.was_checked for canary in self._canaries)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to ask: now, and then whenever somebody calls `look`."""
        self._loop = loop
        self.look()

    def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        for canary in self._canaries:
            canary.close()

    def verify(self, server: int, verified: Verified) -> None:
        """See `Canary.verify`."""
        self._canaries[server].verify(verified)
        if self._loop is None:
            self._canaries[server].close()
        self.look()

    def look(self) -> None:
        """Check the servers whose canary is due, that are suspected of being down, or that may be back."""
        if self._loop is None:
            return
        now = self._clock()
        for server, canary in zip(self._servers, self._canaries, strict=True):
            if canary.is_checking:
                continue
            is_due = now >= (canary.due_at if server.up or canary.is_wanted else server.down_until)
            if is_due or (server.up and server.is_suspected):
                self._reach(server)
                canary.check(now, self._was_checked)
        wanted = [canary.due_at for canary in self._canaries if canary.is_wanted and not canary.is_checking]
        if wanted and self._timer is None:
            self._timer = self._loop.call_later(max(_LEAST_WAIT_SECONDS, min(wanted) - now), self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self.look()

    def _was_checked(self) -> None:
        self._checked()
        self.look()
