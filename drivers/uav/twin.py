"""A virtual aircraft behind a TCP port: heartbeats by itself, telemetry when it flies. Its encoder knows telemetry and nothing else."""

from __future__ import annotations

import asyncio
import struct

from drivers.twin import TcpTwin
from drivers.uav.mavlink import CRC_EXTRA, START_1, START_2, MessageId, checksum

QUADROTOR, ARDUPILOT, ACTIVE, DIALECT_VERSION = 2, 3, 4, 3


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


class MavlinkTwin(TcpTwin):
    """One aircraft that whoever connects hears."""

    def __init__(self, *, port: int = 0, version: int = 2, heartbeat_s: float = 1.0, seed: int = 1) -> None:
        super().__init__(port=port, seed=seed)
        self._version = version
        self._heartbeat_s = heartbeat_s
        self._sequence = 0
        self._boot_ms = 0
        self.heard_bytes = 0

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

    def say(self, message: MessageId, payload: bytes) -> None:
        """Send one message to everybody connected."""
        for writer in self._writers:
            self._say_to(writer, message, payload)

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
        armed = struct.pack("<IBBBBB", 0, QUADROTOR, ARDUPILOT, 0xD1, ACTIVE, DIALECT_VERSION)
        while True:
            self._say_to(writer, MessageId.HEARTBEAT, armed)
            await asyncio.sleep(self._heartbeat_s)

    def _say_to(self, writer: asyncio.StreamWriter, message: MessageId, payload: bytes) -> None:
        self.send(writer, encode(message, payload, version=self._version, sequence=self._sequence))
        self._sequence = (self._sequence + 1) % 256
