"""Lines of the Network UPS Tools protocol (RFC 9271): words, the last of them quoted where it may hold spaces."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.codec import BadFrame, SteppingCodec

LINE_LIMIT_BYTES = 1024
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"\\]+)')
_LINE = re.compile(rf"(?:{_WORD.pattern})(?: +(?:{_WORD.pattern}))*")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of either side, its words without quotes and escapes."""

    words: tuple[str, ...]


class NutCodec(SteppingCodec[Line]):
    """Finds lines; the same codec serves client and server."""

    def __init__(self) -> None:
        super().__init__("line without end")

    def take(self, buffer: bytearray) -> tuple[int, Line | BadFrame | None] | None:
        """Return the line at the beginning."""
        end = buffer.find(b"\n", 0, LINE_LIMIT_BYTES)
        if end < 0:
            if len(buffer) < LINE_LIMIT_BYTES:
                return None
            return LINE_LIMIT_BYTES, BadFrame("line too long", LINE_LIMIT_BYTES, is_too_long=True)
        return end + 1, _line(bytes(buffer[:end]).removesuffix(b"\r"))

    @staticmethod
    def encode(line: Line) -> bytes:
        """Return the bytes of a line. Raises ValueError for a word that no line can hold."""
        if any("\n" in word for word in line.words):
            raise ValueError("a word holds the end of a line")
        return (" ".join(map(_written, line.words)) + "\n").encode()


def _line(content: bytes) -> Line | BadFrame:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return BadFrame("line is not UTF-8", len(content) + 1, content[:64])
    if not _LINE.fullmatch(text):
        return BadFrame("line of no words", len(content) + 1, content[:64])
    return Line(tuple(plain or _ESCAPED.sub(r"\1", quoted) for quoted, plain in _WORD.findall(text)))


def _written(word: str) -> str:
    if re.fullmatch(r'[^\s"\\]+', word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
