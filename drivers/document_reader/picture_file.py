"""Picture files as document readers deliver them: what their first bytes say they are, and whether their end is there. Nothing is decoded."""

from __future__ import annotations

IMAGE_LIMIT_BYTES = 2 * 1024 * 1024

MEDIA_TYPES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x00\x00\x00\x0cjP  ", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/j2c"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
)

# What the last part of a file begins with, and what ends it: JPEG scan and EOI (ITU-T T.81 B.1), JPEG 2000 tile data and EOC
# (ITU-T T.800 A.1; neither marker can stand in coded data), PNG pixels and the whole IEND chunk (ISO/IEC 15948 11.2).
_LAST_PART = {
    "image/jpeg": (b"\xff\xda", b"\xff\xd9"),
    "image/jp2": (b"\xff\x93", b"\xff\xd9"),
    "image/j2c": (b"\xff\x93", b"\xff\xd9"),
    "image/png": (b"IDAT", b"\x00\x00\x00\x00IEND\xaeB`\x82"),
}


def media_type_of(content: bytes) -> str:
    """Return the media type that the first bytes say, empty for a type that no reader sends."""
    return next((name for magic, name in MEDIA_TYPES if content.startswith(magic)), "")


def is_whole(content: bytes, media_type: str) -> bool:
    """Return whether a picture's last part is there with its end; more may follow it, as some makers' notes do."""
    begin, end = _LAST_PART[media_type]
    return content.rfind(end) > content.rfind(begin) >= 0


def why_refused(content: bytes, limit_bytes: int = IMAGE_LIMIT_BYTES) -> str:
    """Return why a picture is not taken, empty when it is."""
    if len(content) > limit_bytes:
        return f"larger than {limit_bytes} bytes"
    media_type = media_type_of(content)
    if not media_type:
        return "no JPEG, JPEG 2000 or PNG file"
    return "" if is_whole(content, media_type) else "torn: its end is missing"
