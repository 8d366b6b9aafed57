"""Face inference against `face_recognition` (dlib without a BLAS library, as its wheels are), one core, interleaved rounds.

The peer runs in a child process: importing it changes global settings, and it ends its process when its weights are missing.
Both sides measure the CPU time of one call; the minimum of all rounds counts, because everything else on the machine only adds.
Ratio = peer / ours, except for the last row, where ours is the embedder's rate, peer the machine's SGEMM rate, ratio its share.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from gate_agent.cache import cache_folder, models_folder
from gate_agent.cli.bench import BenchFault, BenchRow
from gate_agent.cli.models import ensured
from models.catalogue import arrays_of, content_of, recorded
from models.face_alignment import aligned_chip
from models.face_detector import FaceDetector
from models.face_embedder import FaceEmbedder
from models.face_landmarks import FaceLandmarks
from models.manifest import Role
from models.session import Session

NAME = "face"
ROUNDS = 12
_EMBEDDER_GFLOP = 0.5417
_SGEMM_SIZE = 768
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

_PEER = r"""
import base64, json, os, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import dlib, face_recognition, face_recognition.api as api
first = json.loads(sys.stdin.readline())
picture = np.frombuffer(base64.b64decode(first["picture"]), np.uint8).reshape(first["picture_shape"])
chip = np.frombuffer(base64.b64decode(first["chip"]), np.uint8).reshape(150, 150, 3)
left, top, right, bottom = first["box"]
work = {
    "embedder": lambda: api.face_encoder.compute_face_descriptor(chip),
    "detection": lambda: api.cnn_face_detector(picture, 0),
    "encoding": lambda: face_recognition.face_encodings(picture, [(top, right, bottom, left)], model="small"),
}
print("ready", file=out, flush=True)
for line in sys.stdin:
    call = work[line.strip()]
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    print(json.dumps([(time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3]), file=out, flush=True)
"""


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


def _sgemm_gflops() -> float:
    """The machine's single-thread float32 matrix rate, through the same runtime that runs the models."""
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
    fastest_ms = min(_timed(lambda: session.run(values))[0] for _ in range(20))
    return 2 * _SGEMM_SIZE**3 / fastest_ms / 1e6


def run() -> list[BenchRow]:
    portrait = cache_folder() / "portraits" / "obama.jpg"
    picture = cv2.imread(str(portrait)) if portrait.is_file() else None
    if picture is None:
        raise BenchFault(f"{portrait} is missing; the set-up fetches the test portraits")
    cv2.setNumThreads(1)
    folder = models_folder()
    ensured(folder)
    models = recorded(folder)
    detector = FaceDetector(Session(content_of(models[Role.DETECTOR])))
    landmarks = FaceLandmarks(arrays_of(models[Role.LANDMARKS]))
    embedder = FaceEmbedder(Session(content_of(models[Role.EMBEDDER])))
    picture = np.ascontiguousarray(cv2.resize(picture, (250, 312), interpolation=cv2.INTER_AREA)[20:270])
    box = detector.detect(picture)[0]
    chip = aligned_chip(picture, landmarks.locate(picture, box))
    ours: dict[str, Callable[[], object]] = {
        "embedder": lambda: embedder.raw_features(chip),
        "detection": lambda: detector.detect(picture),
        "encoding": lambda: embedder.raw_features(aligned_chip(picture, landmarks.locate(picture, box))),
    }
    peer = subprocess.Popen(
        [sys.executable, "-c", _PEER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **_ONE_THREAD},
    )
    try:
        figures = _interleaved(peer, ours, picture, chip, (box.left_px, box.top_px, box.right_px, box.bottom_px))
    finally:
        peer.kill()
        peer.communicate()
    titles = {
        "embedder": "embedder, one chip",
        "detection": "detection 250x250, tiling and suppression included",
        "encoding": "landmarks + chip + embedding",
    }
    rows = []
    for key, title in titles.items():
        for column, kind in enumerate(("CPU", "wall")):
            mine = min(figure[column] for figure in figures[key][0])
            theirs = min(figure[column] for figure in figures[key][1])
            rows.append(BenchRow(f"{title}, {kind}", round(mine, 3), round(theirs, 3), round(theirs / mine, 2), "ms"))
    rate, sgemm = _EMBEDDER_GFLOP / rows[0].ours * 1e3, _sgemm_gflops()
    rows.append(
        BenchRow(
            "embedder, share of the SGEMM rate", round(rate, 1), round(sgemm, 1), round(rate / sgemm, 3), "GFLOP/s"
        )
    )
    return rows


Figures = dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]]


def _interleaved(peer, ours, picture, chip, box) -> Figures:
    def encoded(image: np.ndarray) -> str:
        return base64.b64encode(np.ascontiguousarray(image[:, :, ::-1]).tobytes()).decode("ascii")

    first = {"picture": encoded(picture), "picture_shape": picture.shape, "chip": encoded(chip), "box": box}
    try:
        peer.stdin.write(json.dumps(first) + "\n")
        peer.stdin.flush()
        answer = peer.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if answer.strip() != "ready":
        raise BenchFault("the peer face_recognition with dlib is not installed or does not start")
    figures: Figures = {key: ([], []) for key in ours}
    for key, work in ours.items():
        work()
        for _ in range(ROUNDS if key != "detection" else ROUNDS // 2):
            figures[key][0].append(_timed(work))
            peer.stdin.write(f"{key}\n")
            peer.stdin.flush()
            cpu_ms, wall_ms = json.loads(peer.stdout.readline())
            figures[key][1].append((cpu_ms, wall_ms))
    return figures
