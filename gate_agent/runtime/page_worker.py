"""The process that looks at pictures of pages: `python -I -m gate_agent.runtime.page_worker --socket-fd N`, one page at a time.

Pictures come from a reader that a stranger's document lies on: they are decoded in a disposable child of this process, and everything
that looks at the pixels runs here, with bounded memory and nothing to take. It keeps no picture.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial

import cv2
import numpy as np

from drivers.barcode.frames import MATRIX_FORMATS, read_symbols
from gate_agent.inspection import serving
from gate_agent.inspection.chip_authenticity_messages import (
    PAGE,
    Judged,
    MessageNonsense,
    PageEvidence,
    Request,
    WorkerReady,
    decode_page,
    encode_answer,
)
from gate_agent.inspection.page_checks import WHITE, PageLimits, PagePictures, judge_page, seals_unseen
from gate_agent.inspection.visible_seal_format import is_seal
from gate_agent.inspection.visible_seal_json import is_json_seal
from models.errors import ImageRefused
from models.image_decoding import DecodeLimits, decode_image
from models.page_look import ROLES, look_at_page
from models.results import Image

DECODING = DecodeLimits(maximum_pixels=16_000_000, memory_bytes=256 << 20, time_s=2.0)
"""A page of a passport at 600 pixels per inch has six million pixels, the whole glass of a reader seven."""


def judge(evidence: PageEvidence, limits: PageLimits) -> Judged:
    """Return what the pictures of one page say, and the bytes of the digital seals that the white one shows."""
    decoded: dict[str, Image] = {}
    broken: set[str] = set()
    for role in ROLES & evidence.images.keys():
        try:
            decoded[role] = decode_image(evidence.images[role], DECODING)
        except ImageRefused:
            broken.add(role)
    look = look_at_page(decoded)
    pictures = PagePictures(evidence.expected, frozenset(broken))
    results = judge_page(look, evidence.lines, limits, pictures)
    unseen = seals_unseen(look, limits, pictures)
    if unseen is not None:
        return Judged(0, (*results, unseen))
    return Judged(0, results, seals=_seals(decoded))


def _seals(pictures: Mapping[str, Image]) -> tuple[bytes, ...]:
    symbols = read_symbols(pictures[WHITE], formats=MATRIX_FORMATS, second_opinion=False)
    contents = (symbol.content for symbol in symbols)
    return tuple(dict.fromkeys(content for content in contents if is_seal(content) or is_json_seal(content)))


def judged(limits: PageLimits, request: Request, content: bytes) -> Judged:
    """Return the answer to one request. Raises `MessageNonsense`."""
    if request.operation != PAGE:
        raise MessageNonsense(f"this worker does not judge a {request.operation}")
    found = judge(decode_page(content), limits)
    return Judged(request.request_id, found.results, seals=found.seals)


def _limits(text: str) -> PageLimits:
    return PageLimits(**{name: float(value) for name, value in json.loads(text).items()})


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gate_agent.runtime.page_worker")
    parser.add_argument("--limits", type=_limits, default=PageLimits(), help="limits in JSON, by name")
    parser.add_argument("--memory-bytes", type=int, default=0, help="address-space limit; 0: none")
    parser.add_argument("--socket-fd", type=int, required=True, help="inherited SOCK_SEQPACKET descriptor")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one socket; return 0 when it closed."""
    arguments = _arguments(argv)
    serving.confine(arguments.memory_bytes)
    cv2.setNumThreads(1)
    with socket.socket(fileno=arguments.socket_fd) as channel:
        channel.setblocking(True)
        try:
            started_s = time.perf_counter()
            look_at_page(
                dict.fromkeys(ROLES, np.full((240, 320, 3), 200, np.uint8))
            )  # the first traveller waits for no loading
            channel.send(encode_answer(WorkerReady(load_ms=round((time.perf_counter() - started_s) * 1000, 1))))
            serving.serve(partial(judged, arguments.limits), channel)
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the agent went away
    return 0


if __name__ == "__main__":
    sys.exit(main())
