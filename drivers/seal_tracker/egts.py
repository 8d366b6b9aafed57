"""EGTS, sans-IO: transport packet with CRC-8 over its header and CRC-16 over its data, records, and the RESPONSE that acknowledges them.

All numbers are little-endian. A terminal tells its identity in TERM_IDENTITY, or stands as object id in its records. Source: Russian
national standard R 54619-2011 (transport) and order 285 of the Ministry of Transport (teledata). Packet and record numbers are echoed as
they came.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import datetime

from drivers.checksums import crc8_egts, crc16_false
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.fields import Cursor, shown_bytes, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Attributes, Reading, from_epoch, reading_events

FRAME_LIMIT_BYTES = 1 << 16
EPOCH_2010_S = 1_262_304_000
RESPONSE, APPDATA = 0, 1
AUTH_SERVICE, TELEDATA_SERVICE = 1, 2
RECORD_RESPONSE, TERM_IDENTITY, RESULT_CODE, POS_DATA, EXT_POS_DATA = 0, 1, 7, 16, 17
_HEAD_BYTES = (11, 16)  # without and with routing
_FULL_SCALE = 0xFFFFFFFF


def frame_size(pending: bytearray) -> int | None:
    """Return the size that the header tells; a header whose CRC-8 does not hold starts no packet."""
    if pending[0] != 1:
        return 0
    if len(pending) < 4:
        return None
    head = pending[3]
    if head not in _HEAD_BYTES:
        return 0
    if len(pending) < head:
        return None
    if crc8_egts(bytes(pending[: head - 1])) != pending[head - 1]:
        return 0
    payload = int.from_bytes(pending[5:7], "little")
    return head + payload + (2 if payload else 0)


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one packet says and the packets it is owed. Raises `SealFrameRejected`."""
    if frame_size(bytearray(frame[:16])) != len(frame):
        raise SealFrameRejected("checksum of the header or length of the packet does not hold")
    head = frame[3]
    packet_id, kind = struct.unpack_from("<HB", frame, 7)
    if head == len(frame):
        return DecodedFrame("", f"packet {kind}", ())
    payload, told = frame[head:-2], int.from_bytes(frame[-2:], "little")
    if (check := crc16_false(payload)) != told:
        raise SealFrameRejected(f"checksum {told:04x}, the data give {check:04x}")
    if kind != APPDATA:
        return DecodedFrame("", f"packet {kind}", ())
    return _records(packet_id, payload)


def encode(packet_id: int, kind: int, payload: bytes) -> bytes:
    """Return one packet without routing."""
    head = struct.pack("<BBBBBHHB", 1, 0, 0, 11, 0, len(payload), packet_id, kind)
    packet = head + bytes((crc8_egts(head),)) + payload
    return packet + struct.pack("<H", crc16_false(payload)) if payload else packet


def encode_record(number: int, service: int, content: bytes, object_id: int | None = None) -> bytes:
    """Return one record of a packet's data."""
    who = b"" if object_id is None else struct.pack("<I", object_id)
    return (
        struct.pack("<HHB", len(content), number, 0 if object_id is None else 1)
        + who
        + bytes((service, service))
        + content
    )


def encode_part(kind: int, content: bytes) -> bytes:
    """Return one sub-record of a record's content."""
    return struct.pack("<BH", kind, len(content)) + content


_RECORD_ANSWER = struct.Struct("<BHHB")  # kind, size, number of the record, result
_RECORD_HEAD = struct.Struct("<HHB")  # size, number, flags


def _records(packet_id: int, payload: bytes) -> DecodedFrame:
    body = Cursor(payload, order="little")
    told_by: list[tuple[str, tuple[SealEvent, ...]]] = []
    identity, last_object = "", ""
    answers: dict[int, bytes] = {}
    number = 0
    while body.left:
        size, number, flags = _RECORD_HEAD.unpack(body.take(_RECORD_HEAD.size))
        object_id = str(body.u32()) if flags & 1 else ""
        body.skip(4 * ((flags >> 1 & 1) + (flags >> 2 & 1)))
        service = body.u8()
        body.skip(1)
        record = body.sub(size)
        last_object = object_id if object_id.strip("0") else last_object
        answers[service] = answers.get(service, b"") + _RECORD_ANSWER.pack(RECORD_RESPONSE, 3, number, 0)
        told = _parts(record)
        identity = told.identity or identity
        if told.reading is not None and service == TELEDATA_SERVICE:
            told_by.append((object_id, reading_events(told.reading, (*told.attributes, ("object_id", object_id)))))
    response = struct.pack("<HB", packet_id, 0)
    response += b"".join(encode_record(number, service, content) for service, content in answers.items())
    reply = encode(packet_id, RESPONSE, response)
    if identity:
        accepted = encode_record(number, AUTH_SERVICE, encode_part(RESULT_CODE, b"\x00"))
        reply += encode(packet_id, APPDATA, accepted)
    events = [
        event if object_id in {"", "0", last_object} else replace(event, seal_id=object_id)
        for object_id, events_of_record in told_by
        for event in events_of_record
    ]
    return DecodedFrame(identity or last_object, "records", tuple(events), reply, is_login=bool(identity))


class _Parts:
    """What the sub-records of one record tell."""

    __slots__ = ("attributes", "identity", "reading")

    def __init__(self) -> None:
        self.identity = ""
        self.reading: Reading | None = None
        self.attributes: Attributes = ()


def _parts(record: Cursor) -> _Parts:
    told = _Parts()
    while record.left:
        kind, part = record.u8(), record.sub(record.u16())
        if kind == TERM_IDENTITY:
            told.identity = _identity(part)
        elif kind == POS_DATA:
            told.reading, told.attributes = _position(part)
        elif kind == EXT_POS_DATA:
            flags = part.u8()
            part.skip(2 * (flags & 7).bit_count())
            if flags & 8:
                told.attributes += (("satellites", str(part.u8())),)
    return told


def _identity(part: Cursor) -> str:
    """Return the IMEI, else the subscriber's identity, else the terminal's number."""
    terminal, flags = part.u32(), part.u8()
    part.skip(2 * (flags & 1))
    imei = shown_bytes(part.take(15)) if flags & 2 else ""
    imsi = shown_bytes(part.take(16)) if flags & 4 else ""
    return imei or imsi or str(terminal)


_POSITION = struct.Struct("<IIIBHB3sBB")  # time, latitude, longitude, flags, speed, course, odometer, inputs, source


def _position(part: Cursor) -> tuple[Reading, Attributes]:
    seconds, latitude, longitude, flags, speed, course, odometer, inputs, source = _POSITION.unpack(
        part.take(_POSITION.size)
    )
    moment: datetime | None = from_epoch(EPOCH_2010_S + seconds)
    reading = Reading(
        device_time=moment,
        is_valid=bool(flags & 1),
        latitude_deg=latitude * 90 / _FULL_SCALE * (-1 if flags & 0x20 else 1),
        longitude_deg=longitude * 180 / _FULL_SCALE * (-1 if flags & 0x40 else 1),
        altitude_m=part.signed(3) if flags & 0x80 else 0,
        speed_knots=(speed & 0x3FFF) / 10 * KNOTS_PER_KMH,
        course_deg=course + (0x100 if speed & 0x8000 else 0),
    )
    return reading, (
        ("odometer_m", str(int.from_bytes(odometer, "little") * 100)),
        ("inputs", f"{inputs:02x}"),
        ("source", str(source)),
    )
