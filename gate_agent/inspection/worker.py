"""The inspection worker: `python -I -m gate_agent.inspection.worker --trust DIR --socket-fd N`, one request at a time.

It loads the trust bundle once and judges chips until the other end of the socket closes. Certificates and signed objects from a chip are
hostile input: they are parsed here, in a process with bounded memory and nothing to take, never in the agent. It keeps no document.
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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gate_agent.domain.check import CheckResult
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.chip_authenticity_messages import (
    LARGEST_EVIDENCE_BYTES,
    LARGEST_PACKET_BYTES,
    SECURITY_OBJECT,
    Answer,
    BundleReady,
    ChipJudged,
    MessageNonsense,
    RequestRefused,
    decode_evidence,
    decode_request,
    encode_answer,
)
from gate_agent.inspection.trust_bundle import TrustBundle, load_folder
from gate_agent.inspection.trust_ceremony import TrustRefused
from gate_agent.inspection.trust_versions import CURRENT, load_trust


def load(trust: Path, officers: dict[str, bytes] | None, lowest_version: int) -> tuple[TrustBundle | None, str]:
    """Return the bundle in force, or None and why there is none that can be used."""
    try:
        if officers is None and not (trust / CURRENT).exists():
            return load_folder(trust), ""
        return load_trust(trust, officers, lowest_version=lowest_version), ""
    except TrustRefused as refused:
        return None, f"{refused.code}: {refused}"
    except OSError as error:
        return None, f"the trust folder cannot be read: {error.strerror}"


def answer(judge: ChipJudge, packet: bytes, descriptors: Sequence[int]) -> Answer:
    """Return the answer to one packet."""
    request_id = 0
    try:
        request = decode_request(packet)
        request_id = request.request_id
        content = _shared(descriptors, request.size_bytes)
        started_s = time.perf_counter()
        if request.operation == SECURITY_OBJECT:
            return ChipJudged(request_id, _timed(judge.security_object(content, request.now), started_s))
        evidence, document = decode_evidence(content)
        verdict = judge.chip(evidence, document, request.now)
        place = None
        if verdict.portrait is not None:
            begin = evidence.files["DG2"].find(verdict.portrait)
            place = (begin, begin + len(verdict.portrait))
        return ChipJudged(request_id, _timed(verdict.results, started_s), verdict.mrz_lines, place)
    except MessageNonsense as error:
        return RequestRefused(request_id, str(error))
    except MemoryError:
        return RequestRefused(request_id, "the worker's memory limit was reached")


def _timed(results: tuple[CheckResult, ...], started_s: float) -> tuple[CheckResult, ...]:
    """Return the results with the time that judging them together took."""
    duration_ms = round((time.perf_counter() - started_s) * 1000, 2)
    return tuple(replace(result, duration_ms=duration_ms) for result in results)


def _shared(descriptors: Sequence[int], size_bytes: int) -> bytes:
    if len(descriptors) != 1 or not 0 < size_bytes <= LARGEST_EVIDENCE_BYTES:
        raise MessageNonsense("a request comes with one memory file")
    if os.fstat(descriptors[0]).st_size < size_bytes:
        raise MessageNonsense("the memory file is shorter than announced")
    with mmap.mmap(descriptors[0], size_bytes, prot=mmap.PROT_READ) as shared:
        return shared[:]


def serve(judge: ChipJudge, channel: socket.socket) -> None:
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
        if isinstance(given, RequestRefused) and "memory" in given.message:
            return


def _officer(text: str) -> tuple[str, bytes]:
    name, _, key = text.partition("=")
    if not name or len(bytes.fromhex(key)) != 32:
        raise argparse.ArgumentTypeError("an officer is ID=<64 hex digits of the public key>")
    return name, bytes.fromhex(key)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gate_agent.inspection.worker")
    parser.add_argument("--trust", type=Path, required=True, help="folder of the trust bundle")
    parser.add_argument("--officer", type=_officer, action="append", default=[], help="officer who may sign bundles")
    parser.add_argument("--unsigned", action="store_true", help="any folder, vouched for by whoever names it")
    parser.add_argument("--age-limit-days", type=float, required=True, help="older bundles prove nothing")
    parser.add_argument("--lowest-version", type=int, default=0, help="refuse versions below this one")
    parser.add_argument("--memory-bytes", type=int, default=0, help="address-space limit; 0: none")
    parser.add_argument("--socket-fd", type=int, required=True, help="inherited SOCK_SEQPACKET descriptor")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one socket; return 0 when it closed."""
    arguments = _arguments(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent ends its workers; a terminal must not do it first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold a document
    if arguments.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_bytes, arguments.memory_bytes))
    with socket.socket(fileno=arguments.socket_fd) as channel:
        channel.setblocking(True)
        try:
            started_s = time.perf_counter()
            officers = None if arguments.unsigned else dict(arguments.officer)
            bundle, refusal = load(arguments.trust, officers, arguments.lowest_version)
            load_ms = round((time.perf_counter() - started_s) * 1000, 1)
            ready = BundleReady(refusal=refusal[:500], load_ms=load_ms)
            if bundle is not None:
                countries = tuple(sorted(bundle.store.countries))
                ready = BundleReady(bundle.version, countries, len(bundle.store.held), len(bundle.skipped), load_ms)
            channel.send(encode_answer(ready))
            serve(ChipJudge(bundle, arguments.age_limit_days), channel)
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the agent went away
    return 0


if __name__ == "__main__":
    sys.exit(main())
