"""Identifiers: UUIDv7 (RFC 9562 §5.7), time-ordered, made from handed-in time and randomness."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable


def uuid7(unix_ms: int, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> uuid.UUID:
    """Return a version 7 UUID for `unix_ms` milliseconds since 1970 and ten bytes of randomness."""
    value = (unix_ms & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(random_bytes(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)
