"""`egate inspect mrz FILE…`: find and read the machine readable zone in image files."""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate_agent.cli.inspect_mrz_text import answer as text_answer
from gate_agent.clock import SystemClock

if TYPE_CHECKING:
    from models.mrz_reader import MrzZone
    from models.results import Image

SUMMARY = "read the machine readable zone in image files"

FILE_LIMIT_BYTES = 32 << 20
PIXEL_LIMIT = 24_000_000
DECODER_MEMORY_BYTES = 512 << 20
DECODER_TIME_S = 8.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and operands."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JPEG, PNG or JPEG 2000")
    parser.add_argument("--json", action="store_true", help="one JSON object per file (the default output is the same)")
    parser.add_argument(
        "--today", type=date.fromisoformat, default=None, help="judge dates as of this day (YYYY-MM-DD)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer every file, and return 0; 3 where one could not be opened or decoded, which its `error` tells."""
    today = arguments.today or SystemClock().now().date()
    code = 0
    for path in arguments.files:
        answer = inspect_file(path, today)
        print(json.dumps(answer, ensure_ascii=True), flush=True)
        if answer["error"] is not None:
            code = 3
    return code


def inspect_file(path: Path, today: date) -> dict[str, Any]:
    """Return `file`, `format`, `lines`, `valid`, `fields`, `ms` and how sure the reading is.

    `valid`: the reading is accepted, which takes more than the check digits (each is in `checks`): no character may be doubtful.
    `doubtful` names line and position (from 1), what was read and what else it may be. `error` is None when the picture could be
    decoded, whether or not a zone was found.
    """
    from models.errors import ImageRefused
    from models.mrz_reader import read_zone

    started_s = time.perf_counter()
    answer: dict[str, Any] = {"file": str(path)} | _nothing()
    try:
        zone = read_zone(_picture(path))
        if zone is not None:
            answer |= _found(zone, today)
    except ImageRefused as refused:
        answer["error"] = f"{refused.code}: {refused}"
    except OSError as error:
        answer["error"] = f"MD-IMG-002: {error.strerror or error}"
    answer["ms"] = round((time.perf_counter() - started_s) * 1000, 2)
    return answer


def _nothing() -> dict[str, Any]:
    return {
        "format": None,
        "lines": [],
        "valid": False,
        "fields": {},
        "checks": {},
        "posterior": None,
        "doubtful": [],
        "corners": [],
        "reasons": [],
        "ms": 0.0,
        "error": None,
    }


def _found(zone: MrzZone, today: date) -> dict[str, Any]:
    read = text_answer(list(zone.lines), today)
    return {
        "format": read["format"],
        "lines": list(zone.lines),
        "valid": zone.is_accepted and read["valid"],
        "fields": read["fields"],
        "checks": read["checks"],
        "posterior": round(zone.posterior, 4),
        "doubtful": [
            {
                "line": doubt.line,
                "position": doubt.position,
                "character": doubt.character,
                "alternative": doubt.alternative,
                "posterior": round(doubt.posterior, 4),
            }
            for doubt in zone.doubtful
        ],
        "corners": [[round(x, 1), round(y, 1)] for x, y in zone.corners],
        "reasons": read["reasons"],
    }


def _picture(path: Path) -> Image:
    """Return the decoded picture, the way up that its EXIF orientation says. Raises `ImageRefused` or `OSError`."""
    from models.errors import ImageRefused
    from models.image_decoding import DecodeLimits, decode_image

    with path.open("rb") as stream:
        content = stream.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise ImageRefused(f"the file is larger than {FILE_LIMIT_BYTES} bytes", code="MD-IMG-003")
    return decode_image(content, DecodeLimits(PIXEL_LIMIT, DECODER_MEMORY_BYTES, DECODER_TIME_S, FILE_LIMIT_BYTES))
