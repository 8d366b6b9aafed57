"""Workers that die, hang, lie or are starved: one call fails, the pool recovers, the loop never waits."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from gate_agent.cache import cache_folder, models_folder
from gate_agent.clock import SystemClock
from gate_agent.errors import InferenceFault
from gate_agent.runtime.inference import FaceEngine
from gate_agent.settings import FaceSettings
from models.catalogue import ensure
from models.results import ComparisonDecision, FaceFinding

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def folder():
    ensure(models_folder(), lambda *_: None)
    return models_folder()


@pytest.fixture(scope="module")
def portrait():
    path = cache_folder() / "portraits" / "obama.jpg"
    if not path.is_file():
        pytest.skip(f"{path} is missing; the set-up fetches the test portraits")
    return path.read_bytes()


@pytest.fixture
async def engine(folder):
    made = FaceEngine(FaceSettings(worker_timeout_s=2.0), folder, SystemClock())
    await made.start()
    yield made
    await made.stop()
    assert children() == []


@pytest.fixture
def frame():
    """A 1280 x 720 grey frame in shared memory."""
    descriptor = os.memfd_create("frame")
    os.write(descriptor, np.full((720, 1280, 3), 90, np.uint8).tobytes())
    yield descriptor
    os.close(descriptor)


def children():
    """Process numbers of workers that are children of this process, zombies included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == os.getpid() and (b"models.worker" in command or fields[0] == "Z"):
                found.append(int(entry.name))
    return found


async def replaced(engine, old):
    """Wait until another worker is ready; return the seconds that took."""
    started = time.monotonic()
    while not engine.worker_process_ids or old in engine.worker_process_ids:
        assert time.monotonic() - started < 10
        await asyncio.sleep(0.02)
    return time.monotonic() - started


@pytest.mark.portraits
async def test_reference_and_probe_of_the_same_face_match(engine, portrait):
    reference = await engine.reference(portrait)
    assert reference.sample.finding is FaceFinding.FOUND
    assert reference.portrait_jpeg.startswith(b"\xff\xd8\xff")
    head = cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR)
    picture = np.full((720, 1280, 3), 110, np.uint8)
    picture[:, 300:876] = cv2.resize(head, (576, 720))
    descriptor = os.memfd_create("frame")
    try:
        os.write(descriptor, picture.tobytes())
        probe = await engine.probe(descriptor, 1280, 720)
    finally:
        os.close(descriptor)
    comparison = engine.compare(probe.sample.features, reference.sample.features)
    assert comparison.decision is ComparisonDecision.MATCH
    assert comparison.calibration_id == engine.calibration_id
    assert {"queue", "detection", "landmarks", "chip", "features"} <= set(probe.sample.step_ms)


async def test_bombs_and_broken_images_are_findings_and_the_worker_lives(engine, portrait):
    before = engine.worker_process_ids
    bomb = b"\xff\x4f\xff\x51" + bytes(4) + b"\x00\x00\x23\x28" * 2 + bytes(202)
    for content in (bomb, b"", b"not an image", portrait[:2000], bytes(9_000_000)):
        capture = await engine.reference(content)
        assert (capture.sample.finding, capture.sample.features, capture.portrait_jpeg) == (
            FaceFinding.REFUSED,
            None,
            None,
        )
        assert capture.sample.detail.startswith("MD-IMG-00")
    assert engine.worker_process_ids == before


async def test_frame_without_a_face(engine, frame):
    capture = await engine.probe(frame, 1280, 720)
    assert (capture.sample.finding, capture.sample.features) == (FaceFinding.NOT_FOUND, None)


async def test_frame_smaller_than_stated_is_a_fault_and_the_worker_stays(engine, frame):
    before = engine.worker_process_ids
    for width, height in ((1920, 1080), (0, 720), (100_000, 100_000)):
        with pytest.raises(InferenceFault, match="refused the request"):
            await engine.probe(frame, width, height)
    assert (await engine.probe(frame, 1280, 720)).sample.finding is FaceFinding.NOT_FOUND
    assert engine.worker_process_ids == before


async def test_killed_in_the_middle_of_a_call(engine, frame):
    (pid,) = engine.worker_process_ids
    call = asyncio.create_task(engine.probe(frame, 1280, 720))
    await asyncio.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(InferenceFault) as fault:
        await call
    assert fault.value.code == "EG-INF-001"
    assert fault.value.retryable
    await replaced(engine, pid)
    assert (await engine.probe(frame, 1280, 720)).sample.finding is FaceFinding.NOT_FOUND


async def test_killed_while_idle_is_replaced_before_the_next_call(engine, frame):
    (pid,) = engine.worker_process_ids
    os.kill(pid, signal.SIGKILL)
    await replaced(engine, pid)
    assert (await engine.probe(frame, 1280, 720)).sample.finding is FaceFinding.NOT_FOUND
    assert pid not in children()


