"""How a board itself is: its watchdog set, enabled and content, its outputs not in their safe state.

Moxa ioLogik E1200: the flag of a watchdog that fired is coil 04145, the safe status of the outputs are coils 04113 and following. The flag
of a watchdog that fired while the gate's software was away is cleared once at the start: it did its duty. One that cannot be cleared, or
fires while the software speaks to the board, is a fault.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from drivers.barrier.errors import ModbusNoReply, WatchdogFired, WatchdogNotSet, WatchdogOff
from drivers.barrier.modbus import Function, Request
from drivers.barrier.signals import ProcessImage, SignalName, SignalTable, health_plan

LOG = structlog.get_logger()
_SAFE: tuple[SignalName, ...] = ("entrance_safe", "exit_safe")
Ask = Callable[[Request], Awaitable[tuple[int, ...]]]


class BoardHealth:
    """Asks the board; `ask` raises the faults of an exchange."""

    def __init__(self, name: str, signals: SignalTable, image: ProcessImage, ask: Ask) -> None:
        """`image` learns whatever is read."""
        self._name = name
        self._signals = signals
        self._image = image
        self._ask = ask
        self._plan = health_plan(signals)

    async def begin(self) -> None:
        """Set the watchdog where the map names its register, and clear the flag that an absence of the software left.

        Raises `WatchdogNotSet`, and what `look` does.
        """
        await self._set_register()
        await self._read()
        if self._image.flag("watchdog_alarm"):
            LOG.warning("board_watchdog_had_fired", device=self._name)
            await self._clear_alarm()
        await self.look()

    async def look(self) -> None:
        """Read how the board is. Raises `WatchdogOff` or `WatchdogFired`; nothing when the map names no signal of that."""
        await self._read()
        if self._image.flag("watchdog_enabled") is False:
            raise WatchdogOff(f"{self._name}: the board's watchdog is not enabled")
        if self._image.flag("watchdog_alarm"):
            raise WatchdogFired(f"{self._name}: the board's watchdog has fired")
        held = [name.partition("_")[0] for name in _SAFE if self._image.flag(name)]
        if held:
            raise WatchdogFired(f"{self._name}: the board holds the {' and the '.join(held)} in its safe state")

    async def _read(self) -> None:
        for request in self._plan:
            self._image.absorb(request, await self._ask(request))

    async def _set_register(self) -> None:
        """Write the watchdog register and read it back."""
        register = self._signals.watchdog
        if register is None:
            return
        with suppress(ModbusNoReply):  # what it holds decides
            await self._ask(Request(Function.WRITE_REGISTER, register.address, values=(register.value,)))
        (held,) = await self._ask(Request(Function.READ_HOLDING_REGISTERS, register.address))
        if held != register.value:
            raise WatchdogNotSet(f"{self._name}: register {register.address} holds {held} instead of {register.value}")

    async def _clear_alarm(self) -> None:
        point = self._signals.points["watchdog_alarm"]
        if point.function is Function.READ_COILS:  # an input cannot be written: somebody has to clear it on the board
            with suppress(ModbusNoReply):
                await self._ask(Request(Function.WRITE_COIL, point.address, values=(int(point.invert),)))
