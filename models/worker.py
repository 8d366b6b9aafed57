"""The inference worker: `python -I -m models.worker --models DIR --socket-fd N`, one request at a time, borrowed faces only.

It loads and verifies models and calibration, warms up, says that it is ready, then answers until the other end of the socket closes.
Features of a transaction stay in this process and are wiped when it is forgotten. Address space is limited before anything is
loaded; encoded images are decoded in disposable children. Faults of one request are answered, never hidden; an unforeseen one ends
the process, and the agent starts another.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector import ALARM_FROM, DOUBTFUL_FROM
from models.borrowed_faces import BorrowedFaces
from models.errors import ImageRefused, ModelsError, WorkerFault
from models.face_sampling import Look
from models.image_decoding import decode_image
from models.image_header import MAXIMUM_CONTENT_BYTES, MAXIMUM_PIXELS
from models.pipeline import FacePipeline, PipelineChoice, load_pipeline
from models.results import FaceComparison, FaceFinding, FaceSample, Image
from models.site_cohort import SiteCohort
from models.worker_evaluation import WorkerEvaluation, add_arguments
from models.worker_messages import (
    BESIDE,
    LARGEST_REQUEST_BYTES,
    Done,
    Faulted,
    Ready,
    Sampled,
    decode_request,
    encode_answer,
)

_CHANNELS = 3
_LONGEST_NAME = 64
_CAMERAS = 8
_OUT_OF_MEMORY = "MD-WRK-004"


def _shared_bytes(descriptor: int, size_bytes: int) -> bytes:
    """Return a copy of a memory file's first bytes: its owner may overwrite it meanwhile."""
    if os.fstat(descriptor).st_size < size_bytes:
        raise WorkerFault(f"the memory file holds fewer than {size_bytes} bytes", code="MD-WRK-003")
    with mmap.mmap(descriptor, size_bytes, prot=mmap.PROT_READ) as shared:
        return shared[:]


def _whole(request: Mapping[str, Any], name: str, largest: int) -> int:
    value = request.get(name)
    if type(value) is not int or not 1 <= value <= largest:
        raise WorkerFault(f"{name} must be a whole number from 1 to {largest}", code="MD-WRK-003")
    return value


def _time_s(request: Mapping[str, Any]) -> float:
    value = request.get("t_mono_s")
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e12:
        raise WorkerFault("t_mono_s must be a time in seconds", code="MD-WRK-003")
    return float(value)


def _camera(request: Mapping[str, Any]) -> int:
    number = request.get("camera", 0)
    if type(number) is not int or not 0 <= number < _CAMERAS:
        raise WorkerFault(f"camera must be a number below {_CAMERAS}", code="MD-WRK-003")
    return number


def _transaction(request: Mapping[str, Any]) -> str:
    name = request.get("transaction")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise WorkerFault("a request names its transaction", code="MD-WRK-003")
    return name


def _copied(
    descriptor: int, width_px: int, height_px: int, pixel_bytes: int, faces: BorrowedFaces, channel: str = ""
) -> NDArray[np.uint8]:
    """Return the bytes of a frame, copied into the channel's buffer. Raises `WorkerFault` when they are not there."""
    if width_px * height_px > 4 * MAXIMUM_PIXELS:
        raise WorkerFault(f"a frame of {width_px} x {height_px} pixels", code="MD-WRK-003")
    size_bytes = width_px * height_px * pixel_bytes
    if os.fstat(descriptor).st_size < size_bytes:
        raise WorkerFault(f"the memory file holds fewer than {size_bytes} bytes", code="MD-WRK-003")
    buffer = faces.frame_buffer(size_bytes, channel)
    if os.preadv(descriptor, [buffer.data], 0) != size_bytes:
        raise WorkerFault("the memory file could not be read whole", code="MD-WRK-003")
    return buffer


def frame_of(request: Mapping[str, Any], descriptor: int, faces: BorrowedFaces) -> Image:
    """Return the BGR frame that a request describes. Raises `WorkerFault` when its size is not plausible."""
    width, height = _whole(request, "width_px", 16384), _whole(request, "height_px", 16384)
    return _copied(descriptor, width, height, _CHANNELS, faces).reshape(height, width, _CHANNELS)


