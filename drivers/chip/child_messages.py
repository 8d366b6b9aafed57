"""What the agent and its reading process say to each other: a JSON object and bytes in one frame, with limits on both.

From the agent: `configure` (once), `read`, `cancel`. From the child: `ready`, `fault`, `presented`, `removed`, `alive` (before every
command), `opened`, `file`, `evidence` (the end of every read).
"""

from __future__ import annotations

import json
import math
import socket
from dataclasses import fields
from typing import Any

from drivers.child_process import ParentGone
from drivers.contracts import ChipAccess, ChipEvidence, ProtocolOutcome

HEAD_BYTES = 8
HEADER_LIMIT_BYTES = 1 << 16
CONTENT_LIMIT_BYTES = 2 << 20

_OUTCOMES = ("pace", "basic_access", "chip_authentication", "chip_authentication_mapping", "active_authentication")
_TEXTS = ("pace_protocol", "fault", "fault_text")
_BYTES = ("chip_authentication_key", "challenge", "response")
_COUNTS = ("apdus", "sent_bytes", "received_bytes")
_TIMES = ("duration_ms", "terminal_ms")
_AS_THEY_ARE = ("unreadable", "used_card_access_number", "pace_parameter_id")
_FIELDS = frozenset(field.name for field in fields(ChipEvidence)) - {"files"}


class MessageRefused(ValueError):
    """A frame that none of the two sides sends."""


def encode(message: dict[str, Any], content: bytes = b"") -> bytes:
    """Return the frame of a message."""
    header = json.dumps(message, separators=(",", ":")).encode()
    return len(header).to_bytes(4, "big") + len(content).to_bytes(4, "big") + header + content


def sizes(head: bytes) -> tuple[int, int]:
    """Return how long header and content of a frame are. Raises `MessageRefused` over the limits."""
    header_bytes, content_bytes = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    if not 2 <= header_bytes <= HEADER_LIMIT_BYTES or content_bytes > CONTENT_LIMIT_BYTES:
        raise MessageRefused(f"a frame of {header_bytes} and {content_bytes} bytes")
    return header_bytes, content_bytes


def decode(header: bytes) -> dict[str, Any]:
    """Return the message of a header. Raises `MessageRefused`."""
    try:
        message = json.loads(header)
    except (ValueError, RecursionError) as error:  # deep nesting is no ValueError
        raise MessageRefused("a header that is no JSON") from error
    if not isinstance(message, dict):
        raise MessageRefused("a header that is no object")
    return message


def say(peer: socket.socket, message: dict[str, Any], content: bytes = b"") -> None:
    """Send one message, waiting until it is out. Raises `ParentGone`."""
    try:
        peer.sendall(encode(message, content))
    except OSError as error:
        raise ParentGone from error


def hear(peer: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Return the next message, waiting for it. Raises `ParentGone` or `MessageRefused`."""
    header_bytes, content_bytes = sizes(_exactly(peer, HEAD_BYTES))
    return decode(_exactly(peer, header_bytes)), _exactly(peer, content_bytes)


def evidence_message(evidence: ChipEvidence) -> dict[str, Any]:
    """Return the evidence without its files, as it crosses."""
    message: dict[str, Any] = {"say": "evidence"}
    for name in _FIELDS:
        value = getattr(evidence, name)
        message[name] = value.hex() if isinstance(value, bytes) else dict(value) if name == "unreadable" else value
    return message


def evidence_of(message: dict[str, Any], files: dict[str, bytes]) -> ChipEvidence:
    """Return the evidence that crossed, with the files that went ahead of it. Raises `MessageRefused` for anything else."""
    if set(message) != _FIELDS | {"say"}:
        raise MessageRefused("evidence with other fields")
    unreadable, parameter_id = message["unreadable"], message["pace_parameter_id"]
    is_sound = (
        all(isinstance(message[name], str) for name in (*_OUTCOMES, *_TEXTS, *_BYTES, "access"))
        and all(type(message[name]) is int and message[name] >= 0 for name in _COUNTS)
        and all(isinstance(message[name], int | float) and 0 <= message[name] < math.inf for name in _TIMES)
        and isinstance(message["used_card_access_number"], bool)
        and (parameter_id is None or type(parameter_id) is int)
        and isinstance(unreadable, dict)
        and all(isinstance(status, str) for status in unreadable.values())
    )
    if not is_sound:
        raise MessageRefused("evidence with values of other types")
    try:
        values: dict[str, Any] = {name: ProtocolOutcome(message[name]) for name in _OUTCOMES}
        values |= {name: bytes.fromhex(message[name]) for name in _BYTES}
        values |= {name: message[name] for name in (*_TEXTS, *_COUNTS, *_TIMES, *_AS_THEY_ARE)}
        return ChipEvidence(access=ChipAccess(message["access"]), files=files, **values)
    except ValueError as error:
        raise MessageRefused("evidence with values that are none") from error


def _exactly(peer: socket.socket, length: int) -> bytes:
    content = bytearray()
    while len(content) < length:
        try:
            chunk = peer.recv(length - len(content))
        except OSError as error:
            raise ParentGone from error
        if not chunk:
            raise ParentGone
        content += chunk
    return bytes(content)
