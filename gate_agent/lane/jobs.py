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

    def __call__(self, borrowed: Borrowed, *found: ev.Event) -> None:
        """Hand events in."""
        ...
