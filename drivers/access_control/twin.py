"""A virtual reader: the library's own peripheral device on a pty, the other side of the protocol by another hand than this driver's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.access_control.panel import ByteChannel, load_library, peripheral
from drivers.twin import PtyTwin

_TURN_S = 0.005
_CAPABILITIES = ("CONTACT_STATUS_MONITORING", "OUTPUT_CONTROL", "CARD_DATA_FORMAT", "READER_LED_CONTROL")
_MORE_CAPABILITIES = ("READER_AUDIBLE_OUTPUT", "COMMUNICATION_SECURITY", "READERS")


class OsdpReaderTwin(PtyTwin):
    """A reader with a keypad, a light, a sounder and one lock. Raises `OsdpSupportAbsent` without the library."""

    def __init__(self, path: Path, *, key: bytes, address: int = 0, baud: int = 0, seed: int = 1) -> None:
        """`key`: that of the secure channel, 16 bytes."""
        super().__init__(path, baud=baud, seed=seed)
        self._library = load_library()
        self._key = key
        self._address = address
        self._channel = ByteChannel(self.send)
        self._device: Any = None
        self._turning: asyncio.TimerHandle | None = None
        self._locking: asyncio.TimerHandle | None = None
        self.refuses = False
        self.is_released = False
        self.commands: list[Mapping[str, Any]] = []

    def plugged(self) -> None:
        """Start as after power-up."""
        library = self._library
        description = peripheral(self._address, self._channel, self._key, library.FLAG_ENFORCE_SECURE)
        names = (*_CAPABILITIES, *_MORE_CAPABILITIES)
        capabilities = [
            {"function_code": getattr(library, f"CAP_{name}"), "compliance_level": 1, "num_items": 1} for name in names
        ]
        self._channel.flush()
        self._device = library.PeripheralDevice(description, capabilities=capabilities)
        self._device.set_command_callback(self._obey)
        self._turn()

    def heard(self, chunk: bytes) -> None:
        """Keep bytes until the library looks."""
        self._channel.put(chunk)

    def badge(self, content: bytes, length_bits: int | None = None, *, is_wiegand: bool = False) -> None:
        """Hold a badge before the reader."""
        library = self._library
        length = 8 * len(content) if length_bits is None else length_bits
        kind = library.CARD_FMT_RAW_WIEGAND if is_wiegand else library.CARD_FMT_RAW_UNSPECIFIED
        card = {"event": library.EVENT_CARDREAD, "format": kind, "length": length, "data": content}
        self._submit({"reader_no": 0, "direction": 0, **card})

    def press(self, keys: bytes) -> None:
        """Press keys."""
        self._submit({"event": self._library.EVENT_KEYPRESS, "reader_no": 0, "data": keys})

    def tamper(self, on: bool = True, *, power_lost: bool = False) -> None:
        """Open the reader's case, or shut it; its power supply may fail."""
        library = self._library
        report = bytes([on, power_lost])
        self._submit({"event": library.EVENT_STATUS, "type": library.STATUS_REPORT_LOCAL, "report": report})

    async def stop(self) -> None:
        """Pull the cable and end everything, at the end of the twin's life."""
        await self.unplug()
        for timer in (self._turning, self._locking):
            if timer is not None:
                timer.cancel()
        self._turning = self._device = None

    def _submit(self, event: Mapping[str, Any]) -> None:
        if self._device is not None:
            self._device.submit_event(event)

    def _turn(self) -> None:
        if self._turning is not None:
            self._turning.cancel()
        if self.is_plugged:
            self._device.refresh()
            self._turning = asyncio.get_running_loop().call_later(_TURN_S, self._turn)

    def _obey(self, command: Mapping[str, Any]) -> tuple[int, None]:
        if self.refuses:
            return -1, None
        self.commands.append(dict(command))
        if command.get("command") == self._library.CMD_OUTPUT and command.get("control_code") == 5:
            self.is_released = True
            if self._locking is not None:
                self._locking.cancel()
            seconds = int(command["timer_count"]) / 10
            self._locking = asyncio.get_running_loop().call_later(seconds, self._lock)
        return 0, None

    def _lock(self) -> None:
        self.is_released = False
