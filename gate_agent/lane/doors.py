"""Door commands, carried out one after another in the order the machine gave them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from drivers.contracts import Door
from gate_agent.domain import events as ev
from gate_agent.errors import DeviceFault
from gate_agent.lane.ports import LaneBarrier

log = structlog.get_logger()


class Doors:
    """The queue of door commands of one lane. `report` gets what became of each release."""

    def __init__(self, barrier: LaneBarrier, release_ttl_s: float, report: Callable[[ev.Event], None]) -> None:
        self._barrier = barrier
        self._release_ttl_s = release_ttl_s
        self._report = report
        self._commands: asyncio.Queue[ev.OpenDoor | ev.SecureDoors] = asyncio.Queue()

    def command(self, effect: ev.OpenDoor | ev.SecureDoors) -> None:
        """Take a command; returns at once."""
        self._commands.put_nowait(effect)

    async def work(self) -> None:
        """Carry commands out until cancelled."""
        while True:
            effect = await self._commands.get()
            if isinstance(effect, ev.SecureDoors):
                await self._secure()
            else:
                self._report(await self._release(effect.door))

    async def _secure(self) -> None:
        try:
            await self._barrier.secure()
        except DeviceFault as fault:
            log.warning("secure_failed", code=fault.code)  # the time to live ends the release all the same

    async def _release(self, door: ev.DoorName) -> ev.Event:
        try:
            await self._barrier.release(Door(door.value), self._release_ttl_s)
        except DeviceFault as fault:
            log.error("release_failed", code=fault.code, door=door)
            return ev.ReleaseFailed(door)
        log.info("door_released", door=door)
        return ev.ReleaseConfirmed(door)
