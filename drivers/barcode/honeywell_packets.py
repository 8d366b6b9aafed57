"""Honeywell imagers in packet mode: symbols as packets, replies to menu commands between them.

    symbol  16 FE  length u32 (little-endian)  0D  MSGGET  data length (4 ASCII digits)  Honeywell id  AIM letter  modifier  1D  data  0D
    reply   the command as understood, with what it asked for,  06 done · 05 unknown · 15 out of range,  ! (until power-off) or . (stored)

The last 0D counts as data; the first length is the data length plus 14. There is no checksum: the two lengths, the fixed bytes and the last
0D have to agree, and what does not is stepped over. Source: Honeywell 3310g user's guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from drivers.barcode.line_codec import PAYLOAD_LIMIT_BYTES, REPLY_LIMIT_BYTES, SYMBOLOGIES, Scan, split_aim_id
from drivers.codec import EXCERPT_BYTES, BadFrame, SteppingCodec, first_mark

START = b"\x16\xfe"
_NAME = b"\rMSGGET"
_LENGTH_AT, _NAME_AT, _DIGITS_AT, _AIM_AT, _SEPARATOR_AT, _DATA_AT = 2, 6, 13, 18, 20, 21
_OVERHEAD_BYTES = 14
_DATA_LIMIT = 9999


class MenuOutcome(IntEnum):
    """What became of a menu command."""

    UNKNOWN = 0x05
    DONE = 0x06
    OUT_OF_RANGE = 0x15


@dataclass(frozen=True, slots=True)
class MenuReply:
    """The answer to a menu command, without its marks."""

    text: bytes
    outcome: MenuOutcome
    is_stored: bool = False


_REPLY_ENDS = {
    f"{outcome.name}{terminator}": bytes([outcome, ord(terminator)]) for outcome in MenuOutcome for terminator in "!."
}
_MARKS = {"packet": START} | _REPLY_ENDS


class HoneywellCodec(SteppingCodec[Scan | MenuReply]):
    """Cuts an imager's bytes into symbols and replies, and puts them together."""

    def __init__(self, limit_bytes: int = PAYLOAD_LIMIT_BYTES) -> None:
        super().__init__("bytes that are no packet")
        self._limit_bytes = limit_bytes

    def encode(self, message: Scan | MenuReply) -> bytes:
        """Return the bytes that an imager would send. Raises ValueError for a payload longer than its digits can say."""
        if isinstance(message, MenuReply):
            return message.text + bytes([message.outcome]) + (b"." if message.is_stored else b"!")
        content = message.payload + b"\r"
        if len(content) > _DATA_LIMIT:
            raise ValueError(f"a packet holds {_DATA_LIMIT - 1} bytes of a symbol, not {len(message.payload)}")
        aim = message.aim_id[1:].encode("ascii") or b"X0"
        length = (len(content) + _OVERHEAD_BYTES).to_bytes(4, "little")
        return START + length + _NAME + b"%04d" % len(content) + b"s" + aim + b"\x1d" + content

    def take(self, buffer: bytearray) -> tuple[int, Scan | MenuReply | BadFrame | None] | None:
        """Return the symbol at the beginning, or the reply that ends first."""
        if buffer.startswith(START):
            return self._packet(buffer)
        found = first_mark(buffer, _MARKS)
        # What may still be a reply is kept, with the first byte of a mark behind it.
        surplus = (len(buffer) - 1 if found is None else found.at) - REPLY_LIMIT_BYTES
        if found is None:
            return (surplus, None) if surplus > 0 else None
        if found.name == "packet":
            return found.at, None
        if surplus > 0:
            return surplus, None
        outcome, terminator = _REPLY_ENDS[found.name]
        return found.after, MenuReply(bytes(buffer[: found.at]), MenuOutcome(outcome), terminator == ord("."))

    def _packet(self, buffer: bytearray) -> tuple[int, Scan | BadFrame | None] | None:
        if not _agrees(buffer):
            return len(START), None
        end = _NAME_AT + 1 + int.from_bytes(buffer[_LENGTH_AT:_NAME_AT], "little")
        if len(buffer) < _DATA_AT or len(buffer) < end:
            return None
        if buffer[end - 1] != ord("\r"):
            return len(START), None
        return end, self._symbol(bytes(buffer[_AIM_AT:_SEPARATOR_AT]), bytes(buffer[_DATA_AT : end - 1]))

    def _symbol(self, aim: bytes, payload: bytes) -> Scan | BadFrame:
        if not payload:
            return BadFrame("empty symbol", 0)
        if len(payload) > self._limit_bytes:
            return BadFrame("symbol too long", len(payload), payload[:EXCERPT_BYTES], is_too_long=True)
        aim_id, payload = split_aim_id(b"]" + aim + payload)
        if not aim_id:
            return BadFrame("symbol without AIM identifier", len(payload), payload[:EXCERPT_BYTES])
        return Scan(payload, SYMBOLOGIES.get(aim_id[1], ""), aim_id)


def _agrees(head: bytes | bytearray) -> bool:
    """Tell whether what is there of a packet's head can still be one."""
    if len(head) < _NAME_AT:
        return True
    data_length = int.from_bytes(head[_LENGTH_AT:_NAME_AT], "little") - _OVERHEAD_BYTES
    if not 1 <= data_length <= _DATA_LIMIT:
        return False
    fixed = _NAME + b"%04d" % data_length
    there = head[_NAME_AT : _NAME_AT + len(fixed)]
    return fixed.startswith(there) and bytes(head[_SEPARATOR_AT:_DATA_AT]) in {b"", b"\x1d"}
