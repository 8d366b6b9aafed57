"""What the agent and a worker say to each other over a SOCK_SEQPACKET pair, one message per packet.

Request: JSON with `id`, `op` (`sample_frame` with width_px, height_px; `sample_image` with size_bytes) and one descriptor by
SCM_RIGHTS: a memory file with BGR uint8 pixels or with an encoded image.
Answer: length of the JSON (4 bytes, big-endian), the JSON, then features (float32, little-endian) and the portrait JPEG.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.errors import WorkerFault
from models.results import FaceBox, FaceFinding, FaceSample

LARGEST_REQUEST_BYTES = 4096
LARGEST_ANSWER_BYTES = 163_840  # below the default send buffer of a Unix socket (212 992)
FEATURES = 128
_LENGTH = struct.Struct(">I")
_LONGEST_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded, verified and warmed up its models."""

    process_id: int
    load_ms: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """The answer to one request."""

    request_id: int
    sample: FaceSample
    portrait_jpeg: bytes | None


@dataclass(frozen=True, slots=True)
class Faulted:
    """A fault in the worker's own words; request_id 0 when it could not even start."""

    request_id: int
    code: str
    message: str


Answer = Ready | Sampled | Faulted


def encode_request(request_id: int, operation: str, **values: int) -> bytes:
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


def _packet(header: Mapping[str, Any], *parts: bytes) -> bytes:
    text = json.dumps(header).encode("utf-8")
    return b"".join((_LENGTH.pack(len(text)), text, *parts))


def encode_answer(answer: Answer) -> bytes:
    """Return an answer packet; a portrait too large for one packet is left out."""
    if isinstance(answer, Ready):
        return _packet({"answer": "ready", "process_id": answer.process_id, "load_ms": answer.load_ms})
    if isinstance(answer, Faulted):
        message = answer.message[:_LONGEST_DETAIL]
        return _packet({"answer": "fault", "id": answer.request_id, "code": answer.code, "message": message})
    sample, box = answer.sample, answer.sample.box
    features = b"" if sample.features is None else sample.features.astype("<f4").tobytes()
    portrait = answer.portrait_jpeg or b""
    if len(portrait) > LARGEST_ANSWER_BYTES // 2:
        portrait = b""
    header = {
        "answer": "sampled",
        "id": answer.request_id,
        "finding": sample.finding.value,
        "box": None if box is None else [box.left_px, box.top_px, box.right_px, box.bottom_px, box.score],
        "quality": dict(sample.quality),
        "step_ms": dict(sample.step_ms),
        "detail": sample.detail[:_LONGEST_DETAIL],
        "features_bytes": len(features),
        "portrait_bytes": len(portrait),
    }
    return _packet(header, features, portrait)


def decode_answer(packet: bytes) -> Answer:
    """Return what a worker said. Raises `WorkerFault` for anything that is not a complete, consistent answer."""
    try:
        (length,) = _LENGTH.unpack_from(packet)
        header = json.loads(packet[_LENGTH.size : _LENGTH.size + length])
        rest = packet[_LENGTH.size + length :]
        if header["answer"] == "ready":
            return Ready(int(header["process_id"]), float(header["load_ms"]))
        if header["answer"] == "fault":
            return Faulted(int(header["id"]), str(header["code"]), str(header["message"]))
        return _sampled(header, rest)
    except (struct.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise WorkerFault(f"an answer that makes no sense: {error}", code="MD-WRK-002") from error


def _sampled(header: Mapping[str, Any], rest: bytes) -> Sampled:
    if header["answer"] != "sampled":
        raise ValueError("an unknown kind of answer")
    features_bytes, portrait_bytes = int(header["features_bytes"]), int(header["portrait_bytes"])
    if features_bytes not in {0, 4 * FEATURES} or portrait_bytes < 0 or len(rest) != features_bytes + portrait_bytes:
        raise ValueError("lengths that do not add up")
    finding = FaceFinding(header["finding"])
    features = np.frombuffer(rest[:features_bytes], dtype="<f4").astype(np.float32) if features_bytes else None
    if (finding is FaceFinding.FOUND) != (features is not None):
        raise ValueError("features without a face, or a face without features")
    if features is not None and not abs(float(np.linalg.norm(features)) - 1) <= 1e-3:
        raise ValueError("features that are no unit vector")
    box = None
    if header["box"] is not None:
        left, top, right, bottom, score = header["box"]
        box = FaceBox(int(left), int(top), int(right), int(bottom), float(score))
    sample = FaceSample(
        finding, box, features, _numbers(header["quality"]), _numbers(header["step_ms"]), str(header["detail"])
    )
    return Sampled(int(header["id"]), sample, rest[features_bytes:] or None)


def _numbers(table: Any) -> dict[str, float]:
    numbers = {str(name): float(value) for name, value in dict(table).items()}
    if not all(math.isfinite(value) for value in numbers.values()):
        raise ValueError("a value that is no number")
    return numbers
