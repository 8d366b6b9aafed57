"""A virtual aircraft behind a TCP port: heartbeats by itself, telemetry when it flies. Its encoder knows telemetry and nothing else."""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod

from drivers.twin import SlowSwitches, TcpTwin
from drivers.uav.mavlink import CRC_EXTRA, START_1, START_2, MessageId, checksum

QUADROTOR, ARDUPILOT, ACTIVE, DIALECT_VERSION = 2, 3, 4, 3
ARMED = struct.pack("<IBBBBB", 0, QUADROTOR, ARDUPILOT, 0xD1, ACTIVE, DIALECT_VERSION)


def encode(
    message: MessageId,
    payload: bytes,
    *,
    version: int = 2,
    system_id: int = 1,
    sequence: int = 0,
    component_id: int = 1,
) -> bytes:
    """Return a telemetry frame; version 2 leaves zeros at the payload's end out, but never the first byte."""
    if version == 1:
        covered = bytes((len(payload), sequence, system_id, component_id, message)) + payload
        start = START_1
    else:
        sent = payload[:1] + payload[1:].rstrip(b"\0")
        covered = (
            bytes((len(sent), 0, 0, sequence, system_id, component_id, *int(message).to_bytes(3, "little"))) + sent
        )
        start = START_2
    return bytes((start,)) + covered + checksum(covered, CRC_EXTRA[message]).to_bytes(2, "little")


class _Aircraft(ABC):
    """What an aircraft says, whatever carries it."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._sequence = 0
        self._boot_ms = 0

    @abstractmethod
    def say(self, message: MessageId, payload: bytes) -> None:
        """Send one message to everybody who listens."""

    def framed(self, message: MessageId, payload: bytes) -> bytes:
        """Return the next frame."""
        frame = encode(message, payload, version=self._version, sequence=self._sequence)
        self._sequence = (self._sequence + 1) % 256
        return frame

    def fly(
        self,
        latitude_deg: float = 41.29,
        longitude_deg: float = 69.24,
        height_m: float = 60.0,
        *,
        battery_percent: int = 80,
    ) -> None:
        """Move: one second later the aircraft is there, and says so with its battery, fix and attitude."""
        self._boot_ms += 1000
        latitude, longitude = round(latitude_deg * 1e7), round(longitude_deg * 1e7)
        height_mm = round(height_m * 1000)
        self.say(
            MessageId.SYS_STATUS,
            struct.pack("<IIIHHhHHHHHHb", 0, 0, 0, 0, 15_800, -1, 0, 0, 0, 0, 0, 0, battery_percent),
        )
        self.say(
            MessageId.GPS_RAW_INT,
            struct.pack("<QiiiHHHHBB", self._boot_ms * 1000, latitude, longitude, height_mm, 90, 120, 300, 9000, 3, 11),
        )
        self.say(MessageId.ATTITUDE, struct.pack("<Iffffff", self._boot_ms, 0.0, 0.125, 0.0, 0.0, 0.0, 0.0))
        self.say(
            MessageId.GLOBAL_POSITION_INT,
            struct.pack(
                "<IiiiihhhH", self._boot_ms, latitude, longitude, 455_000 + height_mm, height_mm, 300, 400, 0, 9000
            ),
        )

    def tell(self, text: str, severity: int = 4) -> None:
        """Say a status text; `severity` 0 (emergency) to 7 (debug)."""
        self.say(MessageId.STATUSTEXT, struct.pack("<B50s", severity, text.encode()))


class MavlinkTwin(_Aircraft, TcpTwin):
    """One aircraft that whoever connects hears."""

    def __init__(self, *, port: int = 0, version: int = 2, heartbeat_s: float = 1.0, seed: int = 1) -> None:
        _Aircraft.__init__(self, version)
        TcpTwin.__init__(self, port=port, seed=seed)
        self._heartbeat_s = heartbeat_s
        self.heard_bytes = 0

    def say(self, message: MessageId, payload: bytes) -> None:
        """Send one message to everybody connected."""
        for writer in self._writers:
            self.send(writer, self.framed(message, payload))

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Beat until the other side leaves; count what it sends, which has to stay nothing."""
        beating = asyncio.create_task(self._beat(writer), name="aircraft beating")
        try:
            while chunk := await reader.read(4096):
                self.heard_bytes += len(chunk)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while True:
            self.send(writer, self.framed(MessageId.HEARTBEAT, ARMED))
            await asyncio.sleep(self._heartbeat_s)


class MavlinkUdpTwin(_Aircraft, SlowSwitches, asyncio.DatagramProtocol):
    """One aircraft whose telemetry comes as datagrams, one frame each, from a port of its own to the gate's."""

    def __init__(self, *, port: int, version: int = 2, heartbeat_s: float = 1.0, seed: int = 1) -> None:
        """`port`: the gate's, on 127.0.0.1."""
        _Aircraft.__init__(self, version)
        SlowSwitches.__init__(self, seed)
        self.port = port
        self._heartbeat_s = heartbeat_s
        self._transport: asyncio.DatagramTransport | None = None
        self._beating: asyncio.Task[None] | None = None
        self.heard_bytes = 0

    @property
    def is_plugged(self) -> bool:
        """True while the aircraft has a port to send from."""
        return self._transport is not None

    async def plug(self) -> None:
        """Begin to beat."""
        if self._transport is None:
            self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: self, local_addr=("127.0.0.1", 0)
            )
            self._beating = asyncio.create_task(self._beat(), name="aircraft beating")

    async def unplug(self) -> None:
        """Fall silent."""
        transport, self._transport = self._transport, None
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        if transport is not None:
            transport.close()

    def say(self, message: MessageId, payload: bytes) -> None:
        """Send one message, late where the twin is slow."""
        if not self._is_muted:
            self.send(self.altered(self.framed(message, payload)))

    def send(self, datagram: bytes) -> None:
        """Send any datagram."""
        asyncio.get_running_loop().call_later(self._delay_s, self._send_now, datagram)

    def datagram_received(self, content: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - the protocol's signature
        """Count what the gate sends, which has to stay nothing."""
        self.heard_bytes += len(content)

    def _send_now(self, datagram: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(datagram, ("127.0.0.1", self.port))

    async def _beat(self) -> None:
        while True:
            self.say(MessageId.HEARTBEAT, ARMED)
            await asyncio.sleep(self._heartbeat_s)
