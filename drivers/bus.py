"""One link shared by several devices with one lock: RS-485, or a multi-unit Modbus TCP gateway. Never N links on one port.

Only the device whose turn it is may be spoken to, so the bytes that arrive belong to the seat that holds the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary

from drivers.errors import LinkFault, LinkLost
from drivers.link import Link, Tap
from drivers.supervisor import LinkSource

_BUSES: WeakValueDictionary[Hashable, Bus] = WeakValueDictionary()


def shared_bus(address: Hashable, source: LinkSource) -> Bus:
    """Return the bus at this address, one for all devices of this process; it is forgotten with its last device."""
    bus = _BUSES.get(address)
    if bus is None:
        bus = _BUSES[address] = Bus(source)
    return bus


class Bus:
    """Opens the link with the first seat, closes it with the last; a lost link is lost for every seat."""

    def __init__(self, source: LinkSource) -> None:
        self._source = source
        self._opening = asyncio.Lock()
        self._link: Link | None = None
        self._pump: asyncio.Task[None] | None = None
        self._seats: list[SeatLink] = []
        self.speaker: SeatLink | None = None
        self.stray_bytes = 0

    def seat(self) -> Seat:
        """Return a place on the bus for one device, to be used as its link source."""
        return Seat(self)

    def is_there(self) -> bool:
        """Tell cheaply whether the shared port came back."""
        return self._source.is_there()

    async def sit_down(self, tap: Tap | None) -> SeatLink:
        """Open the shared link when this is the first seat. Raises `LinkFault`."""
        async with self._opening:
            if self._link is None:
                self._link = await self._source.open()
                self._pump = asyncio.create_task(self._deliver(self._link), name="bus reading")
            taken = SeatLink(self, self._link, tap)
            self._seats.append(taken)
            return taken

    async def stand_up(self, seat: SeatLink) -> None:
        """Leave; the last one closes the link."""
        if seat in self._seats:
            self._seats.remove(seat)
        if self.speaker is seat:
            self.speaker = None
        if not self._seats and self._link is not None:
            link, pump = self._link, self._pump
            self._link = self._pump = None
            if pump is not None:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
            await link.close()

    async def _deliver(self, link: Link) -> None:
        try:
            while True:
                chunk = await link.read()
                if self.speaker is None:
                    self.stray_bytes += len(chunk)
                else:
                    self.speaker.deliver(chunk)
        except LinkFault as fault:
            seats, self._seats = self._seats, []
            self._link = self._pump = None
            for seat in seats:
                seat.lose(fault)
            await link.close()


class Seat:
    """A device's place on a bus, as a link source."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def open(self, tap: Tap | None = None) -> Link:
        """Return this device's share of the link. Raises `LinkFault`."""
        return await self._bus.sit_down(tap)

    def is_there(self) -> bool:
        """Tell cheaply whether the shared port came back."""
        return self._bus.is_there()


class SeatLink(Link):
    """One device's share: what arrives in its turn is its own; writing needs the turn."""

    def __init__(self, bus: Bus, shared: Link, tap: Tap | None) -> None:
        super().__init__(tap)
        self._bus = bus
        self._shared = shared
        self._arrived: asyncio.Queue[bytes | LinkFault] = asyncio.Queue()

    def turn(self) -> asyncio.Lock:
        """Return the one lock of the whole bus."""
        return self._shared.turn()

    def deliver(self, chunk: bytes) -> None:
        """Take bytes that arrived in this seat's turn."""
        self.tapped("rx", chunk)
        self._arrived.put_nowait(chunk)

    def lose(self, fault: LinkFault) -> None:
        """Learn that the shared link is lost."""
        self._arrived.put_nowait(fault)

    async def read(self) -> bytes:
        """Return the bytes of this device. Raises `LinkLost`."""
        arrived = await self._arrived.get()
        if isinstance(arrived, LinkFault):
            self._arrived.put_nowait(arrived)  # every later read fails, too
            raise LinkLost(str(arrived)) from arrived
        return arrived

    async def write(self, chunk: bytes) -> None:
        """Speak, in this seat's turn. Raises `LinkLost` or `LinkStalled`."""
        if not self.turn().locked():
            raise LinkLost("the bus was written to without holding the turn")
        self._bus.speaker = self
        self.tapped("tx", chunk)
        await self._shared.write(chunk)

    async def close(self) -> None:
        """Leave the bus."""
        await self._bus.stand_up(self)
