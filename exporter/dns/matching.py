"""Matches the packets that came in on a socket with the questions that went out by it.

The rule of this file: a packet counts only with an ID that waits on its socket and the question section that was sent
with it, as a whole reply. Everything else is counted, left lying, and the right one that comes later is still taken.

Packets come in bursts, and what ordinary replies have in common is done once for a burst: nearly all are ordinary.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter, itemgetter

from exporter.checks.answers import Status
from exporter.dns.health import Server
from exporter.dns.job import Answered, Finish, Job
from exporter.dns.ordinary import take_ordinary
from exporter.dns.replies import Replies
from exporter.dns.statistics import Statistics

_HEADER_OCTETS = 12
_WHOLE_REPLIES, _TRUNCATED_REPLIES = [  # flags and QDCOUNT: QR, opcode 0, whatever AA, RD and the second octet
    frozenset([bytes([0x80 | truncated | rest, second, 0, 1]) for rest in (0, 1, 4, 5) for second in range(256)])
    for truncated in (0, 2)
]
_ANSWER = Status.ANSWER
_job = itemgetter(0)  # of an `Answered`
_type_and_time = attrgetter("rdtype", "sent_at")


class Matching:
    """Takes what one server's sockets receive. *clock* is monotonic, *unix_time* is not.

    *finish* is told of ordinary answers, all of a burst at once; *reorder* is called when the server is back.
    """

    def __init__(
        self,
        server: Server,
        replies: Replies,
        statistics: Statistics,
        *,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        finish: Finish,
        reorder: Callable[[], None],
    ) -> None:
        self._server = server
        self._replies = replies
        self._statistics = statistics
        self._clock = clock
        self._unix_time = unix_time
        self._finish = finish
        self._reorder = reorder

    def take_packets(self, packets: Iterator[bytes], pending: dict[bytes, Job], until: float) -> None:
        """Take packets for the questions in *pending*, by ID; what is unusual no longer than *until*.

        What *packets* still holds afterwards is for another turn of the loop.
        """
        now = self._clock()
        server = self._server.text
        asked_at = self._unix_time()
        answered: list[Answered] = []
        while True:
            opt = self._ordinary_opt()
            other: tuple[Job | None, bytes] | None
            if opt is not None:
                other = take_ordinary(packets, pending, opt, answered, server=server, asked_at=asked_at)
            else:
                packet = next(packets, b"")
                other = (pending.get(packet[:2]), packet) if packet else None
            if other is None:
                break
            job, packet = other
            if job is None:
                self._statistics.ignored["unknown-id"] += 1
            else:
                self._take_other(job, packet)
            if self._clock() > until:
                break
        if answered:
            self._pass_on(answered, now)

    def take_unreachable(self, job: Job) -> None:
        """The server's host says that nobody listens, or there is no way there."""
        self._replies.take_failure(job, Status.NETWORK)

    def _ordinary_opt(self) -> bytes | None:
        """The OPT record of an ordinary reply of this server; None where none of its replies is ordinary."""
        return None if self._server.contradicted else self._server.opt_seen

    def _pass_on(self, answered: list[Answered], now: float) -> None:
        """Pass on the ordinary answers of a burst, and take note of them."""
        server = self._server
        last, _ = answered[-1]
        if server.replied(now, now - last.sent_at):  # of the others it is not known how long they have lain here
            self._reorder()
        server.case_mistakes = 0
        for (rdtype, sent_at), count in Counter(map(_type_and_time, map(_job, answered))).items():
            self._statistics.count_query(rdtype, _ANSWER, now - sent_at, count)
        self._finish(answered, server.number, now)

    def _take_other(self, job: Job, packet: bytes) -> None:
        """A packet with the ID of a query that is no ordinary reply to it."""
        flags = packet[2:6] if packet.startswith(job.section, _HEADER_OCTETS) else b""
        if flags in _WHOLE_REPLIES:
            self._replies.take_reply(job, packet)
        elif flags in _TRUNCATED_REPLIES:
            self._replies.take_truncated(job)
        else:
            self._replies.take_odd(job, packet)
