"""JPEG files as RTP payload (RFC 2435) over RTP (RFC 3550): what a camera without a video encoder sends.

Baseline coding, 4:2:0 or 4:2:2 sampling, 8 bits, two quantisation tables, the standard Huffman tables, no restart intervals.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PAYLOAD_TYPE = 26
CLOCK_HZ = 90_000
_LARGEST_FRAGMENT_BYTES = 7_000
_EXPLICIT_TABLES = 255  # the Q value that says: tables travel in the packet (§3.1.8)
_LARGEST_SIDE_PX = 2040
_SAMPLINGS = {0x21: 0, 0x22: 1}  # luminance sampling factors -> RTP type (§4.1)


class PictureUnsuitable(ValueError):
    """The JPEG file cannot travel as RFC 2435 payload."""


@dataclass(frozen=True, slots=True)
class JpegParts:
    """What of a JPEG file travels: RTP type, size in pixels, the quantisation tables and the entropy-coded scan."""

    rtp_type: int
    width_px: int
    height_px: int
    tables: bytes
    scan: bytes


def parts_of(content: bytes) -> JpegParts:
    """Take a JPEG file apart. Raises `PictureUnsuitable`."""
    try:
        return _parts_of(content)
    except (struct.error, IndexError) as error:
        raise PictureUnsuitable("the JPEG file is cut short") from error


def _parts_of(content: bytes) -> JpegParts:
    if content[:2] != b"\xff\xd8":
        raise PictureUnsuitable("no JPEG file")
    tables: dict[int, bytes] = {}
    frame: tuple[int, int, int] | None = None
    at = 2
    while True:
        mark, marker, length = struct.unpack_from(">BBH", content, at)
        body = content[at + 4 : at + 2 + length]
        if mark != 0xFF or length < 2 or len(body) != length - 2:
            raise PictureUnsuitable("no segment where one belongs")
        if marker == 0xDB:
            for start in range(0, len(body), 65):
                tables[body[start]] = body[start + 1 : start + 65]
        elif marker == 0xC0:
            frame = (body[7], *struct.unpack_from(">HH", body, 1)[::-1])
            if body[0] != 8 or body[5] != 3:
                raise PictureUnsuitable("not eight bits in three components")
        elif marker == 0xDA:
            break
        elif marker == 0xDD or (0xC1 <= marker <= 0xCF and marker != 0xC4):
            raise PictureUnsuitable("not plain baseline coding")
        at += 2 + length
    if frame is None or sorted(tables) != [0, 1] or any(len(table) != 64 for table in tables.values()):
        raise PictureUnsuitable("no frame header, or other than two tables of eight bits")
    sampling, width_px, height_px = frame
    if sampling not in _SAMPLINGS or not 0 < width_px <= _LARGEST_SIDE_PX or not 0 < height_px <= _LARGEST_SIDE_PX:
        raise PictureUnsuitable("sampling or size is none that RFC 2435 knows")
    scan = content[at + 2 + length :].removesuffix(b"\xff\xd9")
    return JpegParts(_SAMPLINGS[sampling], width_px, height_px, tables[0] + tables[1], scan)


class RtpJpegPacker:
    """Numbers the packets of one stream."""

    def __init__(self, synchronisation_source: int, first_sequence_number: int = 0) -> None:
        self._source = synchronisation_source
        self._sequence_number = first_sequence_number

    def packets(self, content: bytes, timestamp: int) -> list[bytes]:
        """Return a picture's packets; `timestamp` counts at `CLOCK_HZ`. Raises `PictureUnsuitable`."""
        parts = parts_of(content)
        size = bytes(((parts.width_px + 7) // 8, (parts.height_px + 7) // 8))
        packets = []
        for start in range(0, max(len(parts.scan), 1), _LARGEST_FRAGMENT_BYTES):
            fragment = parts.scan[start : start + _LARGEST_FRAGMENT_BYTES]
            is_last = start + len(fragment) >= len(parts.scan)
            header = struct.pack(
                ">BBHII",
                0x80,
                PAYLOAD_TYPE | (0x80 if is_last else 0),
                self._sequence_number,
                timestamp & 0xFFFFFFFF,
                self._source,
            )
            self._sequence_number = (self._sequence_number + 1) & 0xFFFF
            jpeg = struct.pack(">IBB", start, parts.rtp_type, _EXPLICIT_TABLES) + size
            tables = struct.pack(">BBH", 0, 0, len(parts.tables)) + parts.tables if start == 0 else b""
            packets.append(header + jpeg + tables + fragment)
        return packets
