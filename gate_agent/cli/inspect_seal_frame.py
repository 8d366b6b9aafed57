"""`egate inspect seal-frame --protocol P`: say what captured tracker frames mean, one frame in hex per line on standard input."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from drivers.seal_tracker.errors import ProtocolNotBuiltIn, SealFrameRejected
from drivers.seal_tracker.events import STATUS_BITS, DecodedFrame, SealEvent
from drivers.seal_tracker.jt808_fields import TABLES, TerminalModels
from drivers.seal_tracker.protocols import PROTOCOLS, SealProtocol, protocol_named
from gate_agent.clock import SystemClock

SUMMARY = "decode seal tracker frames, one in hex per line on standard input"
LINE_LIMIT_CHARACTERS = 1 << 17
_ANY_TERMINAL = "0123456789"
"""The first digits of every terminal's number."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--protocol", required=True, help=f"wire protocol: {', '.join(sorted(PROTOCOLS))}")
    parser.add_argument("--wire", action="store_true", help="the line is as it was on the wire: undo the escapes first")
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        choices=TABLES,
        help="how the extra fields of a JT/T 808 unit are read (may be given again); without it they are shown in hex",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per frame")


def run(arguments: argparse.Namespace) -> int:
    """Answer every line; a frame that is none gets an `error`, never a crash. Returns 0."""
    while line := sys.stdin.readline(LINE_LIMIT_CHARACTERS):
        if line.strip():
            answer = inspect_line(arguments.protocol, line, from_wire=arguments.wire, tables=arguments.table)
            print(json.dumps(answer, ensure_ascii=False) if arguments.json else _as_text(answer))
    return 0


def inspect_line(
    protocol_name: str, line: str, *, from_wire: bool = False, tables: Sequence[str] = ()
) -> dict[str, Any]:
    """Return `seal_id`, `message`, `events`, `reply_hex` and `error` (None when the frame was understood) for one line of hex."""
    answer: dict[str, Any] = {"seal_id": None, "message": None, "events": [], "reply_hex": "", "error": None}
    answer["is_whole"] = False
    try:
        protocol = protocol_named(protocol_name)
        captured = bytes.fromhex(line.strip())
        frame = protocol.unwrap(captured) if from_wire else protocol.normalise(captured)
        decoded, answer["is_whole"] = _decode(protocol, frame, tables)
    except (SealFrameRejected, ProtocolNotBuiltIn) as rejected:
        answer["error"] = f"{rejected.code}: {rejected}"
    except ValueError:
        answer["error"] = "DRV-SEA-003: the line is not hexadecimal"
    else:
        answer |= {
            "seal_id": decoded.seal_id or None,
            "message": decoded.message,
            "events": [_event(event) for event in decoded.events],
            "reply_hex": _reply(decoded).hex(),
        }
    return answer


def _decode(protocol: SealProtocol, frame: bytes, tables: Sequence[str]) -> tuple[DecodedFrame, bool]:
    """Return what the frame says, and whether its length and checksum held; a tracker's server would not have taken it otherwise."""
    try:
        if tables and "models" in protocol.options:
            return protocol.decode(frame, models=TerminalModels(dict.fromkeys(_ANY_TERMINAL, tables))), True
        return protocol.decode(frame), True
    except SealFrameRejected:
        if protocol.decode_capture is None:
            raise
        return protocol.decode_capture(frame), False


def _reply(decoded: DecodedFrame) -> bytes:
    return decoded.clock_reply(SystemClock().now()) if decoded.clock_reply is not None else decoded.reply


def _event(event: SealEvent) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": event.kind,
        "time": event.device_time.isoformat().replace("+00:00", "Z") if event.device_time else None,
        "lat": event.latitude_deg,
        "lon": event.longitude_deg,
        "valid": event.latitude_deg is not None,
        "is_alarm": event.is_alarm,
        "attributes": dict(event.attributes),
    }
    if event.seal_id:
        fields["seal_id"] = event.seal_id
    if "last_latitude_deg" in fields["attributes"]:  # no fix: where the tracker was last, marked as not valid
        fields["lat"] = float(fields["attributes"].pop("last_latitude_deg"))
        fields["lon"] = float(fields["attributes"].pop("last_longitude_deg"))
    if "status_bits" in fields["attributes"]:
        set_bits = fields["attributes"].pop("status_bits").split()
        fields["seal_bits"] = {bit.name: bit.name in set_bits for bit in STATUS_BITS}
    return fields


def _as_text(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return f"error  {answer['error']}"
    place = [
        f"{'ALARM ' if event['is_alarm'] else ''}{event['kind']} {event['time']}"
        + (f" {event['lat']:.6f} {event['lon']:.6f}" if event["valid"] else " no fix")
        for event in answer["events"]
    ]
    return f"{answer['seal_id']}  {answer['message']}  {'; '.join(place) or 'no event'}  reply {answer['reply_hex'] or '-'}"
