"""Reads the RFC 7208 test suite into worlds and cases.

Zone data becomes what a resolver would answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Question, Record, Status, Text
from exporter.checks.names import DomainName
from tests.factories import World
from tests.yaml_files import read_all_yaml

SUITE = Path(__file__).with_name("rfc7208-tests.yml")
ASKED = ("A", "AAAA", "MX", "PTR", "TXT")


@dataclass(frozen=True)
class Case:
    """One case: what to ask, and the results that are allowed."""

    name: str
    scenario: str
    world: World
    address: Address
    helo: str
    mail_from: str
    results: tuple[str, ...]
    explanation: str | None


def cases() -> Iterator[Case]:
    """Every case of the suite, in its order."""
    for scenario in read_all_yaml(SUITE.read_text(encoding="utf-8")):
        world = _world(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            allowed = case["result"]
            yield Case(
                name,
                scenario["description"],
                world,
                _client(case["host"]),
                case["helo"],
                case["mailfrom"],
                (allowed,) if isinstance(allowed, str) else tuple(allowed),
                case.get("explanation"),
            )


def _client(host: str) -> Address:
    """An address as a connection has it: an IPv4-mapped one is IPv4 (RFC 7208 section 5)."""
    lowered = host.lower()
    return Address.parse(lowered.removeprefix("::ffff:") if "." in lowered else lowered)


def name_in(text: str) -> DomainName:
    """The name that a zone's key stands for, whatever characters are in it."""
    undotted = text.removesuffix(".")
    return DomainName.from_labels([label.encode() for label in undotted.split(".")] if undotted else [])


def _world(zone: Mapping[str, list[Any]]) -> World:
    records: dict[Question, set[Record]] = {}
    cnames: dict[DomainName, DomainName] = {}
    outages: dict[Question, Status] = {}
    for key, entries in zone.items():
        owner = name_in(key)
        known = [next(iter(entry.items())) for entry in entries if isinstance(entry, dict)]
        has_txt = any(rdtype == "TXT" for rdtype, _ in known)
        for rdtype, value in known:
            if rdtype == "CNAME":
                cnames[owner] = name_in(value)
            elif rdtype == "SPF":
                # Records of the obsolete type stand for TXT records unless the case publishes those itself.
                records.setdefault(Question(owner, "HINFO"), set()).add(Text(b""))  # type: ignore[arg-type]
                if not has_txt:
                    records.setdefault(Question(owner, "TXT"), set()).add(_rdata("TXT", value))
            elif value != "NONE":
                records.setdefault(Question(owner, rdtype), set()).add(_rdata(rdtype, value))
        if "TIMEOUT" in entries:
            for rdtype in ASKED:
                question = Question(owner, rdtype)  # type: ignore[arg-type]
                if question not in records:
                    outages[question] = Status.TIMEOUT
    return World({asked: frozenset(rdata) for asked, rdata in records.items()}, cnames, outages)


def _rdata(rdtype: str, value: Any) -> Record:
    match rdtype:
        case "A" | "AAAA":
            return Address.parse(value)
        case "PTR":
            return name_in(value)
        case "MX":
            return MailExchange(value[0], name_in(value[1]))
        case _:
            strings = [value] if isinstance(value, str) else value
            return Text.of([it.encode() for it in strings])
