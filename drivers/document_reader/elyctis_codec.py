"""The wire of Elyctis ID BOX readers: type, length (u16, most significant byte first), value; the same in both directions.

    I  inquire; the machine readable zone, asked for or (in continuous reading) not; empty: none
    L  the same for a zone of one line
    C  continuous reading: 01 on, 00 off; the answer repeats it
    V  version: text

There is no checksum and no start mark: what can be no message is stepped over byte by byte. Check digits decide about the lines, and not here.
Source: Elyctis IDBOX One, Scanner Command Set v1.7; V as open drivers of the reader use it.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.codec import BadFrame, SteppingCodec
from drivers.document_reader.codec import LINE_LENGTHS, LINES_LIMIT, MrzLines, mrz_lines

HEAD_BYTES = 3
ZONE, ONE_LINE_ZONE, CONTINUOUS, VERSION = b"I", b"L", b"C", b"V"
_ZONE_LIMIT_BYTES = LINES_LIMIT * (LINE_LENGTHS[-1] + 2) + 2  # line ends of two bytes, and an empty line behind
_LIMITS = {ZONE: _ZONE_LIMIT_BYTES, ONE_LINE_ZONE: _ZONE_LIMIT_BYTES, CONTINUOUS: 1, VERSION: 255}
_UNBROKEN = {88: 44, 72: 36, 90: 30}  # a zone without line ends, by its length: the length of its lines


@dataclass(frozen=True, slots=True)
class Tlv:
    """One message: its type, and its value."""

    kind: bytes
    value: bytes = b""


class ElyctisCodec(SteppingCodec[Tlv]):
    """Cuts a line into messages, and puts them together."""

    def __init__(self) -> None:
        super().__init__("bytes that are no message")

    def encode(self, message: Tlv) -> bytes:
        """Return the bytes of a message."""
        return message.kind + len(message.value).to_bytes(2, "big") + message.value

    def take(self, buffer: bytearray) -> tuple[int, Tlv | None] | None:
        """Return the message at the beginning."""
        head = bytes(buffer[:HEAD_BYTES])
        if not _is_possible(head):
            return 1, None
        if len(head) < HEAD_BYTES or len(buffer) < (end := HEAD_BYTES + head[2]):
            return None
        return end, Tlv(head[:1], bytes(buffer[HEAD_BYTES:end]))


def _is_possible(head: bytes) -> bool:
    """Tell whether a message may begin so; no message is longer than its second length byte can say."""
    limit = _LIMITS.get(head[:1])
    return limit is not None and head[1:2] in {b"", b"\0"} and (len(head) < HEAD_BYTES or head[2] <= limit)


def lines_of(zone: bytes) -> MrzLines | BadFrame:
    """Return the lines of a zone, exactly as the reader saw them; line ends are CR, LF or both, or left out."""
    pieces = zone.replace(b"\n", b"\r").rstrip(b"\r").replace(b"\r\r", b"\r").split(b"\r")
    if len(pieces) == 1 and (width := _UNBROKEN.get(len(pieces[0]))) is not None:
        pieces = [zone[at : at + width] for at in range(0, len(pieces[0]), width)]
    return mrz_lines(pieces, zone)
