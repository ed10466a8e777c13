"""JSON objects: what `check --output json` prints and `/api/v1/` serves.

Keys and values are contracts (docs/openapi.yaml). Text from the DNS is printable ASCII in them.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, MailExchange, Question, Record, StartOfAuthority, Status, Text
from exporter.checks.check import Evidence, run_check
from exporter.checks.helo import HeloName
from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.checks.receivers import DEFAULT_RECEIVERS, ReceiverVerdict, by_design, receivers
from exporter.checks.report import Target
from exporter.checks.result import OTHER_SUBJECTS, CheckName, Finding, Fix, Result, Slot, causes
from exporter.checks.spf.results import SpfVerdict
from exporter.dns.resolvers import Source
from exporter.inventory.pool import Pool
from exporter.state.address import AddressState
from exporter.state.disputes import DOMAINS, Dispute, Disputed
from exporter.state.helo import HeloState
from exporter.state.journal import JournalEntry, unpack
from exporter.state.pool import FAILING, HEALTHY, NOT_SAMPLED, UNSAMPLED
from exporter.views.pools import Estimate, Listed, NotEnumerableSummary, PoolSummary

Json: TypeAlias = dict[str, Any]

EVIDENCE_NOT_KEPT = (
    "Not kept: a pool of this size keeps the answers of some addresses at a time, failing ones first. Check the "
    "address now to see its answers."
)

_HEALTHS = {HEALTHY: "healthy", FAILING: "failing", UNSAMPLED: NOT_SAMPLED}
_NOT_ASKED = Answer(Status.TIMEOUT)


def address_document(
    pool: str | None,
    target: Target,
    helo: HeloName | None,
    iprev: Iprev,
    findings: Collection[Finding],
    evidence: Evidence,
    expect: Collection[CheckName],
    *,
    receivers: Iterable[ReceiverVerdict] = (),
    spf: Iterable[SpfVerdict] = (),
) -> Json:
    """An address with one of its HELO names: what `check --output json` and the API have in common."""
    return {
        "ip": str(target.address),
        "helo": None if helo is None else printable(helo.text),
        "pool": pool,
        "iprev": {
            "verdict": iprev.verdict.value,
            "reason": _reason(iprev.finding),
            "ptr_names": list(iprev.ptr_names),
            "confirmed_names": list(iprev.confirmed_names),
        },
        "checks": findings_document(findings, expect, helo),
        "receivers": [
            {
                "receiver": verdict.receiver.value,
                "verdict": verdict.result.value,
                "code": verdict.code,
                "share": verdict.share,
                "conclusive": verdict.is_conclusive,
                "by_design": by_design(verdict, expect),
                "sentence": verdict.sentence,
            }
            for verdict in receivers
        ],
        "spf": [
            {
                "identity": verdict.identity,
                "domain": printable(verdict.domain),
                "result": verdict.result.value,
                "why": printable(verdict.outcome.why),
            }
            for verdict in spf
        ],
        "evidence": evidence_document(evidence),
    }


def address_documents(address: Listed, expect: Collection[CheckName]) -> list[Json]:
    """A sampled address: one object for each of its HELO names, or one if it has none; nothing before the first sample.

    `iprev` and `checks` are from the latest sample; `known` has the last conclusive result of each check. `evidence` is
    None if it is not kept; `evidence_note` then says why.
    """
    state = address.state
    report = state.latest
    if report is None:
        return []
    names: Sequence[tuple[HeloName | None, Sequence[ReceiverVerdict]]] = predicted(state) or [(None, ())]
    return [
        address_document(
            address.pool,
            state.target,
            helo,
            report.iprev,
            report.findings,
            state.evidence,
            expect,
            receivers=verdicts,
        )
        | ({} if state.evidence else {"evidence": None})
        | {"evidence_note": None if state.evidence else EVIDENCE_NOT_KEPT}
        | listed_document(address)
        | {"known": findings_document(state.known.values(), expect, helo)}
        for helo, verdicts in names
    ]


def _is_about(finding: Finding, helo: HeloName | None) -> bool:
    return finding.check in OTHER_SUBJECTS or finding.subject in {"", helo.text if helo is not None else ""}


def listed_document(address: Listed) -> Json:
    """An address in a list."""
    state = address.state
    return {
        "ip": str(state.target.address),
        "pool": address.pool,
        "helos": [helo.text for helo in state.target.helos],
        "health": _HEALTHS.get(address.health, "unknown"),
        "problems": [
            {"check": finding.check.value, "reason": _reason(finding), "sentence": finding.sentence}
            for finding in address.problems
        ],
        "conclusive": None if state.latest is None else state.latest.is_conclusive,
        "sampled_at": rfc3339(state.sampled_at),
        "concluded_at": rfc3339(state.concluded_at),
        "changed_at": rfc3339(state.changed_at),
    }


def predicted(state: AddressState) -> list[tuple[HeloName, Sequence[ReceiverVerdict]]]:
    """The receivers' verdicts on each HELO name of a sampled address.

    They are from the sample or, if its pool has no predictions, derived from the evidence.
    """
    helos = state.target.helos
    if state.latest is not None and len(state.latest.receivers) == len(helos):
        return list(zip(helos, state.latest.receivers, strict=True))
    return [(helo, _predict(state.target.address, helo, state.evidence)) for helo in helos]


def _predict(address: Address, helo: HeloName, evidence: Evidence) -> list[ReceiverVerdict]:
    """The verdicts that *evidence* is enough for, in the order of the receivers.

    A receiver that needs a question which the sample did not ask is left out. If the question was asked and not
    answered, its verdict is a refusal for now, as a mail server would refuse.
    """
    missing: set[Question] = set()

    def answer(question: Question) -> Answer:
        known = evidence.get(question)
        if known is None:
            missing.add(question)
            return _NOT_ASKED
        return known

    verdicts: list[ReceiverVerdict] = []
    for receiver in DEFAULT_RECEIVERS:
        missing.clear()
        (verdict,), _ = run_check(receivers(address, helo, [receiver]), answer)
        if verdict.is_conclusive or not missing:
            verdicts.append(verdict)
    return verdicts


def pool_document(summary: PoolSummary) -> Json:
    """A pool in numbers."""
    return {
        "name": summary.name,
        "addresses": summary.size,
        "healthy": summary.healthy,
        "failing": summary.failing,
        "unknown": summary.unknown,
        "not_sampled": summary.not_sampled,
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
                "not_sampled": one.not_sampled,
                "estimate": None if one.estimate is None else _estimate(one.estimate),
            }
            for one in summary.checks
        ],
        "not_enumerable": None if summary.not_enumerable is None else _not_enumerable(summary.not_enumerable),
    }


def _estimate(estimate: Estimate) -> Json:
    return {
        "sampled": estimate.sampled,
        "failed": estimate.failed,
        "share": estimate.share,
        "lower": estimate.lower,
        "upper": estimate.upper,
    }


def _not_enumerable(not_enumerable: NotEnumerableSummary) -> Json:
    return {
        "ranges": list(not_enumerable.ranges),
        "samples_per_round": not_enumerable.drawn,
        "verdicts": {verdict.value: count for verdict, count in not_enumerable.verdicts.items()},
        "failures": [
            {
                "ip": str(one.address),
                "reason": _reason(one.finding),
                "sentence": printable(one.finding.sentence),
                "sampled_at": rfc3339(one.at),
            }
            for one in not_enumerable.failures
        ],
    }


def helo_name_document(pool: Pool, state: HeloState) -> Json:
    """A HELO name of *pool*: its addresses in numbers, and its latest and last conclusive results."""
    inside = state.pool_addresses
    return {
        "helo": state.helo.text,
        "pool": pool.name,
        "resolves": state.resolves,
        "addresses": state.addresses,
        "confirmed_addresses": state.confirmed_addresses,
        "addresses_outside_pool": state.addresses_outside_pool,
        "pool_addresses": inside,
        "pool_share": None if inside is None or not pool.size else inside / pool.size,
        "checks": findings_document(state.latest.findings if state.latest else (), pool.expect, state.helo),
        "known": findings_document(state.known.values(), pool.expect, state.helo),
        "sampled_at": rfc3339(state.sampled_at),
    }


def change_document(
    entry: JournalEntry,
    expect: Mapping[str, Collection[CheckName]],
    expect_of_domains: Mapping[DomainName, Collection[CheckName]],
) -> Json:
    """A change of the journal; *expect* is by pool, *expect_of_domains* by domain."""
    change = entry.change
    expected: Collection[CheckName] = expect.get(entry.pool, ())
    if change.domain is not None:
        expected = expect_of_domains.get(change.domain, ())
    return {
        "number": entry.number,
        "time": rfc3339(change.at),
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


def _side(finding: Finding) -> Json:
    return {
        "result": finding.result.value,
        "reason": _reason(finding),
        "sentence": printable(finding.sentence),
    }


def dispute_document(pool: str, subject: Disputed, dispute: Dispute) -> Json:
    """An address, HELO name or domain that resolvers disagree about."""
    failing = dispute.failing
    about: Json = {"pool": pool, "domain": None, "ip": None, "helo": None, "subject": None}
    if pool == DOMAINS:
        about |= {"pool": None, "domain": str(subject), "subject": failing.subject}
    elif isinstance(subject, Address):
        about |= {"ip": str(subject), "helo": failing.subject or None}
    else:
        about |= {"helo": str(subject)}
    return about | {
        "check": failing.check.value,
        "reason": _reason(failing),
        "sentence": printable(failing.sentence),
        "failing": _source(dispute.failing_source),
        "passing": _source(dispute.passing_source),
        "since": rfc3339(dispute.since),
        "sampled_at": rfc3339(dispute.at),
    }


def _source(source: Source) -> Json:
    return {"resolver": source.resolver, "server": source.server or None}


def findings_document(
    findings: Collection[Finding], expect: Collection[CheckName], helo: HeloName | None
) -> list[Json]:
    """The results of the checks of an address or HELO name that are about *helo*, or about the address alone."""
    follow = causes(findings, expect)
    return [
        finding_document(finding, expect, follow.get((finding.check, finding.subject)))
        for finding in findings
        if _is_about(finding, helo)
    ]


def consequences(findings: Iterable[Finding], expect: Container[object]) -> dict[Slot, str]:
    """What else fails because of a failure, as a sentence for each failure that has such consequences."""
    by_cause: dict[Slot, dict[str, None]] = {}
    for (check, _), cause in causes(findings, expect).items():
        by_cause.setdefault((cause.check, cause.subject), {})[check.value] = None
    return {
        slot: f"Because of that, {' and '.join(filter(None, [', '.join([*checks][:-1]), [*checks][-1]]))} "
        f"{'fails' if len(checks) == 1 else 'fail'}, too."
        for slot, checks in by_cause.items()
    }


def finding_document(finding: Finding, expect: Collection[CheckName], cause: Finding | None = None) -> Json:
    """The result of one check; *cause* is the failure that it only follows from."""
    return {
        "check": finding.check.value,
        "subject": printable(finding.subject),
        "result": finding.result.value,
        "expected": finding.check in expect,
        "reason": _reason(finding),
        "sentence": printable(finding.sentence),
        "fix": None if finding.fix is None else fix_document(finding.fix),
        "follows_from": None if cause is None else cause.check.value,
    }


def _reason(finding: Finding) -> str | None:
    return None if finding.reason is None else finding.reason.value


def fix_document(fix: Fix) -> Json:
    """What turns a failure into a pass."""
    return {
        "advice": fix.advice,
        "zone": fix.zone if len(fix.changes) < 2 else "",
        "records": list(fix.records),
        "replaces": list(fix.replaces),
        "warning": fix.warning,
        "changes": [
            {"owner": change.owner, "records": list(change.records), "replaces": list(change.replaces)}
            for change in fix.changes
        ],
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
            "time": rfc3339(answer.asked_at),
            "errors": [{"code": error.code, "text": printable(error.text)} for error in answer.errors],
        }
        for question, answer in evidence.items()
    ]


def records_of(answer: Answer) -> list[str]:
    """The records of an answer as in a zone file."""
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


def answer_text(answer: Answer) -> str:
    """An answer in one line: its CNAMEs, and its records or status."""
    via = "".join(f"CNAME {name}, " for name in answer.chain)
    if answer.status is Status.ANSWER:
        return via + ", ".join(records_of(answer))
    if answer.status.is_negative:
        return via + answer.status.value.upper()
    return f"{via}no answer: {answer.status}"


def rfc3339(seconds: float) -> str | None:
    """A Unix time in UTC as in RFC 3339; None for 0, which means never."""
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


def percentage(part: int, whole: int) -> str:
    """*part* of *whole* in percent; 0% and 100% are exact, never rounded."""
    if not whole or part in {0, whole}:
        return "100%" if part and part == whole else "0%"
    share = 100 * part / whole
    if share < 1:
        return "under 1%"
    return "over 99%" if share > 99 else f"{share:.0f}%"
