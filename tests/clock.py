"""Time for tests: an event loop whose clock jumps to the next timer instead of waiting for it.

The rule of this file: nothing sleeps. Where the wall clock matters too, it moves along, and a test may step it.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Lets time pass at once when there is nothing to read."""

    passed: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events and timeout:
            self.passed(timeout)
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time. *on_pass* hears of each jump, in seconds."""

    def __init__(self, on_pass: Callable[[float], None] = lambda _seconds: None) -> None:
        selector = _JumpingSelector()
        super().__init__(selector)
        self._now = 1000.0
        self._on_pass = on_pass
        selector.passed = self.pass_time

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* go by, as if the machine had been busy."""
        self._now += seconds
        self._on_pass(seconds)


def run(main: Coroutine[Any, Any, T], on_pass: Callable[[float], None] = lambda _seconds: None) -> T:
    """Run *main* in a `JumpingLoop`."""
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(on_pass)) as runner:
        return runner.run(main)
