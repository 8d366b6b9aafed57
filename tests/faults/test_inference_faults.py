"""Workers that die, hang, lie or are starved: one call fails, the pool recovers, the loop never waits."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import struct
import sys
import time
import uuid
import zlib
from dataclasses import replace
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
from tests.waiting import until

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


def cpu_s(process_id):
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def queued_s(process_id):
    """Seconds for which a process stood in line for a processor that others had, as far as the kernel counts them."""
    path = Path(f"/proc/{process_id}/schedstat")
    return int(path.read_text().split()[1]) / 1e9 if path.exists() else 0.0


async def replaced(engine, old):
    """Wait until another worker is ready; return the seconds that took it, without those in which other processes were let go first."""
    waited_s = await until(lambda: engine.worker_process_ids and old not in engine.worker_process_ids, 60, step_s=0.02)
    return waited_s - queued_s(engine.worker_process_ids[0])


class Caller:
    """One traveller's questions to an engine, a tenth of a second apart."""

    def __init__(self, engine, transaction_id=None):
        self.engine = engine
        self.transaction_id = transaction_id or uuid.uuid4()
        self.t_s = 100.0

    def probe(self, frame, width=1280, height=720):
        self.t_s += 0.1
        return self.engine.probe(self.transaction_id, frame, width, height, self.t_s)

    def reference(self, content):
        return self.engine.reference(self.transaction_id, content)

    def picture(self, content):
        return self.engine.picture(self.transaction_id, content)

    def forget(self):
        return self.engine.forget(self.transaction_id)


@pytest.fixture
def caller(engine):
    return Caller(engine)


@pytest.fixture
def framed(portrait):
    """A 1280 x 720 frame with the portrait's face in it, in shared memory."""
    head = cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR)
    picture = np.full((720, 1280, 3), 110, np.uint8)
    picture[:, 300:876] = cv2.resize(head, (576, 720))
    descriptor = os.memfd_create("frame")
    os.write(descriptor, picture.tobytes())
    yield descriptor
    os.close(descriptor)


@pytest.mark.portraits
async def test_reference_and_probe_of_the_same_face_match(engine, caller, portrait, framed):
    reference = await caller.reference(portrait)
    assert (reference.sample.finding, reference.comparison) == (FaceFinding.FOUND, None)
    assert reference.portrait_jpeg.startswith(b"\xff\xd8\xff")
    for number in range(4):
        probe = await caller.probe(framed)
        comparison = probe.comparison
        assert comparison.decision is ComparisonDecision.MATCH
        assert comparison.frames == min(number + 1, 3)
    assert comparison.calibration_id == engine.calibration_id
    assert (comparison.model_id, comparison.false_match_rate) == ("dlib-face-recognition-resnet-v1", 1e-4)
    assert {"queue", "detection", "landmarks_and_chip", "features", "comparison"} <= set(probe.sample.step_ms)
    alone = await caller.picture(portrait)
    assert (alone.comparison.decision, alone.comparison.frames) == (ComparisonDecision.MATCH, 1)
    await caller.forget()
    assert (await caller.picture(portrait)).comparison is None
    await caller.forget()
    await caller.forget()  # what nobody holds is forgotten already


def arrays_in(found, depth=0):
    """Every numpy array below an object: attributes, members of containers."""
    if isinstance(found, np.ndarray):
        return [found]
    if depth > 8 or isinstance(
        found, str | bytes | int | float | asyncio.Future | asyncio.Event | asyncio.AbstractEventLoop
    ):
        return []
    inside = list(found.items()) if isinstance(found, dict) else []
    if isinstance(found, list | tuple | set | frozenset):
        inside += list(found)
    for name in {*getattr(found, "__dict__", ()), *getattr(type(found), "__slots__", ())}:
        inside.append(getattr(found, name, None))
    return [array for part in inside for array in arrays_in(part, depth + 1)]


@pytest.mark.portraits
async def test_no_features_reach_the_agent(engine, caller, portrait, framed):
    """Neither an answer nor the engine holds an array: samples, comparison and pictures of the face are all that comes."""
    captures = [await caller.reference(portrait), await caller.probe(framed), await caller.picture(portrait)]
    for capture in captures:
        assert capture.sample.finding is FaceFinding.FOUND
        assert capture.sample.features is None
        assert capture.sample.quality
    assert arrays_in(captures) == []
    assert arrays_in(engine) == []
    assert len(arrays_in([replace(captures[0].sample, features=np.zeros(2))])) == 1  # the search finds one


