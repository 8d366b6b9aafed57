"""Door commands, carried out one after another in the order the machine gave them; a lockdown waits for none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from drivers.contracts import Door, GateSignal
from gate_agent.domain import door_effects as dr
from gate_agent.domain import events as ev
from gate_agent.domain.transaction_state import TransactionState
from gate_agent.errors import DeviceFault
from gate_agent.lane.ports import LaneBarrier

log = structlog.get_logger()

SIGNAL_TTL_S, SIGNAL_RENEWAL_S = 3.0, 0.8
"""How long lights and sounder tell what nobody tells again, and how often the lane does; a lost renewal changes nothing."""


class Doors:
    """The queue of door commands of one lane. `report` gets what became of each release."""

    def __init__(self, barrier: LaneBarrier, release_ttl_s: float, report: Callable[[ev.Event], None]) -> None:
        self._barrier = barrier
        self._release_ttl_s = release_ttl_s
        self._report = report
        self._commands: asyncio.Queue[dr.OpenDoor | dr.SecureDoors] = asyncio.Queue()
        self._is_locked_down = False
        self._lockdown_changed = asyncio.Event()
        self._signal = GateSignal.CLOSED
        self._signal_changed = asyncio.Event()

    def command(self, effect: dr.DoorEffect) -> None:
        """Take a command; returns at once. From a lockdown on no queued release is asked for any more."""
        match effect:
            case dr.LockDown() | dr.LiftLockdown():
                self._is_locked_down = isinstance(effect, dr.LockDown)
                self._lockdown_changed.set()
            case _:
                self._commands.put_nowait(effect)

    def show(self, state: TransactionState) -> None:
        """Have lights and sounder tell what the state means to people at the gate; returns at once."""
        signal = signal_of(state)
        if signal is not self._signal:
            self._signal = signal
            self._signal_changed.set()

    async def work(self) -> None:
        """Carry commands out until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work_lockdown())
            group.create_task(self._work_signals())
            while True:
                effect = await self._commands.get()
                if isinstance(effect, dr.SecureDoors):
                    await self._try("end_releases", self._barrier.end_releases())
                else:
                    self._report(await self._release(effect))
                self._commands.task_done()

    async def _work_lockdown(self) -> None:
        """Tell the barrier of a lockdown, and of its end; it is told again after a fault only by the next order."""
        while True:
            await self._lockdown_changed.wait()
            self._lockdown_changed.clear()
            if self._is_locked_down:
                await self._try("lockdown", self._barrier.lockdown())
            else:
                await self._try("lift_lockdown", self._barrier.lift_lockdown())

    async def _work_signals(self) -> None:
        """Tell lights and sounder the newest signal, after the doors, and again and again: one that nobody renews gives way to red."""
        is_told = True
        while True:
            is_told = await self._try("signal", self._barrier.signal(self._signal, SIGNAL_TTL_S), is_news=is_told)
            try:
                async with asyncio.timeout(SIGNAL_RENEWAL_S):
                    await self._signal_changed.wait()
            except TimeoutError:
                continue  # the same once more, whatever the doors do
            await asyncio.sleep(0)  # the command to the door comes from the same step
            await self._commands.join()
            self._signal_changed.clear()

    @staticmethod
    async def _try(name: str, command: Awaitable[None], *, is_news: bool = True) -> bool:
        """Say whether a command was carried out; a failure is logged where it is news."""
        try:
            await command
        except DeviceFault as fault:
            if is_news:  # the time to live ends a release all the same
                log.warning("door_command_failed", command=name, code=fault.code)
            return False
        return True

    async def _release(self, effect: dr.OpenDoor) -> ev.Event:
        door = effect.door
        if self._is_locked_down:
            log.info("release_refused", door=door)
            return ev.ReleaseFailed(door)
        try:
            await self._barrier.release(Door(door.value), effect.count, self._release_ttl_s)
        except DeviceFault as fault:
            log.error("release_failed", code=fault.code, door=door)
            return ev.ReleaseFailed(door)
        log.info("door_released", door=door, count=effect.count)
        return ev.ReleaseConfirmed(door)


def signal_of(state: TransactionState) -> GateSignal:
    """Return what lights and sounder tell: green only at a door that is being released, the sounder while something is wrong."""
    if state.fire:
        return GateSignal.EVACUATE
    if state.emergency_stop or state.tamper or state.irregularities:
        return GateSignal.ALARM
    if state.door is None or state.lockdown:
        return GateSignal.CLOSED
    return GateSignal.ENTER if state.door is dr.DoorName.ENTRANCE else GateSignal.LEAVE
