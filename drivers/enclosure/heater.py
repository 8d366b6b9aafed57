"""The heater of an enclosure, switched by a board that ends every order by itself.

The only order that is ever sent is "on for so long", into a register that counts down on the board, and again before it ends: a program, a machine or a
cable that dies leaves the heater off. A board that knows only on and off cannot be used here. Which temperature the heater is for is the driver's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from drivers.barrier.modbus import Function, Request
from drivers.barrier.modbus_client import ModbusClient
from drivers.enclosure.errors import HeaterNotHeard
from drivers.errors import DriverFault
from drivers.link import TcpPeer


class Thermostat:
    """On below `on_c`, off at `on_c + hysteresis_k`, as before in between."""

    def __init__(self, on_c: float, hysteresis_k: float) -> None:
        self._on_c = on_c
        self._off_c = on_c + hysteresis_k
        self.is_heating = False

    def felt(self, temperature_c: float) -> bool:
        """Take a temperature; return whether the heater is to heat."""
        self.is_heating = temperature_c < (self._off_c if self.is_heating else self._on_c)
        return self.is_heating


class HeaterBoard:
    """A register on a Modbus TCP board that switches an output on for as long as its value says, in units of `unit_s`."""

    def __init__(
        self, peer: TcpPeer, *, unit: int, register: int, ttl_s: float, unit_s: float, timeout_s: float
    ) -> None:
        self._peer = peer
        self._unit = unit
        self._register = register
        self._value = round(ttl_s / unit_s)
        self._timeout_s = timeout_s

    async def heat(self, *, on: bool) -> None:
        """Order heat for another time to live, or none. Raises `HeaterNotHeard`; the order may have been carried out all the same."""
        try:
            async with asyncio.timeout(3 * self._timeout_s):
                await self._write(self._value if on else 0)
        except (DriverFault, TimeoutError) as fault:
            raise HeaterNotHeard(f"the heater's board: {fault}") from fault

    async def _write(self, value: int) -> None:
        link = await self._peer.open()
        client = ModbusClient(self._unit, self._timeout_s)
        try:
            asked = asyncio.create_task(
                client.ask(link, Request(Function.WRITE_REGISTER, self._register, values=(value,)))
            )
            try:
                while not asked.done():
                    reading = asyncio.create_task(link.read())
                    await asyncio.wait({asked, reading}, return_when=asyncio.FIRST_COMPLETED)
                    if reading.done():
                        client.feed(reading.result())
                    else:
                        reading.cancel()
                        with suppress(asyncio.CancelledError):
                            await reading
                    await asyncio.sleep(0)
                await asked
            finally:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
        finally:
            await link.close()