def beside_of(request: Mapping[str, Any], descriptors: Sequence[int], faces: BorrowedFaces) -> dict[str, NDArray[Any]]:
    """Return the frames of other channels that come with a request, by name, one descriptor each. Raises `WorkerFault`."""
    named = [name for name in BESIDE if name in request]
    if len(named) != len(descriptors):
        raise WorkerFault("a descriptor for each channel that is named, and no other", code="MD-WRK-003")
    found: dict[str, NDArray[Any]] = {}
    for name, descriptor in zip(named, descriptors, strict=True):
        size, pixel = request[name], np.dtype(BESIDE[name])
        if not isinstance(size, list) or len(size) != 2:
            raise WorkerFault(f"{name} must be a width and a height", code="MD-WRK-003")
        width, height = (_whole({name: side}, name, 16384) for side in size)
        copied = _copied(descriptor, width, height, pixel.itemsize, faces, name)
        found[name] = copied.view(pixel).reshape(height, width)
    return found


def _looked(
    faces: BorrowedFaces, operation: str, request: Mapping[str, Any], descriptors: Sequence[int]
) -> tuple[Look, FaceComparison | None]:
    transaction, descriptor = _transaction(request), descriptors[0]
    if operation == "probe":
        t_mono_s, beside = _time_s(request), beside_of(request, descriptors[1:], faces)
        camera = _camera(request)
        return faces.of(transaction).take_frame(frame_of(request, descriptor, faces), t_mono_s, camera, beside=beside)
    size_bytes = _whole(request, "size_bytes", MAXIMUM_CONTENT_BYTES)
    held = faces.of(transaction)
    if operation == "reference":
        held.drop_reference()  # before anything can refuse the new one
    started = time.perf_counter()
    try:
        image = decode_image(_shared_bytes(descriptor, size_bytes))
    except ImageRefused as refusal:  # an expected outcome
        step_ms = {"decode": round((time.perf_counter() - started) * 1000, 2)}
        return Look(FaceSample(FaceFinding.REFUSED, None, None, {}, step_ms, f"{refusal.code} {refusal}")), None
    decode_ms = round((time.perf_counter() - started) * 1000, 2)
    look, comparison = (held.take_reference(image), None) if operation == "reference" else held.take_picture(image)
    step_ms = {"decode": decode_ms, **look.sample.step_ms}
    return replace(look, sample=replace(look.sample, step_ms=step_ms)), comparison


def _answer(
    faces: BorrowedFaces, evaluation: WorkerEvaluation, packet: bytes, descriptors: Sequence[int]
) -> Sampled | Done | Faulted:
    request_id = 0
    try:
        request_id, operation, request = decode_request(packet)
        if operation == "forget":
            holder = str(request.get("holder", ""))[:_LONGEST_NAME]
            forgotten, cohort = faces.forget(_transaction(request), holder), faces.site_cohort
            return Done(
                request_id, {"forgotten": int(forgotten), "sums_due": int(cohort is not None and cohort.is_due)}
            )
        if operation == "evaluate":
            return Done(request_id, evaluation.answer(faces, _transaction(request), request))
        if operation not in {"reference", "picture", "probe", "sums"}:
            raise WorkerFault(f"there is no operation {operation!r}")
        if not descriptors or (len(descriptors) != 1 and operation != "probe"):
            raise WorkerFault("this request needs exactly one descriptor", code="MD-WRK-003")
        if operation == "sums":
            content = b"" if faces.site_cohort is None else faces.site_cohort.taken()
            return Done(request_id, {"sums_bytes": os.pwrite(descriptors[0], content, 0)})
        look, comparison = _looked(faces, operation, request, descriptors)
        return Sampled(request_id, replace(look.sample, features=None), look.portrait_jpeg, comparison)
    except ModelsError as error:
        return Faulted(request_id, error.code, str(error))
    except MemoryError:
        return Faulted(request_id, _OUT_OF_MEMORY, "the worker's memory limit was reached")


