"""`check --output json`: docs/check.schema.json describes it.

The rule of this file: one object for each address and HELO name, and one for each HELO name of a pool, the other way
round; what the DNS said is printable ASCII.
"""

from collections.abc import Iterator, Sequence

from exporter.checks.answers import Answer
from exporter.checks.helo import HeloName
from exporter.checks.zone_cut import ZoneCut
from exporter.cli.check_delegation import Delegation
from exporter.cli.check_names import NameExamined, coverage_document
from exporter.cli.check_run import Examined
from exporter.cli.check_trace import Trace
from exporter.web.documents import Json, checked, evidence_document, finding_document, records_of


def documents(one: Examined) -> Iterator[Json]:
    """The objects of one target: one for each of its HELO names, or a single one if it has none."""
    subject, found = one.subject, one.examination
    names: Sequence[HeloName | None] = subject.target.helos or (None,)
    for index, said in enumerate(names):
        yield checked(
            subject.pool,
            subject.target,
            said,
            found.report.iprev,
            found.report.findings,
            one.evidence,
            subject.expect,
            receivers=found.receivers[index] if said is not None else (),
            spf=found.spf[index],
        ) | {
            "profile": subject.profile,
            "outcome": one.overall.name.lower(),
            "generic_names": [
                {"name": hint.name, "rule": hint.rule.value, "sentence": hint.sentence} for hint in found.generic_names
            ],
            "reverse_zone": zone_document(found.reverse.cut),
            "delegating_zone": None if found.reverse.delegating is None else zone_document(found.reverse.delegating),
            "zones": [zone_document(cut) for cut in found.zones.values()],
            "trace": [_trace(traced) for traced in one.traces],
            "helo_addresses": coverage_document(one.names[index]) if index < len(one.names) else None,
        }


def name_document(one: NameExamined) -> Json:
    """The object of one HELO name of a pool."""
    subject, found = one.subject, one.examination
    return {
        "helo": subject.said.text,
        "pool": subject.pool,
        "profile": subject.profile,
        "outcome": one.overall.name.lower(),
        "checks": [finding_document(finding, subject.expect) for finding in found.report.findings],
        "helo_addresses": coverage_document(one),
        "zones": [zone_document(cut) for cut in found.zones.values()],
        "evidence": evidence_document(one.evidence),
    }


def zone_document(cut: ZoneCut) -> Json:
    """A zone, and who runs it."""
    return {
        "name": cut.name,
        "zone": cut.zone,
        "certain": cut.is_certain,
        "mailbox": cut.mailbox,
        "mname": None if cut.soa is None else cut.soa.mname,
        "rname": None if cut.soa is None else cut.soa.rname,
        "serial": None if cut.soa is None else cut.soa.serial,
        "servers": list(cut.servers),
        "unanswered": None
        if cut.unanswered is None
        else {"name": cut.unanswered[0], "status": cut.unanswered[1].value},
    }


def _trace(traced: Trace) -> Json:
    return {
        "zone": traced.zone,
        "name": traced.question.name,
        "type": traced.question.rdtype,
        "servers": [
            {
                "name": server.name,
                "ip": None if server.address is None else str(server.address),
                "serial": server.serial,
                **_answer(server.answer),
            }
            for server in traced.servers
        ],
        "differences": list(traced.differences),
        "contradictory": traced.is_contradictory,
        "delegation": None if traced.delegation is None else _delegation(traced.delegation),
    }


def _delegation(delegation: Delegation) -> Json:
    return {
        "parent": delegation.parent,
        "servers": [
            {"name": said.name, "ip": None if said.address is None else str(said.address), **_answer(said.answer)}
            for said in delegation.servers
        ],
        "names": list(delegation.names),
        "differences": list(delegation.differences),
    }


def _answer(answer: Answer) -> Json:
    return {"status": answer.status.value, "records": records_of(answer), "chain": list(answer.chain)}
