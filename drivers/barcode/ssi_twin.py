"""A virtual SSI decoder on a pty: handshake, symbols in one or several packets, repeated until acknowledged, commands answered.

Like a real one it sets status bits that mean nothing to the host (80 on replies, 20 on symbols).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from drivers.barcode.ssi_attributes import ANNOUNCE, AttributeValue, attribute_reply
from drivers.barcode.ssi_packets import HOST, RETRANSMITTED, Opcode, Packet, SsiCodec
from drivers.barcode.ssi_parameters import ALL_PARAMETERS, parameters_content, parse_parameters
from drivers.barcode.ssi_segments import Decoded, segments_of
from drivers.codec import BadFrame
from drivers.twin import PtyTwin

REPLY, SYMBOL = 0x80, 0x20
ATTEMPTS = 3
DENIED, RESEND = 6, 1
SEGMENT_ACKNOWLEDGED = 0x74
QR = 0x1C
COMMANDS = (
    *(Opcode.START_SESSION, Opcode.STOP_SESSION, Opcode.BEEP, Opcode.LED_ON, Opcode.LED_OFF),
    *(Opcode.SCAN_ENABLE, Opcode.SCAN_DISABLE, Opcode.PARAMETERS, Opcode.PARAMETER_REQUEST),
    *(Opcode.REVISION_REQUEST, Opcode.CAPABILITIES_REQUEST, Opcode.MANAGEMENT),
)
PARAMETERS = {138: 8, 159: 1, 318: 1279}
ATTRIBUTES: Mapping[int, tuple[str, AttributeValue]] = {
    533: ("S", "EGATE-TWIN"),
    10061: ("AB", (0, 0, 1, 3, 2, 3)),
    402: ("B", 0),
}


class ZebraSsiTwin(PtyTwin):
    """Scans what it is told to and obeys; notes what it was asked for since it was plugged in."""

    def __init__(
        self,
        path: Path,
        *,
        commands: Iterable[int] = COMMANDS,
        retry_s: float = 0.2,
        is_acknowledged: bool = True,
        baud: int = 0,
        seed: int = 1,
    ) -> None:
        """`retry_s`: wait for an acknowledgement before a packet is sent again; a decoder without software handshake waits for none."""
        super().__init__(path, baud=baud, seed=seed)
        self._commands = frozenset(commands)
        self._retry_s = retry_s
        self._is_acknowledged = is_acknowledged
        self._codec = SsiCodec()
        self._waiting: deque[Packet] = deque()
        self._in_flight: Packet | None = None
        self._attempts = 0
        self._timer: asyncio.TimerHandle | None = None
        self.parameters = dict(PARAMETERS)
        self.asked: set[int] = set()
        self.is_triggered = False
        self.is_enabled = True
        self.lights = 0
        self.beeps: list[int] = []
        self.acknowledgements_to_lose = 0
        self.acknowledged_count = 0
        self.retransmitted_count = 0

    def scan(self, payload: bytes, barcode_type: int = QR) -> None:
        """Read a symbol; nothing while scanning is disabled."""
        if not self.is_enabled:
            return
        for packet in segments_of(Decoded(barcode_type, payload)):
            status = SYMBOL if packet.opcode == Opcode.DECODED else 0
            self._waiting.append(Packet(packet.opcode, packet.content, packet.source, status))
        self._next()

    def press(self) -> None:
        """Report the trigger button as an event."""
        self._waiting.append(Packet(Opcode.EVENT, b"\x20"))
        self._next()

    def plugged(self) -> None:
        """Start as after power-up."""
        self._codec.reset()
        self._waiting.clear()
        self._finish()
        self.asked.clear()
        self.is_triggered = False
        self.is_enabled = True
        self.lights = 0

    async def unplug(self) -> None:
        """Hang up; what was not acknowledged is forgotten."""
        self._waiting.clear()
        self._finish()
        await super().unplug()

    def heard(self, chunk: bytes) -> None:
        """Answer the host."""
        for message in self._codec.feed(chunk):
            if isinstance(message, BadFrame):
                self._answer(Opcode.REFUSED, bytes([RESEND]))
            elif message.source == HOST:
                self._obey(message)

    # ---- sending

    def _next(self) -> None:
        while self._waiting and self._in_flight is None:
            packet = self._waiting.popleft()
            if self._is_acknowledged:
                self._in_flight, self._attempts = packet, 0
            self._send(packet)

    def _send(self, packet: Packet) -> None:
        if not self.is_plugged:
            self._finish()
            return
        self._attempts += 1
        self.send(self._codec.encode(packet))
        if self._in_flight is not None:
            self._timer = asyncio.get_running_loop().call_later(self._retry_s, self._again)

    def _again(self) -> None:
        packet = self._in_flight
        self._stop_timer()
        if packet is None:
            return
        if self._attempts >= ATTEMPTS:
            self._waiting.clear()
            self._finish()
            return
        self.retransmitted_count += 1
        self._send(Packet(packet.opcode, packet.content, packet.source, packet.status | RETRANSMITTED))

    def _finish(self) -> None:
        self._stop_timer()
        self._in_flight = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answer(self, opcode: int, content: bytes = b"") -> None:
        self.send(self._codec.encode(Packet(opcode, content, status=REPLY)))

    # ---- obeying

    def _obey(self, message: Packet) -> None:
        content = message.content
        self.asked.add(message.opcode)
        match message.opcode:
            case opcode if opcode in {Opcode.ACKNOWLEDGED, SEGMENT_ACKNOWLEDGED}:
                self._acknowledged()
            case Opcode.REFUSED:
                self._again()
            case opcode if opcode not in self._commands:
                self._answer(Opcode.REFUSED, bytes([DENIED]))
            case Opcode.REVISION_REQUEST:
                self._answer(Opcode.REVISION_REPLY, b"EGATE TWIN 1")
            case Opcode.CAPABILITIES_REQUEST:
                self._answer(Opcode.CAPABILITIES_REPLY, b"\x00\xff\x01\x01" + bytes(sorted(self._commands)))
            case Opcode.PARAMETER_REQUEST:
                self._tell_parameters(content)
            case Opcode.MANAGEMENT:
                self._tell_attributes(content)
            case _:
                self._change(message)
                self._answer(Opcode.ACKNOWLEDGED)

    def _acknowledged(self) -> None:
        if self.acknowledgements_to_lose:
            self.acknowledgements_to_lose -= 1
            return
        self.acknowledged_count += 1
        self._finish()
        self._next()

    def _change(self, message: Packet) -> None:
        match message.opcode:
            case Opcode.START_SESSION | Opcode.STOP_SESSION:
                self.is_triggered = message.opcode == Opcode.START_SESSION
            case Opcode.SCAN_ENABLE | Opcode.SCAN_DISABLE:
                self.is_enabled = message.opcode == Opcode.SCAN_ENABLE
            case Opcode.LED_ON:
                self.lights |= message.content[0]
            case Opcode.LED_OFF:
                self.lights &= ~message.content[0]
            case Opcode.BEEP:
                self.beeps.append(message.content[0])
            case Opcode.PARAMETERS:
                values = parse_parameters(message.content)
                self.parameters |= {number: value for number, value in values.items() if isinstance(value, int)}

    def _tell_parameters(self, content: bytes) -> None:
        asked = self.parameters.keys() if content == ALL_PARAMETERS else parse_numbers(content)
        known = {number: self.parameters[number] for number in asked if number in self.parameters}
        self._answer(Opcode.PARAMETERS, parameters_content(known))

    def _tell_attributes(self, content: bytes) -> None:
        if content[2:3] == bytes([ANNOUNCE]):
            self._answer(Opcode.MANAGEMENT, b"\x00\x0a\x20\x00\x00\xf0\x00\xf0\xff\xff")
            return
        asked = [int.from_bytes(content[at : at + 2], "big") for at in range(4, len(content) - 2, 2)]
        known = {number: ATTRIBUTES[number] for number in asked if number in ATTRIBUTES}
        self._answer(Opcode.MANAGEMENT, attribute_reply(known))


def parse_numbers(content: bytes) -> list[int]:
    """Return the parameter numbers of a request."""
    # A request is a list of parameters without their values: give each a value of one byte, and read it as such.
    numbers: list[int] = []
    at = 0
    while at < len(content):
        size = 2 if content[at] >= 0xF0 else 1
        numbers += parse_parameters(b"\xff" + content[at : at + size] + b"\x00")
        at += size
    return numbers
