"""The inference worker: `python -I -m models.worker --models DIR --socket-fd N`, one request at a time, nothing kept.

It loads and verifies the models, warms each up, says that it is ready, then answers until the other end of the socket closes.
Address space is limited before anything is loaded; encoded images are decoded in disposable children. Faults of one request are
answered, never hidden; an unforeseen one ends the process, and the agent starts another.
"""

from __future__ import annotations

import argparse
import mmap
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.catalogue import recorded
from models.errors import ImageRefused, ModelsError, WorkerFault
from models.face_sampling import FaceSampler
from models.image_decoding import decode_image
from models.image_header import MAXIMUM_CONTENT_BYTES, MAXIMUM_PIXELS
from models.results import FaceFinding, FaceSample, Image
from models.worker_messages import (
    LARGEST_REQUEST_BYTES,
    Faulted,
    Ready,
    Sampled,
    decode_request,
    encode_answer,
)

_CHANNELS = 3


def _shared_bytes(descriptor: int, size_bytes: int) -> bytes:
    """Return a copy of a memory file's first bytes: the driver may overwrite the frame while it is being worked on."""
    if os.fstat(descriptor).st_size < size_bytes:
        raise WorkerFault(f"the memory file holds fewer than {size_bytes} bytes", code="MD-WRK-003")
    with mmap.mmap(descriptor, size_bytes, prot=mmap.PROT_READ) as shared:
        return shared[:]


def _whole(request: Mapping[str, Any], name: str, largest: int) -> int:
    value = request.get(name)
    if type(value) is not int or not 1 <= value <= largest:
        raise WorkerFault(f"{name} must be a whole number from 1 to {largest}", code="MD-WRK-003")
    return value


def frame_of(request: Mapping[str, Any], descriptor: int) -> Image:
    """Return the BGR frame that a request describes. Raises `WorkerFault` when its size is not plausible."""
    width, height = _whole(request, "width_px", 16384), _whole(request, "height_px", 16384)
    if width * height > 4 * MAXIMUM_PIXELS:
        raise WorkerFault(f"a frame of {width} x {height} pixels", code="MD-WRK-003")
    content = _shared_bytes(descriptor, width * height * _CHANNELS)
    return np.frombuffer(content, dtype=np.uint8).reshape(height, width, _CHANNELS)


def sample_image(sampler: FaceSampler, content: bytes) -> tuple[FaceSample, bytes | None]:
    """Return the sample of an encoded image; an image that is refused is an expected outcome."""
    started = time.perf_counter()
    try:
        image = decode_image(content)
    except ImageRefused as refusal:
        step_ms = {"decode": round((time.perf_counter() - started) * 1000, 2)}
        return FaceSample(FaceFinding.REFUSED, None, None, {}, step_ms, f"{refusal.code} {refusal}"), None
    decode_ms = round((time.perf_counter() - started) * 1000, 2)
    sample, portrait = sampler.sample(image, search_closer=True)
    step_ms = {"decode": decode_ms, **sample.step_ms}
    return FaceSample(sample.finding, sample.box, sample.features, sample.quality, step_ms, sample.detail), portrait


def _answer(sampler: FaceSampler, packet: bytes, descriptors: Sequence[int]) -> Sampled | Faulted:
    request_id = 0
    try:
        request_id, operation, request = decode_request(packet)
        if len(descriptors) != 1:
            raise WorkerFault("a request needs exactly one descriptor", code="MD-WRK-003")
        if operation == "sample_frame":
            sample, portrait = sampler.sample(frame_of(request, descriptors[0]))
        elif operation == "sample_image":
            size_bytes = _whole(request, "size_bytes", MAXIMUM_CONTENT_BYTES)
            sample, portrait = sample_image(sampler, _shared_bytes(descriptors[0], size_bytes))
        else:
            raise WorkerFault(f"there is no operation {operation!r}")
        return Sampled(request_id, sample, portrait)
    except ModelsError as error:
        return Faulted(request_id, error.code, str(error))
    except MemoryError:
        return Faulted(request_id, "MD-WRK-004", "the worker's memory limit was reached")


def serve(sampler: FaceSampler, channel: socket.socket) -> None:
    """Answer requests until the other end closes."""
    while True:
        packet, descriptors, _, _ = socket.recv_fds(channel, LARGEST_REQUEST_BYTES, 4)
        if not packet and not descriptors:
            return
        try:
            answer = _answer(sampler, packet, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        channel.send(encode_answer(answer))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one socket; return 0 when it closed and 3 when the models could not be loaded."""
    parser = argparse.ArgumentParser(prog="models.worker")
    parser.add_argument("--models", type=Path, required=True, help="folder of the built models")
    parser.add_argument("--socket-fd", type=int, required=True, help="inherited SOCK_SEQPACKET descriptor")
    parser.add_argument("--memory-bytes", type=int, default=0, help="address-space limit; 0: none")
    parser.add_argument("--expected-face-px", type=int, default=120, help="width to which the expected face is scaled")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent ends its workers; a terminal must not do it first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold a face
    if arguments.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_bytes, arguments.memory_bytes))
    cv2.setNumThreads(1)
    started = time.monotonic()
    with socket.socket(fileno=arguments.socket_fd) as channel:
        channel.setblocking(True)
        try:
            try:
                sampler = FaceSampler(recorded(arguments.models), arguments.expected_face_px)
                sampler.warm_up()
            except ModelsError as error:
                channel.send(encode_answer(Faulted(0, error.code, str(error))))
                return 3
            except MemoryError:
                message = "the models do not fit into the worker's memory limit"
                channel.send(encode_answer(Faulted(0, "MD-WRK-004", message)))
                return 3
            load_ms = round((time.monotonic() - started) * 1000, 1)
            channel.send(encode_answer(Ready(os.getpid(), load_ms)))
            serve(sampler, channel)
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the agent went away
    return 0


if __name__ == "__main__":
    sys.exit(main())
