"""What all bar code readers share: the commands of the class, refused by name where a device lacks them, and how a read is told."""

from __future__ import annotations

from drivers.codec import BadFrame
from drivers.contracts import BarcodeRead, BarcodeRefused, DeviceClass, Unsupported
from drivers.framed_driver import FramedDriver, Received


class BarcodeReader(FramedDriver[Received]):
    """A supervised bar code reader. `capabilities` names the commands that this device takes; a driver offers what it can."""

    device_class = DeviceClass.BARCODE
    events = frozenset({BarcodeRead, BarcodeRefused})

    async def trigger(self, *, on: bool) -> None:  # noqa: ARG002 - a device that has the command overrides it
        """Start or stop reading. Raises `Unsupported`, `NotReady`, a link fault or the device's refusal."""
        self.need("trigger")

    async def beep(self, code: int = 0) -> None:  # noqa: ARG002 - as above
        """Sound the beeper; `code` as the device's manual numbers its tones. Raises as `trigger` does."""
        self.need("beep")

    async def light(self, *, on: bool) -> None:  # noqa: ARG002 - as above
        """Switch the light that shows people a good read. Raises as `trigger` does."""
        self.need("light")

    async def enable(self, *, on: bool) -> None:  # noqa: ARG002 - as above
        """Let the reader read at all, or not. Raises as `trigger` does."""
        self.need("enable")

    def need(self, command: str) -> None:
        """Raise `Unsupported` when the device does not take a command."""
        if command not in self.capabilities:
            known = ", ".join(sorted(self.capabilities)) or "nothing"
            raise Unsupported(f"{self.name} takes no {command} command; it takes: {known}")

    def tell(self, read: BarcodeRead, t_mono_s: float) -> None:
        """Report one symbol; what was recorded against the reader before is over."""
        self.declare_ready()
        self.reporter.clear()
        self.reporter.emit(read, t_mono_s, read.aim_id.encode("ascii") + read.payload)

    def drop(self, bad: BadFrame, t_mono_s: float) -> None:
        """Record bytes that are no symbol; one that is too long is told, so that its holder can be told."""
        self.reporter.record(bad.fault())
        if bad.is_too_long:
            self.reporter.emit(BarcodeRefused(bad.reason), t_mono_s)
