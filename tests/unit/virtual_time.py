"""Time that jumps: a loop that never waits, and the clock that goes with it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while it works and jumps to the next timer when it would wait."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now_s


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everything waits for something that will never come"
        self._loop.now_s += timeout
        return super().select(0)


@dataclass
class VirtualClock:
    loop: VirtualLoop

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return self.loop.time()


def run(main: Coroutine[Any, Any, None], loop: VirtualLoop) -> None:
    """Run to the end on virtual time."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main)
