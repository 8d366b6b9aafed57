"""`honeywell_serial`: a Honeywell imager in packet mode on a serial port or USB-CDC, with trigger and menu commands.

In packet mode a payload may hold any byte, line ends included. An imager that sends lines is `barcode_serial`'s.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from drivers.barcode.honeywell_packets import HoneywellCodec, MenuOutcome, MenuReply
from drivers.barcode.line_codec import PAYLOAD_LIMIT_BYTES, Scan
from drivers.barcode.reader import BarcodeReader
from drivers.codec import BadFrame
from drivers.contracts import BarcodeRead, Clock, DeviceState, EventSink, Unsupported
from drivers.dialogue import Dialogue
from drivers.errors import DeviceRefused, LinkLost
from drivers.options import SerialOptions
from drivers.supervisor import LinkSource

TRIGGER_ON, TRIGGER_OFF = b"\x16T\r", b"\x16U\r"
MENU = b"\x16M\r"
ACKNOWLEDGED, REFUSED = b"\x06", b"\x15"
TAG_CHARACTERS = 3
MENU_COMMAND = r"[A-Za-z0-9]{3}[\x20-\x7e]{0,200}"
_MENU_COMMAND = re.compile(MENU_COMMAND)
_MARKS = "!.;"  # end a command; two of them together are not one


class HoneywellOptions(SerialOptions):
    """Options of `honeywell_serial`."""

    payload_limit_bytes: int = Field(
        PAYLOAD_LIMIT_BYTES, ge=1, le=PAYLOAD_LIMIT_BYTES, description="Longest payload taken."
    )
    frame_gap_s: float = Field(0.1, gt=0, le=5, description="Silence inside a packet after which it is torn.")
    reply_timeout_s: float = Field(1.0, gt=0, le=10, description="Longest wait for the answer to a menu command.")
    probe: Annotated[str, StringConstraints(pattern=f"^{MENU_COMMAND}$")] = Field(
        "REVINF", description="Menu command that asks for a sign of life."
    )
    setup: tuple[Annotated[str, StringConstraints(pattern=f"^{MENU_COMMAND}$")], ...] = Field(
        (),
        max_length=32,
        description="Menu commands sent after each opening and not stored, such as the one of the manual for packet mode.",
    )
    acknowledges: bool = Field(
        default=False, description="Acknowledge each symbol, for an imager whose host ACK mode is on."
    )


class HoneywellReader(BarcodeReader[Scan | MenuReply]):
    """A supervised imager in packet mode."""

    capabilities = frozenset({"trigger", "menu"})

    def __init__(self, name: str, options: HoneywellOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.gap_s = options.frame_gap_s
        self._options = options
        self.codec = HoneywellCodec(options.payload_limit_bytes)
        self._dialogue: Dialogue[MenuReply] = Dialogue(name, options.reply_timeout_s)
        self._owed: asyncio.Queue[bytes] = asyncio.Queue()

    @property
    def source(self) -> LinkSource:
        """The serial port."""
        return self._options.port()

    def opened(self) -> None:
        """Forget what the last connection left unfinished and unanswered."""
        super().opened()
        self._dialogue.failed(LinkLost(f"{self.name} went away before it answered"))
        self._owed = asyncio.Queue()

    async def probe(self) -> None:
        """Ask for the revision; nothing while an answer is awaited anyway."""
        if not self._dialogue.is_waiting:
            await self.link.write(_menu(self._options.probe, is_stored=True))  # a query: nothing is stored

    async def converse(self) -> None:
        """Set the imager up, then send what is owed to it."""
        for command in self._options.setup:
            try:
                await self._ask(command, is_stored=False)
            except Unsupported as error:  # of an imager that was set up wrongly, this is the fault
                raise DeviceRefused(str(error)) from error
        while True:
            await self.link.write(await self._owed.get())

    # ---- commands

    async def trigger(self, *, on: bool) -> None:
        """Start or stop reading. Raises `NotReady` or a link fault."""
        await self.link.write(TRIGGER_ON if on else TRIGGER_OFF)

    async def menu(self, command: str, *, is_stored: bool = False) -> str:
        """Send a menu command and return the imager's answer.

        Until power-off unless stored. Raises ValueError for what is no single command, `Unsupported` for one that the imager does not
        know, `DeviceRefused` for a value out of range, `DeviceSilent`, `NotReady` or a link fault.
        """
        if not _MENU_COMMAND.fullmatch(command) or any(mark in command for mark in _MARKS):
            raise ValueError(f"{command!r} is no menu command")
        reply = await self._ask(command, is_stored=is_stored)
        return reply.text.decode("ascii", "replace")

    async def _ask(self, command: str, *, is_stored: bool) -> MenuReply:
        tag = command[:TAG_CHARACTERS].upper().encode("ascii")
        question = _menu(command, is_stored=is_stored)
        reply = await self._dialogue.ask(self.link, question, lambda answer: tag in answer.text.upper())
        if reply.outcome is MenuOutcome.UNKNOWN:
            raise Unsupported(f"{self.name} does not know {command!r}")
        if reply.outcome is MenuOutcome.OUT_OF_RANGE:
            raise DeviceRefused(f"{self.name} refused {command!r}: out of range")
        return reply

    # ---- what arrives

    def take(self, message: Scan | MenuReply | BadFrame, t_mono_s: float) -> bool:
        """Report symbols; bytes that are none are recorded."""
        if isinstance(message, BadFrame):
            self.drop(message, t_mono_s)
            if self.state is DeviceState.READY:
                # What is too long would be too long again.
                self._owe(ACKNOWLEDGED if message.is_too_long else REFUSED)
            return False
        if isinstance(message, Scan):
            self.tell(BarcodeRead(message.payload, message.symbology, message.aim_id), t_mono_s)
            self._owe(ACKNOWLEDGED)
            return True
        self.declare_ready()
        self._dialogue.answered(message)
        return True

    def _owe(self, answer: bytes) -> None:
        """Send soon; nothing when bytes of a tape are replayed."""
        if self._options.acknowledges and self._link is not None:
            self._owed.put_nowait(answer)


def _menu(command: str, *, is_stored: bool) -> bytes:
    return MENU + command.encode("ascii") + (b"." if is_stored else b"!")


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> HoneywellReader:
    """Return the driver. Raises `OptionsRefused`."""
    return HoneywellReader(name, HoneywellOptions.read(name, options), sink, clock)
