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
from drivers.codec import EXCERPT_BYTES, BadFrame, Skipped, first_mark

START = b"\x16\xfe"
_NAME = b"\rMSGGET"
_LENGTH_AT, _NAME_AT, _DIGITS_AT, _AIM_AT, _SEPARATOR_AT, _DATA_AT = 2, 6, 13, 18, 20, 21
_OVERHEAD_BYTES = 14
_DATA_LIMIT = 9999
_CHUNK_BYTES = 4096


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


class HoneywellCodec:
    """Cuts an imager's bytes into symbols and replies; bytes that are neither come out as one `BadFrame` before what ends them."""

    def __init__(self, limit_bytes: int = PAYLOAD_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._skipped = Skipped()
        self.reset()

    def reset(self) -> None:
        """Forget what is unfinished, as after a reconnection."""
        self._buffer = bytearray()
        self._skipped.reset()

    @property
    def dropped_bytes(self) -> int:
        """How many bytes were neither, in all."""
        return self._skipped.dropped_bytes

    def feed(self, received: bytes) -> list[Scan | MenuReply | BadFrame]:
        """Return what is complete after these bytes."""
        messages: list[Scan | MenuReply | BadFrame] = []
        for offset in range(0, len(received), _CHUNK_BYTES):
            self._buffer += received[offset : offset + _CHUNK_BYTES]
            while self._advance(messages, is_over=False):
                pass
        return messages

    def silence(self) -> list[Scan | MenuReply | BadFrame]:
        """Return what a silent line ends: whatever is whole behind a torn packet, and one `BadFrame` for the rest."""
        messages: list[Scan | MenuReply | BadFrame] = []
        while self._advance(messages, is_over=True):
            pass
        self._skip(len(self._buffer), messages)
        return [*messages, *self._skipped.ended()]

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

    # ---- decoding

    def _advance(self, messages: list[Scan | MenuReply | BadFrame], *, is_over: bool) -> bool:
        """Take one step; False when more bytes are needed."""
        if self._buffer.startswith(START):
            return self._packet(messages, is_over=is_over)
        found = first_mark(self._buffer, _MARKS)
        if found is None:
            # What may still be a reply is kept, with the first byte of a mark behind it.
            self._skip(len(self._buffer) - REPLY_LIMIT_BYTES - 1, messages)
            return False
        if found.name == "packet":
            self._skip(found.at, messages)
            return True
        self._skip(found.at - REPLY_LIMIT_BYTES, messages)
        messages += self._skipped.ended()
        outcome, terminator = _REPLY_ENDS[found.name]
        length = min(found.at, REPLY_LIMIT_BYTES)
        messages.append(MenuReply(bytes(self._buffer[:length]), MenuOutcome(outcome), terminator == ord(".")))
        del self._buffer[: length + 2]
        return True

    def _packet(self, messages: list[Scan | MenuReply | BadFrame], *, is_over: bool) -> bool:
        buffer = self._buffer
        is_possible = _agrees(buffer)
        total = _NAME_AT + 1 + int.from_bytes(buffer[_LENGTH_AT:_NAME_AT], "little")
        has_head = len(buffer) >= _DATA_AT
        if is_possible and not (has_head and len(buffer) >= total):
            if not is_over:
                return False
            is_possible = False
        if not is_possible or buffer[total - 1] != ord("\r"):
            self._skip(len(START), messages)
            return True
        messages += self._skipped.ended()
        messages.append(self._symbol(bytes(buffer[_AIM_AT:_SEPARATOR_AT]), bytes(buffer[_DATA_AT : total - 1])))
        del buffer[:total]
        return True

    def _symbol(self, aim: bytes, payload: bytes) -> Scan | BadFrame:
        if not payload:
            return BadFrame("empty symbol", 0)
        if len(payload) > self._limit_bytes:
            return BadFrame("symbol too long", len(payload), payload[:EXCERPT_BYTES], is_too_long=True)
        aim_id, payload = split_aim_id(b"]" + aim + payload)
        if not aim_id:
            return BadFrame("symbol without AIM identifier", len(payload), payload[:EXCERPT_BYTES])
        return Scan(payload, SYMBOLOGIES.get(aim_id[1], ""), aim_id)

    def _skip(self, count: int, messages: list[Scan | MenuReply | BadFrame]) -> None:
        if count > 0:
            messages += self._skipped.add(self._buffer[:count])
            del self._buffer[:count]


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
