"""`osdp_reader`: a badge reader, keypad or lock at a staff door, over OSDP on a serial line with a secure channel.

It reports what was read and what was pressed, and releases the door's lock for a time that the reader itself ends. Whose badge it is and
whether the door opens is decided elsewhere; nothing here concerns a traveller. There are no tapes of it: the channel's keys are new each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from drivers.access import AccessLight, AccessStatus, BadgeFormat, BadgeRead, KeysPressed
from drivers.access_control.channel_key import read_channel_key
from drivers.access_control.errors import ChannelRefused, LockNotReleased
from drivers.access_control.panel import (
    Completed,
    Ended,
    Outgoing,
    ReaderPanel,
    Reported,
    SecureChanged,
    Told,
    load_library,
)
from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.errors import NotReady, UnexpectedFailure
from drivers.options import SerialOptions
from drivers.supervisor import LinkSource, SupervisedDriver

TTL_UNIT_S = 0.1
_TIMER_LIMIT = 0xFFFF
_TIMED_ON = 5  # output control code: on for a time, then off, whatever became of us
_PERMANENT, _DEFAULT_TONE = 1, 2


class OsdpReaderOptions(SerialOptions):
    """Options of `osdp_reader`."""

    baud: int = Field(9600, ge=300, le=4_000_000, description="Bits per second.")
    address: int = Field(0, ge=0, le=126, description="Address of the reader on its line.")
    key_file: Path = Field(
        description="File with the key of the secure channel: 32 hexadecimal digits, readable by its owner only."
    )
    output: int = Field(0, ge=0, le=255, description="Output of the reader that holds the door's lock.")
    reply_timeout_s: float = Field(1.0, gt=0, le=10, description="Longest wait until the reader confirms a command.")
    secure_timeout_s: float = Field(
        4.0, gt=0, le=60, description="Longest time until the secure channel stands; then the line is opened again."
    )
    quiet_s: float = Field(0.0, ge=0, le=3600, description="Not used: polling is the sign of life.")
    dead_s: float = Field(2.0, gt=0, le=60, description="Silence after which the reader counts as dead.")


class OsdpReader(SupervisedDriver):
    """A supervised reader (`AccessDriver`); READY only while the secure channel stands."""

    device_class = DeviceClass.ACCESS_CONTROL
    capabilities = frozenset({"release", "light", "beep"})
    events = frozenset({BadgeRead, KeysPressed, AccessStatus})

    def __init__(self, name: str, options: OsdpReaderOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self._options = options
        self._panel: ReaderPanel | None = None
        self._is_secure = False
        self._heard_s = 0.0
        self._asking = asyncio.Lock()
        self._answer: asyncio.Future[bool] | None = None

    @property
    def source(self) -> LinkSource:
        """The serial port."""
        return self._options.port()

    def opened(self) -> None:
        """Forget the last connection's channel."""
        self._is_secure = False

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Hand bytes to the library; damaged ones make no sense to it and end the channel, which ends the connection."""
        self._heard_s = t_mono_s
        if self._panel is not None:
            self._panel.received(chunk)
        return True

    def declare_ready(self) -> None:
        """Report READY once the secure channel stands."""
        if self._is_secure:
            super().declare_ready()

    async def converse(self) -> None:
        """Let the library talk. Raises `ChannelKeyUnusable`, `OsdpSupportAbsent` or `ChannelRefused`."""
        key = read_channel_key(self._options.key_file)
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[Told] = asyncio.Queue()
        panel = ReaderPanel(self._options.address, key, lambda one: _hand_over(loop, told, one))
        self._panel = panel
        panel.start()
        try:
            await self._serve(told)
        finally:
            self._panel = None
            self._is_secure = False
            self._settle(is_done=False)
            panel.stop()

    async def _serve(self, told: asyncio.Queue[Told]) -> None:
        loop = asyncio.get_running_loop()
        secure_until_s: float | None = loop.time() + self._options.secure_timeout_s
        while True:
            try:
                async with asyncio.timeout_at(secure_until_s):
                    one = await told.get()
            except TimeoutError:
                raise ChannelRefused(f"{self.name}: no secure channel in {self._options.secure_timeout_s} s") from None
            match one:
                case Outgoing(content):
                    async with self.link.turn():
                        await self.link.write(content)
                case SecureChanged(is_secure):
                    self._is_secure = is_secure
                    if not is_secure:
                        raise ChannelRefused(f"{self.name}: the secure channel was lost")
                    secure_until_s = None
                    self.declare_ready()
                case Reported(event):
                    self._report(event)
                case Completed(is_done):
                    self._settle(is_done=is_done)
                case Ended(error):
                    raise UnexpectedFailure(f"{self.name}: the library ended: {error}")

    def _report(self, event: Mapping[str, Any]) -> None:
        payload = payload_of(event)
        if payload is not None and self._is_secure:
            self.reporter.emit(payload, self._heard_s)

    # ---- commands

    async def release(self, ttl_s: float) -> None:
        """Release the door's lock for `ttl_s`, rounded down to 100 ms; the reader itself ends it. Raises `LockNotReleased` or `NotReady`."""
        timer_units = int(ttl_s / TTL_UNIT_S + 1e-6)
        if not 1 <= timer_units <= _TIMER_LIMIT:
            raise LockNotReleased(f"a release for {ttl_s} s cannot be made")
        output = {"output_no": self._options.output, "control_code": _TIMED_ON, "timer_count": timer_units}
        await self._ask("CMD_OUTPUT", output)

    async def light(self, light: AccessLight) -> None:
        """Have the reader's light show this. Raises `LockNotReleased` or `NotReady`."""
        library = load_library()
        colours = {
            AccessLight.OFF: library.LED_COLOR_NONE,
            AccessLight.RED: library.LED_COLOR_RED,
            AccessLight.GREEN: library.LED_COLOR_GREEN,
            AccessLight.AMBER: library.LED_COLOR_AMBER,
        }
        shown = {
            "control_code": _PERMANENT,
            "on_color": colours[light],
            "off_color": colours[light],
            "temporary": False,
        }
        times = {"on_count": 1, "off_count": 0, "timer_count": 0}
        await self._ask("CMD_LED", {"reader": 0, "led_number": 0, **shown, **times})

    async def beep(self, count: int = 1) -> None:
        """Have the reader beep so many times. Raises `LockNotReleased` or `NotReady`."""
        tone = {"control_code": _DEFAULT_TONE, "on_count": 2, "off_count": 2, "rep_count": min(max(count, 1), 255)}
        await self._ask("CMD_BUZZER", {"reader": 0, **tone})

    async def _ask(self, command: str, content: Mapping[str, object]) -> None:
        """Hand a command over once, one after another, and wait for the reader's answer."""
        async with self._asking:
            panel = self._panel
            if panel is None or not self._is_secure:
                raise NotReady(f"{self.name} is {self.state.value}")
            answer = self._answer = asyncio.get_running_loop().create_future()
            panel.command({"command": getattr(load_library(), command), **content})
            try:
                async with asyncio.timeout(self._options.reply_timeout_s):
                    is_done = await answer
            except TimeoutError:
                raise LockNotReleased(f"{self.name} did not confirm the command in time") from None
            finally:
                self._answer = None
        if not is_done:
            raise LockNotReleased(f"{self.name} refused the command, or went away")

    def _settle(self, *, is_done: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(is_done)


def _hand_over(loop: asyncio.AbstractEventLoop, told: asyncio.Queue[Told], one: Told) -> None:
    try:
        loop.call_soon_threadsafe(told.put_nowait, one)
    except RuntimeError:
        return  # the loop is closed: nobody is there to be told


def payload_of(event: Mapping[str, Any]) -> BadgeRead | KeysPressed | AccessStatus | None:
    """Return what an event of the library means, None when it means nothing here or is not what its kind says."""
    library = load_library()
    kind, content = event.get("event"), event.get("data", b"")
    if kind == library.EVENT_CARDREAD and isinstance(content, bytes):
        length_bits = int(event.get("length", 0))
        if not 0 < length_bits <= 8 * len(content):
            return None
        is_wiegand = event.get("format") == library.CARD_FMT_RAW_WIEGAND
        return BadgeRead(
            content[: (length_bits + 7) // 8], length_bits, BadgeFormat.WIEGAND if is_wiegand else BadgeFormat.RAW
        )
    if kind == library.EVENT_KEYPRESS and isinstance(content, bytes):
        return KeysPressed(content)
    report = event.get("report", b"")
    if kind == library.EVENT_STATUS and event.get("type") == library.STATUS_REPORT_LOCAL and len(report) >= 2:
        return AccessStatus(tamper=bool(report[0]), power_lost=bool(report[1]))
    return None


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> OsdpReader:
    """Return the driver. Raises `OptionsRefused`."""
    return OsdpReader(name, OsdpReaderOptions.read(name, options), sink, clock)
