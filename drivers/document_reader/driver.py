"""`mrz_serial`: a document reader on a serial port. Lines are passed on as the reader sent them; judging them is not done here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pydantic import Field

from drivers.codec import BadFrame
from drivers.contracts import (
    Clock,
    DeviceClass,
    DocumentImage,
    DocumentPresented,
    DocumentRemoved,
    EventSink,
    MrzRead,
    ReadFailed,
    Unsupported,
)
from drivers.document_reader.codec import (
    DocumentReaderCodec,
    ImageSent,
    Message,
    MrzLines,
    Presence,
    Profile,
    ReadAgain,
    Status,
    StatusQuery,
)
from drivers.document_reader.picture_file import IMAGE_LIMIT_BYTES
from drivers.options import HexBytes, SerialOptions
from drivers.supervisor import LinkSource, SupervisedDriver, Timing


class MrzSerialOptions(SerialOptions):
    """Options of `mrz_serial`; bytes in hex."""

    start: HexBytes = Field(b"\x02", max_length=8, description="Bytes before the first line; empty: none.")
    separator: HexBytes = Field(b"\r", min_length=1, max_length=4, description="Bytes between lines.")
    end: HexBytes = Field(
        b"\x03", max_length=8, description="Bytes after the last line; empty: a silent line ends the read."
    )
    has_packets: bool = Field(
        default=True,
        description="The reader speaks the packets for presence, images and commands; without, it is never probed.",
    )
    reports_presence: bool = Field(
        default=True,
        description="The reader says when a document comes and goes; otherwise every read counts as a new one.",
    )
    frame_gap_s: float = Field(0.5, gt=0, le=5, description="Silence inside a frame after which it is torn (or ended).")
    image_limit_bytes: int = Field(IMAGE_LIMIT_BYTES, ge=1024, le=IMAGE_LIMIT_BYTES, description="Largest image taken.")


_EVENTS = {DocumentPresented, DocumentRemoved, MrzRead, ReadFailed}


class MrzSerialReader(SupervisedDriver):
    """A supervised document reader; `capabilities` holds `read_again` when it takes commands."""

    device_class = DeviceClass.DOCUMENT_READER

    def __init__(self, name: str, options: MrzSerialOptions, sink: EventSink, clock: Clock) -> None:
        timing = (
            options.timing() if options.has_packets else Timing(None, None, backoff_cap_s=options.reconnect_limit_s)
        )
        super().__init__(name, timing, sink, clock)
        self.gap_s = options.frame_gap_s
        self.capabilities = frozenset({"read_again", "images"} if options.has_packets else ())
        self.events = frozenset(_EVENTS | {DocumentImage} if options.has_packets else _EVENTS)
        self._options = options
        profile = Profile(options.start, options.separator, options.end, options.has_packets)
        self._codec = DocumentReaderCodec(profile, options.image_limit_bytes)
        self._is_presented = False
        self._was_read = False
        self._read_missed = asyncio.Event()

    @property
    def source(self) -> LinkSource:
        """The serial port."""
        return self._options.port()

    def opened(self) -> None:
        """Forget a frame that the last connection left unfinished."""
        self._codec.reset()

    async def probe(self) -> None:
        """Ask for the status."""
        if self._options.has_packets:
            await self.link.write(self._codec.encode(StatusQuery()))

    async def converse(self) -> None:
        """Ask for the read that a lost connection swallowed while the document stayed on the glass."""
        while True:
            await self._read_missed.wait()
            self._read_missed.clear()
            await self.link.write(self._codec.encode(ReadAgain()))

    async def read_again(self) -> None:
        """Ask for another read of the document on the glass. Raises `Unsupported`, `NotReady` or a link fault."""
        if "read_again" not in self.capabilities:
            raise Unsupported(f"{self.name} takes no commands")
        await self.link.write(self._codec.encode(ReadAgain()))

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Report what the bytes mean; a frame that is none is recorded."""
        messages = self._codec.feed(chunk)
        has_sense = [self._report(message, t_mono_s) for message in messages]
        return any(has_sense) or self._codec.is_inside_packet

    def gap(self, t_mono_s: float) -> None:
        """End or tear what was unfinished when the line fell silent."""
        for message in self._codec.silence():
            self._report(message, t_mono_s)

    def _report(self, message: Message | BadFrame, t_mono_s: float) -> bool:
        if isinstance(message, BadFrame):
            self.reporter.record(message.fault())
            self.reporter.emit(ReadFailed(message.reason), t_mono_s)
            return False
        if isinstance(message, StatusQuery | ReadAgain):
            return False  # an echoing line sends our own words back: no sign of life
        self.declare_ready()
        self.reporter.clear()
        if isinstance(message, Presence | Status):
            self._presence(t_mono_s, is_presented=message.is_presented)
            if isinstance(message, Status) and message.is_presented and not self._was_read:
                self._read_missed.set()
        elif isinstance(message, MrzLines):
            if not self._options.reports_presence:
                self._is_presented = False
            self._presence(t_mono_s, is_presented=True)
            self._was_read = True
            self.reporter.emit(MrzRead(message.lines), t_mono_s, message.raw)
        elif isinstance(message, ImageSent):
            self._was_read = self._was_read or message.role != "portrait"  # some readers send pictures and no lines
            self.reporter.emit(DocumentImage(message.role, message.media_type, message.content), t_mono_s)
        return True

    def _presence(self, t_mono_s: float, *, is_presented: bool) -> None:
        """Report a change only: a status after a reconnection tells what happened meanwhile."""
        if is_presented is not self._is_presented:
            self._is_presented = is_presented
            self._was_read = False
            self.reporter.emit(DocumentPresented() if is_presented else DocumentRemoved(), t_mono_s)


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> MrzSerialReader:
    """Return the driver. Raises `OptionsRefused`."""
    return MrzSerialReader(name, MrzSerialOptions.read(name, options), sink, clock)
