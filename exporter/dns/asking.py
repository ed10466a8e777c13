"""Sends one question: to which server, in what form, and when again.

The rule of this file: whatever was not conclusive is noted, and the question is asked again, of another server where
one is well, until its attempts or its time are used up; then it is told the most telling thing that happened.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import Protocol

from exporter.checks.answers import Answer, Status
from exporter.dns.health import Server, order
from exporter.dns.job import Finish, Job
from exporter.dns.pump import Pump
from exporter.dns.randomness import Take
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics
from exporter.dns.wire import TYPE_AND_CLASS, mixed_case, wire_name

_QUERY_HEADER = b"\0\0\1\0\0\0\0\0\1"  # after the ID and RD: one question, one additional record
_PLAIN_HEADER = b"\0\0\1\0\0\0\0\0\0"


class Channel(Protocol):
    """A way to send queries to one server."""

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send the message of each, which lacks its ID; what comes of it goes to `exporter.dns.replies.Replies`."""

    def close(self) -> None:
        """Let go of everything; nothing that waits is told."""


class Asking:
    """Sends the questions of one resolver.

    *channels* are the ways to each server, by its number; *streams* are those over TCP to servers that are spoken to
    over UDP. *fail_soon* is called for a question whose server cannot be reached, *wake* when a question that was
    under way before has joined *waiting*.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        servers: list[Server],
        *,
        statistics: Statistics,
        pump: Pump,
        take: Take,
        unix_time: Callable[[], float],
        finish: Finish,
        fail_soon: Callable[[Job], None],
    ) -> None:
        self._timeout_seconds = settings.timeout_seconds
        self._attempts = settings.attempts
        flags = b"\1" if settings.recursion_desired else b"\0"
        self._query_header = flags + _QUERY_HEADER
        self._plain_header = flags + _PLAIN_HEADER
        self.life_seconds = 2 * settings.attempts * settings.timeout_seconds
        """How long a question is asked again, its CNAME chain included; its last query may take a timeout more."""
        self._statistics = statistics
        self._pump = pump
        self._take = take
        self._unix_time = unix_time
        self._finish = finish
        self._fail_soon = fail_soon
        self._configured = servers
        self.servers = order(servers)
        """In the order in which they are asked."""
        self.channels: list[Channel | None] = [None] * len(servers)
        self.streams: list[Channel | None] = [None] * len(servers)
        self._hurried: list[tuple[float, int, int, Job]] = []

    def reorder(self) -> None:
        """Look again at how the servers are."""
        self.servers = order(self._configured)

    def begin(self, job: Job, now: float) -> None:
        """Send a question for the first time."""
        job.began_at = now
        if job.server is None:
            job.server = self._choose(job) if job.tried else self.servers[0]
        self.send(job, now)

    def begin_all(self, jobs: Sequence[Job], now: float) -> None:
        """`begin`, for several questions. The ordinary ones, which any server may be asked, leave together."""
        server = self.servers[0]
        channel = self.channels[server.number]
        if channel is None or now < server.ordinary_from:
            ordinary: Sequence[Job] = ()
            special = jobs
        else:
            special = [job for job in jobs if job.tried]
            ordinary = [job for job in jobs if not job.tried] if special else jobs
        for job in special:
            self.begin(job, now)
        if ordinary and channel is not None:
            self._begin_ordinary(ordinary, server, channel, now)

    def _begin_ordinary(self, jobs: Sequence[Job], server: Server, channel: Channel, now: float) -> None:
        """What `send` does, where there is nothing special.

        What the questions have in common is done once: their letters are mixed as if they were one long name.
        """
        sections = [wire_name(job.name) + TYPE_AND_CLASS[job.rdtype] for job in jobs]
        mixed = mixed_case(b"".join(sections), self._take)
        head, tail, deadline = self._query_header, server.tail, now + self._timeout_seconds
        messages = []
        end = 0
        for job, section in zip(jobs, sections, strict=True):
            start, end = end, end + len(section)
            job.section = section = mixed[start:end]
            job.server = server
            job.began_at = job.sent_at = now
            job.deadline = deadline
            job.serial = 1
            messages.append(head + section + tail)
        channel.send(jobs, messages)

    def send(self, job: Job, now: float) -> None:
        """Send a question to `Job.server`."""
        server = job.server
        assert server is not None  # noqa: S101  # chosen before
        job.sent_at = now
        job.deadline = now + self._timeout_seconds
        job.serial += 1
        if job.doubt is not None:
            job.doubt = None
        wire = job.wire
        if not wire:
            job.wire = wire = wire_name(job.name)
        if server.random_case and now >= server.plain_case_until and not job.plain_case:
            wire = mixed_case(wire, self._take)
        job.section = section = wire + TYPE_AND_CLASS[job.rdtype]
        if job.plain_edns or now < server.plain_edns_until:
            message = self._plain_header + section
        else:
            message = self._query_header + section + server.tail
        channel = (self.streams if job.stream else self.channels)[server.number]
        if channel is None:
            self._fail_soon(job)
            return
        if job.stream or not server.is_udp:
            self.hurry(job, job.deadline)
        channel.send((job,), (message,))

    def hurry(self, job: Job, deadline: float) -> None:
        """See to it that the question waits no longer than this for the reply to its present query."""
        job.deadline = min(job.deadline, deadline)
        heapq.heappush(self._hurried, (job.deadline, id(job), job.serial, job))

    def expire_hurried(self, now: float) -> None:
        """Time out the questions that were to hurry, and whose time is up."""
        hurried = self._hurried
        while hurried and hurried[0][0] <= now:
            _, _, serial, job = heapq.heappop(hurried)
            if job.serial == serial and job.pending is not None:
                self.time_out(job, now)

    def time_out(self, job: Job, now: float) -> None:
        """No reply came in time that could be believed."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        if job.doubt is None:
            self.fail(job, Status.TIMEOUT, now)
            return
        if job.missed_cookie and server.cookies is not None:
            server.cookies.missed()
        job.missed_cookie = False
        if job.case_lost and not job.plain_case and not self.is_spent(job, now):
            job.plain_case = True
            job.detours += 1
            self.resend(job, now)
            return
        self.retry(job, job.doubt, now)

    def fail(self, job: Job, status: Status, now: float) -> None:
        """Nobody answered, for this reason."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        if server.failed(now, status, job.sent_at, is_probe=job.is_probe):
            self.reorder()
        self.retry(job, status, now)

    def retry(self, job: Job, status: Status, now: float) -> None:
        """The query came to nothing that is conclusive: ask again, or say so."""
        self._statistics.count_query(job.rdtype, status, now - job.sent_at)
        server = job.server
        assert server is not None  # noqa: S101
        job.note(status)
        job.attempts += 1
        job.tried |= 1 << server.number
        if job.attempts >= self._attempts or self.is_spent(job, now):
            self.give_up(job, now)
            return
        job.stream = False
        if not job.pinned:
            chosen = self._choose(job)
            if status is Status.CANARY and chosen.contradicted:
                self.give_up(job, now)
                return
            if chosen is not server:
                job.server = chosen
                job.plain_case = job.case_lost = job.plain_edns = False
        self.resend(job, now)

    def resend(self, job: Job, now: float) -> None:
        """Ask again, as soon as the rate allows."""
        if self._pump.may_send(now):
            self.send(job, now)
        else:
            job.serial += 1
            self._pump.submit_again(job)

    def is_spent(self, job: Job, now: float) -> bool:
        """Whether a question has no time left to be asked again."""
        return now - job.began_at >= self.life_seconds

    def give_up(self, job: Job, now: float) -> None:
        """Tell a question the most telling thing that happened to it."""
        server = job.server
        answer = Answer(job.worst or Status.TIMEOUT, (), job.chain, 0, job.heard_from, self._unix_time(), job.errors)
        self._finish(((job, answer),), server.number if server is not None else 0, now)

    def follow(self, job: Job, now: float) -> None:
        """Ask for what the CNAME chain led to: a new name, with attempts of its own."""
        job.name = job.chain[-1]
        job.wire = b""
        job.attempts = 0
        job.tried = 0
        job.worst = None
        job.stream = False
        if self.is_spent(job, now):
            self.give_up(job, now)
        else:
            self.resend(job, now)

    def _choose(self, job: Job) -> Server:
        """The next server for a question: one that is well and was not asked, else well, else not asked."""
        servers = self.servers
        well = [server for server in servers if server.up and not server.contradicted]
        for candidates in (well, servers):
            for server in candidates:
                if not job.tried >> server.number & 1:
                    return server
            if candidates:
                job.tried = 0
                return candidates[0]
        return servers[0]
