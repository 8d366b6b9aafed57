"""The agent's drivers of hosted devices: one for each class that takes commands. Lane and app see no difference to a driver of their own.

Events keep the host's stamps. Their numbers are given here, so that they have no gap even where the host is another one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from drivers.contracts import (
    ChipAccess,
    ChipEvidence,
    ChipFileRead,
    ChipKeys,
    ChipOpened,
    ChipPresented,
    ChipProgress,
    ChipRemoved,
    Clock,
    DeviceClass,
    Driver,
    EventSink,
    FrameCaptured,
)
from drivers.errors import DriverFault
from drivers.hosted.accessibility_clients import HostedHelpPoint, HostedLift
from drivers.hosted.barrier_client import HostedBarrier
from drivers.hosted.channel import Channel
from drivers.hosted.device_client import HostedDevice
from drivers.hosted.host_link import CommandLost, HostLink
from drivers.hosted.messages import (
    FrameGivenBack,
    FrameTold,
    PrintReceipt,
    ReadChip,
    ReadDocumentAgain,
    SealAnswered,
    Set,
    Switch,
    Told,
    UnlockSeal,
)
from drivers.hosted.packets import PacketRefused, is_frame_file
from drivers.printer.errors import ReceiptUndetermined
from drivers.seal_commands import UnlockOutcome


class HostedCamera(HostedDevice):
    """A hosted camera. Its frames are the camera's own memory, lent through the host."""

    def __init__(self, pattern: Driver, host: HostLink, sink: EventSink, clock: Clock) -> None:
        super().__init__(pattern, host, sink, clock)
        self._switches = dict.fromkeys(Switch, False)
        self._channel: Channel | None = None

    def set_active(self, *, active: bool) -> None:
        """Report frames only while active."""
        self._set(Switch.ACTIVE, is_on=active)

    def set_reading(self, *, active: bool) -> None:
        """Look for bar codes in the frames while active."""
        self._set(Switch.READING, is_on=active)

    def connected(self, channel: Channel) -> None:
        """Switch the camera as it was."""
        self._channel = channel
        for switch, is_on in self._switches.items():
            if is_on:
                channel.send(Set(self.name, switch, is_on))

    def frame_told(self, message: FrameTold, descriptor: int) -> None:
        """Report a frame. Raises `PacketRefused` when the memory is not what the message says."""
        if (
            message.width_px <= 0
            or message.height_px <= 0
            or not is_frame_file(descriptor, message.width_px * message.height_px * message.pixel_format.pixel_bytes)
        ):
            os.close(descriptor)
            raise PacketRefused("a frame whose memory does not fit it")
        held = [descriptor]
        channel = self._channel

        def release() -> None:
            if held:
                os.close(held.pop())
                if channel is not None:
                    channel.send(FrameGivenBack(self.name, message.frame_id))

        if not self._switches[Switch.ACTIVE]:  # it was on its way when the camera was switched off
            release()
            return
        size = (message.width_px, message.height_px, message.frame_number)
        frame = FrameCaptured(descriptor, *size, release, message.channel, message.pixel_format)
        self.tell(frame, message.t_wall, message.t_mono_s)

    def _set(self, switch: Switch, *, is_on: bool) -> None:
        self._switches[switch] = is_on
        if self._channel is not None:
            self._channel.send(Set(self.name, switch, is_on))


class HostedReader(HostedDevice):
    """A hosted document reader."""

    async def read_again(self) -> None:
        """Ask for another read; raises `Unsupported` when the device cannot, or a fault."""
        await self.ask(ReadDocumentAgain())


class HostedPrinter(HostedDevice):
    """A hosted receipt printer."""

    async def print_receipt(self, lines: Sequence[str], qr: bytes = b"") -> None:
        """Print and cut. Raises `drivers.errors.DriverFault`, ValueError for too long a QR code."""
        try:
            await self.host.ask(self.name, PrintReceipt(tuple(lines), qr))
        except CommandLost as lost:
            if lost.was_sent:
                raise ReceiptUndetermined(f"{self.name}: its host went before the receipt was confirmed") from lost
            raise lost.fault from lost


class HostedSealServer(HostedDevice):
    """A hosted server of seal trackers."""

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        """Tell a seal to open, once; what was sent and not answered, because the host went, is undetermined."""
        try:
            answer = await self.host.ask(self.name, UnlockSeal(seal_id))
        except CommandLost as lost:
            if lost.was_sent:
                return UnlockOutcome.UNDETERMINED
            raise lost.fault from lost
        return answer.outcome if isinstance(answer, SealAnswered) else UnlockOutcome.UNDETERMINED


class HostedChipReader(HostedDevice):
    """A hosted chip reader."""

    def __init__(self, pattern: Driver, host: HostLink, sink: EventSink, clock: Clock) -> None:
        super().__init__(pattern, host, sink, clock)
        self._is_chip_there = False

    def told(self, message: Told) -> None:
        """Note whether a chip is there."""
        if isinstance(message.payload, (ChipPresented, ChipRemoved)):
            self._is_chip_there = isinstance(message.payload, ChipPresented)
        super().told(message)

    def lost(self, fault: DriverFault) -> None:
        """Tell that the chip is gone, too, as the reader does when its own process ends: nobody watches it."""
        if self._is_chip_there:
            self._is_chip_there = False
            self.tell(ChipRemoved(), self.clock.now(), self.clock.monotonic_s())
        super().lost(fault)

    async def read(self, keys: ChipKeys, report: Callable[[ChipProgress], None]) -> ChipEvidence:
        """Open and read the chip; always returns, with what was read until the host went."""
        access = ChipAccess.NONE
        files: dict[str, bytes] = {}
        begun_s = self.clock.monotonic_s()

        def note(progress: ChipProgress) -> None:
            nonlocal access
            match progress:
                case ChipOpened():
                    access = progress.access
                case ChipFileRead():
                    files[progress.name] = progress.content
            report(progress)

        try:
            answer = await self.host.ask(self.name, ReadChip(keys), note)
        except CommandLost as lost:
            fault = lost.fault
        except DriverFault as raised:
            fault = raised
        else:
            if isinstance(answer, ChipEvidence):
                return answer
            fault = DriverFault(f"{self.name}: no evidence came back")
        spent_ms = (self.clock.monotonic_s() - begun_s) * 1000
        return ChipEvidence(access, files=files, fault=fault.code, fault_text=str(fault), duration_ms=spent_ms)


def client_of(pattern: Driver, host: HostLink, sink: EventSink, clock: Clock) -> HostedDevice:
    """Return the agent's driver of a hosted device."""
    kinds: dict[DeviceClass, type[HostedDevice]] = {
        DeviceClass.BARRIER: HostedBarrier,
        DeviceClass.CAMERA: HostedCamera,
        DeviceClass.CHIP_READER: HostedChipReader,
        DeviceClass.DOCUMENT_READER: HostedReader,
        DeviceClass.PRINTER: HostedPrinter,
        DeviceClass.SEAL_TRACKER: HostedSealServer,
        DeviceClass.CAMERA_LIFT: HostedLift,
        DeviceClass.HELP_POINT: HostedHelpPoint,
    }
    return kinds.get(pattern.device_class, HostedDevice)(pattern, host, sink, clock)
