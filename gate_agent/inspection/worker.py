"""The inspection worker: `python -I -m gate_agent.inspection.worker --trust DIR --socket-fd N`, one request at a time.

It loads the trust bundle once and judges chips until the other end of the socket closes. Certificates and signed objects from a chip are
hostile input: they are parsed here, in a process with bounded memory and nothing to take, never in the agent. It keeps no document.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gate_agent.inspection import chip_authenticity_messages as messages
from gate_agent.inspection import serving
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.chip_authenticity_messages import (
    Answer,
    Judged,
    MessageNonsense,
    Request,
    WorkerReady,
    decode_evidence,
    decode_seals,
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
    return serving.answer(partial(judged, judge), packet, descriptors)


def judged(judge: ChipJudge, request: Request, content: bytes) -> Judged:
    """Return what the judge says to one request. Raises `MessageNonsense`."""
    match request.operation:
        case messages.SECURITY_OBJECT:
            return Judged(request.request_id, judge.security_object(content, request.now))
        case messages.SEALS:
            return Judged(request.request_id, (judge.seals(*decode_seals(content), request.now),))
        case messages.CHIP:
            evidence, document = decode_evidence(content)
            verdict = judge.chip(evidence, document, request.now)
            place = None
            if verdict.portrait is not None:
                begin = evidence.files["DG2"].find(verdict.portrait)
                place = (begin, begin + len(verdict.portrait))
            return Judged(request.request_id, verdict.results, verdict.mrz_lines, place)
        case _:
            raise MessageNonsense(f"this worker does not judge a {request.operation}")


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
    serving.confine(arguments.memory_bytes)
    with socket.socket(fileno=arguments.socket_fd) as channel:
        channel.setblocking(True)
        try:
            started_s = time.perf_counter()
            officers = None if arguments.unsigned else dict(arguments.officer)
            bundle, refusal = load(arguments.trust, officers, arguments.lowest_version)
            load_ms = round((time.perf_counter() - started_s) * 1000, 1)
            ready = WorkerReady(refusal=refusal[:500], load_ms=load_ms)
            if bundle is not None:
                countries = tuple(sorted(bundle.store.countries))
                ready = WorkerReady(bundle.version, countries, len(bundle.store.held), len(bundle.skipped), load_ms)
            channel.send(encode_answer(ready))
            serving.serve(partial(judged, ChipJudge(bundle, arguments.age_limit_days)), channel)
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the agent went away
    return 0


if __name__ == "__main__":
    sys.exit(main())
