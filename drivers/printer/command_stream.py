"""The printer's half of ESC/POS: the commands in a stream of bytes, as far as the twin understands them."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.codec import BadFrame, SteppingCodec

LINE_LIMIT_BYTES = 512
_SIZES_BYTES = {b"\x1b@": 2, b"\x1bt": 3, b"\x1da": 3, b"\x1dV": 4, b"\x1dr": 3, b"\x10\x04": 3}


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its two bytes of name, and its operands (of a QR command, what follows its length)."""

    name: bytes
    operands: bytes = b""


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """Bytes of text, in the code page, that a line feed ended."""

    content: bytes


class CommandStream(SteppingCodec[Command | PrintedLine]):
    """Finds commands and lines."""

    def __init__(self) -> None:
        super().__init__("no command of this printer")

    def take(self, buffer: bytearray) -> tuple[int, Command | PrintedLine | BadFrame | None] | None:
        """Return the command or line at the beginning."""
        if buffer[0] not in {0x1B, 0x1D, 0x10}:
            return self._line(buffer)
        if len(buffer) < 3:
            return None
        name = bytes(buffer[:2])
        if name == b"\x1d(":
            if len(buffer) < 5:
                return None
            end = 5 + int.from_bytes(buffer[3:5], "little")
            return None if len(buffer) < end else (end, Command(bytes(buffer[:3]), bytes(buffer[5:end])))
        size = _SIZES_BYTES.get(name)
        if size is None:
            return 1, None
        return None if len(buffer) < size else (size, Command(name, bytes(buffer[2:size])))

    @staticmethod
    def _line(buffer: bytearray) -> tuple[int, PrintedLine | BadFrame | None] | None:
        for at, byte in enumerate(buffer[:LINE_LIMIT_BYTES]):
            if byte == 0x0A:
                return at + 1, PrintedLine(bytes(buffer[:at]))
            if byte < 0x20:
                return max(at, 1), None  # no text: a command begins here, or noise
        return (LINE_LIMIT_BYTES, None) if len(buffer) >= LINE_LIMIT_BYTES else None
