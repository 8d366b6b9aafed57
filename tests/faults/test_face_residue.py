"""A face is borrowed, not kept: what can still be found of it after a transaction, in memory, files and logs."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face_transaction import FaceTransaction
from models.freed_memory import ENVIRONMENT
from models.image_decoding import decode_image
from models.pipeline import PipelineChoice, load_pipeline
from models.results import FaceFinding
from tests.faults.memory_search import page_marks, residue

PROJECT = Path(__file__).resolve().parents[2]

VECTOR = np.random.default_rng(11).standard_normal(128)
MARKER = b"marker of a portrait that was freed, long enough to be nobody else's " * 40

# Makes temporaries as inference does, drops them, and waits. The vector is made from a seed, so that no source text holds it.
_BORROWER = """
import sys
import numpy as np
from models.freed_memory import is_wiped_when_freed, wipe_freed
def borrow():
    raw = np.random.default_rng(11).standard_normal(128)
    pair = np.stack((raw, raw * 2)).astype(np.float32).astype(np.float64)
    pair /= np.linalg.norm(pair, axis=1, keepdims=True)
    features = (pair.sum(axis=0) / 3).astype(np.float32)
    part = "marker of a portrait that was freed, long enough to be nobody else's "
    return features, features * 0.5, bytes(part, "ascii") * 40, features.tobytes()
kept = borrow()
print("borrowed", is_wiped_when_freed(), flush=True)
sys.stdin.readline()
del kept
if sys.argv[1] == "wipe":
    wipe_freed()
