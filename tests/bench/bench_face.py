"""Face inference against `face_recognition` (dlib without a BLAS library, as its wheels are), one core, interleaved rounds.

Both sides measure the CPU time of one call; the minimum of all rounds counts, because everything else on the machine only adds.
Ours runs the very objects of a worker. Ratio = peer / ours for milliseconds; for rates (GFLOP/s, frames per second) ours / peer,
where the peer of the embedder's rate is the machine's own SGEMM rate and the ratio is the share of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from gate_agent.cache import cache_folder, models_folder
from gate_agent.cli.bench import BenchFault, BenchRow
from gate_agent.cli.model_choice import ensured
from gate_agent.clock import SystemClock
from gate_agent.runtime.inference import FaceEngine
from gate_agent.settings import FaceSettings
from models.catalogue import arrays_of, content_of, recorded
from models.face_alignment import aligned_chip
from models.face_detector import FaceDetector
from models.face_finder import ScaledFaceFinder
from models.face_landmarks import FaceLandmarks
from models.face_tracker import FaceTracker
from models.face_transaction import FaceTransaction
from models.manifest import Role
from models.pipeline import FacePipeline, PipelineChoice, load_pipeline
from models.session import Session

NAME = "face"
ROUNDS = 20
PEER_ROUNDS = {"detection": 5, "encoding": 8, "encoding with flip": 8, "embedder": 8}
LIVE_ROUNDS = 4
FRAMES = 40
FRAME_S = 1 / 15
LOAD_S = 8.0
TICK_S = 0.005
_WIDTH, _HEIGHT = 1280, 720
_EMBEDDER_GFLOP = 0.5417
_SGEMM_SIZE = 768
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

Figure = tuple[float, float]
Work = Callable[[], object]


def run() -> list[BenchRow]:
    """Measure every step beside the peer, then live frames, then the loop that looks on. About two minutes."""
    cv2.setNumThreads(1)
    folder = models_folder()
    ensured(folder)
    bench = _Bench(folder, _portrait())
    with bench.peer() as peer:
        rows = [*bench.steps(peer), *bench.live(peer)]
    return [*rows, *bench.costs(), *asyncio.run(_loop_lag(folder, bench.frames))]


def _portrait_path() -> Path:
    return cache_folder() / "portraits" / "obama.jpg"


def _portrait() -> np.ndarray:
    path = _portrait_path()
    picture = cv2.imread(str(path)) if path.is_file() else None
    if picture is None:
        raise BenchFault(f"{path} is missing; the set-up fetches the test portraits")
    return picture


def _timed(work: Work) -> Figure:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - cpu_s) * 1e3, (time.perf_counter() - wall_s) * 1e3


def _fastest_ms(work: Work, rounds: int = ROUNDS) -> float:
    work()
    return min(_timed(work)[0] for _ in range(rounds))


def _video(portrait: np.ndarray) -> list[np.ndarray]:
    """Return frames of a face about 230 px wide that sways and comes nearer, on a plain ground."""
    frames = []
    for number in range(FRAMES):
        scale = 0.55 + 0.002 * number
        head = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:_HEIGHT]
        left = round((_WIDTH - head.shape[1]) / 2 + 120 * math.sin(number / 6))
        frame = np.full((_HEIGHT, _WIDTH, 3), 110, np.uint8)
        frame[: head.shape[0], left : left + head.shape[1]] = head
        frames.append(frame)
    return frames


def _sgemm() -> Work:
    """Return one single-thread float32 matrix product, through the same runtime that runs the models."""
    from onnx import TensorProto, helper

    shape = [_SGEMM_SIZE, _SGEMM_SIZE]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "a"], ["b"])],
        "sgemm",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    session = Session(model.SerializeToString())
    values = np.random.default_rng(7).random(shape, dtype=np.float32)
    return lambda: session.run(values)


class _Peer:
    """The child process of `face_peer.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, work: str) -> Figure:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{work}\n")
        stdin.flush()
        cpu_ms, wall_ms = json.loads(stdout.readline())
        return cpu_ms, wall_ms


class _Bench:
    """The models of a worker, one picture 250 x 250 with one face, and a short video."""

    def __init__(self, folder: Path, portrait: np.ndarray) -> None:
        models = recorded(folder)
        self.pipeline: FacePipeline = load_pipeline(PipelineChoice(models=folder))
        self.detector = FaceDetector(Session(content_of(models[Role.DETECTOR])))
        self.finder = ScaledFaceFinder(self.detector)
        self.landmarks = FaceLandmarks(arrays_of(models[Role.LANDMARKS]))
        self.embedder = Session(content_of(models[Role.EMBEDDER]))
        small = cv2.resize(portrait, (250, 312), interpolation=cv2.INTER_AREA)
        self.picture = np.ascontiguousarray(small[20:270])
        self.box = self.detector.detect(self.picture)[0]
        self.points = self.landmarks.locate(self.picture, self.box)
        self.chip = aligned_chip(self.picture, self.points)
        self.frames = _video(portrait)

    def _encoded(self, *, with_flip: bool) -> object:
        chip = aligned_chip(self.picture, self.landmarks.locate(self.picture, self.box))
        return self.pipeline.chain.embed([chip, chip[:, ::-1]] if with_flip else [chip])

    def _planes(self, chips: int) -> np.ndarray:
        plane = np.ascontiguousarray(self.chip[:, :, ::-1].transpose(2, 0, 1), dtype=np.float32)
        return np.stack([plane] * chips)

    @contextlib.contextmanager
    def peer(self) -> Iterator[_Peer]:
        """Start the peer on the same picture, chip, box and frames."""
        box = self.box
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "peer.npz"
            np.savez(
                path,
                picture=self.picture[:, :, ::-1],
                chip=self.chip[:, :, ::-1],
                box=np.array([box.left_px, box.top_px, box.right_px, box.bottom_px]),
                frames=np.stack(self.frames[:: FRAMES // LIVE_ROUNDS])[:, :, :, ::-1],
            )
            program = Path(__file__).with_name("face_peer.py")
            process = subprocess.Popen(
                [sys.executable, str(program), str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, **_ONE_THREAD},
            )
            try:
                assert process.stdout is not None
                if process.stdout.readline().strip() != "ready":
                    raise BenchFault("the peer face_recognition with dlib is not installed or does not start")
                yield _Peer(process)
            finally:
                process.kill()
                process.communicate()

    def steps(self, peer: _Peer) -> list[BenchRow]:
        """Return every step beside the same step of the peer, and the embedder's share of the SGEMM rate."""
        one, two = self._planes(1), self._planes(2)
        titles: dict[str, tuple[str, str, Work]] = {
            "encoding": (
                "landmarks + chip + embedding of a tracked face",
                "encoding",
                lambda: self._encoded(with_flip=False),
            ),
            "encoding with flip": (
                "the same with flip (two embeddings)",
                "encoding",
                lambda: self._encoded(with_flip=True),
            ),
            "detection": ("detection 250x250, all of it", "detection", lambda: self.detector.detect(self.picture)),
            "landmarks": ("landmarks", "landmarks", lambda: self.landmarks.locate(self.picture, self.box)),
            "chip": ("chip", "chip", lambda: aligned_chip(self.picture, self.points)),
            "embedder": ("embedder, one chip", "embedder", lambda: self.embedder.run(one)),
        }
        rows = []
        for key, (title, asked, work) in titles.items():
            mine, theirs = self._interleaved(work, peer, asked, PEER_ROUNDS.get(key, ROUNDS))
            for column, kind in enumerate(("CPU", "wall")):
                ours_ms, peer_ms = min(one[column] for one in mine), min(one[column] for one in theirs)
                ratio = round(peer_ms / ours_ms, 2)
                rows.append(BenchRow(f"{title}, {kind}", round(ours_ms, 3), round(peer_ms, 3), ratio, "ms"))
        return [*rows, *self._shares(one, two)]

    @staticmethod
    def _interleaved(work: Work, peer: _Peer, asked: str, rounds: int) -> tuple[list[Figure], list[Figure]]:
        """Time both sides in turns; ours three times a turn, since it is that much shorter."""
        mine: list[Figure] = []
        theirs: list[Figure] = []
        work()
        for _ in range(rounds):
            mine += [_timed(work) for _ in range(3)]
            theirs.append(peer.ask(asked))
        return mine, theirs

    def _shares(self, one: np.ndarray, two: np.ndarray) -> list[BenchRow]:
        """Return the embedder's rate beside the SGEMM rate, each the fastest of many in turns; weights are read anew per call."""
        product = _sgemm()
        fastest_ms = {"sgemm": math.inf, "one": math.inf, "two": math.inf}
        work: dict[str, Work] = {
            "sgemm": product,
            "one": lambda: self.embedder.run(one),
            "two": lambda: self.embedder.run(two),
        }
        for _ in range(ROUNDS):
            for key, call in work.items():
                fastest_ms[key] = min(fastest_ms[key], *(_timed(call)[0] for _ in range(8)))
        sgemm = 2 * _SGEMM_SIZE**3 / fastest_ms["sgemm"] / 1e6
        rows = []
        for key, chips, title in (("one", 1, "one chip"), ("two", 2, "chip and mirror image")):
            rate = chips * _EMBEDDER_GFLOP / fastest_ms[key] * 1e3
            name = f"embedder, {title}: share of the SGEMM rate"
            rows.append(BenchRow(name, round(rate, 1), round(sgemm, 1), round(rate / sgemm, 3), "GFLOP/s"))
        return rows

    def live(self, peer: _Peer) -> list[BenchRow]:
        """Return live frames per CPU second, one face in 1280x720 at 15 frames a second, everything that a worker does included.

        The peer's way: HOG detection and `face_encodings` on every frame. Its MMOD takes dozens of seconds on such a frame.
        """
        transaction = FaceTransaction(self.pipeline.sampler, self.pipeline.comparer)
        tracker, chain = FaceTracker(self.finder), self.pipeline.chain

        def followed(frame: np.ndarray, t_mono_s: float) -> None:
            for track in tracker.update(frame, t_mono_s):
                chip = chain.align(frame, track.face)
                chain.embed([chip, chip[:, ::-1]])

        whole, face_only, theirs = [], [], []
        for round_number in range(LIVE_ROUNDS):
            for number, frame in enumerate(self.frames):
                t_mono_s = 100.0 * (round_number + 1) + number * FRAME_S
                whole.append(_timed(partial(transaction.take_frame, frame, t_mono_s))[0])
                face_only.append(_timed(partial(followed, frame, t_mono_s))[0])
            theirs.append(peer.ask("live")[0])
        rows = []
        for title, cpu_ms in (
            ("live 1280x720: track, chip, two embeddings", face_only),
            ("live 1280x720: the whole of a worker", whole),
        ):
            ours, peers = len(cpu_ms) / sum(cpu_ms) * 1e3, 1e3 / min(theirs)
            rows.append(BenchRow(title, round(ours, 1), round(peers, 2), round(ours / peers, 1), "frames/CPU-s"))
        longest = max(min(whole[start::FRAMES]) for start in range(FRAMES))
        return [*rows, BenchRow("live 1280x720: a frame with full detection", round(longest, 1), None, None, "ms")]

    def costs(self) -> list[BenchRow]:
        """Return what each step costs by itself, in CPU milliseconds."""
        frame = self.frames[0]
        face = self.finder.found(frame)[0]
        points = self.landmarks.locate(frame, face.box)
        steps: dict[str, Work] = {
            "full detection 1280x720": lambda: self.finder.found(frame),
            "following one face": lambda: self.finder.found_near(frame, face.box, 0.4),
            "landmarks in the frame": lambda: self.landmarks.locate(frame, face.box),
            "chip from the frame": lambda: aligned_chip(frame, points),
            **{
                f"{chips} embedding{'s' if chips > 1 else ''}": (
                    lambda chips=chips: self.pipeline.chain.embed([self.chip] * chips)
                )
                for chips in (1, 2, 8, 10)
            },
        }
        return [
            BenchRow(f"cost of {name}", round(_fastest_ms(work, ROUNDS // 2), 2), None, None, "ms")
            for name, work in steps.items()
        ]


async def _loop_lag(folder: Path, frames: list[np.ndarray]) -> list[BenchRow]:
    """Return how late an idle loop wakes (p99 of 5 ms ticks), alone and beside a worker that is never without a frame."""
    engine = FaceEngine(FaceSettings(workers=1), folder, SystemClock())
    await engine.start()
    descriptors = [_memory_file(frame) for frame in frames[:8]]
    try:
        alone_ms = await _lags_ms(LOAD_S / 2)
        load = asyncio.create_task(_load(engine, descriptors))
        await asyncio.sleep(0.5)
        began_s = time.perf_counter()
        loaded_ms = await _lags_ms(LOAD_S)
        took_s = time.perf_counter() - began_s
        load.cancel()
        served = await asyncio.gather(load, return_exceptions=True)
    finally:
        await engine.stop()
        for descriptor in descriptors:
            os.close(descriptor)
    if isinstance(served[0], BaseException):
        raise BenchFault(f"the worker beside the loop failed: {served[0]!r}")
    return [
        BenchRow("idle loop lag p99, no load", round(_p99(alone_ms), 2), None, None, "ms"),
        BenchRow("idle loop lag p99, a worker at full load", round(_p99(loaded_ms), 2), None, None, "ms"),
        BenchRow(
            "frames that worker served meanwhile, wall", round(served[0] / (took_s + 0.5), 1), None, None, "frames/s"
        ),
    ]


async def _load(engine: FaceEngine, descriptors: list[int]) -> int:
    """Keep the worker busy until cancelled; return the number of frames it served."""
    transaction, served = uuid.uuid4(), 0
    with contextlib.suppress(asyncio.CancelledError):
        await engine.reference(transaction, _portrait_path().read_bytes())
        while True:
            descriptor = descriptors[served % len(descriptors)]
            await engine.probe(transaction, descriptor, _WIDTH, _HEIGHT, served * FRAME_S)
            served += 1
    return served


async def _lags_ms(duration_s: float) -> list[float]:
    lags_ms = []
    until_s = time.perf_counter() + duration_s
    while (due_s := time.perf_counter() + TICK_S) < until_s:
        await asyncio.sleep(TICK_S)
        lags_ms.append((time.perf_counter() - due_s) * 1e3)
    return lags_ms


def _memory_file(frame: np.ndarray) -> int:
    descriptor = os.memfd_create("frame", os.MFD_CLOEXEC)
    os.pwrite(descriptor, frame.tobytes(), 0)
    return descriptor


def _p99(samples: list[float]) -> float:
    return sorted(samples)[math.ceil(len(samples) * 0.99) - 1]
