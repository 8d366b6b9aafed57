"""What the frames of one aircraft say together: its newest position with the battery, fix and attitude known by then, and its texts.

Fields and units are those of the MAVLink message set `common`; what a message calls unknown, or what cannot be, is None.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from drivers.surroundings import UavReported, UavText
from drivers.uav.mavlink import Frame, MessageId

AUTOPILOT_COMPONENT = 1
HAS_3D_FIX = 3
IS_ARMED = 0x80
UNKNOWN_16 = 0xFFFF
UNKNOWN_8 = 0xFF
CLOCK_MODULUS_MS = 1 << 32

_FORMATS = {
    MessageId.HEARTBEAT: struct.Struct("<IBBBBB"),
    MessageId.SYS_STATUS: struct.Struct("<IIIHHhHHHHHHb"),
    MessageId.GPS_RAW_INT: struct.Struct("<QiiiHHHHBB"),
    MessageId.ATTITUDE: struct.Struct("<Iffffff"),
    MessageId.GLOBAL_POSITION_INT: struct.Struct("<IiiiihhhH"),
    MessageId.STATUSTEXT: struct.Struct("<B50s"),
}
SIZES_BYTES = {message: layout.size for message, layout in _FORMATS.items()}


@dataclass(slots=True)
class Aircraft:
    """One system on the link; `absorb` takes its frames in order."""

    system_id: int
    report_interval_ms: int
    is_armed: bool | None = None
    battery_ratio: float | None = None
    battery_v: float | None = None
    has_fix: bool | None = None
    satellites: int | None = None
    roll_deg: float | None = None
    pitch_deg: float | None = None
    reported_ms: int | None = None

    def absorb(self, frame: Frame) -> UavReported | UavText | None:
        """Return what a frame gives to report. Raises ValueError when its payload is shorter than its message (version 1 only)."""
        message = MessageId(frame.message_id)
        layout = _FORMATS[message]
        if frame.version == 1 and len(frame.payload) < layout.size:
            raise ValueError(f"{message.name} with {len(frame.payload)} bytes")
        fields = layout.unpack(frame.payload[: layout.size].ljust(layout.size, b"\0"))
        match message:
            case MessageId.HEARTBEAT:
                self.is_armed = bool(fields[3] & IS_ARMED)
            case MessageId.SYS_STATUS:
                self.battery_v = None if fields[4] == UNKNOWN_16 else fields[4] / 1000
                self.battery_ratio = fields[12] / 100 if 0 <= fields[12] <= 100 else None
            case MessageId.GPS_RAW_INT:
                self.has_fix = fields[8] >= HAS_3D_FIX
                self.satellites = None if fields[9] == UNKNOWN_8 else fields[9]
            case MessageId.ATTITUDE:
                self.roll_deg, self.pitch_deg = (_degrees(angle) for angle in fields[1:3])
            case MessageId.GLOBAL_POSITION_INT:
                return self._position(fields)
            case MessageId.STATUSTEXT:
                return UavText(self.system_id, fields[0], _text(fields[1]))
        return None

    def _position(self, fields: tuple[int, ...]) -> UavReported | None:
        boot_ms, latitude, longitude, altitude_mm, height_mm, north_cm, east_cm, _, heading = fields
        # The aircraft's own clock: a replayed tape then gives the same reports.
        if self.reported_ms is not None and (boot_ms - self.reported_ms) % CLOCK_MODULUS_MS < self.report_interval_ms:
            return None
        self.reported_ms = boot_ms
        is_place = abs(latitude) <= 90 * 10**7 and abs(longitude) <= 180 * 10**7
        return UavReported(
            system_id=self.system_id,
            latitude=latitude / 1e7 if is_place else None,
            longitude=longitude / 1e7 if is_place else None,
            altitude_m=altitude_mm / 1000,
            height_m=height_mm / 1000,
            ground_speed_m_s=math.hypot(north_cm, east_cm) / 100,
            heading_deg=heading / 100 if heading < 36_000 else None,
            roll_deg=self.roll_deg,
            pitch_deg=self.pitch_deg,
            battery_ratio=self.battery_ratio,
            battery_v=self.battery_v,
            has_fix=self.has_fix,
            satellites=self.satellites,
            is_armed=self.is_armed,
        )


def _degrees(angle_rad: float) -> float | None:
    return math.degrees(angle_rad) if math.isfinite(angle_rad) else None


def _text(content: bytes) -> str:
    """Return a text of at most 50 bytes as it can be shown: what does not print is a space."""
    shown = content.partition(b"\0")[0].decode("utf-8", "replace")
    return "".join(one if one.isprintable() else " " for one in shown).strip()
