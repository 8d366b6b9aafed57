"""Jointech's 17-byte block of time, place, speed and course, which stands in every binary record and in slave sensor messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import SealEvent

FIX_BYTES = 17


@dataclass(frozen=True, slots=True)
class Fix:
    """Time and place as sent. Coordinates are unsigned counts of 1/10000 minute; hemisphere and validity stand in `flags`."""

    device_time: datetime
    latitude_e4min: int
    longitude_e4min: int
    flags: int
    speed_byte: int
    course_half_deg: int

    @property
    def speed_knots(self) -> int:
        """Two decimal digits, each in a nibble; vehicle units in the field send nibbles above 9, which count on."""
        return (self.speed_byte >> 4) * 10 + (self.speed_byte & 0x0F)

    @property
    def is_valid(self) -> bool:
        """Flag bit 0: the receiver had a fix."""
        return bool(self.flags & 1)

    @property
    def latitude_deg(self) -> float:
        """Degrees, north positive (flag bit 1)."""
        return self.latitude_e4min / 600_000 * (1 if self.flags & 2 else -1)

    @property
    def longitude_deg(self) -> float:
        """Degrees, east positive (flag bit 2)."""
        return self.longitude_e4min / 600_000 * (1 if self.flags & 4 else -1)


def decode_fix(block: bytes) -> Fix:
    """Return the 17-byte block of time, place, speed and course. Raises `SealFrameRejected`."""
    digits = block.hex()
    if len(block) != FIX_BYTES or not digits[:29].isdecimal():
        raise SealFrameRejected("time or place is not binary-coded decimal")
    day, month, year, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    try:
        device_time = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise SealFrameRejected(f"device time {digits[:12]} is no date: {error}") from error
    return Fix(
        device_time=device_time,
        latitude_e4min=_e4min(digits[12:20], 90),
        longitude_e4min=_e4min(digits[20:29], 180),
        flags=int(digits[29], 16),
        speed_byte=block[15],
        course_half_deg=block[16],
    )


def _e4min(digits: str, limit_deg: int) -> int:
    degrees, minutes_e4 = int(digits[:-6]), int(digits[-6:])
    if minutes_e4 >= 600_000 or degrees * 600_000 + minutes_e4 > limit_deg * 600_000:
        raise SealFrameRejected(f"coordinate {digits} is outside {limit_deg} degrees or has 60 minutes or more")
    return degrees * 600_000 + minutes_e4


def encode_fix(fix: Fix) -> bytes:
    """Return the 17-byte block of a fix."""
    latitude = f"{fix.latitude_e4min // 600_000:02d}{fix.latitude_e4min % 600_000:06d}"
    longitude = f"{fix.longitude_e4min // 600_000:03d}{fix.longitude_e4min % 600_000:06d}"
    text = f"{fix.device_time:%d%m%y%H%M%S}{latitude}{longitude}{fix.flags:x}{fix.speed_byte:02x}"
    return bytes.fromhex(text) + bytes((fix.course_half_deg,))


def is_bcd(content: bytes) -> bool:
    """Return whether every nibble is a decimal digit (an empty block is)."""
    digits = content.hex()
    return not digits or digits.isdecimal()


def fix_event(fix: Fix, attributes: tuple[tuple[str, str], ...]) -> SealEvent:
    """Return `position` with degrees, or `status` without a place when the receiver had no fix (it then sends 1 Jan 2000 and 0/0)."""
    if not fix.is_valid:
        return SealEvent("status", False, fix.device_time, None, None, attributes)
    motion = (("speed_knots", str(fix.speed_knots)), ("course_deg", str(fix.course_half_deg * 2)))
    return SealEvent("position", False, fix.device_time, fix.latitude_deg, fix.longitude_deg, (*motion, *attributes))
