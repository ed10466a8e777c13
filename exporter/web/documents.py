"""JSON objects: what is known of an address, as `check --output json` prints it and `/api/v1/` serves it.

The rule of this file: keys and values are contracts (docs/openapi.yaml); whatever the DNS said is a string of printable
ASCII in here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from exporter.checks.answers import Answer, MailExchange, Record, StartOfAuthority, Text
from exporter.checks.check import Evidence
from exporter.checks.domain import DomainCheckName
from exporter.checks.helo import HeloName
from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.checks.receivers import ReceiverVerdict, by_design
from exporter.checks.report import Target
from exporter.checks.spf.results import SpfVerdict
from exporter.checks.verdicts import OTHER_SUBJECTS, CheckName, Finding, Mend, Result
from exporter.state.change import AnyFinding
from exporter.state.evidence import unpack
from exporter.state.journal import Entry
from exporter.state.pool import FAILING, HEALTHY
from exporter.web.fleet import Listed, PoolSummary, UnlistedSummary
from exporter.web.predictions import predicted

Json: TypeAlias = dict[str, Any]

EVIDENCE_NOT_KEPT = (
    "Not kept: in pools of this size the answers are for some addresses at a time, the failing ones first. "
    "A check of the address now tells them."
)

HEALTHS = {HEALTHY: "healthy", FAILING: "failing"}


def moment(seconds: float) -> str | None:
    """A Unix time as RFC 3339 writes it, in UTC; None for never."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def printable(text: str) -> str:
    """*text* with everything outside printable ASCII written as an escape."""
    return "".join(
        [
            character if " " <= character <= "~" else character.encode("unicode_escape").decode("ascii")
            for character in text
        ]
    )


def checked(
    pool: str | None,
    target: Target,
    said: HeloName | None,
    iprev: Iprev,
    findings: Iterable[Finding],
    evidence: Evidence,
    expect: Collection[CheckName],
    *,
    receivers: Iterable[ReceiverVerdict] = (),
    spf: Iterable[SpfVerdict] = (),
) -> Json:
    """The object of one address and HELO name *said*: what `check --output json` prints."""
    mine = [finding for finding in findings if _is_about(finding, said)]
    return {
        "ip": str(target.address),
        "helo": None if said is None else said.text,
        "pool": pool,
        "iprev": {
            "verdict": iprev.verdict.value,
            "reason": None if iprev.finding.reason is None else iprev.finding.reason.value,
            "ptr_names": list(iprev.ptr_names),
            "confirmed_names": list(iprev.confirmed_names),
        },
        "checks": [finding_document(finding, expect) for finding in mine],
        "receivers": [_receiver(verdict, expect) for verdict in receivers],
        "spf": [_spf(verdict) for verdict in spf],
        "evidence": evidence_document(evidence),
    }


def _spf(verdict: SpfVerdict) -> Json:
    return {
        "identity": verdict.identity,
        "domain": printable(verdict.domain),
        "result": verdict.result.value,
        "why": printable(verdict.outcome.why),
    }


def _receiver(verdict: ReceiverVerdict, expect: Collection[CheckName]) -> Json:
    return {
        "receiver": verdict.receiver.value,
        "verdict": verdict.result.value,
        "code": verdict.code,
        "share": verdict.share,
        "conclusive": verdict.is_conclusive,
        "by_design": by_design(verdict, expect),
        "sentence": verdict.sentence,
    }


def finding_document(finding: AnyFinding, expect: Collection[CheckName | DomainCheckName]) -> Json:
    """What one check came to."""
    return {
        "check": finding.check.value,
        "subject": printable(finding.subject),
        "result": finding.result.value,
        "expected": finding.check in expect,
        "reason": None if finding.reason is None else finding.reason.value,
        "sentence": printable(finding.sentence),
        "mend": None if finding.mend is None else mend_document(finding.mend),
    }


def mend_document(mend: Mend) -> Json:
    """What would turn a failure into a pass."""
    return {
        "advice": mend.advice,
        "zone": mend.zone,
        "records": list(mend.records),
        "replaces": list(mend.replaces),
    }


def evidence_document(evidence: Evidence) -> list[Json]:
    """Each question with its answer."""
    return [
        {
            "name": question.name,
            "type": question.rdtype,
            "status": answer.status.value,
            "records": records_of(answer),
            "chain": list(answer.chain),
            "ttl": answer.ttl,
            "server": printable(answer.server),
            "time": moment(answer.asked_at),
            "errors": [{"code": error.code, "text": printable(error.text)} for error in answer.errors],
        }
        for question, answer in evidence.items()
    ]


def records_of(answer: Answer) -> list[str]:
    """The records of an answer as a zone file has them."""
    return [_record(record) for record in answer.records]


