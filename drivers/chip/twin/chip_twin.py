"""A virtual chip reader's field: passports are laid into it and taken away, and the reader sees a chip come and go."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from drivers.chip.twin import vpcd_client
from drivers.chip.twin.behaviour import TornOff
from drivers.chip.twin.passport import VirtualPassport
from drivers.twin import SlowSwitches

_KNOCK_AGAIN_S = 0.05


class ChipTwin(SlowSwitches):
    """Connects a passport to a reader that listens on `port`, as long as it is plugged and a passport lies there."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", seed: int = 1) -> None:
        super().__init__(seed)
        self.host = host
        self.port = port
        self.is_plugged = False
        self._passport: VirtualPassport | None = None
        self._presence: asyncio.Task[None] | None = None

    async def plug(self) -> None:
        """Switch the field on."""
        if not self.is_plugged:
            self.is_plugged = True
            self._begin()

    async def unplug(self) -> None:
        """Switch the field off; a passport that lies there is seen again once it is on."""
        self.is_plugged = False
        await self._end()

    def present(self, passport: VirtualPassport) -> None:
        """Lay a passport on the reader, in place of another one."""
        self._leave()
        self._passport = passport
        self._begin()

    def remove(self) -> None:
        """Take the passport away, in the middle of whatever it does."""
        self._passport = None
        self._leave()

    async def until_gone(self) -> None:
        """Wait until the passport that lies there is torn off or taken away."""
        if self._presence is not None:
            await asyncio.wait({self._presence})

    def _begin(self) -> None:
        if self.is_plugged and self._passport is not None:
            self._presence = asyncio.create_task(self._lie_there(self._passport), name=f"chip at port {self.port}")

    def _leave(self) -> None:
        if self._presence is not None:
            self._presence.cancel()
            self._presence = None

    async def _end(self) -> None:
        presence = self._presence
        self._leave()
        if presence is not None:
            await asyncio.gather(presence, return_exceptions=True)

    async def _lie_there(self, passport: VirtualPassport) -> None:
        """Be there until torn off; a reader that ended the line, or came back after a fault, finds the chip again."""
        with contextlib.suppress(TornOff):
            while True:
                with await self._connected() as connection, contextlib.suppress(OSError):
                    await vpcd_client.serve(passport, connection, shaped=self._shaped)
                await asyncio.sleep(_KNOCK_AGAIN_S)

    async def _connected(self) -> socket.socket:
        """Return a connection, as soon as the reader listens."""
        while True:
            try:
                return await vpcd_client.connect(self.host, self.port)
            except OSError:
                await asyncio.sleep(_KNOCK_AGAIN_S)

    async def _shaped(self, answer: bytes) -> bytes | None:
        await asyncio.sleep(self._delay_s)
        return None if self._is_muted else self.altered(answer)
