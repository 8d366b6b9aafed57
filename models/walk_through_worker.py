"""The walk-through worker: `python -I -m models.walk_through_worker --models DIR --socket-fd N`, one lane, one request at a time.

It holds the references of the travellers expected now, the tracker and the ledger of identities in its own memory; what leaves it
are boxes, scores and standings. References are overwritten when they are withdrawn and when the other end hangs up. Address space
is limited before anything is loaded; encoded portraits are decoded in disposable children.
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

from models.errors import ModelsError, WorkerFault
from models.image_header import MAXIMUM_CONTENT_BYTES, MAXIMUM_PIXELS
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


def _shared_bytes(descriptors: Sequence[int], size_bytes: int) -> bytes:
    """Return a copy of a memory file's first bytes: its owner may overwrite it meanwhile."""
    if len(descriptors) != 1:
        raise WorkerFault("this request needs exactly one descriptor", code="MD-WRK-003")
    if os.fstat(descriptors[0]).st_size < size_bytes:
        raise WorkerFault(f"the memory file holds fewer than {size_bytes} bytes", code="MD-WRK-003")
    with mmap.mmap(descriptors[0], size_bytes, prot=mmap.PROT_READ) as shared:
        return shared[:]


def _frame(request: Mapping[str, Any], descriptors: Sequence[int]) -> Image:
    width, height = whole(request, "width_px", 16384), whole(request, "height_px", 16384)
    if width * height > 4 * MAXIMUM_PIXELS:
        raise WorkerFault(f"a frame of {width} x {height} pixels", code="MD-WRK-003")
    content = _shared_bytes(descriptors, width * height * _CHANNELS)
    return np.frombuffer(content, dtype=np.uint8).reshape(height, width, _CHANNELS)


def answer_to(matcher: WalkThroughMatcher, packet: bytes, descriptors: Sequence[int]) -> Answer:
    """Return the answer to one request; a fault of the request is an answer, too."""
    request_id = 0
    try:
        request_id, operation, request = decode_request(packet)
        match operation:
            case "look":
                started = time.perf_counter()
                tracks = matcher.look(_frame(request, descriptors), time_of(request))
                return Looked(request_id, tracks, round((time.perf_counter() - started) * 1000, 2))
            case "enrol":
                content = _shared_bytes(descriptors, whole(request, "size_bytes", MAXIMUM_CONTENT_BYTES))
                return Enrolled(request_id, *matcher.enrol(entry_of(request), content))
            case "consume":
                granted = matcher.consume(entry_of(request), whole(request, "proof", _LARGEST_PROOF))
                return Consumed(request_id, granted)
            case "withdraw":
                matcher.withdraw(entry_of(request))
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
    while True:
        packet, descriptors, _, _ = socket.recv_fds(channel, LARGEST_MESSAGE_BYTES, 4)
        if not packet and not descriptors:
            return
        try:
            answer = answer_to(matcher, packet, descriptors)
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
                    arguments.models,
                    arguments.expected_face_px,
                    arguments.largest_gallery,
                    arguments.false_positive_identification_rate,
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
