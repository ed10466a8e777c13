"""The DNS tree walk (RFC 9989 section 4.10): which records are above a domain, and which of them counts.

The rule of this file: the walk goes from the longest name to the shortest, and an answer that is missing on the way is
as good as every record that could have been in it; so it ends the walk without a conclusion.
"""

from dataclasses import dataclass

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Check
from exporter.checks.dmarc.record import DmarcRecord, dmarc_records
from exporter.checks.names import DomainName

_MAX_QUERIES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """The one policy record of a name on the way."""

    domain: DomainName
    record: DmarcRecord


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk from *start* found.

    *own* is the record of *start* itself; *applied* the one that counts for its mail: its own, that of its
    organizational domain, or that of a public suffix. *organizational* is None, and *missing* is the unanswered
    question, where the walk could not be finished; *answers* has every answer of the way, in its order.
    """

    start: DomainName
    own: Found | None
    applied: Found | None
    organizational: DomainName | None
    answers: tuple[tuple[Question, Answer], ...]
    missing: tuple[Question, Answer] | None = None


def walk_targets(domain: DomainName) -> tuple[DomainName, ...]:
    """The names of a walk, at most eight: the domain, then its parents; of a longer name, the last seven labels on."""
    labels = domain.labels
    if not labels:
        return ()
    first = min(len(labels) - 1, _MAX_QUERIES - 1)
    parents = [DomainName.from_labels(labels[len(labels) - count :]) for count in range(first, 0, -1)]
    return (domain, *parents)


def record_name(domain: DomainName) -> DomainName | None:
    """Where a domain's policy record is; None if that name would be too long."""
    try:
        return DomainName.from_labels([b"_dmarc", *domain.labels])
    except ValueError:
        return None


def tree_walk(domain: DomainName) -> Check[Walk]:
    """Walk from *domain* to the root."""
    asked = [(target, name) for target in walk_targets(domain) if (name := record_name(target)) is not None]
    questions = [Question(name, "TXT") for _, name in asked]
    answers = (yield questions) if questions else ()
    seen = tuple(zip(questions, answers, strict=True))
    found: list[Found] = []
    missing = None
    for (target, _), (question, answer) in zip(asked, seen, strict=True):
        if not answer.is_conclusive:
            missing = (question, answer)
            break
        records = dmarc_records(answer.texts)
        if len(records) == 1:
            found.append(Found(target, records[0]))
            if records[0].psd in {"n", "y"}:
                break
    own = found[0] if found and found[0].domain == domain else None
    if missing is not None:
        return Walk(domain, own, own, None, seen, missing)
    organizational = _organizational(domain, found)
    return Walk(domain, own, own or _applied(organizational, found), organizational, seen)


def _organizational(start: DomainName, found: list[Found]) -> DomainName:
    """Section 4.10.2: the domain with psd=n; the one below psd=y; else the shortest with a record; else the start."""
    for it in found:
        if it.record.psd == "n":
            return it.domain
        if it.record.psd == "y" and it.domain != start:
            labels = start.labels
            return DomainName.from_labels(labels[len(labels) - len(it.domain.labels) - 1 :])
    return found[-1].domain if found else start


def _applied(organizational: DomainName, found: list[Found]) -> Found | None:
    """Section 4.10.1: the record of the organizational domain, else that of the public suffix."""
    for it in found:
        if it.domain == organizational:
            return it
    return next((it for it in found if it.record.psd == "y"), None)
