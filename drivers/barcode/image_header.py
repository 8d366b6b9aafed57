"""The header gate: size of an image from its first bytes, before any decoder sees it.

A JPEG 2000 file of 226 bytes can ask a decoder for 9000 x 9000 pixels. Formats not listed here are refused.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PIXEL_LIMIT = 16_000_000
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SEGMENTS_LIMIT = 512
_CODESTREAM_START = b"\xff\x4f\xff\x51"


class ImageSize(NamedTuple):
    """What the header claims."""

    image_format: str
    width_px: int
    height_px: int


class ImageRefused(ValueError):
    """The image is of no accepted format, truncated in its header, or larger than allowed. `code` is stable."""

    code = "DRV-IMG-001"


def image_size(content: bytes) -> ImageSize:
    """Return format and size of PNG, JPEG, JPEG 2000, WebP or BMP. Raises `ImageRefused`. The pixels themselves are not checked."""
    for signature, read in _READERS:
        if content.startswith(signature):
            try:
                size = read(content)
            except struct.error as error:
                raise ImageRefused("image header is cut short") from error
            if size.width_px <= 0 or size.height_px <= 0:
                raise ImageRefused(f"{size.image_format} header claims no pixels")
            return size
    raise ImageRefused("neither PNG, JPEG, JPEG 2000, WebP nor BMP")


def is_image(content: bytes) -> bool:
    """Return whether bytes begin as one of the accepted formats does."""
    return any(content.startswith(signature) for signature, _ in _READERS)


def gate(content: bytes, *, pixel_limit: int = PIXEL_LIMIT) -> ImageSize:
    """Return the claimed size when it is within `pixel_limit`. Raises `ImageRefused` otherwise."""
    size = image_size(content)
    if size.width_px * size.height_px > pixel_limit:
        raise ImageRefused(
            f"{size.image_format} of {size.width_px} x {size.height_px} pixels is over the limit of {pixel_limit} pixels"
        )
    return size


def _png(content: bytes) -> ImageSize:
    return ImageSize("PNG", *struct.unpack_from(">II", content, 16))


def _jpeg(content: bytes) -> ImageSize:
    at = 2
    for _ in range(_JPEG_SEGMENTS_LIMIT):
        marker, length = struct.unpack_from(">xBH", content, at)
        if content[at] != 0xFF:
            break
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return ImageSize("JPEG", width, height)
        at += 2 + length
    raise ImageRefused("JPEG without a frame header")


def _jpeg_2000(content: bytes) -> ImageSize:
    start = content.find(_CODESTREAM_START)
    if start < 0:
        raise ImageRefused("JPEG 2000 without a codestream")
    right, bottom, left, top = struct.unpack_from(">IIII", content, start + 8)
    return ImageSize("JPEG 2000", right - left, bottom - top)


def _webp(content: bytes) -> ImageSize:
    if content[8:12] != b"WEBP":
        raise ImageRefused("RIFF file that is no WebP")
    chunk = content[12:16]
    if chunk == b"VP8X":
        packed = struct.unpack_from("<BHBH", content, 24)
        return ImageSize("WebP", (packed[0] | packed[1] << 8) + 1, (packed[2] | packed[3] << 8) + 1)
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return ImageSize("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack_from("<HH", content, 26)
    return ImageSize("WebP", width & 0x3FFF, height & 0x3FFF)


def _bmp(content: bytes) -> ImageSize:
    width, height = struct.unpack_from("<ii", content, 18)
    return ImageSize("BMP", abs(width), abs(height))


_READERS = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"\x00\x00\x00\x0cjP  ", _jpeg_2000),
    (_CODESTREAM_START, _jpeg_2000),
    (b"RIFF", _webp),
    (b"BM", _bmp),
)
