"""How an inspection worker serves its socket: one request at a time, evidence out of a memory file, every fault an answer."""

from __future__ import annotations

import argparse
import mmap
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from gate_agent.domain.check import CheckResult
from gate_agent.inspection.chip_authenticity_messages import (
    LARGEST_EVIDENCE_BYTES,
    LARGEST_PACKET_BYTES,
    Answer,
    Judged,
    MessageNonsense,
    Request,
    RequestRefused,
    WorkerReady,
    decode_request,
    encode_answer,
)

_OUT_OF_MEMORY = "the worker's memory limit was reached"

Judging = Callable[[Request, bytes], Judged]
"""Judges the evidence of one request. Raises `MessageNonsense` for evidence or an operation that is none."""


Prepare = Callable[[], tuple[WorkerReady, Judging]]
"""Makes a worker ready, within its limits: what it says of itself, and what judges."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every worker is told by whoever starts it."""
    parser.add_argument("--memory-bytes", type=int, default=0, help="address-space limit; 0: none")
    parser.add_argument("--socket-fd", type=int, required=True, help="inherited SOCK_SEQPACKET descriptor")


def run(arguments: argparse.Namespace, prepare: Prepare) -> int:
    """Confine this process, make it ready, say so, and serve its socket until that closes. Returns the exit status."""
    confine(arguments.memory_bytes)
    with socket.socket(fileno=arguments.socket_fd) as channel:
        channel.setblocking(True)
        try:
            ready, judge = prepare()
            channel.send(encode_answer(ready))
            serve(judge, channel)
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the agent went away
    return 0


def confine(memory_bytes: int) -> None:
    """Restrict this process: no core file, no interrupt from a terminal, and an address space of `memory_bytes` (0: any)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent ends its workers; a terminal must not do it first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold a document
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def answer(judge: Judging, packet: bytes, descriptors: Sequence[int]) -> Answer:
    """Return the answer to one packet; its results hold the time that judging them together took."""
    request_id = 0
    try:
        request = decode_request(packet)
        request_id = request.request_id
        content = _shared(descriptors, request.size_bytes)
        started_s = time.perf_counter()
        judged = judge(request, content)
        return replace(judged, results=_timed(judged.results, started_s))
    except MessageNonsense as error:
        return RequestRefused(request_id, str(error))
    except MemoryError:
        return RequestRefused(request_id, _OUT_OF_MEMORY)


def _timed(results: tuple[CheckResult, ...], started_s: float) -> tuple[CheckResult, ...]:
    duration_ms = round((time.perf_counter() - started_s) * 1000, 2)
    return tuple(replace(result, duration_ms=duration_ms) for result in results)


def _shared(descriptors: Sequence[int], size_bytes: int) -> bytes:
    if len(descriptors) != 1 or not 0 < size_bytes <= LARGEST_EVIDENCE_BYTES:
        raise MessageNonsense("a request comes with one memory file")
    if os.fstat(descriptors[0]).st_size < size_bytes:
        raise MessageNonsense("the memory file is shorter than announced")
    with mmap.mmap(descriptors[0], size_bytes, prot=mmap.PROT_READ) as shared:
        return shared[:]


def serve(judge: Judging, channel: socket.socket) -> None:
    """Answer until the other end closes; one request that ran out of memory is the last."""
    while True:
        packet, descriptors, _, _ = socket.recv_fds(channel, LARGEST_PACKET_BYTES, 4)
        if not packet and not descriptors:
            return
        try:
            given = answer(judge, packet, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        channel.send(encode_answer(given))
        if isinstance(given, RequestRefused) and given.message == _OUT_OF_MEMORY:
            return
