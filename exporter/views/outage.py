"""What the exporter cannot see at present: DNS servers that fail, and since when values are no longer new."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.checks.answers import Status
from exporter.dns.resolver import Resolver, ServerHealth
from exporter.state.board import Board
from exporter.state.domain import DomainBoard
from exporter.state.pool import FAILING, HEALTHY, UNKNOWN, UNSAMPLED
from exporter.views.documents import Json, printable, rfc3339
from exporter.views.domains import health_word

_ANSWERS = {
    Status.TIMEOUT: "does not answer its canary",
    Status.NETWORK: "cannot be reached for its canary",
    Status.TLS: "cannot be asked its canary: the TLS handshake or the certificate fails",
}


@dataclass(frozen=True, slots=True)
class FailingServer:
    """A DNS server that is silent, or fails its canary.

    Attributes:
        resolver: The name of its resolver.
        server: Its endpoint.
        question: The question of the canary that failed; "" if it fell silent before its canary was asked.
        status: How that question ended; None if none was asked.
        answered: What it answered; the status in capitals if that is no record.
        since: The Unix time of the first failed canary; 0.0 if none was asked.
        sentence: What it does wrong.
    """

    resolver: str
    server: str
    question: str
    status: Status | None
    answered: str
    since: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Outage:
    """At least one DNS server fails.

    Attributes:
        servers: The servers that fail.
        is_blind: Whether no other server is left: all values are the last conclusive ones.
        values_from: The Unix time at which a server last passed its canary; 0.0 if none did since the start.
        sentence: What to show: which servers fail, and how old the values are.
    """

    servers: tuple[FailingServer, ...]
    is_blind: bool
    values_from: float
    sentence: str


def outage(resolvers: Iterable[Resolver], now: float) -> Outage | None:
    """Which DNS servers fail at Unix time *now*; None if all work, or none was asked yet."""
    failing: list[FailingServer] = []
    values_from, is_blind = 0.0, True
    for resolver in resolvers:
        for server in resolver.servers:
            values_from = max(values_from, server.canary_passed_at)
            if server.is_failing:
                failing.append(_failing(resolver.name, server))
            else:
                is_blind = False
    if not failing:
        return None
    shown = "; ".join(one.sentence for one in failing[:_SHOWN])
    if len(failing) > _SHOWN:
        shown += f"; and {len(failing) - _SHOWN} more fail"
    if not is_blind:
        consequence = "other servers are asked instead"
    elif values_from:
        consequence = f"values are the last conclusive ones, from {clock_time(values_from, now)}"
    else:
        consequence = "no server has worked since the start, so what is shown is from an earlier one, or unknown"
    return Outage(tuple(failing), is_blind, values_from, f"{shown}: {consequence}.{_advice(failing)}")


_SHOWN = 3


def _advice(failing: list[FailingServer]) -> str:
    """What to configure if a canary got a wrong answer; nothing for servers that only fail to answer."""
    if any(one.status is not None and one.status.is_negative for one in failing):
        return (
            " A server that resolves only some zones needs a record of these in `canary.must_resolve`, "
            "as in [example.org MX]; else name a server in `resolvers` that resolves names of the Internet."
        )
    if any(one.status is Status.ANSWER for one in failing):
        return " It has an answer for a name that does not exist: name a server in `resolvers` that answers NXDOMAIN."
    return ""


def clock_time(at: float, now: float) -> str:
    """A Unix time like ``12:04 UTC``, with the date if that is not the day of *now*."""
    then, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    return then.strftime("%H:%M UTC" if then.date() == today.date() else "%Y-%m-%d %H:%M UTC")


def _failing(resolver: str, server: ServerHealth) -> FailingServer:
    endpoint, failure = str(server.endpoint), server.canary_failure
    if failure is None:
        return FailingServer(resolver, endpoint, "", None, "", 0.0, f"The resolver {endpoint} does not answer")
    what = _ANSWERS.get(failure.status, f"fails its canary: it answers {failure.question} with {failure.answered}")
    sentence = f"The resolver {endpoint} {what}"
    return FailingServer(
        resolver, endpoint, str(failure.question), failure.status, failure.answered, failure.since, sentence
    )


def status_document(board: Board, domains: DomainBoard, found: Outage | None) -> Json:
    """Everything in numbers, by the last conclusive results, and the outage that keeps them from being newer."""
    healths = [state.healths for state in board.pools.values()]
    by_key = {"healthy": HEALTHY, "failing": FAILING, "unknown": UNKNOWN, "not_sampled": UNSAMPLED}
    of_domains = [health_word(state) for state in domains.values()]
    return {
        "addresses": {"total": sum(map(len, healths))}
        | {key: sum(each.count(health) for each in healths) for key, health in by_key.items()},
        "domains": {"total": len(of_domains)}
        | {key: of_domains.count(key) for key in ("healthy", "failing", "unknown")},
        "outage": None if found is None else outage_document(found),
    }


def outage_document(found: Outage) -> Json:
    """An outage: see `Outage`."""
    return {
        "blind": found.is_blind,
        "values_from": rfc3339(found.values_from),
        "sentence": printable(found.sentence),
        "servers": [
            {
                "resolver": one.resolver,
                "server": printable(one.server),
                "question": one.question or None,
                "answered": printable(one.answered) or None,
                "since": rfc3339(one.since),
                "sentence": printable(one.sentence),
            }
            for one in found.servers
        ],
    }