def _record(record: Record) -> str:
    match record:
        case MailExchange(preference, exchange):
            return f"{preference} {exchange}"
        case StartOfAuthority(mname, rname, serial):
            return f"{mname} {rname} {serial}"
        case Text(joined):
            return printable(joined.decode("latin-1"))
        case _:
            return str(record)


def address_documents(address: Listed, expect: Collection[CheckName]) -> list[Json]:
    """What is known of a sampled address: one object for each of its HELO names, one if it has none.

    `iprev` and `checks` are those of the latest sample; `held` says what is held of each check through outages.
    `evidence` is None where it is not kept, and `evidence_note` says why.
    """
    state = address.state
    report = state.latest
    if report is None:
        return []
    names: Sequence[tuple[HeloName | None, Sequence[ReceiverVerdict]]] = predicted(state) or [(None, ())]
    return [
        checked(
            address.pool,
            state.target,
            said,
            report.iprev,
            report.findings,
            state.evidence,
            expect,
            receivers=verdicts,
        )
        | ({} if state.evidence else {"evidence": None})
        | {"evidence_note": None if state.evidence else EVIDENCE_NOT_KEPT}
        | listed_document(address)
        | {"held": [finding_document(finding, expect) for finding in state.held.values() if _is_about(finding, said)]}
        for said, verdicts in names
    ]


def _is_about(finding: Finding, said: HeloName | None) -> bool:
    return finding.check in OTHER_SUBJECTS or finding.subject in {"", said.text if said is not None else ""}


def listed_document(address: Listed) -> Json:
    """An address in a list."""
    state = address.state
    return {
        "ip": str(state.target.address),
        "pool": address.pool,
        "helos": [said.text for said in state.target.helos],
        "health": HEALTHS.get(address.health, "unknown"),
        "problems": [
            {
                "check": finding.check.value,
                "reason": None if finding.reason is None else finding.reason.value,
                "sentence": finding.sentence,
            }
            for finding in address.problems
        ],
        "conclusive": None if state.latest is None else state.latest.is_conclusive,
        "sampled_at": moment(state.sampled_at),
        "concluded_at": moment(state.concluded_at),
        "changed_at": moment(state.changed_at),
    }


def pool_document(summary: PoolSummary) -> Json:
    """A pool in numbers."""
    return {
        "name": summary.name,
        "addresses": summary.size,
        "healthy": summary.healthy,
        "failing": summary.failing,
        "unknown": summary.unknown,
        "unanswered": summary.unanswered,
        "interval_seconds": summary.interval_seconds,
        "rounds": summary.rounds,
        "round_duration_seconds": summary.round_seconds,
        "lag_seconds": summary.lag_seconds,
        "checks": [
            {
                "check": one.check.value,
                "expected": one.expected,
                Result.PASS.value: one.passed,
                Result.FAIL.value: one.failed,
                Result.UNKNOWN.value: one.unknown,
            }
            for one in summary.checks
        ],
        "unlisted": None if summary.unlisted is None else _unlisted(summary.unlisted),
    }


def _unlisted(unlisted: UnlistedSummary) -> Json:
    return {
        "ranges": list(unlisted.ranges),
        "samples_per_round": unlisted.drawn,
        "verdicts": {verdict.value: count for verdict, count in unlisted.verdicts.items()},
        "failures": [
            {
                "ip": str(one.address),
                "reason": None if one.finding.reason is None else one.finding.reason.value,
                "sentence": printable(one.finding.sentence),
                "sampled_at": moment(one.at),
            }
            for one in unlisted.failures
        ],
    }


def change_document(
    entry: Entry,
    expect: Mapping[str, Collection[CheckName]],
    expect_of_domains: Mapping[DomainName, Collection[DomainCheckName]],
) -> Json:
    """A change of the journal; *expect* by pool, *expect_of_domains* by domain."""
    change = entry.change
    expected: Collection[CheckName | DomainCheckName] = expect.get(entry.pool, ())
    if change.domain is not None:
        expected = expect_of_domains.get(change.domain, ())
    return {
        "number": entry.number,
        "time": moment(change.at),
        "pool": entry.pool or None,
        "ip": None if change.address is None else str(change.address),
        "domain": change.domain,
        "check": change.after.check.value,
        "subject": change.after.subject,
        "expected": change.after.check in expected,
        "before": _side(change.before),
        "after": _side(change.after),
        "evidence": evidence_document(unpack(entry.evidence)),
    }


def _side(finding: AnyFinding) -> Json:
    return {
        "result": finding.result.value,
        "reason": None if finding.reason is None else finding.reason.value,
        "sentence": printable(finding.sentence),
    }
