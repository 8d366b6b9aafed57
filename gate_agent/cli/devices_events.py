"""Device events as JSON objects and lines of text; contents of documents and symbols only when asked for."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any

from drivers.contracts import DeviceEvent

_CONTENTS = {"lines", "payload", "content"}
_LEFT_OUT = {"memfd", "release"}


def event_object(event: DeviceEvent, *, with_content: bool) -> dict[str, Any]:
    """Return `device`, `seq`, `kind`, `time`, `mono_s` and the payload's fields; contents become their length unless asked for."""
    row: dict[str, Any] = {
        "device": event.device,
        "seq": event.seq,
        "kind": type(event.data).__name__,
        "time": event.t_wall.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "mono_s": round(event.t_mono_s, 6),
    }
    for field in fields(event.data):
        value = getattr(event.data, field.name)
        if field.name in _LEFT_OUT:
            continue
        if field.name in _CONTENTS and not with_content:
            row[f"{field.name}_length"] = [len(part) for part in value] if isinstance(value, tuple) else len(value)
        else:
            row[field.name] = _plain(value)
    return row


def event_line(row: dict[str, Any]) -> str:
    """Return one line of text for an event object."""
    told = "  ".join(f"{key}={value}" for key, value in list(row.items())[5:] if value not in ("", None))
    return f"{row['time']}  {row['device']} #{row['seq']}  {row['kind']}  {told}".rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value
