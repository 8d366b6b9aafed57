"""The walk-through worker: its messages, its gallery, and that it refuses to search without proof."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import CalibrationRefused, WorkerFault
from models.face_comparison import FaceComparer
from models.pipeline import PipelineChoice
from models.results import (
    ComparisonDecision,
    DetectedFace,
    FaceBox,
    FaceComparison,
    FaceFinding,
    Features,
    Image,
    TrackedFace,
)
from models.score_normalisation import CohortStatistics
from models.track_identity import Standing
from models.walk_through_matching import SeenTrack, WalkThroughMatcher, false_match_rate_for, rules_of
from models.walk_through_messages import (
    Answer,
    Consumed,
    Enrolled,
    Faulted,
    Looked,
    Ready,
    Withdrawn,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)
from models.walk_through_reading import load_matcher
from models.walk_through_worker import Buffer, answer_to

BOX = FaceBox(100, 100, 219, 219, 1.0)
_, encoded = cv2.imencode(".png", np.full((32, 32, 3), 90, np.uint8))
PICTURE = encoded.tobytes()


def vector(number: int) -> Features:
    features = np.zeros(8, np.float32)
    features[number] = 1
    return features


class OneFace:
    """A tracker that follows one face, a reader whose features follow `person`, and a comparer that is the cosine."""

    def __init__(self) -> None:
        self.person = 1
        self.finding = FaceFinding.FOUND
        self.boxes = [BOX]
        self.made: list[Features] = []

    def update(self, image: Image, t_mono_s: float) -> list[TrackedFace]:
        return [
            TrackedFace(number, DetectedFace(box), is_detected=True, frames=1)
            for number, box in enumerate(self.boxes, start=1)
        ]

    def reference(self, image: Image) -> tuple[FaceFinding, Features | None]:
        return self.finding, self._made() if self.finding is FaceFinding.FOUND else None

    def features(self, image: Image, face: DetectedFace) -> Features:
        return self._made()

    def _made(self) -> Features:
        self.made.append(vector(self.person))
        return self.made[-1]

    def statistics(self, features: Features) -> CohortStatistics:
        return CohortStatistics(np.zeros(1), np.ones(1))

    def compare(
        self, probe: Features, reference: Features, frames: int = 1, reference_statistics: object = None
    ) -> FaceComparison:
        assert reference_statistics is not None
        return FaceComparison(float(probe @ reference), ComparisonDecision.MATCH, 0.9, 0.8, 1e-4, "fake")


def matcher_of(parts: OneFace, largest_gallery: int = 2) -> WalkThroughMatcher:
    return WalkThroughMatcher(parts, parts, parts, rules_of(0.9, 0.8), largest_gallery)


def frame() -> Image:
    return np.zeros((360, 640, 3), np.uint8)


def test_enrolled_seen_consumed_withdrawn_and_nothing_is_left() -> None:
    parts = OneFace()
    matcher = matcher_of(parts)
    assert matcher.enrol("anna", PICTURE) == (FaceFinding.FOUND, "")
    reference = parts.made[0]
    tracks = [matcher.look(frame(), 0.1 * step)[0] for step in range(5)]
    assert tracks[-1].standing is Standing.IDENTIFIED
    assert (tracks[-1].entry, tracks[-1].score) == ("anna", 1.0)
    assert not any(probe.any() for probe in parts.made[1:]), "probe features are overwritten at once"
    assert matcher.consume("anna", tracks[-1].proof)
    assert not matcher.consume("anna", tracks[-1].proof)
    matcher.withdraw("anna")
    assert not reference.any()
    assert matcher.look(frame(), 0.9)[0].entry == ""


def test_a_gallery_takes_as_many_as_its_rate_holds_for_and_nobody_twice() -> None:
    parts = OneFace()
    matcher = matcher_of(parts, largest_gallery=2)
    assert matcher.enrol("anna", PICTURE)[0] is FaceFinding.FOUND
    assert matcher.enrol("anna", PICTURE) == (FaceFinding.REFUSED, "entry_not_new")
    parts.person = 2
    assert matcher.enrol("boris", PICTURE)[0] is FaceFinding.FOUND
    assert matcher.enrol("celia", PICTURE) == (FaceFinding.REFUSED, "gallery_full")
    matcher.wipe()
    assert matcher.enrol("celia", PICTURE)[0] is FaceFinding.FOUND


@pytest.mark.parametrize("finding", [FaceFinding.NOT_FOUND, FaceFinding.SEVERAL])
def test_a_portrait_without_one_face_is_not_enrolled(finding: FaceFinding) -> None:
    parts = OneFace()
    parts.finding = finding
    matcher = matcher_of(parts)
    assert matcher.enrol("anna", PICTURE)[0] is finding
    assert matcher.enrol("boris", b"no picture") == (FaceFinding.REFUSED, "MD-IMG-001")
    parts.finding = FaceFinding.FOUND
    assert [matcher.enrol(name, PICTURE)[0] for name in ("anna", "boris")] == [FaceFinding.FOUND] * 2


def test_small_and_too_many_faces_are_followed_and_not_compared() -> None:
    parts = OneFace()
    matcher = matcher_of(parts)
    matcher.enrol("anna", PICTURE)
    parts.boxes = [FaceBox(100, 100, 160, 160, 1.0)]
    assert matcher.look(frame(), 0.0)[0].score is None
    assert len(parts.made) == 1
    parts.boxes = [FaceBox(300 * number, 0, 300 * number + 99, 99, 1.0) for number in range(6)]
    assert len(matcher.look(frame(), 0.1)) == 6
    assert len(parts.made) == 1 + 4


def test_rates_and_rules() -> None:
    assert false_match_rate_for(1e-3, 8) == pytest.approx(1.25e-4)
    with pytest.raises(CalibrationRefused):
        false_match_rate_for(1e-3, 0)
    rules = rules_of(0.56, 0.512)
    assert rules.margin == pytest.approx(0.048)
    with pytest.raises(CalibrationRefused):
        rules_of(0.5, 0.5)


# ---- messages ---------------------------------------------------------------------------------------------------------------

ANSWERS: list[Answer] = [
    Ready("record", 1e-4, 0.56, 18, is_proven=False, detail="nothing is proven"),
    Enrolled(1, FaceFinding.SEVERAL, "detail"),
    Looked(2, (SeenTrack(7, BOX, 3, Standing.CONTESTED, "anna", 4, 0.5), SeenTrack(8, BOX, 4, Standing.UNPROVEN, "", 0, None)), 12.5),
    Consumed(3, is_granted=True),
    Withdrawn(4),
    Faulted(0, "MD-WRK-001", "why"),
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_answers_survive_the_way(answer: Answer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_nonsense_is_refused(packet: bytes) -> None:
    with pytest.raises(WorkerFault):
        decode_answer(packet)


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table.pop("id"),
        lambda table: table.update(answer="other"),
        lambda table: table["tracks"][0].pop(),
        lambda table: table["tracks"][0].__setitem__(4, "friendly"),
        lambda table: table["tracks"][0].__setitem__(7, float("nan")),
        lambda table: table["tracks"].append(None),
    ],
)
def test_a_damaged_answer_is_refused(damage: Callable[[dict], object]) -> None:
    table = json.loads(encode_answer(ANSWERS[2]))
    damage(table)
    with pytest.raises(WorkerFault):
        decode_answer(json.dumps(table).encode())


@pytest.mark.parametrize("packet", [b"", b"[]", b'{"id": true, "op": "look"}', b'{"id": 1}', b"\xff"])
def test_a_request_without_id_or_operation_is_refused(packet: bytes) -> None:
    with pytest.raises(WorkerFault):
        decode_request(packet)


@contextmanager
def memory(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("test")
    try:
        os.pwrite(descriptor, content, 0)
        yield descriptor
    finally:
        os.close(descriptor)


def asked(matcher: WalkThroughMatcher, operation: str, content: bytes | None = None, **values: object) -> Answer:
    packet = encode_request(5, operation, **values)
    if content is None:
        return answer_to(matcher, Buffer(), packet, [])
    with memory(content) as descriptor:
        return answer_to(matcher, Buffer(), packet, [descriptor])


def test_the_worker_serves_each_operation() -> None:
    matcher = matcher_of(OneFace())
    enrolled = asked(matcher, "enrol", PICTURE, entry="anna", size_bytes=len(PICTURE))
    assert enrolled == Enrolled(5, FaceFinding.FOUND, "")
    proof = 0
    for step in range(4):
        looked = asked(matcher, "look", bytes(360 * 640 * 3), width_px=640, height_px=360, t_mono_s=0.1 * step)
        assert isinstance(looked, Looked)
        proof = looked.tracks[0].proof
    assert asked(matcher, "consume", entry="anna", proof=proof) == Consumed(5, is_granted=True)
    assert asked(matcher, "withdraw", entry="anna") == Withdrawn(5)


@pytest.mark.parametrize(
    ("operation", "content", "values"),
    [
        ("dance", None, {}),
        ("look", None, {"width_px": 640, "height_px": 360, "t_mono_s": 0.0}),
        ("look", b"short", {"width_px": 640, "height_px": 360, "t_mono_s": 0.0}),
        ("look", b"x" * 12, {"width_px": 2, "height_px": 2, "t_mono_s": "now"}),
        ("look", b"x" * 12, {"width_px": True, "height_px": 2, "t_mono_s": 0.0}),
        ("look", b"x", {"width_px": 16384, "height_px": 16384, "t_mono_s": 0.0}),
        ("enrol", PICTURE, {"entry": "", "size_bytes": 10}),
        ("enrol", PICTURE, {"entry": "x" * 65, "size_bytes": 10}),
        ("consume", None, {"entry": "anna"}),
        ("withdraw", None, {}),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_a_fault(
    operation: str, content: bytes | None, values: dict[str, object]
) -> None:
    answer = asked(matcher_of(OneFace()), operation, content, **values)
    assert isinstance(answer, Faulted)
    assert answer.request_id == 5
    assert answer.code.startswith("MD-WRK-")


def test_frames_out_of_order_are_refused() -> None:
    matcher = matcher_of(OneFace())
    content = bytes(64 * 64 * 3)
    asked(matcher, "look", content, width_px=64, height_px=64, t_mono_s=2.0)
    late = asked(matcher, "look", content, width_px=64, height_px=64, t_mono_s=1.0)
    assert isinstance(late, Faulted)


def test_what_was_copied_is_scrubbed() -> None:
    buffer = Buffer()
    with memory(b"secret-face") as descriptor:
        part = buffer.taken([descriptor], 11)
        assert part.tobytes() == b"secret-face"
    buffer.scrub()
    assert not part.any()


# ---- with the shipped model -------------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_the_shipped_model_may_not_search_and_says_why(models_folder: Path) -> None:
    choice = PipelineChoice(models=models_folder)
    with pytest.raises(CalibrationRefused, match="proves no false positive identification rate") as refused:
        load_matcher(choice, 8, 1e-3, is_demonstration=False)
    assert refused.value.code == "MD-CAL-003"
    matcher, ready = load_matcher(choice, 8, 1e-3, is_demonstration=True)
    assert not ready.is_proven
    assert ready.false_match_rate <= 1e-3 / 8
    assert "proves no" in ready.detail
    assert isinstance(matcher._comparer, FaceComparer)
    for rate in (0.0, 2e-3):
        with pytest.raises(CalibrationRefused):
            load_matcher(choice, 8, rate, is_demonstration=True)
