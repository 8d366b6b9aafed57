"""Jointech JT701/JT709 codec, sans-IO: the stream splitter, the binary `$` frame and the choice of the answer.

Binary frame, big-endian: `24`, device id (10 BCD digits), [protocol version], device type and data type nibbles, length u16,
records, frame index. Total = length + 10 in both forms. The long form (byte 8 is 00) carries the lock status word; the short form
of older units carries positions only. The text form `( … )` is in `jointech_text`. Neither form has a checksum.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from drivers.seal_tracker import jointech_text
from drivers.seal_tracker.codec import FRAME_LIMIT_BYTES
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import (
    ACK_REQUIRED,
    DecodedFrame,
    SealEvent,
    alarm_kinds,
    standing_attributes,
    status_attributes,
)
from drivers.seal_tracker.jointech_fix import FIX_BYTES, Fix, decode_fix, encode_fix, fix_event, is_bcd
from drivers.seal_tracker.reading import Attributes

BINARY_MARK = 0x24  # $
TEXT_START = 0x28  # (
TEXT_END = 0x29  # )

_ESCAPES = {0x15: 0x28, 0x14: 0x29, 0x11: 0x2C, 0x00: 0x3D}
_LONG_TAIL = struct.Struct(">IB4sHBHHB")  # mileage, satellites, vehicle id, status, battery, cell id, LAC, GSM
_SHORT_TAIL_BYTES = {1: 10, 2: 10}  # by data nibble of the type byte: position tracker, vehicle tracker
_ACK_BY_INDEX_VERSION = 0x19
BATTERY_CHARGING = 0xFF


@dataclass(frozen=True, slots=True)
class LockFrame:
    """A binary frame of the long form. `extension` is what the protocol version adds after the GSM byte, undecoded."""

    seal_id: str
    protocol_version: int
    type_byte: int
    fix: Fix
    mileage_km: int
    satellites: int
    vehicle_id: bytes
    status: int
    battery_percent: int
    cell_id: int
    location_area: int
    gsm: int
    extension: bytes
    index: int


@dataclass(frozen=True, slots=True)
class PositionFrame:
    """A binary frame of the short form: one or more positions, each with the undecoded rest of its record."""

    seal_id: str
    type_byte: int
    records: tuple[tuple[Fix, bytes], ...]
    index: int


def unwrap(frame: bytes) -> bytes:
    """Return a frame as the decoder takes it: the text form un-escaped."""
    return unescape(frame) if frame[0] == TEXT_START else frame


def normalise(captured: bytes) -> bytes:
    """Return the frame un-escaped. Captures exist in both forms; a bare `(` or `)` inside tells that the escapes are undone already."""
    inner = captured[1:-1]
    if captured[:1] == b"(" and b"(" not in inner and b")" not in inner:
        return unescape(captured)
    return captured


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the frame at the start, 0 when none starts here, None when more bytes are needed to tell."""
    if pending[0] in b"\r\n":
        return -1
    if pending[0] == BINARY_MARK:
        return _binary_size(pending)
    if pending[0] == TEXT_START:
        return _text_size(pending)
    return 0


def _text_size(pending: bytearray) -> int | None:
    if len(pending) > 1 and not (chr(pending[1]).isascii() and chr(pending[1]).isalnum()):
        return 0
    end = pending.find(TEXT_END, 0, FRAME_LIMIT_BYTES)
    if pending.find(TEXT_START, 1, end if end > 0 else FRAME_LIMIT_BYTES) > 0:
        return 0  # a bare start byte inside: the first message was torn off
    if end > 0:
        return end + 1
    return 0 if len(pending) >= FRAME_LIMIT_BYTES else None


def _binary_size(pending: bytearray) -> int | None:
    if not is_bcd(bytes(pending[1:6])):
        return 0
    if len(pending) < 9:
        return None
    is_long = pending[8] == 0
    content = 10 if is_long else 9
    if not is_bcd(bytes(pending[content : content + 6])):
        return 0
    if len(pending) < 10:
        return None
    length = int.from_bytes(pending[8:10] if is_long else pending[7:9], "big")
    size = length + 10
    if size < content + FIX_BYTES + 1 or size > FRAME_LIMIT_BYTES:
        return 0
    return size if len(pending) >= size else None


def unescape(frame: bytes) -> bytes:
    """Undo the escapes of the text form (`3D 15` is `(`, `3D 14` is `)`, `3D 11` is `,`, `3D 00` is `=`); others stay as they are."""
    out = bytearray()
    at = 0
    while at < len(frame):
        byte = frame[at]
        if byte == 0x3D and at + 1 < len(frame) and frame[at + 1] in _ESCAPES:
            out.append(_ESCAPES[frame[at + 1]])
            at += 2
        else:
            out.append(byte)
            at += 1
    return bytes(out)


def escape(inner: bytes) -> bytes:
    """Escape the binary part of a text message; `unescape(escape(x)) == x`."""
    codes = {plain: code for code, plain in _ESCAPES.items()}
    return b"".join(bytes((0x3D, codes[byte])) if byte in codes else bytes((byte,)) for byte in inner)


def decode(frame: bytes) -> DecodedFrame:
    """Return what one un-escaped frame says and the answer it is owed. Raises `SealFrameRejected`."""
    if frame[:1] == b"(":
        return jointech_text.decode(frame)
    message = decode_binary(frame)
    if isinstance(message, PositionFrame):
        events = tuple(fix_event(fix, _short_attributes(message.type_byte, rest)) for fix, rest in message.records)
        return DecodedFrame(message.seal_id, "position", events)
    return DecodedFrame(message.seal_id, "lock", _lock_events(message), lock_answer(message))


