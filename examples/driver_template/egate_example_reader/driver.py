"""`example_reader`: what the bytes mean. Opening, silence, probing and reopening are the supervisor's."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from drivers.codec import BadFrame
from drivers.contracts import BarcodeRead, Clock, DeviceClass, EventSink, Unsupported
from drivers.declaration import DriverDeclaration
from drivers.framed_driver import FramedDriver
from drivers.options import SerialOptions
from drivers.supervisor import LinkSource
from egate_example_reader.codec import Beep, ExampleCodec, Message, Question, Symbol, Version


class ExampleReaderOptions(SerialOptions):
    """Options of `example_reader`; every one has a description, which is its documentation."""

    frame_gap_s: float = Field(0.05, gt=0, le=5, description="Silence inside a frame after which it is torn.")
    has_beeper: bool = Field(default=True, description="Whether the model has a beeper.")


class ExampleReader(FramedDriver[Message]):
    """A supervised reader; `capabilities` names the commands that this device takes, `events` what it tells."""

    device_class = DeviceClass.BARCODE
    events = frozenset({BarcodeRead})

    def __init__(self, name: str, options: ExampleReaderOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.codec = ExampleCodec()
        self.gap_s = options.frame_gap_s
        self.capabilities = frozenset({"beep"} if options.has_beeper else ())
        self._encoder = ExampleCodec()
        self._options = options

    @property
    def source(self) -> LinkSource:
        """The serial port; `drivers.link.TcpPeer` is a device on the network."""
        return self._options.port()

    async def probe(self) -> None:
        """Ask for the version: after opening, and when the device was silent for `quiet_s`."""
        await self.link.write(self._encoder.encode(Question()))

    async def beep(self) -> None:
        """Sound the beeper. Raises `Unsupported`, `NotReady` or a link fault."""
        if "beep" not in self.capabilities:
            raise Unsupported(f"{self.name} has no beeper")
        await self.link.write(self._encoder.encode(Beep()))

    def take(self, message: Message | BadFrame, t_mono_s: float) -> bool:
        """Report what a message means; return whether it made sense, which is what makes and keeps the device READY."""
        if isinstance(message, BadFrame):
            self.reporter.record(message.fault())  # a fault that leaves the device READY; counted always, reported once
            return False
        if isinstance(message, Question | Beep):
            return False  # an echoing line sends our own words back: no sign of life
        self.declare_ready()
        self.reporter.clear()  # the frame that follows a torn one proves that the line is whole again
        if isinstance(message, Symbol):
            self.reporter.emit(BarcodeRead(message.payload), t_mono_s, message.payload)
        return isinstance(message, Symbol | Version)


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> ExampleReader:
    """Return the driver; opens nothing. Raises `OptionsRefused`."""
    return ExampleReader(name, ExampleReaderOptions.read(name, options), sink, clock)


DRIVER = DriverDeclaration(
    build, DeviceClass.BARCODE, "made-up bar code reader, the template of docs/drivers.md", ExampleReaderOptions
)