async def test_hanging_worker_costs_its_timeout_and_never_the_loop(folder, frame):
    engine = FaceEngine(FaceSettings(worker_timeout_s=0.5), folder, SystemClock())
    await engine.start()
    (pid,) = engine.worker_process_ids
    os.kill(pid, signal.SIGSTOP)
    gaps = []

    async def tick():
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - before)

    ticking = asyncio.create_task(tick())
    started = time.monotonic()
    with pytest.raises(InferenceFault) as fault:
        await engine.probe(frame, 1280, 720)
    assert 0.4 < time.monotonic() - started < 1.5
    assert fault.value.code == "EG-INF-002"
    await replaced(engine, pid)
    ticking.cancel()
    assert sorted(gaps)[len(gaps) // 2] < 0.05  # the median: other work on the machine may delay single ticks
    await engine.stop()
    assert children() == []


async def test_caller_that_gives_up_leaves_no_stale_answer(engine, frame, portrait):
    before = engine.worker_process_ids
    call = asyncio.create_task(engine.reference(portrait))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    capture = await engine.probe(frame, 1280, 720)
    assert capture.sample.finding is FaceFinding.NOT_FOUND  # the answer to this question, not to the one before
    assert engine.worker_process_ids == before


async def test_several_callers_share_one_worker_in_turn(engine, frame):
    captures = await asyncio.gather(*(engine.probe(frame, 1280, 720) for _ in range(4)))
    assert [capture.sample.finding for capture in captures] == [FaceFinding.NOT_FOUND] * 4


_LIAR = """
import socket, sys
channel = socket.socket(fileno=int(sys.argv[sys.argv.index("--socket-fd") + 1]))
def say(text, tail=b""):
    channel.send(len(text).to_bytes(4, "big") + text + tail)
say(b'{"answer": "ready", "process_id": 1, "load_ms": 1}')
while channel.recv(4096):
    ANSWER
"""


@pytest.mark.parametrize(
    "answer",
    [
        "channel.send(b'nonsense')",
        """say(b'{"answer": "ready", "process_id": 1, "load_ms": 1}')""",
        """say(b'[]')""",
        """say(b'{"answer": "sampled", "id": 1, "finding": "found", "box": null, "quality": {}, "step_ms": {}, '
        b'"detail": "", "features_bytes": 512, "portrait_bytes": 0}', bytes(512))""",
        """say(b'{"answer": "sampled", "id": 7, "finding": "not_found", "box": null, "quality": {}, "step_ms": {}, '
        b'"detail": "", "features_bytes": 0, "portrait_bytes": 0}')""",
    ],
)
async def test_nonsense_is_a_fault_never_a_sample(tmp_path, frame, answer):
    script = tmp_path / "liar.py"
    script.write_text(_LIAR.replace("ANSWER", answer))
    engine = FaceEngine(FaceSettings(), tmp_path, SystemClock(), worker_command=(sys.executable, str(script)))
    await engine.start()
    try:
        with pytest.raises(InferenceFault) as fault:
            await engine.probe(frame, 1280, 720)
        assert fault.value.code == "EG-INF-003"
    finally:
        await engine.stop()


async def test_models_that_are_absent_stop_the_start_with_a_remedy(tmp_path):
    engine = FaceEngine(FaceSettings(), tmp_path, SystemClock())
    with pytest.raises(InferenceFault, match="egate models build"):
        await engine.start()
    assert children() == []


async def test_memory_limit_too_small_for_the_models_is_a_fault(folder):
    engine = FaceEngine(FaceSettings(worker_memory_bytes=268_435_456), folder, SystemClock())
    with pytest.raises(InferenceFault) as fault:
        await engine.start()
    assert fault.value.code in {"EG-INF-001", "EG-INF-004"}
    assert children() == []


async def test_stopped_engine_refuses_and_leaves_nobody(folder, frame):
    engine = FaceEngine(FaceSettings(workers=2), folder, SystemClock())
    with pytest.raises(InferenceFault, match="not running"):
        await engine.probe(frame, 1280, 720)
    await engine.start()
    assert len(engine.worker_process_ids) == 2
    call = asyncio.create_task(engine.probe(frame, 1280, 720))
    await asyncio.sleep(0.02)
    await engine.stop()
    with pytest.raises(InferenceFault):
        await call
    assert engine.worker_process_ids == ()
    assert children() == []


async def test_comparison_without_a_calibration_is_a_fault(folder, monkeypatch):
    from models import calibration
    from models.errors import CalibrationRefused

    def refuse(_identity):
        raise CalibrationRefused("no record")

    monkeypatch.setattr(calibration, "calibration_for", refuse)
    engine = FaceEngine(FaceSettings(), folder, SystemClock())
    assert engine.calibration_id is None
    unit = np.eye(128, dtype=np.float32)[0]
    with pytest.raises(InferenceFault) as fault:
        engine.compare(unit, unit)
    assert fault.value.code == "EG-INF-006"