def serve(faces: BorrowedFaces, evaluation: WorkerEvaluation, channel: socket.socket) -> None:
    """Answer requests until the other end closes or memory does not suffice for one, then forget everybody."""
    ready = select.poll()
    ready.register(channel, select.POLLIN)
    while True:
        while not ready.poll(evaluation.waits_ms):
            evaluation.drop_old()
        packet, descriptors, _, _ = socket.recv_fds(channel, LARGEST_REQUEST_BYTES, 4)
        if not packet and not descriptors:
            break
        try:
            answer = _answer(faces, evaluation, packet, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        channel.send(encode_answer(answer))
        if isinstance(answer, Faulted) and answer.code == _OUT_OF_MEMORY:
            break  # it will not get more by being asked again, and what it was doing is half done: another takes its place
    faces.forget_all()
    evaluation.wipe()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models.worker")
    parser.add_argument("--models", type=Path, required=True, help="folder of the built models")
    parser.add_argument("--operator-models", type=Path, help="folder of the operator's own models")
    parser.add_argument("--trusted-key", type=Path, action="append", default=[], help="public key that signs them")
    parser.add_argument("--allow-unsigned", action="store_true", help="take them unsigned (laboratories)")
    parser.add_argument("--embedder", default="", help="a shipped variant instead of the shipped embedder")
    parser.add_argument(
        "--calibration", default="", help="id of the calibration record (default: the newest that fits)"
    )
    parser.add_argument("--false-match-rate", type=float, default=1e-4, help="stated false match rate")
    parser.add_argument("--socket-fd", type=int, required=True, help="inherited SOCK_SEQPACKET descriptor")
    parser.add_argument("--memory-bytes", type=int, default=0, help="address-space limit; 0: none")
    parser.add_argument("--expected-face-px", type=int, default=120, help="width to which the expected face is scaled")
    parser.add_argument("--attack-evaluation", type=Path, help="record that rates attack detection")
    parser.add_argument("--attack-alarm-score", type=float, default=ALARM_FROM, help="score of an alarm")
    parser.add_argument("--attack-doubt-score", type=float, default=DOUBTFUL_FROM, help="score of a doubt")
    parser.add_argument("--focal-ratio", type=float, default=0.0, help="focal length in longer frame sides; 0: unknown")
    parser.add_argument("--cohort-sums", action="store_true", help="sum up matched references for a cohort of the site")
    add_arguments(parser)
    return parser.parse_args(argv)


def _ready(pipeline: FacePipeline, evaluation: WorkerEvaluation, started_s: float) -> Ready:
    record = pipeline.record
    return Ready(
        os.getpid(),
        round((time.monotonic() - started_s) * 1000, 1),
        calibration_id="" if record is None else record.calibration_id,
        minimum_age_years=0 if record is None else record.minimum_age_years,
        attack_detection_rated=pipeline.is_attack_detection_rated,
        refusal=pipeline.refusal,
        watched_thresholds=evaluation.thresholds,
        pipeline_sha256=_pipeline_sha256(pipeline),
    )


def _pipeline_sha256(pipeline: FacePipeline) -> str:
    """Return what two workers have in common exactly when the same models, record and attack detection are loaded in both."""
    chain = pipeline.chain
    attacks = pipeline.attacks.detection(chain).configuration_id
    parts = (sorted(chain.identity.items()), pipeline.record, attacks, pipeline.attacks)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one socket; return 0 when it closed and 3 when the models could not be loaded."""
    arguments = _arguments(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent ends its workers; a terminal must not do it first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold a face
    if arguments.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_bytes, arguments.memory_bytes))
    cv2.setNumThreads(1)
    started_s = time.monotonic()
    choice = PipelineChoice(
        models=arguments.models,
        operator_models=arguments.operator_models,
        trusted_keys=tuple(arguments.trusted_key),
        allow_unsigned=arguments.allow_unsigned,
        embedder=arguments.embedder,
        calibration=arguments.calibration,
        false_match_rate=arguments.false_match_rate,
        expected_face_px=arguments.expected_face_px,
        attack_evaluation=arguments.attack_evaluation,
        attack_alarm_score=arguments.attack_alarm_score,
        attack_doubt_score=arguments.attack_doubt_score,
        focal_ratio=arguments.focal_ratio or None,
    )
    with socket.socket(fileno=arguments.socket_fd) as channel:
        channel.setblocking(True)
        try:
            try:
                pipeline = load_pipeline(choice)
                evaluation = WorkerEvaluation(arguments, pipeline, time.monotonic)
                pipeline.sampler.warm_up()
            except ModelsError as error:
                channel.send(encode_answer(Faulted(0, error.code, str(error))))
                return 3
            except MemoryError:
                message = "the models do not fit into the worker's memory limit"
                channel.send(encode_answer(Faulted(0, _OUT_OF_MEMORY, message)))
                return 3
            channel.send(encode_answer(_ready(pipeline, evaluation, started_s)))
            mixture = pipeline.cohort_model if arguments.cohort_sums else None
            site_cohort = None if mixture is None else SiteCohort(mixture.means)
            faces = BorrowedFaces(pipeline.sampler, pipeline.comparer, time.monotonic, site_cohort, pipeline.attacks)
            serve(faces, evaluation, channel)
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the agent went away
    return 0


if __name__ == "__main__":
    sys.exit(main())