print("freed", flush=True)
sys.stdin.readline()
"""


def residue_of_borrower(environment, word) -> tuple[dict, dict]:
    """Return what was found of a process's vector and marker while it held them, and after it freed them."""
    with subprocess.Popen(
        [sys.executable, "-c", _BORROWER, word],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as borrower:
        answers = []
        for expected in ("borrowed", "freed"):
            assert borrower.stdout.readline().startswith(expected)
            try:
                answers.append(residue(borrower.pid, {"vector": VECTOR}, {"marker": MARKER}))
            except PermissionError:
                borrower.kill()
                pytest.skip("this machine does not let a process read its child's memory")
            borrower.stdin.write("\n")
            borrower.stdin.flush()
        assert borrower.wait(10) == 0
    return answers[0], answers[1]


def test_freed_memory_is_overwritten():
    held, freed = residue_of_borrower(ENVIRONMENT, "wipe")
    assert {"vector", "marker"} == set(held)
    assert freed == {}


def test_without_it_freed_memory_still_tells():
    """The test above can fail: plain freeing leaves vectors to be found."""
    held, freed = residue_of_borrower({}, "leave")
    assert len(held["vector"]) >= 2
    assert len(freed["vector"]) >= 1


# ---- a whole transaction on real workers --------------------------------------------------------------------------------

# What the agent does for one traveller, with its real engine, store and log; the test looks into it from outside.
_AGENT = """
import asyncio, json, os, sys, uuid
from pathlib import Path
from gate_agent import logs
from gate_agent.clock import SystemClock
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.runtime.inference import FaceEngine
from gate_agent.settings import FaceSettings, StoreSettings
from gate_agent.store import Store
from tests.unit.test_store import CENTRE, GATE, SEALING, decided

def say(**words):
    print(json.dumps(words), flush=True)

async def told():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

async def serve(models, state, reference, descriptors):
    logs.configure("agent")
    clock = SystemClock()
    store = await Store.open(state, clock, GATE, SEALING.public_key(), StoreSettings(), centre_public_key=CENTRE.public_key())
    cache = int(os.environ.get("TEST_NON_MATED_CACHE", "0"))
    engine = FaceEngine(FaceSettings(non_mated_cache=cache), models, clock)
    await engine.start()
    say(worker=engine.worker_process_ids[0])
    await told()
    transaction_id = uuid.uuid4()
    await engine.reference(transaction_id, reference.read_bytes())
    for number, descriptor in enumerate(descriptors):
        capture = await engine.probe(transaction_id, descriptor, 1280, 720, 100 + number / 10)
    comparison = capture.comparison
    score = Compared("comparison_score", f"{comparison.comparison_score:.4f}", f">= {comparison.threshold:.4f}")
    check = CheckResult(CheckName.FACE_COMPARISON, CheckOutcome.SUCCESSFUL, compared=(score,))
    await store.commit_decision(decided(transaction_id=transaction_id, checks=(check,)))
    say(decision=comparison.decision, frames=comparison.frames)
    await told()
    del capture
    if cache:
        assert await engine.evaluate(transaction_id, os.urandom(32)) is not None
    await engine.forget(transaction_id)
    say(forgotten=True)
    await told()
    await engine.stop()
    await store.close()

asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), [int(text) for text in sys.argv[4:]]))
"""


@dataclass
class Traces:
    """Everything by which a traveller's face could be found again: vectors, and bytes of pictures."""

    vectors: dict[str, np.ndarray]
    texts: dict[str, bytes]


@pytest.fixture(scope="module")
def frames(portraits):
    """Three camera frames, 1280 x 720 BGR, of a person who moves a little."""
    person = decode_image((portraits / "obama2.jpg").read_bytes())
    person = cv2.resize(person, (round(person.shape[1] * 640 / person.shape[0]), 640))
    pictures = []
    for number in range(3):
        picture = np.random.default_rng(1).integers(90, 122, (720, 1280, 3), dtype=np.uint8)
        left = 300 + 8 * number
        picture[40:680, left : left + person.shape[1]] = person
        pictures.append(picture)
    return pictures


@pytest.fixture(scope="module")
def traces(models_folder, portraits, frames):
    """What the worker will compute, computed here with the same models."""
    pipeline = load_pipeline(PipelineChoice(models_folder))
    outputs, chips = [], []
    embed = pipeline.chain.embed

    def recorded(batch):
        answer = embed(batch)
        outputs.extend(answer.copy())
        chips.extend(np.array(chip) for chip in batch)
        return answer

    pipeline.chain.embed = recorded
    content = (portraits / "obama.jpg").read_bytes()
    reference = decode_image(content)
    transaction = FaceTransaction(pipeline.sampler, pipeline.comparer)
    reference_look = transaction.take_reference(reference)
    vectors = {"reference": transaction.reference_features.copy()}
    for number, frame in enumerate(frames):
        look, _ = transaction.take_frame(frame, 100 + number / 10)
        assert look.sample.finding is FaceFinding.FOUND
    vectors |= {f"raw {number}": output for number, output in enumerate(outputs)}
    vectors["probe"] = transaction.probe()
    texts = {
        "frame, face": frames[-1][300, 560:620].tobytes(),
        "frame, background": frames[-1][10, 10:40].tobytes(),
        "encoded portrait": content[3000:3064],
        "decoded portrait": reference[reference.shape[0] // 2, 100:140].tobytes(),
        "picture for the guard": look.portrait_jpeg[2000:2048],
        "picture of the reference": reference_look.portrait_jpeg[2000:2048],
    }
    for number, chip in enumerate(chips[::2]):
        texts[f"chip {number}"] = np.ascontiguousarray(chip)[75, 50:90].tobytes()
    return Traces(vectors, texts)


class Agent:
    """The agent's process, step by step."""

    def __init__(self, arguments, descriptors, log):
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AGENT, *arguments, *map(str, descriptors)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            pass_fds=descriptors,
            env={**os.environ, **ENVIRONMENT},
            cwd=PROJECT,
        )

    def says(self):
        line = self.process.stdout.readline()
        assert line, "the agent ended"
        return json.loads(line)

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@pytest.fixture
def memory_files(frames):
    descriptors = []
    for frame in frames:
        descriptors.append(os.memfd_create("frame"))
        os.write(descriptors[-1], frame.tobytes())
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.weights
@pytest.mark.portraits
def test_nothing_of_a_face_outlives_its_transaction(models_folder, portraits, traces, memory_files, tmp_path):
    state = tmp_path / "state"
    with (tmp_path / "log").open("wb") as log:
        agent = Agent([str(models_folder), str(state), str(portraits / "obama.jpg")], memory_files, log)
        try:
            worker = agent.says()["worker"]
            try:
                worker_before, agent_before = page_marks(worker), page_marks(agent.process.pid)
            except PermissionError:
                pytest.skip("this machine does not let a process read its child's memory")
            agent.go_on()
            assert agent.says() == {"decision": "match", "frames": 3}
            held = residue(worker, traces.vectors, traces.texts, worker_before)
            assert {"reference", "probe", "frame, face"} <= set(held), held  # the search finds what is there
            # features never leave the worker
            assert residue(agent.process.pid, traces.vectors, {}, agent_before) == {}
            agent.go_on()
            assert agent.says() == {"forgotten": True}
            assert residue(worker, traces.vectors, traces.texts, worker_before) == {}
            assert residue(agent.process.pid, traces.vectors, traces.texts, agent_before) == {}
            limits = Path(f"/proc/{worker}/limits").read_text()
            assert re.search(r"Max core file size +0 +0 ", limits)
            assert files_with(traces, state.rglob("*")) == []  # the open database, its log and its index
            agent.go_on()
            assert agent.process.wait(20) == 0
        finally:
            agent.process.kill()
            agent.process.wait(10)
    assert (state / "store.db").stat().st_size > 0
    assert b"inference_worker_ready" in (tmp_path / "log").read_bytes()
    assert files_with(traces, tmp_path.rglob("*")) == []
    assert [path.name for path in tmp_path.rglob("core*")] == []


@pytest.mark.weights
@pytest.mark.portraits
def test_a_cache_that_is_on_keeps_the_reference_and_nothing_else(
    models_folder, portraits, traces, memory_files, tmp_path, monkeypatch
):
    """What docs/data-inventory.md declares: features of the document's portrait, in the worker's memory alone."""
    monkeypatch.setenv("TEST_NON_MATED_CACHE", "5")
    with (tmp_path / "log").open("wb") as log:
        arguments = [str(models_folder), str(tmp_path / "state"), str(portraits / "obama.jpg")]
        agent = Agent(arguments, memory_files, log)
        try:
            worker = agent.says()["worker"]
            try:
                worker_before, agent_before = page_marks(worker), page_marks(agent.process.pid)
            except PermissionError:
                pytest.skip("this machine does not let a process read its child's memory")
            agent.go_on()
            assert agent.says() == {"decision": "match", "frames": 3}
            agent.go_on()
            assert agent.says() == {"forgotten": True}
            found = residue(worker, traces.vectors, traces.texts, worker_before)
            assert set(found) == {"reference"}
            places = [int(place.split()[0], 16) for place in found["reference"]]
            assert max(places) - min(places) < traces.vectors["reference"].nbytes, "there is more than one copy"
            assert residue(agent.process.pid, traces.vectors, traces.texts, agent_before) == {}
            agent.go_on()
            assert agent.process.wait(20) == 0
        finally:
            agent.process.kill()
            agent.process.wait(10)
    assert files_with(traces, tmp_path.rglob("*")) == []


def files_with(traces, paths):
    """Return files that hold a piece of a vector or picture, as it is, in hexadecimal digits or in base64."""
    pieces = [text[3:27] for text in traces.texts.values()]
    for vector in traces.vectors.values():
        pieces += [vector.astype(kind).tobytes()[160:184] for kind in ("<f4", "<f8")]
    written = [form for piece in pieces for form in (piece, piece.hex().encode(), base64.b64encode(piece)[:-4])]
    return [str(path) for path in paths if path.is_file() and any(piece in path.read_bytes() for piece in written)]


@pytest.mark.weights
@pytest.mark.portraits
def test_files_with_a_face_would_be_found(traces, tmp_path):
    """The search of files can fail: each form in which a face might be written is found."""
    vector, picture = traces.vectors["probe"], traces.texts["picture for the guard"]
    for number, content in enumerate(
        (
            b"before" + vector.tobytes() + b"after",
            json.dumps({"features": base64.b64encode(vector.tobytes()[160:]).decode()}).encode(),
            vector.astype("<f8").tobytes().hex().encode(),
            picture,
        )
    ):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert files_with(traces, [path]) == [str(path)]
