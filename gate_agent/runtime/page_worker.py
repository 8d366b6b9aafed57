"""The process that looks at pictures of pages: `python -I -m gate_agent.runtime.page_worker --socket-fd N`, one page at a time.

Pictures come from a reader that a stranger's document lies on: they are decoded in a disposable child of this process, and everything
that looks at the pixels runs here, with bounded memory and nothing to take. It keeps no picture.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from drivers.barcode.frames import MATRIX_FORMATS, read_symbols
from gate_agent.domain.check import CheckResult
from gate_agent.inspection import chip_authenticity_messages as messages
from gate_agent.inspection import serving
from gate_agent.inspection.chip_authenticity_messages import (
    Judged,
    MessageNonsense,
    PageEvidence,
    Request,
    WorkerReady,
    decode_page,
)
from gate_agent.inspection.page_checks import WHITE, PageLimits, PagePictures, judge_page, seals_unseen
from gate_agent.inspection.visible_seal_format import is_seal
from gate_agent.inspection.visible_seal_json import is_json_seal
from models.errors import ImageRefused
from models.image_decoding import DecodeLimits, decode_image
from models.page_look import ROLES, look_at_page, zone_in
from models.page_results import PageLook
from models.results import Image

DECODING = DecodeLimits(maximum_pixels=16_000_000, memory_bytes=256 << 20, time_s=2.0)
"""A page of a passport at 600 pixels per inch has six million pixels, the whole glass of a reader seven."""


@dataclass(frozen=True, slots=True)
class PageExamined:
    """What was measured, what that says, and the bytes of the digital seals that the white picture shows."""

    look: PageLook
    results: tuple[CheckResult, ...]
    seals: tuple[bytes, ...] = ()


def examine(evidence: PageEvidence, limits: PageLimits) -> PageExamined:
    """Decode the pictures of one page, measure and judge them. Raises `MemoryError` under this process's own limit."""
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
        return PageExamined(look, (*results, unseen))
    return PageExamined(look, results, _seals(decoded))


def _seals(pictures: Mapping[str, Image]) -> tuple[bytes, ...]:
    symbols = read_symbols(pictures[WHITE], formats=MATRIX_FORMATS, second_opinion=False)
    contents = (symbol.content for symbol in symbols)
    return tuple(dict.fromkeys(content for content in contents if is_seal(content) or is_json_seal(content)))


def judged(limits: PageLimits, request: Request, content: bytes) -> Judged:
    """Return the answer to one request. Raises `MessageNonsense`."""
    match request.operation:
        case messages.PAGE:
            found = examine(decode_page(content), limits)
            return Judged(request.request_id, found.results, seals=found.seals)
        case messages.ZONE:
            return Judged(request.request_id, (), mrz_lines=read_lines(decode_page(content)))
        case _:
            raise MessageNonsense(f"this worker does not judge a {request.operation}")


def read_lines(evidence: PageEvidence) -> tuple[str, ...]:
    """Return the lines of the zone in the white picture, as they were read; none where there is no zone, or no picture."""
    try:
        white = decode_image(evidence.images.get(WHITE, b""), DECODING)
    except ImageRefused:
        return ()
    zone = zone_in(white)
    return () if zone is None else zone.lines


def _limits(text: str) -> PageLimits:
    table = json.loads(text)
    return PageLimits(**table | {"transparent_issuers": tuple(table.get("transparent_issuers", ()))})


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gate_agent.runtime.page_worker")
    parser.add_argument("--limits", type=_limits, default=PageLimits(), help="limits in JSON, by name")
    serving.add_arguments(parser)
    return parser.parse_args(argv)


def prepare(limits: PageLimits) -> tuple[WorkerReady, serving.Judging]:
    """Load what reads zones, so that the first traveller waits for no loading."""
    started_s = time.perf_counter()
    cv2.setNumThreads(1)
    look_at_page(dict.fromkeys(ROLES, np.full((240, 320, 3), 200, np.uint8)))
    return WorkerReady(load_ms=round((time.perf_counter() - started_s) * 1000, 1)), partial(judged, limits)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one socket; return 0 when it closed."""
    arguments = _arguments(argv)
    return serving.run(arguments, partial(prepare, arguments.limits))


if __name__ == "__main__":
    sys.exit(main())
