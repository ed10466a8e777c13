"""What is known of one address, and of one HELO name, as text.

The rule of this file: what comes out is what went in, but for what only this process had: evidence, and predictions
that rest on it. A target whose HELO names changed meanwhile keeps what is held of the names that stay
(`AddressState.retarget`).
"""

import json
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import HeloNameReport
from exporter.checks.report import Report, Target
from exporter.state.address import AddressState
from exporter.state.held import Held
from exporter.state.helo import HeloState
from exporter.state.storage.words import (
    finding,
    finding_at,
    finding_data,
    finding_from,
    iprev_data,
    iprev_of,
    reading,
    verdict_data,
    verdict_of,
)

_SAME = 0


def address_text(state: AddressState) -> str:
    """All of *state* but its address, its evidence and the time of its latest sample."""
    held = list(state.held.values())
    places = {one: place for place, one in enumerate(held)}
    latest = state.latest
    data: list[Any] = [
        [said.text for said in state.target.helos],
        list(map(finding_data, held)),
        None if latest is None else [finding_at(one, places) for one in latest.findings],
        None if state.iprev is None else iprev_data(state.iprev, places),
        None if latest is None else _SAME if latest.iprev == state.iprev else iprev_data(latest.iprev, places),
        state.concluded_at,
        state.changed_at,
        state.renamed_at,
        [[verdict_data(verdict) for verdict in row if verdict.is_conclusive] for row in state.receivers],
    ]
    return json.dumps(data, separators=(",", ":"))


@reading
def address_state(text: str, address: Address, sampled_at: float, now: float) -> AddressState:
    """What `address_text` wrote of *address*, last sampled at *sampled_at*; no time of it is later than *now*.

    A latest sample that was conclusive concluded when it was taken. Raises `ValueError`.
    """
    helos, held, latest, iprev, latest_iprev, concluded_at, changed_at, renamed_at, receivers = json.loads(text)
    target = Target(address, tuple(map(HeloName.parse, helos)))
    findings = list(map(finding, held))
    known = None if iprev is None else iprev_of(iprev, findings)
    report = None
    if latest is not None:
        last = known if latest_iprev == _SAME else iprev_of(latest_iprev, findings)
        if last is None:
            raise ValueError("a latest sample without a verdict")
        report = Report(target, last, tuple([finding_from(it, findings) for it in latest]))
        if report.is_conclusive:
            concluded_at = sampled_at
    return AddressState(
        target,
        latest=report,
        held=_held(findings),
        iprev=known,
        sampled_at=min(sampled_at, now),
        concluded_at=min(float(concluded_at), now),
        changed_at=min(float(changed_at), now),
        renamed_at=tuple([min(float(at), now) for at in renamed_at]),
        receivers=tuple([tuple(map(verdict_of, row)) for row in receivers]),
    )


def _held(findings: list[Any]) -> Held:
    return {(one.check, one.subject): one for one in findings}


def helo_text(state: HeloState) -> str:
    """All of *state* but its name and the time of its latest sample."""
    report = state.latest
    data: list[Any] = [
        list(map(finding_data, state.held.values())),
        [state.resolves, state.addresses, state.confirmed_addresses, state.addresses_outside_pool],
    ]
    if report is not None:
        data += [
            report.resolves,
            report.is_complete,
            list(map(finding_data, report.findings)),
            [list(map(str, addresses)) for addresses in _addresses(report)],
        ]
    return json.dumps(data, separators=(",", ":"))


@reading
def helo_state(text: str, said: HeloName, sampled_at: float, now: float) -> HeloState:
    """What `helo_text` wrote of the HELO name *said*. Raises `ValueError`."""
    held, numbers, *last = json.loads(text)
    report = None
    if last:
        resolves, is_complete, findings, addresses = last
        syntax, forward, fcrdns = map(finding, findings)
        known, confirmed, unconfirmed, unknown, unfollowed, outside = [
            tuple(map(Address.parse, some)) for some in addresses
        ]
        report = HeloNameReport(
            said,
            _flag(resolves),
            (syntax, forward, fcrdns),
            known,
            confirmed,
            unconfirmed,
            unknown,
            unfollowed,
            outside,
            is_complete=bool(is_complete),
        )
    resolves, *counts = numbers
    total, good, strange = [None if one is None else int(one) for one in counts]
    return HeloState(
        said,
        report,
        _held(list(map(finding, held))),
        _flag(resolves),
        total,
        good,
        strange,
        min(sampled_at, now),
    )


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _addresses(report: HeloNameReport) -> tuple[tuple[Address, ...], ...]:
    return (
        report.addresses,
        report.confirmed,
        report.unconfirmed,
        report.unknown,
        report.unfollowed,
        report.outside,
    )