@pytest.mark.portraits
async def test_bombs_and_broken_images_die_in_the_decoder_and_the_worker_lives(engine, caller, portrait, framed):
    before = engine.worker_process_ids
    await caller.reference(portrait)
    claimed = b"\xff\x4f\xff\x51" + bytes(4) + b"\x00\x00\x23\x28" * 2 + bytes(202)
    for content in (claimed, b"", b"not an image", portrait[:2000], bytes(9_000_000), png_bomb()):
        for look in (caller.reference, caller.picture):
            capture = await look(content)
            found = (capture.sample.finding, capture.sample.features, capture.portrait_jpeg, capture.comparison)
            assert found == (FaceFinding.REFUSED, None, None, None)
            assert capture.sample.detail.startswith("MD-IMG-00")
    assert engine.worker_process_ids == before


@pytest.mark.portraits
@pytest.mark.parametrize("content", [b"", b"not an image", bytes(9_000_000)])
async def test_a_refused_picture_harms_no_reference_and_a_refused_reference_leaves_none(
    engine, caller, portrait, framed, content
):
    await caller.reference(portrait)
    await caller.picture(content)
    assert (await caller.probe(framed)).comparison.decision is ComparisonDecision.MATCH
    await caller.reference(content)  # another document's, perhaps: the first one does not stand in for it
    with pytest.raises(InferenceFault):
        await caller.probe(framed)
    await caller.reference(portrait)
    assert (await caller.probe(framed)).comparison.decision is ComparisonDecision.MATCH


