"""The walk-through worker: `python -I -m models.walk_through_worker --models DIR --socket-fd N`, one lane, one request at a time.

It holds the references of the travellers expected now, the tracker and the ledger of identities in its own memory; what leaves it
are boxes, scores and standings. References are overwritten when they are withdrawn and when the other end hangs up. Address space
is limited before anything is loaded; encoded portraits are decoded in disposable children.
"""

from __future__ import annotations

import argparse
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
from numpy.typing import NDArray

from models.errors import ModelsError, WorkerFault
from models.freed_memory import wipe_freed
from models.image_header import MAXIMUM_CONTENT_BYTES, MAXIMUM_PIXELS
from models.pipeline import PipelineChoice
from models.results import Image
from models.walk_through_matching import WalkThroughMatcher
from models.walk_through_messages import (
    LARGEST_MESSAGE_BYTES,
    Answer,
    Consumed,
    Enrolled,
    Faulted,
    Looked,
    Withdrawn,
    decode_request,
    encode_answer,
    entry_of,
    time_of,
    whole,
)
from models.walk_through_reading import load_matcher

_CHANNELS = 3
_LARGEST_PROOF = 2**53


class Buffer:
    """The one place that frames and portraits are copied to, because their owner may overwrite them meanwhile; scrubbed after use."""

    def __init__(self) -> None:
        self._bytes: NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)

    def taken(self, descriptors: Sequence[int], size_bytes: int) -> NDArray[np.uint8]:
        """Return the first bytes of the memory file. Raises `WorkerFault` when it is shorter, or not the only one."""
        if len(descriptors) != 1:
            raise WorkerFault("this request needs exactly one descriptor", code="MD-WRK-003")
        if os.fstat(descriptors[0]).st_size < size_bytes:
            raise WorkerFault(f"the memory file holds fewer than {size_bytes} bytes", code="MD-WRK-003")
        if len(self._bytes) < size_bytes:
            self._bytes = np.zeros(size_bytes, dtype=np.uint8)
        part = self._bytes[:size_bytes]
        if os.preadv(descriptors[0], [part.data], 0) != size_bytes:
            raise WorkerFault("the memory file could not be read whole", code="MD-WRK-003")
        return part

    def scrub(self) -> None:
        """Overwrite what was copied, and what the array library keeps of freed blocks."""
        self._bytes.fill(0)
        wipe_freed()


def _frame(request: Mapping[str, Any], descriptors: Sequence[int], buffer: Buffer) -> Image:
    width, height = whole(request, "width_px", 16384), whole(request, "height_px", 16384)
    if width * height > 4 * MAXIMUM_PIXELS:
        raise WorkerFault(f"a frame of {width} x {height} pixels", code="MD-WRK-003")
    return buffer.taken(descriptors, width * height * _CHANNELS).reshape(height, width, _CHANNELS)


def answer_to(matcher: WalkThroughMatcher, buffer: Buffer, packet: bytes, descriptors: Sequence[int]) -> Answer:
    """Return the answer to one request; a fault of the request is an answer, too."""
    request_id = 0
    try:
        request_id, operation, request = decode_request(packet)
        match operation:
            case "look":
                started = time.perf_counter()
                tracks = matcher.look(_frame(request, descriptors, buffer), time_of(request))
                return Looked(request_id, tracks, round((time.perf_counter() - started) * 1000, 2))
            case "enrol":
                content = buffer.taken(descriptors, whole(request, "size_bytes", MAXIMUM_CONTENT_BYTES))
                return Enrolled(request_id, *matcher.enrol(entry_of(request), content.tobytes()))
            case "consume":
                granted = matcher.consume(entry_of(request), whole(request, "proof", _LARGEST_PROOF))
                return Consumed(request_id, granted)
            case "withdraw":
                matcher.withdraw(entry_of(request))
                buffer.scrub()
                return Withdrawn(request_id)
            case _:
                raise WorkerFault(f"there is no operation {operation[:20]!r}")
    except ModelsError as error:
        return Faulted(request_id, error.code, str(error))
    except MemoryError:
        return Faulted(request_id, "MD-WRK-004", "the worker's memory limit was reached")
    except ValueError as error:  # the ledger refuses frames out of order
        return Faulted(request_id, "MD-WRK-003", str(error))


def serve(matcher: WalkThroughMatcher, channel: socket.socket) -> None:
    """Answer requests until the other end closes."""
    buffer = Buffer()
    while True:
        packet, descriptors, _, _ = socket.recv_fds(channel, LARGEST_MESSAGE_BYTES, 4)
        if not packet and not descriptors:
            return
        try:
            answer = answer_to(matcher, buffer, packet, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        channel.send(encode_answer(answer))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one socket; return 0 when it closed and 3 when models or calibration could not be loaded."""
    parser = argparse.ArgumentParser(prog="models.walk_through_worker")
    parser.add_argument("--models", type=Path, required=True, help="folder of the built models")
    parser.add_argument("--socket-fd", type=int, required=True, help="inherited SOCK_SEQPACKET descriptor")
    parser.add_argument("--memory-bytes", type=int, default=0, help="address-space limit; 0: none")
    parser.add_argument("--expected-face-px", type=int, default=120, help="width to which the expected face is scaled")
    parser.add_argument("--largest-gallery", type=int, default=8, help="most travellers expected at one time")
    parser.add_argument(
        "--false-positive-identification-rate", type=float, default=1e-3, help="rate the threshold is chosen for"
    )
    parser.add_argument("--demonstration", action="store_true", help="search although nothing is proven")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the lane ends its worker; a terminal must not do it first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold a face
    if arguments.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_bytes, arguments.memory_bytes))
    cv2.setNumThreads(1)
    with socket.socket(fileno=arguments.socket_fd) as channel:
        channel.setblocking(True)
        try:
            try:
                matcher, ready = load_matcher(
                    PipelineChoice(models=arguments.models, expected_face_px=arguments.expected_face_px),
                    arguments.largest_gallery,
                    arguments.false_positive_identification_rate,
                    is_demonstration=arguments.demonstration,
                )
            except ModelsError as error:
                channel.send(encode_answer(Faulted(0, error.code, str(error))))
                return 3
            except MemoryError:
                message = "the models do not fit into the worker's memory limit"
                channel.send(encode_answer(Faulted(0, "MD-WRK-004", message)))
                return 3
            channel.send(encode_answer(ready))
            try:
                serve(matcher, channel)
            finally:
                matcher.wipe()
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the lane went away
    return 0


if __name__ == "__main__":
    sys.exit(main())
