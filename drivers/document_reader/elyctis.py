"""`elyctis_tlv`: an Elyctis ID BOX on a serial port or USB-CDC, armed again after each document.

The reader switches continuous reading off by itself with each successful read; it is switched on again until the reader confirms it. The same
document in the slot is read again only when the mode is reset. That a document is taken out is not told, so each read is one of a new
document, unless it was asked for, or the reader came back and reads what it read last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from pydantic import Field

from drivers.codec import BadFrame
from drivers.contracts import Clock, DeviceClass, DocumentPresented, EventSink, MrzRead, ReadFailed
from drivers.document_reader.elyctis_codec import (
    CONTINUOUS,
    ONE_LINE_ZONE,
    VERSION,
    ZONE,
    ElyctisCodec,
    Tlv,
    lines_of,
)
from drivers.framed_driver import FramedDriver
from drivers.options import SerialOptions
from drivers.supervisor import LinkSource

ARM, DISARM = Tlv(CONTINUOUS, b"\x01"), Tlv(CONTINUOUS, b"\x00")


class ElyctisOptions(SerialOptions):
    """Options of `elyctis_tlv`."""

    baud: int = Field(9600, ge=300, le=4_000_000, description="Bits per second.")
    frame_gap_s: float = Field(0.5, gt=0, le=5, description="Silence inside a message after which it is torn.")
    reply_timeout_s: float = Field(
        1.0, gt=0, le=10, description="Wait for the reader to confirm that it is armed, before it is armed once more."
    )
    read_again_s: float = Field(
        3.0,
        gt=0,
        le=10,
        description="Time in which a read that was asked for, or the same one after a reconnection, is of the same document.",
    )


class ElyctisReader(FramedDriver[Tlv]):
    """A supervised slot reader of machine readable zones. `version` is what it told about itself."""

    codec: ElyctisCodec
    device_class = DeviceClass.DOCUMENT_READER
    capabilities = frozenset({"read_again"})
    events = frozenset({DocumentPresented, MrzRead, ReadFailed})

    def __init__(self, name: str, options: ElyctisOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.gap_s = options.frame_gap_s
        self.version = ""
        self._options = options
        self.codec = ElyctisCodec()
        self._is_disarmed = asyncio.Event()
        self._is_armed = asyncio.Event()
        self._is_reset = False
        self._same_until_s = float("-inf")
        self._reopened_until_s: float | None = None
        self._last_zone: int | None = None  # a hash: what a document says is not kept

    @property
    def source(self) -> LinkSource:
        """The serial port."""
        return self._options.port()

    def opened(self) -> None:
        """Forget an unfinished message, and arm whatever is there now."""
        super().opened()
        self._is_reset = False
        self._same_until_s = float("-inf")
        self._reopened_until_s = None
        self._set_armed(is_armed=False)

    async def probe(self) -> None:
        """Ask for the version, and arm once more: a read that was lost on the way has switched the reader off."""
        self._set_armed(is_armed=False)
        await self.link.write(self.codec.encode(Tlv(VERSION)))

    async def converse(self) -> None:
        """Arm the reader whenever it is not, until it confirms."""
        while True:
            await self._is_disarmed.wait()
            await self.link.write(self.codec.encode(ARM))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.reply_timeout_s):
                    await self._is_armed.wait()

    async def read_again(self) -> None:
        """Reset the mode, so that the document in the slot is read once more. Raises `NotReady` or a link fault."""
        reset = self.codec.encode(DISARM)
        self.sent(reset)
        await self.link.write(reset + self.codec.encode(ARM))

    def sent(self, chunk: bytes) -> None:
        """Note that the mode was reset by this side."""
        self._is_reset = self._is_reset or chunk.startswith(self.codec.encode(DISARM))

    def take(self, message: Tlv | BadFrame, t_mono_s: float) -> bool:
        """Report reads; bytes that are no message are recorded."""
        if isinstance(message, BadFrame):
            self.reporter.record(message.fault())
            self.reporter.emit(ReadFailed(message.reason), t_mono_s)
            self._set_armed(is_armed=False)  # it may have been a read, with which the reader switched itself off
            return False
        if message.kind == CONTINUOUS and not message.value:
            return False
        self.declare_ready()
        if self._reopened_until_s is None:
            self._reopened_until_s = t_mono_s + self._options.read_again_s
        if message.kind == CONTINUOUS:
            self._confirmed(is_armed=message == ARM, t_mono_s=t_mono_s)
        elif message.kind == VERSION:
            self.version = message.value.decode("ascii", "replace").strip()
        elif message.value and message.kind in {ZONE, ONE_LINE_ZONE}:
            self._read(message.value, t_mono_s)
        return True

    def _confirmed(self, *, is_armed: bool, t_mono_s: float) -> None:
        if not is_armed and self._is_reset:
            self._is_reset = False
            self._same_until_s = t_mono_s + self._options.read_again_s
        self._set_armed(is_armed=is_armed)

    def _read(self, zone: bytes, t_mono_s: float) -> None:
        # A reader that was away reads whatever lies in its slot: what it read last is still the same document.
        is_same = t_mono_s <= self._same_until_s or (
            hash(zone) == self._last_zone and t_mono_s <= (self._reopened_until_s or 0.0)
        )
        self._same_until_s = self._reopened_until_s = float("-inf")
        self._last_zone = hash(zone)
        lines = lines_of(zone)
        if not is_same:
            self.reporter.emit(DocumentPresented(), t_mono_s)
        if isinstance(lines, BadFrame):
            self.reporter.record(lines.fault())
            self.reporter.emit(ReadFailed(lines.reason), t_mono_s)
        else:
            self.reporter.clear()
            self.reporter.emit(MrzRead(lines.lines), t_mono_s, lines.raw)
        self._set_armed(is_armed=False)  # the reader did that itself, whatever the lines are worth

    def _set_armed(self, *, is_armed: bool) -> None:
        rising, falling = (self._is_armed, self._is_disarmed) if is_armed else (self._is_disarmed, self._is_armed)
        rising.set()
        falling.clear()


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> ElyctisReader:
    """Return the driver. Raises `OptionsRefused`."""
    return ElyctisReader(name, ElyctisOptions.read(name, options), sink, clock)
