"""What an encoded image claims to be, read from its header before any decoder sees it: JPEG, PNG and JPEG 2000.

Formats: ISO/IEC 10918-1 (frame header), ISO/IEC 15948 (IHDR), ISO/IEC 15444-1 (codestream header).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from models.errors import ImageRefused

MAXIMUM_PIXELS = 4_000_000
MAXIMUM_CONTENT_BYTES = 8_388_608
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format (`jpeg`, `png`, `jpeg2000`) and size in pixels."""

    format: str
    width_px: int
    height_px: int


def read_header(
    content: bytes, maximum_pixels: int = MAXIMUM_PIXELS, maximum_bytes: int = MAXIMUM_CONTENT_BYTES
) -> ImageHeader:
    """Return format and size of an encoded image. Raises `ImageRefused` for unknown formats and sizes of zero or beyond the cap."""
    if len(content) > maximum_bytes:
        raise ImageRefused(f"the encoded image has {len(content)} bytes, more than {maximum_bytes}", code="MD-IMG-003")
    try:
        header = _header(content)
    except struct.error as error:
        raise ImageRefused("the image ends within its header", code="MD-IMG-002") from error
    if header.width_px < 1 or header.height_px < 1:
        raise ImageRefused(f"the {header.format} header states no size", code="MD-IMG-002")
    if header.width_px * header.height_px > maximum_pixels:
        size = f"{header.width_px} x {header.height_px}"
        raise ImageRefused(f"the image claims {size} pixels, more than {maximum_pixels}", code="MD-IMG-003")
    return header


def _header(content: bytes) -> ImageHeader:
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith(_PNG_SIGNATURE):
        if content[12:16] != b"IHDR":
            raise ImageRefused("a PNG without its header first", code="MD-IMG-002")
        return ImageHeader("png", *struct.unpack_from(">II", content, 16))
    if content.startswith((_JP2_SIGNATURE, _CODESTREAM)):
        start = content.find(_CODESTREAM)
        if start < 0:
            raise ImageRefused("a JPEG 2000 file without a codestream", code="MD-IMG-002")
        x_size, y_size, x_offset, y_offset = struct.unpack_from(">IIII", content, start + 8)
        return ImageHeader("jpeg2000", x_size - x_offset, y_size - y_offset)
    raise ImageRefused("the image is neither JPEG nor PNG nor JPEG 2000", code="MD-IMG-001")


def _jpeg(content: bytes) -> ImageHeader:
    offset = 2
    while True:
        fill, marker = struct.unpack_from(">BB", content, offset)
        if fill != 0xFF:
            raise ImageRefused("a JPEG whose segments do not follow one another", code="MD-IMG-002")
        if marker == 0xFF:
            offset += 1
            continue
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", content, offset + 5)
            return ImageHeader("jpeg", width, height)
        if marker in {0xD9, 0xDA}:
            raise ImageRefused("a JPEG without a frame header", code="MD-IMG-002")
        offset += 2
        if marker not in _WITHOUT_LENGTH:
            (length,) = struct.unpack_from(">H", content, offset)
            if length < 2:
                raise ImageRefused("a JPEG segment without length", code="MD-IMG-002")
            offset += length
