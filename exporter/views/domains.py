"""Domains as JSON objects, which pages show too.

Keys and values are contracts (docs/openapi.yaml). Text from the DNS is printable ASCII in them.
"""

from collections.abc import Collection, Iterable, Mapping

from exporter.checks.dkim import DkimReport
from exporter.checks.dmarc import DmarcReport
from exporter.checks.domain import Hint
from exporter.checks.domain_report import DomainReport
from exporter.checks.result import CheckName, Finding, Result
from exporter.checks.spf.domain import SpfDomainReport
from exporter.inventory.ranges import range_text
from exporter.state.domain import DomainState
from exporter.state.spf_coverage import FAMILIES, ByFamily, PoolCoverage, SpfCoverage, count
from exporter.views.documents import Json, evidence_document, finding_document, fix_document, printable, rfc3339
from exporter.views.sources import Sources

_MAX_RANGES = 50
"""How many ranges of a list are shown."""


def coverage_of(sources: Sources, state: DomainState) -> SpfCoverage | None:
    """The domain's SPF record compared with the pools; None while the record is unknown. Callable from any thread."""
    if state.spf is None:
        return None
    return sources.spf_coverage.of(state.settings.name, state.spf.compiled, sources.board.pools.values())


def health_word(state: DomainState) -> str:
    """``healthy``, ``failing`` or ``unknown``, as in the API."""
    return {True: "healthy", False: "failing", None: "unknown"}[state.is_healthy]


def listed_domain(state: DomainState) -> Json:
    """A domain in a list."""
    return {
        "domain": state.settings.name,
        "health": health_word(state),
        "problems": [
            {
                "check": finding.check.value,
                "subject": finding.subject,
                "reason": None if finding.reason is None else finding.reason.value,
                "sentence": printable(finding.sentence),
            }
            for finding in state.problems
        ],
        "interval_seconds": state.settings.interval.seconds,
        "sampled_at": rfc3339(state.sampled_at),
        "concluded_at": rfc3339(state.concluded_at),
        "changed_at": rfc3339(state.changed_at),
    }


def domain_document(state: DomainState, coverage: SpfCoverage | None) -> Json:
    """A domain: `checks` and `evidence` are from the latest sample, all else is the last conclusive result."""
    expect = state.settings.expect
    report = state.latest
    return listed_domain(state) | {
        "checks": [] if report is None else domain_findings_document(report.findings, expect),
        "known": domain_findings_document([finding for group in state.known.values() for finding in group], expect),
        "hints": [hint_document(hint) for hints in state.hints.values() for hint in hints],
        **records_document(state.spf, state.dkim.items(), state.dmarc, report),
        "spf_coverage": None if coverage is None else _coverage(coverage),
        "evidence": evidence_document(state.evidence),
    }


def grouped_findings(state: DomainState) -> Mapping[str, list[tuple[Finding, Finding | None]]]:
    """The latest findings by group: ``failing``, ``unknown``, ``aside`` (not expected to pass), ``passing``.

    An unknown finding comes with the last conclusive one, the others with None.
    """
    groups: dict[str, list[tuple[Finding, Finding | None]]] = {
        "failing": [],
        "unknown": [],
        "aside": [],
        "passing": [],
    }
    for finding in state.latest.findings if state.latest is not None else ():
        if finding.result is Result.PASS:
            groups["passing"].append((finding, None))
        elif finding.result is Result.UNKNOWN:
            known = state.known.get((finding.check, finding.subject), (None,))
            groups["unknown"].append((finding, known[0]))
        else:
            groups["failing" if finding.check in state.settings.expect else "aside"].append((finding, None))
    return groups


def domain_findings_document(findings: Iterable[Finding], expect: Collection[CheckName]) -> list[Json]:
    """The result of each check; its subject is a DKIM selector or the domain."""
    return [finding_document(finding, expect) for finding in findings]


def hint_document(hint: Hint) -> Json:
    """What works but could be better."""
    return {
        "check": hint.check.value,
        "subject": hint.subject,
        "reason": hint.reason.value,
        "sentence": printable(hint.sentence),
        "fix": None if hint.fix is None else fix_document(hint.fix),
    }


def records_document(
    spf: SpfDomainReport | None,
    dkim: Iterable[tuple[str, DkimReport]],
    dmarc: DmarcReport | None,
    report: DomainReport | None,
) -> Json:
    """The content of the records; null for an unknown one."""
    return {
        "spf": None if spf is None else _spf(spf),
        "dkim": [_dkim(selector, key) for selector, key in dkim],
        "dmarc": None if dmarc is None else _dmarc(dmarc),
        "mx": None if report is None else {"hosts": list(report.mx.hosts), "null": report.mx.is_null},
        "mta_sts": None if report is None else {"id": printable(report.mta_sts.policy_id)},
        "tls_rpt": None if report is None else {"uris": [printable(one) for one in report.tls_rpt.uris]},
    }


def text_of(record: bytes) -> str:
    """A TXT record, as printable ASCII."""
    return printable(record.decode("latin-1"))


def _spf(report: SpfDomainReport) -> Json:
    compiled = report.compiled
    return {
        "records": [text_of(record) for record in report.records],
        "lookups": report.lookups,
        "void_lookups": report.void_lookups,
        "max_lookups": report.limits.lookups,
        "max_void_lookups": report.limits.void_lookups,
        "domains": [printable(name) for name in report.domains],
        "authorised": {
            f"ipv{family}": _ranges({4: (), 6: (), family: compiled.authorised(family)}) for family in FAMILIES
        },
        "open_terms": [printable(str(term)) for term in compiled.open_terms],
    }


def _dkim(selector: str, key: DkimReport) -> Json:
    return {
        "selector": selector,
        "name": key.name,
        "key_type": key.key_type or None,
        "bits": key.bits,
        "revoked": key.is_revoked,
        "testing": key.is_testing,
        "chain": list(key.chain),
        "record": text_of(key.record) or None,
    }


def _dmarc(report: DmarcReport) -> Json:
    policies = (report.policy, report.subdomain_policy, report.nonexistent_policy, report.effective_policy)
    names = ("policy", "subdomain_policy", "nonexistent_policy", "effective_policy")
    return {
        "record": text_of(report.record) or None,
        "record_domain": report.record_domain,
        "organizational_domain": report.organizational_domain,
        **{name: None if policy is None else policy.value for name, policy in zip(names, policies, strict=True)},
        "testing": report.is_testing,
        "destinations": [{"host": one.host, "authorised": one.is_authorised} for one in report.destinations],
    }


def _coverage(coverage: SpfCoverage) -> Json:
    return {
        "authorised_addresses": count(coverage.authorised),
        "unused": _ranges(coverage.unused),
        "pools": [_pool(one) for one in coverage.pools],
    }


def _pool(one: PoolCoverage) -> Json:
    return {
        "pool": one.pool,
        "sends": one.is_sender,
        "unauthorised": _ranges(one.unauthorised) if one.is_sender else None,
        "open": _ranges(one.open) if one.is_sender else None,
        "unconfirmed": {"addresses": one.unconfirmed, "examples": [str(address) for address in one.examples]},
    }


def _ranges(ranges: ByFamily) -> Json:
    """The first ranges as text: a network, or the first and last address."""
    texts = [range_text(family, one) for family in FAMILIES for one in ranges[family][:_MAX_RANGES]]
    total = sum(len(ranges[family]) for family in FAMILIES)
    return {
        "addresses": count(ranges),
        "ranges": texts[:_MAX_RANGES],
        "more_ranges": max(0, total - _MAX_RANGES),
    }