def png_bomb():
    """A PNG of 20 million pixels, 60 MB when it is unpacked, in 60 kB: within the limits of its header, broken at its end."""
    rows = zlib.compress(bytes((1 + 3 * 5000) * 4000), 9)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 5000, 4000, 8, 2, 0, 0, 0)), (b"IDAT", rows[: len(rows) // 2])]
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


async def test_frame_without_a_face(caller, frame):
    capture = await caller.probe(frame)
    assert (capture.sample.finding, capture.sample.features, capture.comparison) == (FaceFinding.NOT_FOUND, None, None)


async def test_frame_smaller_than_stated_is_a_fault_and_the_worker_stays(engine, caller, frame):
    before = engine.worker_process_ids
    for width, height in ((1920, 1080), (0, 720), (100_000, 100_000)):
        with pytest.raises(InferenceFault, match="refused the request") as fault:
            await caller.probe(frame, width, height)
        assert fault.value.code == "EG-INF-007"
    assert (await caller.probe(frame)).sample.finding is FaceFinding.NOT_FOUND
    assert engine.worker_process_ids == before


async def stopped_over(caller, frame, pid):
    """Ask, and stop the worker before its answer is there; return the question."""
    while True:
        call = asyncio.create_task(caller.probe(frame))
        await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.wait({call}, timeout=0.05)  # what it said before it was stopped is heard now
        if not call.done():
            return call
        os.kill(pid, signal.SIGCONT)


@pytest.mark.portraits
async def test_killed_in_the_middle_of_a_comparison(engine, caller, portrait, framed):
    """The transaction that the worker held is aborted, within a second there is a new one, and the next traveller is served."""
    (pid,) = engine.worker_process_ids
    await caller.reference(portrait)
    assert (await caller.probe(framed)).comparison is not None
    call = await stopped_over(caller, framed, pid)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(InferenceFault) as fault:
        await call
    assert fault.value.code == "EG-INF-001"
    assert fault.value.retryable
    waited_s = await replaced(engine, pid)
    (new_pid,) = engine.worker_process_ids
    assert cpu_s(new_pid) <= 1.0
    with pytest.raises(InferenceFault, match="held the reference died") as fault:
        await caller.probe(framed)  # never compared with nothing, or with another's reference
    assert fault.value.code == "EG-INF-001"
    following = Caller(engine)
    await following.reference(portrait)
    assert (await following.probe(framed)).comparison.decision is ComparisonDecision.MATCH
    await caller.reference(portrait)  # the document is read again: the transaction goes on with the new worker
    assert (await caller.probe(framed)).comparison.decision is ComparisonDecision.MATCH
    for _ in range(4):  # a shared machine may take its time over one start; it does not over five
        if waited_s <= 1.0:
            break
        (pid,) = engine.worker_process_ids
        os.kill(pid, signal.SIGKILL)
        waited_s = await replaced(engine, pid)
    assert waited_s <= 1.0


async def test_killed_while_idle_is_replaced_before_the_next_call(engine, caller, frame):
    (pid,) = engine.worker_process_ids
    os.kill(pid, signal.SIGKILL)
    await replaced(engine, pid)
    assert (await caller.probe(frame)).sample.finding is FaceFinding.NOT_FOUND
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
        await Caller(engine).probe(frame)
    assert 0.4 < time.monotonic() - started < 3.0
    assert fault.value.code == "EG-INF-002"
    await replaced(engine, pid)
    ticking.cancel()
    assert sorted(gaps)[len(gaps) // 2] < 0.05  # the median: other work on the machine may delay single ticks
    await engine.stop()
    assert children() == []


async def test_worker_that_cannot_forget_is_ended(folder, frame):
    """Forgetting never fails: what a worker does not overwrite goes with its process."""
    engine = FaceEngine(FaceSettings(worker_timeout_s=0.5), folder, SystemClock())
    await engine.start()
    caller = Caller(engine)
    (pid,) = engine.worker_process_ids
    await caller.probe(frame)
    os.kill(pid, signal.SIGSTOP)
    await caller.forget()
    await replaced(engine, pid)
    assert pid not in children()
    await engine.stop()


async def test_caller_that_gives_up_leaves_no_stale_answer(engine, caller, frame, portrait):
    before = engine.worker_process_ids
    os.kill(before[0], signal.SIGSTOP)  # it has no answer yet when the caller gives up
    call = asyncio.create_task(caller.reference(portrait))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    os.kill(before[0], signal.SIGCONT)
    capture = await caller.probe(frame)
    assert capture.sample.finding is FaceFinding.NOT_FOUND  # the answer to this question, not to the one before
    assert engine.worker_process_ids == before


async def test_several_travellers_share_one_worker_in_turn(engine, frame):
    captures = await asyncio.gather(*(Caller(engine).probe(frame) for _ in range(4)))
    assert [capture.sample.finding for capture in captures] == [FaceFinding.NOT_FOUND] * 4


@pytest.mark.portraits
async def test_travellers_are_shared_out_and_stay_with_their_worker(folder, portrait, framed):
    engine = FaceEngine(FaceSettings(workers=2), folder, SystemClock())
    await engine.start()
    try:
        travellers = [Caller(engine) for _ in range(4)]
        for traveller in travellers:
            await traveller.reference(portrait)
        for _ in range(2):
            for traveller in travellers:
                assert (await traveller.probe(framed)).comparison.decision is ComparisonDecision.MATCH
        first, _ = engine.worker_process_ids
        os.kill(first, signal.SIGKILL)
        await asyncio.sleep(0.1)
        outcomes = await asyncio.gather(*(traveller.probe(framed) for traveller in travellers), return_exceptions=True)
        assert sum(isinstance(outcome, InferenceFault) for outcome in outcomes) == 2  # the others did not notice
        assert sum(not isinstance(outcome, Exception) and outcome.comparison is not None for outcome in outcomes) == 2
    finally:
        await engine.stop()


_LIAR = """
import socket, sys
channel = socket.socket(fileno=int(sys.argv[sys.argv.index("--socket-fd") + 1]))
def say(text, tail=b""):
    channel.send(len(text).to_bytes(4, "big") + text + tail)
SAMPLED = (b'{"answer": "sampled", "id": %d, "finding": %s, "box": null, "quality": {}, "step_ms": {}, "detail": "", '
           b'"faces": 0, "frame_px": [1, 1], "pose": null, "attack": null, "comparison": null, "portrait_bytes": %d}')
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
        """say(SAMPLED % (1, b'"found"', 512), bytes(512))""",  # a face without a place
        """say(SAMPLED % (7, b'"not_found"', 0))""",  # the answer to another question
        """say(SAMPLED % (1, b'"not_found"', 9))""",  # a portrait shorter than stated
        """say(b'{"answer": "done", "id": 1, "counts": {"forgotten": 1}}')""",  # of another operation
        """say(b'[' * 100000)""",
    ],
)
async def test_nonsense_is_a_fault_never_a_sample(tmp_path, frame, answer):
    script = tmp_path / "liar.py"
    script.write_text(_LIAR.replace("ANSWER", answer))
    engine = FaceEngine(FaceSettings(), tmp_path, SystemClock(), worker_command=(sys.executable, str(script)))
    await engine.start()
    try:
        with pytest.raises(InferenceFault) as fault:
            await Caller(engine).probe(frame)
        assert fault.value.code == "EG-INF-003"
    finally:
        await engine.stop()


async def test_the_liars_honest_answer_is_taken(tmp_path, frame):
    """The answers above fail for what is wrong with them, not for their shape."""
    script = tmp_path / "liar.py"
    script.write_text(_LIAR.replace("ANSWER", """say(SAMPLED % (1, b'"not_found"', 0))"""))
    engine = FaceEngine(FaceSettings(), tmp_path, SystemClock(), worker_command=(sys.executable, str(script)))
    await engine.start()
    try:
        assert (await Caller(engine).probe(frame)).sample.finding is FaceFinding.NOT_FOUND
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
        await Caller(engine).probe(frame)
    await engine.start()
    assert len(engine.worker_process_ids) == 2
    for pid in engine.worker_process_ids:
        os.kill(pid, signal.SIGSTOP)  # neither has an answer before the end
    call = asyncio.create_task(Caller(engine).probe(frame))
    await asyncio.sleep(0.02)
    await engine.stop()
    with pytest.raises(InferenceFault):
        await call
    assert engine.worker_process_ids == ()
    assert children() == []


@pytest.mark.portraits
async def test_without_a_calibration_record_faces_are_found_and_never_compared(folder, portrait, framed):
    """A record is wanted that is not there."""
    engine = FaceEngine(FaceSettings(calibration="of-nobody"), folder, SystemClock())
    await engine.start()
    try:
        assert (engine.calibration_id, engine.minimum_age_years) == (None, 0)
        caller = Caller(engine)
        await caller.reference(portrait)
        capture = await caller.probe(framed)
        assert (capture.sample.finding, capture.comparison) == (FaceFinding.FOUND, None)
    finally:
        await engine.stop()


async def test_a_rate_that_no_record_proves_stops_the_start(folder):
    engine = FaceEngine(FaceSettings(false_match_rate=1e-9), folder, SystemClock())
    with pytest.raises(InferenceFault, match="MD-CAL-003"):
        await engine.start()
    assert children() == []


# ---- workers made up for one fault --------------------------------------------------------------------------------------

# BODY answers a request; `first` is true in the process that was started first, `starts` counts from 0.
_MADE_UP = """
import os, resource, signal, socket, sys, time
channel = socket.socket(fileno=int(sys.argv[sys.argv.index("--socket-fd") + 1]))
with open("STARTS", "ab", buffering=0) as file:  # two that start at once are told apart by where their bytes came to lie
    file.write(b"x")
    starts = file.tell() - 1
first = starts == 0
def say(text):
    channel.send(len(text).to_bytes(4, "big") + text)
def sampled(finding, comparison="null"):
    box = "[0, 0, 9, 9, 1.0]" if finding == "found" else "null"
    say(('{"answer": "sampled", "id": %d, "finding": "%s", "box": %s, "quality": {}, "step_ms": {}, "detail": "", "faces": 0, '
         '"frame_px": [1, 1], "pose": null, "attack": null, "comparison": %s, "portrait_bytes": 0}'
         % (number, finding, box, comparison)).encode())
def compared(record):
    return ('{"comparison_score": 0.9, "threshold": 0.5, "non_match_threshold": 0.3, "decision": "match", "frames": 1, '
            '"false_match_rate": 1e-4, "model_id": "m", "calibration_id": "%s"}' % record)
def ready(more='"calibration_id": "record"'):
    say(('{"answer": "ready", "process_id": 1, "load_ms": %d, %s}' % (starts, more)).encode())
READY
number = 0
while True:
    packet, descriptors, _, _ = socket.recv_fds(channel, 4096, 4)
    if not packet:
        break
    for descriptor in descriptors:
        os.close(descriptor)
    number += 1
    if b'"forget"' in packet:
        say(b'{"answer": "done", "id": %d, "counts": {"forgotten": 1}}' % number)
        continue
    is_probe = b'"probe"' in packet
BODY
"""


def made_up(tmp_path, body, *, ready="ready()", **settings):
    """An engine, not yet started, whose workers answer as `body` says."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    script = tmp_path / "worker.py"
    text = _MADE_UP.replace("STARTS", str(tmp_path / "starts")).replace("READY", ready).replace("BODY", lines)
    script.write_text(text)
    command = (sys.executable, "-I", "-S", str(script))
    return FaceEngine(FaceSettings(**settings), tmp_path, SystemClock(), worker_command=command)


async def served(engine, frame, within_s):
    """Ask as successive travellers until one is answered; return the codes of the faults before."""
    codes = []
    async with asyncio.timeout(within_s):
        while True:
            traveller = Caller(engine)
            try:
                assert (await traveller.probe(frame)).sample.finding is FaceFinding.NOT_FOUND
            except InferenceFault as fault:
                codes.append(fault.code)
                await traveller.forget()
            else:
                return codes


async def test_one_hung_worker_costs_two_lanes_its_timeout_and_no_more(tmp_path, frame):
    """Whoever waits for its turn neither gets it nor keeps the next worker's socket from being heard."""
    engine = made_up(tmp_path, 'if first:\n    time.sleep(60)\nsampled("not_found")', worker_timeout_s=0.5)
    await engine.start()
    try:
        started = time.monotonic()
        lanes = [asyncio.create_task(served(engine, frame, 10))]
        await asyncio.sleep(0.1)
        lanes.append(asyncio.create_task(served(engine, frame, 10)))
        first, second = await asyncio.gather(*lanes)
        assert time.monotonic() - started < 5.0
        assert (first, second) == (["EG-INF-002"], ["EG-INF-001"])
    finally:
        await engine.stop()


async def test_who_waits_for_the_turn_of_a_worker_that_hangs_is_told_when_it_is_ended(tmp_path, frame):
    engine = made_up(tmp_path, 'if first:\n    time.sleep(60)\nsampled("not_found")', worker_timeout_s=1.0)
    await engine.start()
    try:
        hung = asyncio.create_task(Caller(engine).probe(frame))
        await asyncio.sleep(0.5)
        with pytest.raises(InferenceFault, match="while its turn was waited for"):
            await Caller(engine).probe(frame)
        with pytest.raises(InferenceFault, match="did not answer"):
            await hung
    finally:
        await engine.stop()


async def test_worker_killed_while_a_child_keeps_its_socket_is_noticed_at_once(tmp_path, frame):
    """As a decoder of an image does: the end of the process counts, not that of its last descriptor."""
    body = """if first:
    if os.fork() == 0:
        time.sleep(2.5)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
sampled("not_found")"""
    engine = made_up(tmp_path, body, worker_timeout_s=4.0)
    await engine.start()
    try:
        started = time.monotonic()
        assert await served(engine, frame, 10) == ["EG-INF-001"]
        assert time.monotonic() - started < 2.0
    finally:
        await engine.stop()


async def test_every_probe_fails_until_the_document_is_read_again(tmp_path, frame):
    engine = made_up(tmp_path, 'sampled("not_found")')
    await engine.start()
    try:
        caller = Caller(engine)
        await caller.reference(b"portrait")
        (pid,) = engine.worker_process_ids
        os.kill(pid, signal.SIGKILL)
        await replaced(engine, pid)
        for _ in range(3):
            with pytest.raises(InferenceFault, match="held the reference died") as fault:
                await caller.probe(frame)
            assert fault.value.code == "EG-INF-001"
        await caller.reference(b"portrait")
        assert (await caller.probe(frame)).sample.finding is FaceFinding.NOT_FOUND
        (pid,) = engine.worker_process_ids
        os.kill(pid, signal.SIGKILL)
        await replaced(engine, pid)
        with pytest.raises(InferenceFault, match="held the reference died"):
            await caller.probe(frame)
        await caller.forget()
        assert (await caller.probe(frame)).sample.finding is FaceFinding.NOT_FOUND
    finally:
        await engine.stop()


@pytest.mark.parametrize("answer", ['sampled("found")', 'sampled("found", compared("another"))'])
async def test_a_face_that_was_not_compared_under_the_record_in_force_is_a_fault(tmp_path, frame, answer):
    engine = made_up(tmp_path, f'if is_probe:\n    {answer}\nelse:\n    sampled("found")')
    await engine.start()
    try:
        caller = Caller(engine)
        assert (await caller.reference(b"portrait")).sample.finding is FaceFinding.FOUND
        for _ in range(2):
            with pytest.raises(InferenceFault, match="record in force") as fault:
                await caller.probe(frame)
            assert fault.value.code == "EG-INF-003"
    finally:
        await engine.stop()


async def test_a_face_that_was_compared_under_the_record_in_force_is_taken(tmp_path, frame):
    engine = made_up(tmp_path, 'sampled("found", compared("record") if is_probe else "null")')
    await engine.start()
    try:
        caller = Caller(engine)
        await caller.reference(b"portrait")
        assert (await caller.probe(frame)).comparison.decision is ComparisonDecision.MATCH
    finally:
        await engine.stop()


async def test_worker_at_its_memory_limit_is_replaced(tmp_path, frame):
    body = """if first:
    say(b'{"answer": "fault", "id": %d, "code": "MD-WRK-004", "message": "the memory limit was reached"}' % number)
    continue
sampled("not_found")"""
    engine = made_up(tmp_path, body)
    await engine.start()
    try:
        (pid,) = engine.worker_process_ids
        with pytest.raises(InferenceFault, match="MD-WRK-004") as fault:
            await Caller(engine).probe(frame)
        assert fault.value.code == "EG-INF-001"
        await replaced(engine, pid)
        assert (await Caller(engine).probe(frame)).sample.finding is FaceFinding.NOT_FOUND
    finally:
        await engine.stop()


@pytest.mark.parametrize(("is_image", "reason"), [(False, "MD-WRK-004"), (True, "MD-WRK-004|the worker died")])
async def test_worker_that_cannot_get_memory_any_more_is_replaced(engine, caller, frame, is_image, reason):
    """The real one has all it is allowed: a frame larger than any before, an image. Inside the runtime it dies of it."""
    (pid,) = engine.worker_process_ids
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + (16 << 20 if is_image else 0)
    resource.prlimit(pid, resource.RLIMIT_AS, (room, room))
    done, content = cv2.imencode(".png", np.zeros((2000, 2000, 3), np.uint8))
    assert done
    large = os.memfd_create("large")
    os.ftruncate(large, 4000 * 3000 * 3)
    with pytest.raises(InferenceFault, match=reason) as fault:
        await (caller.reference(content.tobytes()) if is_image else caller.probe(large, 4000, 3000))
    os.close(large)
    assert fault.value.code == "EG-INF-001"
    await replaced(engine, pid)
    assert (await Caller(engine).probe(frame)).sample.finding is FaceFinding.NOT_FOUND


OTHERS = [
    'ready(\'"calibration_id": "%s"\' % ("another" if starts == 1 else "record"))',
    'ready(\'"calibration_id": "record", "minimum_age_years": %d\' % (2 if starts == 1 else 18))',
    'ready(\'"calibration_id": "record", "pipeline_sha256": "%s"\' % ("other" if starts == 1 else "one"))',
]


@pytest.mark.parametrize("ready", OTHERS)
async def test_a_replacement_with_other_thresholds_or_models_is_refused(tmp_path, frame, ready):
    """The second worker to start is another; it serves nobody, and the third is as the first."""
    engine = made_up(tmp_path, 'sampled("not_found")', ready=ready)
    await engine.start()
    try:
        in_force = (engine.calibration_id, engine.minimum_age_years)
        (pid,) = engine.worker_process_ids
        os.kill(pid, signal.SIGKILL)
        await replaced(engine, pid)
        assert (engine.calibration_id, engine.minimum_age_years) == in_force
        assert (tmp_path / "starts").stat().st_size == 3
        assert (await Caller(engine).probe(frame)).sample.finding is FaceFinding.NOT_FOUND
    finally:
        await engine.stop()


async def test_workers_that_differ_from_each_other_stop_the_start(tmp_path):
    engine = made_up(tmp_path, "", ready="time.sleep(0.2)\n" + OTHERS[0], workers=2)
    with pytest.raises(InferenceFault, match="another calibration record or other models") as fault:
        await engine.start()
    assert fault.value.code == "EG-INF-004"


async def test_workers_of_the_same_models_are_known_by_them(engine):
    (worker,) = engine._workers
    assert len(bytes.fromhex(worker.ready.pipeline_sha256)) == 32
    (pid,) = engine.worker_process_ids
    os.kill(pid, signal.SIGKILL)
    await replaced(engine, pid)
    (another,) = engine._workers
    assert another.ready.pipeline_sha256 == worker.ready.pipeline_sha256
