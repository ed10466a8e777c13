"""Keeps the books on who disagrees about what, and tells the log when that begins and when it ends.

The rule of this file: one line for each dispute, not for each sample of it.
"""

from collections.abc import Sequence

import structlog

from exporter.checks.verdicts import Finding, Result
from exporter.state.disputes import DOMAINS, Dispute, Disputed, Disputes

log = structlog.get_logger()


def weigh(
    disputes: Disputes,
    pool: str,
    subject: Disputed,
    findings: Sequence[Finding],
    dispute: Dispute | None,
    now: float,
    *,
    is_waiting: bool,
) -> None:
    """Take in that a sample of *subject*, at Unix time *now*, came to *findings*, and to this of the voices' accord."""
    if is_waiting:
        disputes.wait(pool, subject)
    if dispute is not None:
        if disputes.note(pool, subject, dispute, now):
            log.warning(
                "resolvers disagree",
                **_told(pool, subject),
                check=dispute.failing.check.value,
                failing=str(dispute.accuser),
                passing=str(dispute.defender),
                sentence=dispute.failing.sentence,
            )
    elif not is_waiting and _says_something(findings, disputes.of(pool, subject)) and disputes.settle(pool, subject):
        log.info("resolvers agree again", **_told(pool, subject))


def _told(pool: str, subject: Disputed) -> dict[str, str]:
    return {"domain": str(subject)} if pool == DOMAINS else {"pool": pool, "subject": str(subject)}


def _says_something(findings: Sequence[Finding], dispute: Dispute | None) -> bool:
    """Whether anything is known by *findings* of what is disputed; of anything, where nothing is."""
    slot = None if dispute is None else (dispute.failing.check, dispute.failing.subject)
    return any(each.result is not Result.UNKNOWN and slot in {None, (each.check, each.subject)} for each in findings)
