"""Frames of turnstiles on a serial line, without input or output: `02`, size, command, check byte.

Source: Digicon Tx1500 manual, page 31: the size is 16 bits, low byte first, and counts the command and the check byte; the check byte is the
exclusive or of everything before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

from drivers.codec import SteppingCodec

START = 0x02
_HEAD_BYTES = 3
COMMAND_LIMIT_BYTES = 255


@dataclass(frozen=True, slots=True)
class Command:
    """What one side tells the other, 1 to 255 bytes."""

    content: bytes


class TurnstileCodec(SteppingCodec[Command]):
    """Cuts a serial line into frames; bytes that begin no frame with a right check byte are stepped over and counted."""

    def __init__(self) -> None:
        super().__init__("no turnstile frame")

    def take(self, buffer: bytearray) -> tuple[int, Command | None] | None:
        """Return the frame at the beginning."""
        if buffer[0] != START:
            return 1, None
        if len(buffer) < _HEAD_BYTES:
            return None
        size = int.from_bytes(buffer[1:_HEAD_BYTES], "little")
        if not 2 <= size <= COMMAND_LIMIT_BYTES + 1:
            return 1, None
        end = _HEAD_BYTES + size
        if len(buffer) < end:
            return None
        if reduce(xor, buffer[:end]):  # a right check byte makes it zero
            return 1, None
        return end, Command(bytes(buffer[_HEAD_BYTES : end - 1]))

    def encode(self, message: Command) -> bytes:
        """Return the frame. Raises `ValueError` for a command that no frame holds."""
        if not 1 <= len(message.content) <= COMMAND_LIMIT_BYTES:
            raise ValueError(f"a command has 1 to {COMMAND_LIMIT_BYTES} bytes")
        content = bytes([START]) + (len(message.content) + 1).to_bytes(2, "little") + message.content
        return content + bytes([reduce(xor, content)])
