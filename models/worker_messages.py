"""What the agent and a worker say to each other over a SOCK_SEQPACKET pair, one message per packet.

Request: JSON with `id`, `op`, `transaction`; for images one descriptor by SCM_RIGHTS: a memory file with an encoded image
(`reference`, `picture`: size_bytes) or with BGR uint8 pixels (`probe`: width_px, height_px, t_mono_s, camera; a further one for each channel of `BESIDE` that comes with it). `evaluate` (own_key, groups)
and `forget` come without. `sums` comes with an empty memory file: the worker writes the sums of its site cohort there once they are due.
Answer: length of the JSON (4 bytes, big-endian), the JSON, then the portrait JPEG. No feature of a face ever crosses.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.errors import WorkerFault
from models.results import (
    AttackAssessment,
    ComparisonDecision,
    FaceBox,
    FaceComparison,
    FaceFinding,
    FaceSample,
    HeadPose,
)

LARGEST_REQUEST_BYTES = 4096
BESIDE = {"infrared": "uint8", "depth": "uint16"}
"""What may come with a probe, in this order: `[width_px, height_px]` in the request, and pixels of this kind in a file of their own."""
LARGEST_ANSWER_BYTES = 163_840  # below the default send buffer of a Unix socket (212 992)
_LENGTH = struct.Struct(">I")
_LONGEST_DETAIL = 500
_NONSENSE = (
    struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError
)  # fmt: skip
"""What taking a hostile packet apart may raise."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded, verified and warmed up its models.

    Without a calibration record `calibration_id` is empty and `refusal` says why; such a worker samples and never compares.
    `pipeline_sha256` stands for models, record and attack detection; workers of one engine have it in common.
    `watched_thresholds`: for each rate that is counted at, the deciding one first, the score of a match of one and of several frames.
    """

    process_id: int
    load_ms: float
    calibration_id: str = ""
    minimum_age_years: int = 0
    attack_detection_rated: bool = False
    refusal: str = ""
    watched_thresholds: tuple[tuple[float, float], ...] = ()
    pipeline_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Sampled:
    """The answer to one look: the sample without features, and for a probe the comparison."""

    request_id: int
    sample: FaceSample
    portrait_jpeg: bytes | None
    comparison: FaceComparison | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A request that has no other answer was carried out; `counts` are numbers it may come with."""

    request_id: int
    counts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Faulted:
    """A fault in the worker's own words; request_id 0 when it could not even start."""

    request_id: int
    code: str
    message: str


Answer = Ready | Sampled | Done | Faulted


def encode_request(request_id: int, operation: str, **values: float | str | list[int]) -> bytes:
    """Return a request packet."""
    return json.dumps({"id": request_id, "op": operation, **values}).encode("ascii")


def decode_request(packet: bytes) -> tuple[int, str, Mapping[str, Any]]:
    """Return id, operation and the whole table of a request. Raises `WorkerFault` when it is malformed."""
    try:
        table = json.loads(packet)
    except (ValueError, RecursionError) as error:
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
        return _packet({"answer": "ready", **asdict(answer)})
    if isinstance(answer, Done):
        return _packet({"answer": "done", "id": answer.request_id, "counts": dict(answer.counts)})
    if isinstance(answer, Faulted):
        message = answer.message[:_LONGEST_DETAIL]
        return _packet({"answer": "fault", "id": answer.request_id, "code": answer.code, "message": message})
    sample, box = answer.sample, answer.sample.box
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
        "faces": sample.faces,
        "frame_px": list(sample.frame_px),
        "pose": None if sample.pose is None else asdict(sample.pose),
        "attack": None if sample.attack is None else {**asdict(sample.attack), "cues": dict(sample.attack.cues)},
        "comparison": None if answer.comparison is None else asdict(answer.comparison),
        "portrait_bytes": len(portrait),
    }
    return _packet(header, portrait)


def decode_answer(packet: bytes) -> Answer:
    """Return what a worker said. Raises `WorkerFault` for anything that is not a complete, consistent answer."""
    try:
        (length,) = _LENGTH.unpack_from(packet)
        header = json.loads(packet[_LENGTH.size : _LENGTH.size + length])
        rest = packet[_LENGTH.size + length :]
        kind = header.pop("answer")
        if kind == "ready":
            pairs = header.pop("watched_thresholds", ())
            return Ready(**header, watched_thresholds=tuple((float(one), float(several)) for one, several in pairs))
        if kind == "done":
            return Done(int(header["id"]), dict(header["counts"]))
        if kind == "fault":
            return Faulted(int(header["id"]), str(header["code"]), str(header["message"]))
        if kind != "sampled":
            raise ValueError("an unknown kind of answer")
        return _sampled(header, rest)
    except _NONSENSE as error:
        raise WorkerFault(f"an answer that makes no sense: {error}", code="MD-WRK-002") from error


def _sampled(header: Mapping[str, Any], rest: bytes) -> Sampled:
    if int(header["portrait_bytes"]) != len(rest):
        raise ValueError("lengths that do not add up")
    finding = FaceFinding(header["finding"])
    box = None
    if header["box"] is not None:
        left, top, right, bottom, score = header["box"]
        box = FaceBox(int(left), int(top), int(right), int(bottom), float(score))
    if finding is FaceFinding.FOUND and box is None:
        raise ValueError("a face without a place")
    width_px, height_px = header["frame_px"]
    sample = FaceSample(
        finding,
        box,
        None,
        _numbers(header["quality"]),
        _numbers(header["step_ms"]),
        str(header["detail"]),
        int(header["faces"]),
        (int(width_px), int(height_px)),
        None if header["pose"] is None else HeadPose(**_numbers(header["pose"])),
        _attack(header["attack"]),
    )
    return Sampled(int(header["id"]), sample, rest or None, _comparison(header["comparison"], finding))


def _attack(table: Any) -> AttackAssessment | None:
    if table is None:
        return None
    score = None if table["score"] is None else float(table["score"])
    if score is not None and not 0 <= score <= 1:
        raise ValueError("an attack score outside 0-1")
    return AttackAssessment(score, _numbers(table["cues"]), str(table["detail"]), bool(table["is_rated"]))


def _comparison(table: Any, finding: FaceFinding) -> FaceComparison | None:
    if table is None:
        return None
    if finding is not FaceFinding.FOUND:
        raise ValueError("a comparison without a face")
    comparison = FaceComparison(**{**table, "decision": ComparisonDecision(table["decision"])})
    values = [comparison.comparison_score, comparison.threshold, comparison.non_match_threshold]
    values += [] if comparison.cosine is None else [comparison.cosine]
    is_counted = type(comparison.frames) is int and comparison.frames >= 1
    if not all(math.isfinite(value) for value in values) or not 0 < comparison.false_match_rate < 1 or not is_counted:
        raise ValueError("a comparison whose numbers make no sense")
    if (comparison.decision is ComparisonDecision.MATCH) != (comparison.comparison_score >= comparison.threshold):
        raise ValueError("a decision that its own score contradicts")
    return comparison


def _numbers(table: Any) -> dict[str, float]:
    numbers = {str(name): float(value) for name, value in dict(table).items()}
    if not all(math.isfinite(value) for value in numbers.values()):
        raise ValueError("a value that is no number")
    return numbers
