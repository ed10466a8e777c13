"""How a behaviour of the misbehaving server is written down, and the register of all of them.

A behaviour is a pure function of the query. What it returns is sent in order, from where and
when each `Sending` says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.integration.packets import Query


@dataclass(frozen=True)
class Sending:
    """One message to send. *pieces* cuts it for TCP, with a pause after each; *frame* false leaves out its length."""

    wire: bytes
    source: Literal["here", "other-port", "other-address"] = "here"
    pieces: int = 1
    pause_seconds: float = 0.0
    frame: bool = True


Behaviour = Callable[[Query], Sequence[Sending]]
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(function: Behaviour) -> Behaviour:
    BEHAVIOURS[function.__name__.strip("_").replace("_", "-")] = function  # type: ignore[attr-defined]
    return function
