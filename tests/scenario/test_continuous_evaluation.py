"""Two travellers and a real worker whose cache is on (A9, biometrics): counts come out, features do not; and a kept picture is good enough to compare with."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from gate_agent.clock import SystemClock
from gate_agent.errors import InferenceFault
from gate_agent.runtime.face_monitoring import PersonKeys
from gate_agent.runtime.inference import FaceEngine
from gate_agent.runtime.worker_process import WorkerProcess
from gate_agent.settings import FaceSettings
from models.field_evaluation import FieldCounts
from models.image_decoding import decode_image
from models.non_mated_cache import NonMatedCounts
from models.results import ComparisonDecision
from models.worker_messages import Done, Sampled

pytestmark = [pytest.mark.portraits, pytest.mark.weights]

KEYS = PersonKeys()
OBAMA, BIDEN = KEYS.key_of("USA", "1"), KEYS.key_of("USA", "2")


@contextmanager
def frame_of(path: Path) -> Iterator[int]:
    """A camera frame, 1280 x 720 BGR, of the person in a picture."""
    person = decode_image(path.read_bytes())
    width_px = 420  # as near as travellers stand
    person = cv2.resize(person, (width_px, round(person.shape[0] * width_px / person.shape[1])))[:640]
    frame = np.full((720, 1280, 3), 105, dtype=np.uint8)
    frame[40 : 40 + len(person), 300 : 300 + width_px] = person
    descriptor = os.memfd_create("frame")
    try:
        os.write(descriptor, frame.tobytes())
        yield descriptor
    finally:
        os.close(descriptor)


async def compared(engine: FaceEngine, reference: bytes, live: Path) -> tuple[uuid.UUID, ComparisonDecision]:
    transaction_id = uuid.uuid4()
    await engine.reference(transaction_id, reference)
    with frame_of(live) as descriptor:
        for number in range(2):
            capture = await engine.probe(transaction_id, descriptor, 1280, 720, 100 + number / 10)
    assert capture.comparison is not None
    score, pair = capture.comparison.comparison_score, engine.watched_thresholds[0]
    assert pair[capture.comparison.frames > 1] == capture.comparison.threshold
    assert (score >= capture.comparison.threshold) == (capture.comparison.decision is ComparisonDecision.MATCH)
    return transaction_id, capture.comparison.decision


@pytest.fixture
async def engine(models_folder: Path) -> AsyncIterator[FaceEngine]:
    settings = FaceSettings(non_mated_cache=10, monitoring_groups=("sex",), monitoring_false_match_rates=(1e-3,))
    made = FaceEngine(settings, models_folder, SystemClock())
    await made.start()
    yield made
    await made.stop()


async def test_counts_come_and_features_do_not(
    engine: FaceEngine, portraits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Sampled | Done] = []
    real = WorkerProcess.answer

    async def answer(worker: WorkerProcess, timeout_s: float) -> Sampled | Done:
        said.append(await real(worker, timeout_s))
        return said[-1]

    monkeypatch.setattr(WorkerProcess, "answer", answer)
    found = []
    for name, key, group in (("obama", OBAMA, 1), ("biden", BIDEN, 1), ("obama", OBAMA, 1)):
        live = portraits / ("obama2.jpg" if name == "obama" else "biden.jpg")
        transaction_id, decision = await compared(engine, (portraits / f"{name}.jpg").read_bytes(), live)
        assert decision is ComparisonDecision.MATCH
        found.append(await engine.evaluate(transaction_id, key, [group]))
        await engine.forget(transaction_id)
        assert await engine.evaluate(transaction_id, key, [group]) is None  # nothing is left to compare
    nobody, one = FieldCounts(), FieldCounts(probes=1, non_mated=1)
    # nobody yet; the first one; the second one and never the own document
    assert found == [NonMatedCounts((each, each), ((each, each),)) for each in (nobody, one, one)]
    tables = [answer.counts for answer in said if isinstance(answer, Done) and "overall" in answer.counts]
    assert len(tables) == 3
    for table in tables:
        numbers = [number for layer in (table["overall"], *table["within_group"]) for row in layer for number in row]
        assert set(map(type, numbers)) == {int}
        assert max(numbers) <= 1
        assert set(table) == {"overall", "within_group"}
        assert len(json.dumps(table)) < 300  # 128 features would not fit
    assert all(answer.sample.features is None for answer in said if isinstance(answer, Sampled))


async def test_a_busy_worker_is_not_waited_for(engine: FaceEngine, portraits: Path) -> None:
    transaction_id, _ = await compared(engine, (portraits / "obama.jpg").read_bytes(), portraits / "obama2.jpg")
    (worker,) = engine._workers
    async with worker.turn:
        assert await engine.evaluate(transaction_id, OBAMA, [1]) is None
    assert await engine.evaluate(transaction_id, OBAMA, [1]) is not None


async def test_a_malformed_request_is_refused_and_the_worker_lives_on(engine: FaceEngine, portraits: Path) -> None:
    transaction_id, _ = await compared(engine, (portraits / "obama.jpg").read_bytes(), portraits / "obama2.jpg")
    before = engine.worker_process_ids
    for key, groups in ((b"short", [1]), (OBAMA, []), (OBAMA, [-1]), (OBAMA, [1, 2])):
        with pytest.raises(InferenceFault, match="MD-CAC-001") as fault:
            await engine.evaluate(transaction_id, key, groups)
        assert fault.value.code == "EG-INF-007"
    assert await engine.evaluate(transaction_id, OBAMA, [1]) is not None
    assert engine.worker_process_ids == before


async def test_without_a_cache_a_worker_keeps_nothing(models_folder: Path, portraits: Path) -> None:
    made = FaceEngine(FaceSettings(), models_folder, SystemClock())
    await made.start()
    try:
        transaction_id, _ = await compared(made, (portraits / "obama.jpg").read_bytes(), portraits / "obama2.jpg")
        with pytest.raises(InferenceFault, match="keeps no references"):
            await made.evaluate(transaction_id, OBAMA)
    finally:
        await made.stop()


async def test_a_rate_that_the_record_does_not_prove_is_refused_at_start(models_folder: Path) -> None:
    made = FaceEngine(FaceSettings(monitoring_false_match_rates=(1e-9,)), models_folder, SystemClock())
    with pytest.raises(InferenceFault, match="MD-CAL-003"):
        await made.start()


async def test_the_picture_that_is_kept_for_a_short_stay_is_a_reference(engine: FaceEngine, portraits: Path) -> None:
    """At entry the worker cuts the document's portrait; at the exit that picture alone has to tell holder and stranger apart."""
    capture = await engine.reference(uuid.uuid4(), (portraits / "obama.jpg").read_bytes())
    assert capture.portrait_jpeg is not None
    for live, expected in (("obama2.jpg", True), ("biden.jpg", False)):
        _, decision = await compared(engine, capture.portrait_jpeg, portraits / live)
        assert (decision is ComparisonDecision.MATCH) is expected, live
