"""How the parts of a lane start what takes time, and how they tell what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Protocol

from gate_agent.domain import events as ev
from gate_agent.lane.borrowed import Borrowed

Job = Callable[[Coroutine[object, object, object]], asyncio.Task[object]]
"""Starts a job beside the lane's own loop; it ends with the lane."""


class Report(Protocol):
    """Tells the machine what a job found; what it says of a transaction that is over is not heard."""

    def __call__(self, borrowed: Borrowed, *found: ev.Event, of_read: bool = False) -> None:
        """Hand events in. `of_read`: they were made of the read that counts now, and are not heard once another one does."""
        ...
