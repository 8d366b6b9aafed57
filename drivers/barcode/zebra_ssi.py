"""`zebra_ssi`: a decoder that speaks Zebra's Simple Serial Interface (Zebra, Motorola and Datalogic engines) on a serial port or USB-CDC.

Every symbol is acknowledged, so that the decoder sends a lost one again; what it repeats is told once. The decoder says at the start which
commands it takes; the others are refused as `Unsupported` without asking it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

from pydantic import Field

from drivers.barcode.line_codec import PAYLOAD_LIMIT_BYTES, SYMBOLOGIES, split_aim_id
from drivers.barcode.reader import BarcodeReader
from drivers.barcode.ssi_attributes import ANNOUNCEMENT, AttributeValue, attribute_request, parse_attributes
from drivers.barcode.ssi_packets import HOST, PERMANENT, RETRANSMITTED, Opcode, Packet, SsiCodec
from drivers.barcode.ssi_parameters import ParameterValue, parameter_request, parameters_content, parse_parameters
from drivers.barcode.ssi_segments import Decoded, SegmentAssembly
from drivers.codec import BadFrame
from drivers.contracts import BarcodeRead, Clock, DeviceState, EventSink
from drivers.dialogue import Dialogue
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged, LinkLost
from drivers.options import HexBytes, SerialOptions
from drivers.supervisor import LinkSource

Meaning = TypeVar("Meaning")

RETRANSMISSION_S = 10.0  # a decoder waits at most 9.9 s for an acknowledgement before it sends a symbol again
RESEND = 1
_CAUSES = {1: "it wants it once more", 2: "not in this state", 6: "denied"}
_COMMANDS: dict[str, set[int]] = {
    "trigger": {Opcode.START_SESSION, Opcode.STOP_SESSION},
    "beep": {Opcode.BEEP},
    "light": {Opcode.LED_ON, Opcode.LED_OFF},
    "enable": {Opcode.SCAN_ENABLE, Opcode.SCAN_DISABLE},
    "parameters": {Opcode.PARAMETERS, Opcode.PARAMETER_REQUEST},
    "attributes": {Opcode.MANAGEMENT},
}
_ANSWERS = {
    *(Opcode.ACKNOWLEDGED, Opcode.REFUSED, Opcode.CAPABILITIES_REPLY, Opcode.PARAMETERS, Opcode.MANAGEMENT),
}
_SYMBOLOGIES = {
    0x01: "Code 39",
    0x02: "Codabar",
    0x03: "Code 128",
    0x06: "ITF",
    0x07: "Code 93",
    0x08: "UPC-A",
    0x09: "UPC-E",
    0x0A: "EAN-8",
    0x0B: "EAN-13",
    0x0F: "Code 128 (GS1)",
    0x11: "PDF417",
    0x1B: "Data Matrix",
    0x1C: "QR",
    0x2D: "Aztec",
}


class ZebraSsiOptions(SerialOptions):
    """Options of `zebra_ssi`."""

    baud: int = Field(9600, ge=300, le=4_000_000, description="Bits per second.")
    acknowledges: bool = Field(
        default=True, description="Acknowledge each symbol; off for a decoder whose software handshake is off."
    )
    has_aim_id: bool = Field(default=False, description="The decoder sends the AIM identifier before the payload.")
    payload_limit_bytes: int = Field(
        PAYLOAD_LIMIT_BYTES, ge=1, le=PAYLOAD_LIMIT_BYTES, description="Longest payload taken."
    )
    frame_gap_s: float = Field(0.1, gt=0, le=5, description="Silence inside a packet after which it is torn.")
    reply_timeout_s: float = Field(1.0, gt=0, le=10, description="Longest wait for the answer to a command.")
    light_mask: int = Field(0x01, ge=1, le=0xFF, description="Lights that show a good read, one bit each.")
    segment_acknowledgement: HexBytes = Field(
        b"\x74", min_length=1, max_length=1, description="Opcode that acknowledges one segment of a long symbol."
    )


class ZebraSsiReader(BarcodeReader[Packet]):
    """A supervised SSI decoder. `revision` is what it told about itself, `capabilities` the commands it said to take."""

    codec: SsiCodec

    def __init__(self, name: str, options: ZebraSsiOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.gap_s = options.frame_gap_s
        self.capabilities = frozenset(_COMMANDS)
        self.revision = ""
        self._options = options
        self.codec = SsiCodec()
        self._assembly = SegmentAssembly(options.payload_limit_bytes)
        self._dialogue: Dialogue[Packet] = Dialogue(name, options.reply_timeout_s)
        self._owed: asyncio.Queue[Packet] = asyncio.Queue()
        self._told: tuple[int, float] | None = None  # a hash: what a symbol held is not kept
        self._is_introduced = asyncio.Event()
        self._has_announced = False

    @property
    def source(self) -> LinkSource:
        """The serial port."""
        return self._options.port()

    def opened(self) -> None:
        """Forget what the last connection left unfinished, and what was owed and answered there."""
        super().opened()
        self._assembly = SegmentAssembly(self._options.payload_limit_bytes)
        self._dialogue.failed(LinkLost(f"{self.name} went away before it answered"))
        self._owed = asyncio.Queue()
        self._is_introduced = asyncio.Event()
        self._has_announced = False

    async def probe(self) -> None:
        """Ask for the revision; nothing while an answer is awaited anyway."""
        if not self._dialogue.is_waiting:
            await self._write(Packet(Opcode.REVISION_REQUEST, source=HOST))

    async def converse(self) -> None:
        """Learn what the decoder takes, and send what is owed to it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._learn_commands())
            group.create_task(self._pay())

    async def _learn_commands(self) -> None:
        """Ask once; a decoder that does not say it is taken to know every command, and refuses what it does not."""
        self.capabilities = frozenset(_COMMANDS)
        await self._is_introduced.wait()
        with suppress(DeviceRefused, DeviceSilent):
            answer = await self._ask(Opcode.CAPABILITIES_REQUEST, b"", {Opcode.CAPABILITIES_REPLY})
            offered = set(answer.content[4:])  # behind the baud rates (u16) and two bytes of features
            self.capabilities = frozenset(name for name, needs in _COMMANDS.items() if needs <= offered)

    async def _pay(self) -> None:
        while True:
            await self._write(await self._owed.get())

    # ---- commands

    async def trigger(self, *, on: bool) -> None:
        """Start or stop a decoding session. Raises `Unsupported`, `NotReady`, `DeviceRefused`, `DeviceSilent` or a link fault."""
        self.need("trigger")
        await self._command(Opcode.START_SESSION if on else Opcode.STOP_SESSION)

    async def beep(self, code: int = 0) -> None:
        """Sound one of the decoder's tones (0 to 255, as its manual numbers them). Raises as `trigger` does."""
        self.need("beep")
        await self._command(Opcode.BEEP, bytes([code]))

    async def light(self, *, on: bool) -> None:
        """Switch the configured lights. Raises as `trigger` does."""
        self.need("light")
        await self._command(Opcode.LED_ON if on else Opcode.LED_OFF, bytes([self._options.light_mask]))

    async def enable(self, *, on: bool) -> None:
        """Let the decoder scan, or not. Raises as `trigger` does."""
        self.need("enable")
        await self._command(Opcode.SCAN_ENABLE if on else Opcode.SCAN_DISABLE)

    async def parameters(self, *numbers: int) -> dict[int, ParameterValue]:
        """Return parameters by number, all of them when none is named. Raises as `trigger` does, and ValueError for a number."""
        self.need("parameters")
        answer = await self._ask(Opcode.PARAMETER_REQUEST, parameter_request(numbers), {Opcode.PARAMETERS})
        return _understood(parse_parameters, answer)

    async def set_parameters(self, parameters: Mapping[int, int], *, is_permanent: bool = False) -> None:
        """Set parameters, until the next power-up unless permanently. Raises as `parameters` does."""
        self.need("parameters")
        await self._command(Opcode.PARAMETERS, parameters_content(parameters), status=PERMANENT if is_permanent else 0)

    async def attributes(self, *numbers: int) -> dict[int, AttributeValue]:
        """Return management attributes by number. Raises as `parameters` does."""
        self.need("attributes")
        if not self._has_announced:
            await self._ask(Opcode.MANAGEMENT, ANNOUNCEMENT, {Opcode.MANAGEMENT})
            self._has_announced = True
        answer = await self._ask(Opcode.MANAGEMENT, attribute_request(numbers), {Opcode.MANAGEMENT})
        return _understood(parse_attributes, answer)

    async def _command(self, opcode: Opcode, content: bytes = b"", *, status: int = 0) -> None:
        await self._ask(opcode, content, {Opcode.ACKNOWLEDGED}, status)

    async def _ask(self, opcode: Opcode, content: bytes, wanted: set[Opcode], status: int = 0) -> Packet:
        """Send a command until it is answered, at most twice."""
        asked = (Packet(opcode, content, HOST, status), Packet(opcode, content, HOST, status | RETRANSMITTED))
        answers = wanted | {Opcode.REFUSED}
        refused: int | None = None
        for packet in asked:
            try:
                answer = await self._dialogue.ask(
                    self.link, self.codec.encode(packet), lambda answer: answer.opcode in answers
                )
            except DeviceSilent:
                if packet is asked[-1]:
                    raise
                continue
            if answer.opcode != Opcode.REFUSED:
                return answer
            refused = int.from_bytes(answer.content[:1], "big")
            if refused != RESEND:
                break
        cause = _CAUSES.get(refused or 0, f"cause {refused}")
        raise DeviceRefused(f"{self.name} refused {opcode.name.lower()}: {cause}")

    async def _write(self, packet: Packet) -> None:
        await self.link.write(self.codec.encode(packet))

    # ---- what arrives

    def take(self, message: Packet | BadFrame, t_mono_s: float) -> bool:
        """Report symbols; bytes that are no packet are recorded, and the decoder is asked to send them once more."""
        if isinstance(message, BadFrame):
            self._assembly.doubt()
            self._damaged(message, t_mono_s)
            return False
        if message.source == HOST:
            return False  # an echoing line sends our own words back: no sign of life
        match message.opcode:
            case Opcode.DECODED:
                return self._symbols([*self._assembly.abandon(), *_single(message)], message, t_mono_s)
            case Opcode.SEGMENT:
                return self._symbols(self._assembly.add(message), message, t_mono_s)
            case Opcode.REVISION_REPLY:
                self.revision = message.content.decode("ascii", "replace").strip()
                self._is_introduced.set()
            case Opcode.EVENT:
                self._acknowledge(Opcode.ACKNOWLEDGED)
            case opcode if opcode in _ANSWERS:
                self._dialogue.answered(message)
            case _:
                return False
        self.declare_ready()
        return True

    def _symbols(self, found: list[Decoded | BadFrame], packet: Packet, t_mono_s: float) -> bool:
        """Report what a packet completed, then acknowledge it."""
        self.declare_ready()
        is_damaged = False
        for one in found:
            if isinstance(one, Decoded) and len(one.content) > self._options.payload_limit_bytes:
                self.drop(BadFrame("symbol too long", len(one.content), is_too_long=True), t_mono_s)
            elif isinstance(one, Decoded):
                self._tell_once(one, t_mono_s, is_retransmitted=packet.is_retransmitted)
            else:
                is_damaged = not one.is_too_long
                self.drop(one, t_mono_s)
        if is_damaged and packet.opcode == Opcode.SEGMENT and not self._assembly.is_open:
            self._refuse()
        else:
            self._acknowledge(
                self._options.segment_acknowledgement[0] if self._assembly.is_open else Opcode.ACKNOWLEDGED
            )
        return True

    def _tell_once(self, symbol: Decoded, t_mono_s: float, *, is_retransmitted: bool) -> None:
        """Report a symbol, unless it is the last one again because our acknowledgement was lost."""
        if is_retransmitted and self._told is not None:
            told, told_s = self._told
            if told == hash(symbol) and t_mono_s - told_s <= RETRANSMISSION_S:
                return
        self._told = (hash(symbol), t_mono_s)
        # A type that is not listed is taken for one-dimensional: only against something expected.
        symbology = _SYMBOLOGIES.get(symbol.barcode_type, f"Code of SSI type {symbol.barcode_type:02X}")
        aim_id, payload = "", symbol.content
        if self._options.has_aim_id:
            aim_id, payload = split_aim_id(symbol.content)
            symbology = SYMBOLOGIES.get(aim_id[1:2], symbology)
        if not payload or (self._options.has_aim_id and not aim_id):
            self.drop(BadFrame("symbol without AIM identifier" if payload else "empty symbol", len(payload)), t_mono_s)
            return
        self.tell(BarcodeRead(payload, symbology, aim_id), t_mono_s)

    def _damaged(self, bad: BadFrame, t_mono_s: float) -> None:
        self.drop(bad, t_mono_s)
        if self.state is DeviceState.READY:
            self._refuse()

    def _acknowledge(self, opcode: int) -> None:
        if self._options.acknowledges:
            self._owe(opcode)

    def _refuse(self) -> None:
        if self._options.acknowledges:
            self._owe(Opcode.REFUSED, bytes([RESEND]))

    def _owe(self, opcode: int, content: bytes = b"") -> None:
        """Send soon; nothing when bytes of a tape are replayed."""
        if self._link is not None:
            self._owed.put_nowait(Packet(opcode, content, HOST))


def _single(packet: Packet) -> Iterable[Decoded | BadFrame]:
    if len(packet.content) < 2:  # the type and at least one byte
        yield BadFrame("empty symbol", len(packet.content))
    else:
        yield Decoded(packet.content[0], packet.content[1:])


def _understood(parse: Callable[[bytes], Meaning], answer: Packet) -> Meaning:
    try:
        return parse(answer.content)
    except ValueError as error:
        raise FrameDamaged(f"the answer is none: {error}") from error


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> ZebraSsiReader:
    """Return the driver. Raises `OptionsRefused`."""
    return ZebraSsiReader(name, ZebraSsiOptions.read(name, options), sink, clock)
