"""Galileosky, sans-IO: packet `01`, length u16, tags, CRC-16/MODBUS; `07` for parts of pictures. Little-endian.

A tag that comes again starts the next record. A packet is answered with `02` (a part of a picture with `07`) and its checksum. Source:
Galileosky protocol description, list of tags.
"""

from __future__ import annotations

import struct

from drivers.checksums import crc16_arc
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.fields import shown_bytes, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Reading, from_epoch, message_event, reading_events

FRAME_LIMIT_BYTES = 2048
"""Units pack records into about 1000 bytes. The start mark is weak: a longer length is a start that is none."""

RECORDS, PICTURE = 0x01, 0x07
_LENGTH = 0x7FFF  # the highest bit says that the unit holds more
_CRC_START = 0xFFFF
_BY_SIZE = {
    1: bytes.fromhex("0102354305")
    + bytes(range(0x88, 0x8D))
    + bytes(range(0xA0, 0xB0))
    + bytes(range(0xC4, 0xD3))
    + b"\xd5",
    2: bytes.fromhex("041034404142454648")
    + bytes(range(0x50, 0x5A))
    + bytes(range(0x60, 0x63))
    + bytes(range(0x70, 0x78))
    + bytes(range(0xB0, 0xBA))
    + bytes(range(0xD6, 0xDB)),
    3: b"\x5d" + bytes(range(0x63, 0x70)),
    4: bytes.fromhex("203344475a90c0c1c2c3d3d4e0")
    + bytes(range(0xDB, 0xE0))
    + bytes(range(0xE2, 0xEA))
    + bytes(range(0xF0, 0xFA)),
    7: b"\x5b",
    9: b"\x30",
    15: b"\x03",
    68: b"\x5c",
}
_SIZE_OF_TAG = {tag: size for size, tags in _BY_SIZE.items() for tag in tags}
_WITH_LENGTH = (0xE1, 0xEA)
_EXTENDED = 0xFE


def frame_size(pending: bytearray) -> int | None:
    """Return the size that the header tells; a packet whose checksum does not hold starts nothing."""
    if pending[0] not in {RECORDS, PICTURE}:
        return 0
    if len(pending) < 3:
        return None
    size = (int.from_bytes(pending[1:3], "little") & _LENGTH) + 5
    if len(pending) >= size and not _is_right(bytes(pending[:size])):
        return 0
    return size


def _is_right(frame: bytes) -> bool:
    return crc16_arc(frame[:-2], _CRC_START) == int.from_bytes(frame[-2:], "little")


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one packet says; `seal_id` is empty when it carries no IMEI. Raises `SealFrameRejected`."""
    if len(frame) < 5 or (int.from_bytes(frame[1:3], "little") & _LENGTH) + 5 != len(frame):
        raise SealFrameRejected("length of the packet does not hold")
    if not _is_right(frame):
        raise SealFrameRejected(f"checksum {frame[-2:].hex()} does not hold")
    if frame[0] == PICTURE:
        return DecodedFrame("", "picture", (), bytes((PICTURE,)) + frame[-2:])
    seal_id, events, record = "", list[SealEvent](), _Record()
    at, end = 3, len(frame) - 2
    while at < end:
        tag = frame[at]
        if tag in record.values:
            events += record.events()
            record = _Record()
        start = at + 1
        size = _SIZE_OF_TAG.get(tag)
        if size is None:
            start, size = _told_size(frame, tag, start)
            if size < 0:
                break  # an unknown tag: where the next one starts is not known either
        at = start + size
        if at > end:
            raise SealFrameRejected(f"tag {tag:02x} ends behind the packet")
        record.values[tag] = content = frame[start:at]
        if tag == 0x03:
            seal_id = shown_bytes(content)
    events += record.events() or record.result()
    return DecodedFrame(seal_id, "records", tuple(events), b"\x02" + frame[-2:], is_login=bool(seal_id))


def encode(tags: bytes, kind: int = RECORDS) -> bytes:
    """Return a packet of finished tags."""
    packet = bytes((kind,)) + struct.pack("<H", len(tags)) + tags
    return packet + struct.pack("<H", crc16_arc(packet, _CRC_START))


def _told_size(frame: bytes, tag: int, at: int) -> tuple[int, int]:
    """Return where the content of a tag starts that tells its own size, and the size; below 0 for an unknown tag."""
    if tag in _WITH_LENGTH:
        return at + 1, frame[at]
    if tag == _EXTENDED:
        return at + 2, int.from_bytes(frame[at : at + 2], "little")
    return at, -1


class _Record:
    """The tags of one record."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[int, bytes] = {}

    def _number(self, tag: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.values.get(tag, b""), "little", signed=signed)

    def events(self) -> tuple[SealEvent, ...]:
        """Return the position; none when the record lacks place or time."""
        place = self.values.get(0x30)
        if place is None or 0x20 not in self.values:
            return ()
        flags, latitude, longitude = struct.unpack("<Bii", place)
        speed, course = struct.unpack("<HH", self.values.get(0x33, bytes(4)))
        reading = Reading(
            device_time=from_epoch(self._number(0x20)),
            is_valid=flags & 0xF0 == 0,
            latitude_deg=latitude / 1e6,
            longitude_deg=longitude / 1e6,
            altitude_m=self._number(0x34, signed=True),
            speed_knots=speed / 10 * KNOTS_PER_KMH,
            course_deg=course / 10,
        )
        attributes = [("satellites", str(flags & 0x0F)), ("status_word", f"{self._number(0x40):04x}")]
        attributes += [
            (name, f"{self._number(tag) / 1000:g}")
            for tag, name in ((0x41, "power_v"), (0x42, "battery_v"))
            if tag in self.values
        ]
        if self._number(0x90):
            attributes.append(("actor", str(self._number(0x90))))
        return reading_events(reading, tuple(attributes))

    def result(self) -> tuple[SealEvent, ...]:
        """Return the unit's answer to a command (tag E1)."""
        text = self.values.get(0xE1)
        return message_event((("result", shown_bytes(text, 256)),)) if text is not None else ()
