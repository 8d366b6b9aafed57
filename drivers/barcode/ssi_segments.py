"""Symbols that fill more than one SSI packet: segments put together in their order, or given up as a whole.

The first segment has the source 02 and continues, behind its index, with the inner opcode F3, 4 bytes, the bar code type, 1 byte and the
total length (u16, big-endian); later ones hold nothing but their index and what follows. The symbol ends when its declared length is there.
A symbol is never put together from what two of them sent: after damage only the missing segment itself, sent again, goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.barcode.ssi_packets import CONTENT_LIMIT_BYTES, FIRST_SEGMENT, Opcode, Packet
from drivers.codec import EXCERPT_BYTES, BadFrame

FIRST_HEAD_BYTES = 10  # index, inner opcode, 4 bytes, type, 1 byte, length
LENGTH_LIMIT = 0xFFFF


@dataclass(frozen=True, slots=True)
class Decoded:
    """One symbol: the decoder's own bar code type, and its bytes as sent."""

    barcode_type: int
    content: bytes


@dataclass(slots=True)
class _Open:
    barcode_type: int
    length_bytes: int
    content: bytearray = field(default_factory=bytearray)
    arrived_bytes: int = 0
    next_index: int = 0
    is_doubtful: bool = False


class SegmentAssembly:
    """Collects the segments of one symbol at a time; keeps no more of it than `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._open: _Open | None = None
        # Of a finished symbol, too: its acknowledgement may have been lost. A hash: what a symbol held is not kept.
        self._last: int | None = None

    @property
    def is_open(self) -> bool:
        """True while segments of a symbol are missing."""
        return self._open is not None

    def doubt(self) -> None:
        """Note that damaged bytes came: they may have been a segment of this symbol, or the first of another."""
        if self._open is not None:
            self._open.is_doubtful = True

    def abandon(self) -> list[Decoded | BadFrame]:
        """Give an unfinished symbol up; return the `BadFrame` that says so, if there was one."""
        unfinished, self._open = self._open, None
        return [] if unfinished is None else [_torn(unfinished)]

    def add(self, segment: Packet) -> list[Decoded | BadFrame]:
        """Take a segment; return the symbol that it completes, or what is wrong."""
        index, rest = segment.content[:1], segment.content[1:]
        if not index:
            return [*self.abandon(), BadFrame("segment without index", 0)]
        current = self._open
        if segment.is_retransmitted and self._last == hash(segment.content):
            return []
        if segment.source == FIRST_SEGMENT:
            return self._begin(segment.content)
        if current is None:
            return [BadFrame("segment without a first one", len(rest), rest[:EXCERPT_BYTES])]
        if index[0] != current.next_index or (current.is_doubtful and not segment.is_retransmitted):
            return [*self.abandon(), BadFrame("segment out of order", len(rest), rest[:EXCERPT_BYTES])]
        current.is_doubtful = False
        return self._take(current, index[0], rest)

    def _begin(self, content: bytes) -> list[Decoded | BadFrame]:
        before = self.abandon()
        head = content[:FIRST_HEAD_BYTES]
        if len(head) < FIRST_HEAD_BYTES or head[0] != 0 or head[1] != Opcode.DECODED:
            return [*before, BadFrame("first segment of no symbol", len(content), content[:EXCERPT_BYTES])]
        self._open = _Open(head[6], int.from_bytes(head[8:10], "big"))
        return before + self._take(self._open, 0, content[1:], FIRST_HEAD_BYTES - 1)

    def _take(self, current: _Open, index: int, rest: bytes, head_bytes: int = 0) -> list[Decoded | BadFrame]:
        self._last = hash(bytes([index]) + rest)
        current.next_index = (index + 1) % 256
        piece = rest[head_bytes:]
        current.arrived_bytes += len(piece)
        if current.length_bytes <= self._limit_bytes:
            current.content += piece
        if current.arrived_bytes > current.length_bytes:
            return [*self.abandon(), BadFrame("more segments than declared", len(piece), piece[:EXCERPT_BYTES])]
        if current.arrived_bytes < current.length_bytes:
            return []
        self._open = None
        if current.length_bytes > self._limit_bytes:
            return [BadFrame("symbol too long", current.length_bytes, is_too_long=True)]
        return [Decoded(current.barcode_type, bytes(current.content))]


def _torn(unfinished: _Open) -> BadFrame:
    return BadFrame("symbol torn between segments", unfinished.arrived_bytes, bytes(unfinished.content[:EXCERPT_BYTES]))


def segments_of(symbol: Decoded) -> Iterator[Packet]:
    """Yield the packets that a decoder sends for a symbol. Raises ValueError when it is longer than the length field can say."""
    if len(symbol.content) > LENGTH_LIMIT:
        raise ValueError(f"a symbol holds at most {LENGTH_LIMIT} bytes")
    single = bytes([symbol.barcode_type]) + symbol.content
    if len(single) <= CONTENT_LIMIT_BYTES:
        yield Packet(Opcode.DECODED, single)
        return
    inner = (len(symbol.content) + 3).to_bytes(4, "big")  # what the four bytes say in the one published example
    head = bytes([Opcode.DECODED]) + inner + bytes([symbol.barcode_type, 1]) + len(symbol.content).to_bytes(2, "big")
    rest, source, index = head + symbol.content, FIRST_SEGMENT, 0
    while rest:
        piece, rest = rest[: CONTENT_LIMIT_BYTES - 1], rest[CONTENT_LIMIT_BYTES - 1 :]
        yield Packet(Opcode.SEGMENT, bytes([index]) + piece, source)
        source, index = 0, (index + 1) % 256
