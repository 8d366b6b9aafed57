"""`egate inspect barcode FILE…`: read the bar codes of image files."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

SUMMARY = "read the bar codes of image files"
FILE_LIMIT_BYTES = 64 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and operands."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PNG, JPEG, JPEG 2000, WebP or BMP")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")


def run(arguments: argparse.Namespace) -> int:
    """Answer every file; one that cannot be read gets an `error`. Returns 0."""
    for path in arguments.files:
        answer = inspect_file(path)
        print(json.dumps(answer, ensure_ascii=True) if arguments.json else _as_text(answer), flush=True)
    return 0


def inspect_file(path: Path) -> dict[str, Any]:
    """Return `file`, `symbols`, `ms` (decoding and reading) and `error` (None when the image could be read).

    A symbol of one dimension `needs_confirmation`: its text may be misread with a right check digit.
    """
    from drivers.barcode.frames import read_image
    from drivers.barcode.image_header import ImageRefused

    answer: dict[str, Any] = {"file": str(path), "symbols": [], "ms": 0.0, "error": None}
    started_s = time.perf_counter()
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_LIMIT_BYTES + 1)
        if len(content) > FILE_LIMIT_BYTES:
            return answer | {"error": f"DRV-IMG-003: file is larger than {FILE_LIMIT_BYTES} bytes"}
        started_s = time.perf_counter()
        answer["symbols"] = [
            {
                "symbology": symbol.symbology,
                "text": symbol.text,
                "bytes_hex": symbol.content.hex(),
                "engine": symbol.engine,
                "needs_confirmation": symbol.is_linear,
            }
            for symbol in read_image(content)
        ]
    except ImageRefused as refused:
        answer["error"] = f"{refused.code}: {refused}"
    except OSError as error:
        answer["error"] = f"DRV-IMG-002: {error.strerror or error}"
    answer["ms"] = round((time.perf_counter() - started_s) * 1000, 2)
    return answer


def _as_text(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return f"{answer['file']}: {answer['error']}"
    lines = [f"  {symbol['symbology']} ({symbol['engine']}): {symbol['text']!r}" for symbol in answer["symbols"]]
    return "\n".join([f"{answer['file']}: {len(lines)} symbols in {answer['ms']} ms", *lines])
