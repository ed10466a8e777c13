"""Canaries: questions with known answers that show whether a server gives wrong ones.

Only a conclusive answer costs a server its trust. Without an answer the canary does not pass, but trust is kept. Trust
returns with the right answer to the same question. Before a change is recorded, `verify` checks the servers once more,
and they have to give every right answer: one of them may have begun to lie, or to answer only some questions.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.checks.result import some
from exporter.dns.codec import RandomBytes
from exporter.dns.servers import CanaryFailure, Server
from exporter.dns.settings import CanarySettings

ROOT_SERVERS = Question(DomainName("."), "NS")
"""The question to find out whether a server answers at all."""

Probe = Callable[[Server, Question, OnAnswer], None]
"""Asks one server, and no other."""

Verified = Callable[[Status | None], None]
"""Called with the reason not to trust a server, or None."""

_RANDOM_LABEL_BYTES = 10
_MIN_GAP_SECONDS = 0.05  # between two checks of a server, however many changes wait for one
_RECOVERY_SECONDS = 5.0  # after a failed check: a sample may still have answers from before its end
_MAX_SHARE = 0.5  # of the resolver's rate, for the canaries of all its servers


def first_failure(count: int, verified: Verified) -> Verified:
    """Collects *count* results, and then calls *verified* with the first failure, or None."""
    failures: list[Status | None] = []

    def collect(failure: Status | None) -> None:
        failures.append(failure)
        if len(failures) == count:
            verified(next(filter(None, failures), None))

    return collect


class Canary:
    """The canary of one server.

    *probe* asks the server. *changed* is called when it loses or regains trust. *query_seconds* is the time in which
    the resolver may send one query to each server: canaries take half of that at most, or ordinary questions would wait
    for ever.

    Attributes:
        due_at: The monotonic time of the next check.
        is_checking: Whether a check is in progress.
        was_checked: Whether a check has ended.
    """

    def __init__(
        self,
        settings: CanarySettings | None,
        server: Server,
        probe: Probe,
        random_bytes: RandomBytes,
        changed: Callable[[], None],
        query_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        count = 1 if settings is None else len(settings.must_resolve) + (settings.must_not_exist_under is not None)
        self._gap_seconds = max(_MIN_GAP_SECONDS, count * query_seconds / _MAX_SHARE)
        server.canary_ok = settings is None
        self._server = server
        self._probe = probe
        self._random_bytes = random_bytes
        self._changed = changed
        self._contradictions: set[Question] = set()
        self.due_at = -math.inf if settings is not None else math.inf
        self.is_checking = False
        self.was_checked = False
        self._began_at = -math.inf
        self._for_next: list[tuple[Verified, bool]] = []
        self._for_current: list[tuple[Verified, bool]] = []
        self._clock = clock
        self._failed_at = -math.inf

    @property
    def is_awaited(self) -> bool:
        """Whether a `verify` waits for the next check."""
        return bool(self._for_next)

    def verify(self, verified: Verified) -> None:
        """Call *verified* after a check that begins from now on.

        Answers of a server that failed a few seconds ago are not verified: they may be older than its recovery.
        """
        if self._settings is None:
            verified(None)
            return
        is_well = self._server.canary_ok and self._clock() - self._failed_at > _RECOVERY_SECONDS
        self._for_next.append((verified, is_well or not self.was_checked))
        self.due_at = min(self.due_at, self._began_at + self._gap_seconds)

    def close(self) -> None:
        """Fail all that wait for a check."""
        unverified, self._for_current, self._for_next = self._for_current + self._for_next, [], []
        for verified, _ in unverified:
            verified(Status.CANARY)

    def check(self, now: float, done: Callable[[], None]) -> None:
        """Ask all questions once. *done* is called after the last answer."""
        questions = self._questions()
        self.is_checking = True
        interval = math.inf if self._settings is None else self._settings.interval_seconds
        self.due_at = now + max(interval, self._gap_seconds)
        self._began_at = now
        self._for_current, self._for_next = self._for_next, []
        answers: dict[Question, Answer] = {}

        def take(question: Question, answer: Answer) -> None:
            answers[question] = answer
            if len(answers) == len(questions):
                self._evaluate(answers, questions)
                self.is_checking = False
                self.was_checked = True
                passes = self._server.canary_ok
                checked, self._for_current = self._for_current, []
                if not passes:
                    self._failed_at = self._clock()
                    checked, self._for_next = checked + self._for_next, []
                for verified, was_well in checked:
                    verified(None if passes and was_well else Status.CANARY)
                done()

        for question in tuple(questions):
            self._probe(self._server, question, take)

    def _questions(self) -> dict[Question, Question]:
        """The questions to ask, each with its key: the random one has a different name each time."""
        settings = self._settings
        if settings is None:
            return {ROOT_SERVERS: ROOT_SERVERS}
        questions = {question: question for question in settings.must_resolve}
        under = settings.must_not_exist_under
        if under is not None:
            label = self._random_bytes(_RANDOM_LABEL_BYTES).hex().encode()
            questions[Question(DomainName.from_labels([label, *under.labels]), "A")] = Question(under, "A")
        return questions or {ROOT_SERVERS: ROOT_SERVERS}

    def _evaluate(self, answers: dict[Question, Answer], questions: dict[Question, Question]) -> None:
        settings = self._settings
        if settings is None or (not settings.must_resolve and settings.must_not_exist_under is None):
            self._server.canary_ok = True
            return  # the only question was whether it answers
        failed: tuple[Question, Answer] | None = None
        for question, answer in answers.items():
            is_right = (
                answer.status is Status.ANSWER if question in settings.must_resolve else answer.status.is_negative
            )
            if is_right:
                self._contradictions.discard(questions[question])
            else:
                if answer.is_conclusive:
                    self._contradictions.add(questions[question])
                if failed is None or answer.is_conclusive:  # a wrong answer says more than none
                    failed = question, answer
        self._note(failed, max(answer.asked_at for answer in answers.values()))
        contradicted = bool(self._contradictions)
        if contradicted != self._server.contradicted:
            self._server.contradicted = contradicted
            self._changed()

    def _note(self, failed: tuple[Question, Answer] | None, at: float) -> None:
        """Note on the server how a check ended at Unix time *at*, and which question *failed*."""
        server = self._server
        server.canary_ok = failed is None
        if failed is None:
            server.canary_failure, server.canary_passed_at = None, at
            return
        question, answer = failed
        since = at if server.canary_failure is None else server.canary_failure.since
        answered = some(answer.records) if answer.records else answer.status.value.upper()
        server.canary_failure = CanaryFailure(question, answer.status, answered, since)


_MIN_WAIT_SECONDS = 0.001


class CanaryMonitor:
    """Checks the canaries of a resolver's servers: regularly, for `verify`, and when a server is silent.

    *canaries* has one for each of *servers*, with one check at a time. *reconnect* is called before a server is asked,
    *checked* after each check.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        canaries: Sequence[Canary],
        *,
        clock: Callable[[], float],
        reconnect: Callable[[Server], None],
        checked: Callable[[], None],
    ) -> None:
        self._servers = servers
        self._canaries = canaries
        self._clock = clock
        self._reconnect = reconnect
        self._checked = checked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a server passes its canary, or all were checked."""
        return any(server.canary_ok for server in self._servers) or all(canary.was_checked for canary in self._canaries)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check all servers now. Later checks need calls of `check_due`."""
        self._loop = loop
        self.check_due()

    def close(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        for canary in self._canaries:
            canary.close()

    def verify(self, server: int, verified: Verified) -> None:
        """Check the server with this number, and call *verified*."""
        self._canaries[server].verify(verified)
        if self._loop is None:
            self._canaries[server].close()
        self.check_due()

    def check_due(self) -> None:
        """Check the servers whose canary is due, which are suspected of being down, or which may be up again."""
        if self._loop is None:
            return
        now = self._clock()
        for server, canary in zip(self._servers, self._canaries, strict=True):
            if canary.is_checking:
                continue
            is_due = now >= (canary.due_at if server.up or canary.is_awaited else server.down_until)
            if is_due or (server.up and server.is_suspected):
                self._reconnect(server)
                canary.check(now, self._was_checked)
        awaited = [canary.due_at for canary in self._canaries if canary.is_awaited and not canary.is_checking]
        if awaited and self._timer is None:
            self._timer = self._loop.call_later(max(_MIN_WAIT_SECONDS, min(awaited) - now), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self.check_due()

    def _was_checked(self) -> None:
        self._checked()
        self.check_due()
