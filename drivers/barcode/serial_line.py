"""`barcode_serial`: a bar code reader on a serial port or USB-CDC, one line per symbol. Defaults fit Honeywell imagers."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from drivers.barcode.line_codec import PAYLOAD_LIMIT_BYTES, LineCodec, LineProfile, Reply, Scan
from drivers.barcode.reader import BarcodeReader
from drivers.codec import BadFrame
from drivers.contracts import BarcodeRead, Clock, EventSink
from drivers.options import HexBytes, SerialOptions
from drivers.supervisor import LinkSource, Timing


class BarcodeSerialOptions(SerialOptions):
    """Options of `barcode_serial`; bytes in hex."""

    prefix: HexBytes = Field(b"", max_length=8, description="Bytes before each symbol; empty: none.")
    suffix: HexBytes = Field(
        b"\r", max_length=8, description="Bytes after each symbol, such as 0d, 0d0a or 03; empty: silence ends it."
    )
    has_aim_id: bool = Field(default=True, description="The reader sends the AIM identifier before the payload.")
    payload_limit_bytes: int = Field(
        PAYLOAD_LIMIT_BYTES, ge=1, le=PAYLOAD_LIMIT_BYTES, description="Longest payload taken."
    )
    frame_gap_s: float = Field(
        0.05, gt=0, le=5, description="Silence inside a symbol after which it is torn (or ended)."
    )
    trigger_on: HexBytes = Field(b"\x16T\r", max_length=32, description="Command that starts reading; empty: none.")
    trigger_off: HexBytes = Field(b"\x16U\r", max_length=32, description="Command that stops reading.")
    probe: HexBytes = Field(
        b"\x16M\rREVINF.",
        max_length=64,
        description="Command that asks for a sign of life; empty: the reader is never probed.",
    )
    reply_start: HexBytes = Field(b"REVINF", max_length=64, description="Beginning of the answer to the probe.")
    reply_end: HexBytes = Field(b"\x06.", max_length=8, description="End of the answer to the probe.")

    def profile(self) -> LineProfile:
        """Return the framing."""
        has_reply = bool(self.probe and self.reply_start and self.reply_end)
        return LineProfile(
            self.prefix,
            self.suffix,
            self.has_aim_id,
            self.payload_limit_bytes,
            self.reply_start if has_reply else b"",
            self.reply_end if has_reply else b"",
        )


class BarcodeSerialReader(BarcodeReader[Scan | Reply]):
    """A supervised bar code reader; `capabilities` holds `trigger` when it takes that command."""

    def __init__(self, name: str, options: BarcodeSerialOptions, sink: EventSink, clock: Clock) -> None:
        profile = options.profile()
        is_probed = bool(profile.reply_start)
        timing = options.timing() if is_probed else Timing(None, None, backoff_cap_s=options.reconnect_limit_s)
        super().__init__(name, timing, sink, clock)
        self.gap_s = options.frame_gap_s
        self.capabilities = frozenset({"trigger"} if options.trigger_on else ())
        self._options = options
        self._is_probed = is_probed
        self.codec = LineCodec(profile)

    @property
    def source(self) -> LinkSource:
        """The serial port."""
        return self._options.port()

    async def probe(self) -> None:
        """Ask for the revision."""
        if self._is_probed:
            await self.link.write(self._options.probe)

    async def trigger(self, *, on: bool) -> None:
        """Start or stop reading. Raises `Unsupported`, `NotReady` or a link fault."""
        self.need("trigger")
        await self.link.write(self._options.trigger_on if on else self._options.trigger_off)

    def take(self, message: Scan | Reply | BadFrame, t_mono_s: float) -> bool:
        """Report a symbol; a frame that is none is recorded."""
        if isinstance(message, BadFrame):
            self.drop(message, t_mono_s)
            return False
        if isinstance(message, Scan):
            self.tell(BarcodeRead(message.payload, message.symbology, message.aim_id), t_mono_s)
        else:
            self.declare_ready()
        return True


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> BarcodeSerialReader:
    """Return the driver. Raises `OptionsRefused`."""
    return BarcodeSerialReader(name, BarcodeSerialOptions.read(name, options), sink, clock)