def _short_attributes(type_byte: int, rest: bytes) -> Attributes:
    """Return what is known of the rest of a short record: the position tracker's satellites, power and altitude."""
    attributes: Attributes = (("data_type", str(type_byte & 0x0F)), ("record", rest.hex()))
    if type_byte >> 4 == 1 and len(rest) == _SHORT_TAIL_BYTES[1]:
        altitude = int.from_bytes(rest[3:5], "big", signed=True)
        attributes += (("satellites", str(rest[0])), ("battery_percent", str(rest[1])), ("altitude_m", str(altitude)))
    return attributes


def lock_answer(frame: LockFrame) -> bytes:
    """Return the acknowledgement that a lock frame asks for (status bit 5), empty when it asks for none."""
    if not frame.status & ACK_REQUIRED:
        return b""
    if frame.protocol_version < _ACK_BY_INDEX_VERSION:
        return b"(P35)"
    return b"(P69,0,%d)" % frame.index


def _lock_events(frame: LockFrame) -> tuple[SealEvent, ...]:
    is_charging = frame.battery_percent == BATTERY_CHARGING
    attributes = (
        *status_attributes(frame.status),
        *standing_attributes(frame.status),
        ("battery_percent", "" if is_charging else str(frame.battery_percent)),
        ("charging", "true" if is_charging else "false"),
        ("mileage_km", str(frame.mileage_km)),
        ("satellites", str(frame.satellites)),
        ("cell_id", str(frame.cell_id)),
        ("location_area", str(frame.location_area)),
        ("gsm", str(frame.gsm)),
        ("protocol_version", f"{frame.protocol_version:02x}"),
        ("index", str(frame.index)),
    )
    base = fix_event(frame.fix, attributes)
    kinds = alarm_kinds(frame.status)
    events = [base]
    events += [
        SealEvent(kind, True, base.device_time, base.latitude_deg, base.longitude_deg, attributes) for kind in kinds
    ]
    if is_charging:
        events.append(SealEvent("charging", False, base.device_time, base.latitude_deg, base.longitude_deg, attributes))
    return tuple(events)


def decode_binary(frame: bytes) -> LockFrame | PositionFrame:
    """Return the fields of one binary frame. Raises `SealFrameRejected` naming the field that is wrong."""
    if len(frame) < 28 or frame[0] != BINARY_MARK:
        raise SealFrameRejected("not a binary frame: shorter than 28 bytes or does not start with 24")
    if not is_bcd(frame[1:6]):
        raise SealFrameRejected("device id is not decimal")
    seal_id = frame[1:6].hex()
    is_long = frame[8] == 0
    length = int.from_bytes(frame[8:10] if is_long else frame[7:9], "big")
    if length + 10 != len(frame):
        raise SealFrameRejected(f"length field says {length + 10} bytes, frame has {len(frame)}")
    if not is_long:
        return PositionFrame(seal_id, frame[6], _short_records(frame[9:-1], frame[6]), frame[-1])
    content = frame[10:-1]
    if len(content) < FIX_BYTES + _LONG_TAIL.size:
        raise SealFrameRejected(f"content of {len(content)} bytes holds no lock record")
    mileage, satellites, vehicle, status, battery, cell, area, gsm = _LONG_TAIL.unpack_from(content, FIX_BYTES)
    if battery > 100 and battery != BATTERY_CHARGING:
        raise SealFrameRejected(f"battery {battery} is neither a percentage nor FF (charging)")
    return LockFrame(
        seal_id=seal_id,
        protocol_version=frame[6],
        type_byte=frame[7],
        fix=decode_fix(content[:FIX_BYTES]),
        mileage_km=mileage,
        satellites=satellites,
        vehicle_id=vehicle,
        status=status,
        battery_percent=battery,
        cell_id=cell,
        location_area=area,
        gsm=gsm,
        extension=content[FIX_BYTES + _LONG_TAIL.size :],
        index=frame[-1],
    )


def encode_lock_frame(frame: LockFrame) -> bytes:
    """Return the bytes a tracker sends for a long-form frame; `decode_binary` gives the same fields back."""
    tail = _LONG_TAIL.pack(
        frame.mileage_km,
        frame.satellites,
        frame.vehicle_id,
        frame.status,
        frame.battery_percent,
        frame.cell_id,
        frame.location_area,
        frame.gsm,
    )
    content = encode_fix(frame.fix) + tail + frame.extension + bytes((frame.index,))
    if len(content) > 255:
        raise SealFrameRejected("a long-form frame carries at most 255 bytes")
    head = bytes((BINARY_MARK,)) + bytes.fromhex(frame.seal_id) + bytes((frame.protocol_version, frame.type_byte))
    return head + len(content).to_bytes(2, "big") + content


def _short_records(content: bytes, type_byte: int) -> tuple[tuple[Fix, bytes], ...]:
    rest = _SHORT_TAIL_BYTES.get(type_byte >> 4)
    size = FIX_BYTES + rest if rest is not None else 0
    if not size or len(content) % size:  # layout of the rest unknown: one position, the rest kept as it is
        return ((decode_fix(content[:FIX_BYTES]), content[FIX_BYTES:]),)
    return tuple(
        (decode_fix(content[at : at + FIX_BYTES]), content[at + FIX_BYTES : at + size])
        for at in range(0, len(content), size)
    )
