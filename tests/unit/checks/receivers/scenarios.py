"""The scenarios of `tests/conformance/receivers.yaml`, to compare predictions with expectations and real servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.receivers import Receiver, ReceiverResult
from tests.factories import World
from tests.yaml_files import read_yaml

FILE = Path(__file__).resolve().parents[3] / "conformance" / "receivers.yaml"


@dataclass(frozen=True)
class Expected:
    """What one receiver is to say."""

    result: ReceiverResult = ReceiverResult.ACCEPT
    code: int | None = None
    share: float = 1.0

    @classmethod
    def parse(cls, value: Any) -> "Expected":
        """Read a code, ``tempfail`` or ``reject``, or a pair of that and the share that is accepted."""
        helo, share = value if isinstance(value, list) else (value, "0")
        if isinstance(helo, int):
            result = ReceiverResult.REJECT if helo >= 500 else ReceiverResult.TEMPFAIL
            return cls(result, helo, float(Fraction(share)))
        return cls(ReceiverResult(helo), None, float(Fraction(share)))


@dataclass(frozen=True)
class Scenario:
    """A small DNS, a client in it, and what receivers make of that."""

    name: str
    address: Address
    helo: HeloName
    world: World
    refused: Mapping[Receiver, Expected]
    unsure: frozenset[Receiver]

    def expected(self, receiver: Receiver) -> Expected:
        """A receiver that is not listed accepts."""
        return self.refused.get(receiver, Expected())


def _read(entry: Mapping[str, Any]) -> Scenario:
    address = Address.parse(entry.get("ip", "192.0.2.1"))
    lines = [line.replace("@ ", f"{address.reverse_name} ", 1) for line in entry["zone"].splitlines()]
    return Scenario(
        entry["name"],
        address,
        HeloName.parse(entry.get("helo", "mta1.example.org")),
        World.parse("\n".join(lines)),
        {Receiver(receiver): Expected.parse(value) for receiver, value in entry.get("refused", {}).items()},
        frozenset(map(Receiver, entry.get("unsure", []))),
    )


SCENARIOS = tuple(map(_read, read_yaml(FILE.read_text())["scenarios"]))
