"""What a walk-through lane and its worker say to each other over a SOCK_SEQPACKET pair, one JSON message per packet.

Request: `id`, `op` and its values: `enrol` (entry, size_bytes; one descriptor: a memory file with an encoded portrait), `look`
(width_px, height_px, t_mono_s; one descriptor: BGR uint8 pixels), `consume` (entry, proof), `withdraw` (entry). Answers hold
boxes, numbers and names of entries: no picture and no features.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.errors import WorkerFault
from models.results import FaceBox, FaceFinding
from models.track_identity import Standing
from models.walk_through_matching import SeenTrack

LARGEST_MESSAGE_BYTES = 65_536
LONGEST_ENTRY = 64
_LONGEST_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker is warm. `is_proven`: the record proves the identification rate asked for; `detail` says why, or why not."""

    calibration_id: str
    false_match_rate: float
    threshold: float
    minimum_age_years: int
    is_proven: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What was found in a portrait; only FOUND is in the gallery."""

    request_id: int
    finding: FaceFinding
    detail: str


@dataclass(frozen=True, slots=True)
class Looked:
    """Every followed face of a frame, and how long the worker took."""

    request_id: int
    tracks: tuple[SeenTrack, ...]
    step_ms: float


@dataclass(frozen=True, slots=True)
class Consumed:
    """Whether the entry was used up for this proof just now."""

    request_id: int
    is_granted: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The entry is gone."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Faulted:
    """A fault in the worker's own words; request_id 0 when it could not even start."""

    request_id: int
    code: str
    message: str


Answer = Ready | Enrolled | Looked | Consumed | Withdrawn | Faulted


def encode_request(request_id: int, operation: str, **values: float | str) -> bytes:
    """Return a request packet."""
    return json.dumps({"id": request_id, "op": operation, **values}).encode("ascii")


def decode_request(packet: bytes) -> tuple[int, str, Mapping[str, Any]]:
    """Return id, operation and the whole table of a request. Raises `WorkerFault` when it is malformed."""
    try:
        table = json.loads(packet)
    except ValueError as error:
        raise WorkerFault("a request that is no JSON") from error
    if not isinstance(table, dict) or type(table.get("id")) is not int or not isinstance(table.get("op"), str):
        raise WorkerFault("a request without id or operation")
    return table["id"], table["op"], table


def whole(request: Mapping[str, Any], name: str, largest: int) -> int:
    """Return a whole number from 1 to `largest`. Raises `WorkerFault` for anything else."""
    value = request.get(name)
    if type(value) is not int or not 1 <= value <= largest:
        raise WorkerFault(f"{name} must be a whole number from 1 to {largest}", code="MD-WRK-003")
    return value


def entry_of(request: Mapping[str, Any]) -> str:
    """Return the entry's name. Raises `WorkerFault` when it is not a short text."""
    entry = request.get("entry")
    if not isinstance(entry, str) or not 1 <= len(entry) <= LONGEST_ENTRY:
        raise WorkerFault("an entry without a name", code="MD-WRK-003")
    return entry


def time_of(request: Mapping[str, Any]) -> float:
    """Return the moment a frame was taken. Raises `WorkerFault` when it is no number."""
    value = request.get("t_mono_s")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WorkerFault("t_mono_s must be a number", code="MD-WRK-003")
    return float(value)


def encode_answer(answer: Answer) -> bytes:
    """Return an answer packet."""
    match answer:
        case Ready():
            table: dict[str, Any] = {"answer": "ready", **asdict(answer)}
        case Enrolled(request_id, finding, detail):
            table = {"answer": "enrolled", "id": request_id, "finding": finding.value, "detail": detail}
        case Looked(request_id, tracks, step_ms):
            table = {
                "answer": "looked",
                "id": request_id,
                "step_ms": step_ms,
                "tracks": [_track_row(track) for track in tracks],
            }
        case Consumed(request_id, is_granted):
            table = {"answer": "consumed", "id": request_id, "granted": is_granted}
        case Withdrawn(request_id):
            table = {"answer": "withdrawn", "id": request_id}
        case Faulted(request_id, code, message):
            table = {"answer": "fault", "id": request_id, "code": code, "message": message[:_LONGEST_DETAIL]}
    return json.dumps(table).encode("ascii")


def decode_answer(packet: bytes) -> Answer:
    """Return what a worker said. Raises `WorkerFault` for anything that is not a complete, consistent answer."""
    try:
        return _answer(json.loads(packet))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise WorkerFault(f"an answer that makes no sense: {error}", code="MD-WRK-002") from error


def _answer(table: Mapping[str, Any]) -> Answer:
    match table["answer"]:
        case "ready":
            return Ready(
                str(table["calibration_id"]),
                _real(table["false_match_rate"]),
                _real(table["threshold"]),
                int(table["minimum_age_years"]),
                table["is_proven"] is True,
                str(table["detail"]),
            )
        case "enrolled":
            return Enrolled(int(table["id"]), FaceFinding(table["finding"]), str(table["detail"]))
        case "looked":
            return Looked(int(table["id"]), tuple(_track(row) for row in table["tracks"]), _real(table["step_ms"]))
        case "consumed":
            return Consumed(int(table["id"]), table["granted"] is True)
        case "withdrawn":
            return Withdrawn(int(table["id"]))
        case "fault":
            return Faulted(int(table["id"]), str(table["code"]), str(table["message"]))
        case _:
            raise ValueError("an unknown kind of answer")


def _track_row(track: SeenTrack) -> list[Any]:
    box = track.box
    edges = [box.left_px, box.top_px, box.right_px, box.bottom_px]
    return [track.track_id, edges, box.score, track.proof, track.standing.value, track.entry, track.frames, track.score]


def _track(row: Any) -> SeenTrack:
    track_id, (left, top, right, bottom), box_score, proof, standing, entry, frames, score = row
    return SeenTrack(
        int(track_id),
        FaceBox(int(left), int(top), int(right), int(bottom), _real(box_score)),
        int(proof),
        Standing(standing),
        str(entry),
        int(frames),
        None if score is None else _real(score),
    )


def _real(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a value that is no number")
    return number
