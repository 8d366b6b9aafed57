"""Navtelecom (Navis), sans-IO: NTCB packets `@NTC` with two XOR sums, and FLEX packets `~` with a CRC-8 after they were agreed.

NTCB: `@NTC`, receiver u32, sender u32, length u16, XOR of the data, XOR of the header, data. Little-endian. The unit says in `*>FLEX`
which fields its FLEX records have; their size belongs to the connection, and before that no FLEX is taken. In captures the sizes of the
usual settings are tried, and the CRC-8 decides. Source: Navtelecom NTCB and FLEX protocol descriptions; record fields are in `navis_records`.
"""

from __future__ import annotations

import struct

from drivers.checksums import crc8_egts, xor
from drivers.seal_tracker import navis_records as records
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.fields import Cursor, shown_bytes, structured
from drivers.seal_tracker.reading import message_event

FRAME_LIMIT_BYTES = 1 << 15
HEAD_BYTES = 16
KEEP_ALIVE = 0x7F
USUAL_RECORD_BYTES = (70, 73, 171)
_MARK = b"@NTC"
_ARRAYS, _SINGLES, _EXTRA = b"AE", b"TCX", b"EX"
_VERSIONS = (0x0A, 0x14)


class Connection:
    """What was agreed on one connection: the fields of a FLEX record."""

    def __init__(self, record_bytes: tuple[int, ...] = ()) -> None:
        """`record_bytes`: sizes of FLEX records to try before one was agreed."""
        self._layout = records.USUAL_LAYOUT
        self._sizes = record_bytes

    def frame_size(self, pending: bytearray) -> int | None:
        """Return the size of the packet at the start; a header whose XOR does not hold starts none."""
        first = pending[0]
        if first == KEEP_ALIVE:
            return 1
        if first == ord("~"):
            return self._flex_size(pending)
        if not _MARK.startswith(pending[:4]):
            return 0
        if len(pending) < HEAD_BYTES:
            return None
        if xor(bytes(pending[: HEAD_BYTES - 1])) != pending[HEAD_BYTES - 1]:
            return 0
        size = HEAD_BYTES + int.from_bytes(pending[12:14], "little")
        if len(pending) >= size and pending[HEAD_BYTES : HEAD_BYTES + 6] == b"*>FLEX":
            self._agree(bytes(pending[HEAD_BYTES + 6 : size]))
        return size

    def _agree(self, told: bytes) -> None:
        layout = records.layout(told)
        if layout is not None:
            self._layout, self._sizes = layout, (layout.size_bytes,)

    def _flex_size(self, pending: bytearray) -> int | None:
        if len(pending) < 2:
            return None
        kind = pending[1]
        if kind in _EXTRA:
            return _extra_size(pending)
        if kind not in _ARRAYS + _SINGLES:
            return 0
        if len(pending) < 3:
            return None
        head = 3 if kind in _ARRAYS else 2 if kind == ord("C") else 6
        count = pending[2] if kind in _ARRAYS else 1
        for record_bytes in self._sizes:
            size = head + count * record_bytes + 1
            if len(pending) < size:
                return None
            if crc8_egts(bytes(pending[: size - 1])) == pending[size - 1]:
                return size
        return 0

    def decode(self, frame: bytes) -> DecodedFrame:
        """Return what one packet says. Raises `SealFrameRejected`."""
        return _decode(frame, self._layout)


def _extra_size(pending: bytearray) -> int | None:
    """Return the size of a packet of FLEX 2.0 extras, whose records say their own length."""
    at, count = (3, None) if pending[1] == ord("E") else (6, 1)
    if len(pending) < at:
        return None
    for _ in range(pending[2] if count is None else count):
        if len(pending) < at + 2:
            return None
        at += 2 + int.from_bytes(pending[at : at + 2], "big")
    if len(pending) <= at:
        return None
    return at + 1 if crc8_egts(bytes(pending[:at])) == pending[at] else 0


def usual_frame_size(pending: bytearray) -> int | None:
    """Return the size of the packet at the start by the usual sizes of FLEX records."""
    return Connection(USUAL_RECORD_BYTES).frame_size(pending)


def decode(frame: bytes) -> DecodedFrame:
    """Return what a packet says by the usual layout of FLEX records. Raises `SealFrameRejected`."""
    return Connection().decode(frame)


@structured
def _decode(frame: bytes, layout: records.Layout) -> DecodedFrame:
    if frame[0] == KEEP_ALIVE:
        return DecodedFrame("", "keep-alive", ())
    if frame[:1] == b"~":
        return _flex(frame, layout)
    if frame[:4] != _MARK or len(frame) < HEAD_BYTES or xor(frame[:15]) != frame[15]:
        raise SealFrameRejected("checksum of the header does not hold")
    payload = frame[HEAD_BYTES:]
    if int.from_bytes(frame[12:14], "little") != len(payload) or xor(payload) != frame[14]:
        raise SealFrameRejected("checksum or length of the data does not hold")
    kind = payload[:3]
    if kind == b"*>S":
        return DecodedFrame(shown_bytes(payload[4:]), "login", (), _answer(frame, b"*<S"), is_login=True)
    body = Cursor(payload, 3, order="little")
    if payload[:6] == b"*>FLEX":
        wanted = payload[7:9] if records.layout(payload[6:]) is not None else bytes((_VERSIONS[-1], _VERSIONS[-1]))
        return DecodedFrame("", "FLEX", (), _answer(frame, b"*<FLEX\xb0" + wanted))
    if kind == b"*>T":
        index, events = records.ntcb(body)
        return DecodedFrame("", "T", events, _answer(frame, b"*<T" + struct.pack("<I", index)))
    if kind == b"*>A":
        count, told = body.u8(), list[SealEvent]()
        for _ in range(count):
            told += records.ntcb(body)[1]
        return DecodedFrame("", "A", tuple(told), _answer(frame, b"*<A" + bytes((count,))))
    return DecodedFrame("", "text", message_event((("result", shown_bytes(payload)),)) if payload else ())


def _flex(frame: bytes, layout: records.Layout) -> DecodedFrame:
    if (check := crc8_egts(frame[:-1])) != frame[-1]:
        raise SealFrameRejected(f"checksum {frame[-1]:02x}, the packet gives {check:02x}")
    kind = frame[1]
    body = Cursor(frame[:-1], 2, order="little")
    is_array = kind in _ARRAYS
    count = body.u8() if is_array else 1
    if kind in b"TX":
        body.skip(4)
    record_bytes = body.left // max(count, 1)
    index, events = 0, list[SealEvent]()
    for _ in range(count):
        if kind in _EXTRA:
            index, told = records.flex_extra(body.sub(int.from_bytes(body.take(2), "big")))
        else:
            index, told = records.flex(body.sub(record_bytes), layout)
        events += told
    answer = frame[:2] + (bytes((count,)) if is_array else struct.pack("<I", index))
    return DecodedFrame("", f"~{chr(kind)}", tuple(events), answer + bytes((crc8_egts(answer),)))


def encode(payload: bytes, sender: int, receiver: int = 1) -> bytes:
    """Return one NTCB packet."""
    head = _MARK + struct.pack("<IIHB", receiver, sender, len(payload), xor(payload))
    return head + bytes((xor(head),)) + payload


def encode_flex(content: bytes) -> bytes:
    """Return one FLEX packet, its `~` included in `content`."""
    return content + bytes((crc8_egts(content),))


def _answer(frame: bytes, payload: bytes) -> bytes:
    receiver, sender = struct.unpack_from("<II", frame, 4)
    return encode(payload, receiver, sender)
