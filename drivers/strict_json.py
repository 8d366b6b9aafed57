"""JSON from devices and services, strictly: a size limit, every key once, no NaN, no nesting without end (RFC 8259, I-JSON of RFC 7493)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


class NoJson(ValueError):
    """These bytes are no JSON that may be used; the text says why and holds none of them."""


def load(content: bytes, limit_bytes: int) -> Any:
    """Return the value. Raises `NoJson`."""
    if len(content) > limit_bytes:
        raise NoJson(f"longer than {limit_bytes} bytes")
    try:
        return json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NoJson(f"no JSON with each key once: {type(error).__name__}") from error


def _once(members: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Refuse a key that stands twice: two readers could take another one each."""
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
