"""What `egate face evaluate` shows and writes: progress, tables, records, the DET curve."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from gate_agent.errors import EgateError
from models.det_plot import Curve, det_png, det_svg
from models.results import FaceFinding

_BAR_WIDTH = 30
_LINE_EVERY = 10  # per cent, where there is no terminal
_LARGEST_RECORD_BYTES = 4_000_000


class EvaluateFault(EgateError):
    """The evaluation cannot be made, or its result cannot be written; the code is the one of `models` where it came from there."""

    code = "EG-EVA-001"


def console_progress() -> Callable[[int, int], None]:
    """Return a listener: a bar with rate and remaining time on a terminal, otherwise a line every tenth; on standard error."""
    started = time.perf_counter()
    is_terminal = sys.stderr.isatty()
    shown = 0

    def hear(done: int, total: int) -> None:
        nonlocal shown
        elapsed = max(time.perf_counter() - started, 1e-6)
        left_s = round(elapsed / done * (total - done))
        rate = f"{done / elapsed:.1f}/s, {left_s // 60}:{left_s % 60:02d} left"
        if is_terminal:
            filled = round(_BAR_WIDTH * done / total)
            end = "\n" if done == total else ""
            bar = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}]"
            print(f"\rpictures {bar} {done}/{total} {rate:<24}", end=end, file=sys.stderr, flush=True)
        elif done * 100 // total // _LINE_EVERY > shown:
            shown = done * 100 // total // _LINE_EVERY
            print(f"pictures {done}/{total} {rate}", file=sys.stderr, flush=True)

    return hear


def read_record(path: Path) -> dict[str, Any]:
    """Return a record that `--output` wrote; its parts are not checked. Raises `EvaluateFault`."""
    try:
        if path.stat().st_size > _LARGEST_RECORD_BYTES:
            raise EvaluateFault(f"{path} is too large for a record")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluateFault(f"{path} cannot be read as a record: {error}") from error
    if not isinstance(record, dict):
        raise EvaluateFault(f"{path} is no record of a face evaluation")
    return cast("dict[str, Any]", record)


def _curve(record: dict[str, Any], source: str) -> Curve:
    try:
        rows = [[float(value) for value in row] for row in record["det"]]
        marks = [(float(row["fmr"]), float(row["fnmr"])) for row in record["operating_points"] if row["is_shown"]]
        label = str(record["label"])
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluateFault(f"{source} holds no curve") from error
    if any(len(row) != 4 for row in rows):
        raise EvaluateFault(f"{source} holds no curve")
    return Curve(label, rows, marks)


def plotted(record: dict[str, Any], beside: Sequence[Path], suffix: str) -> bytes:
    """Return the picture of a record's curve and those of earlier records, as .svg or .png. Raises `EvaluateFault`."""
    curves = [_curve(record, "this evaluation"), *(_curve(read_record(path), str(path)) for path in beside)]
    title = "Face comparison: false matches against false non-matches"
    subtitle = (
        f"{record['set']} · {_grouped(record['people'])} people · {_grouped(record['mated'])} mated, "
        f"{_grouped(record['non_mated'])} non-mated comparisons · failure to acquire {record['failure_to_acquire_rate']:.2%}"
    )
    if suffix == ".png":
        return det_png(curves, title, subtitle)
    return det_svg(curves, title, subtitle).encode()


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises `EvaluateFault`."""
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".evaluation-")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise EvaluateFault(f"{path} cannot be written: {error.strerror}") from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def lines_of(record: dict[str, Any]) -> Sequence[str]:
    """Return a record for people."""
    failures = ", ".join(
        f"{count} {FaceFinding(kind).value.replace('_', ' ')}"
        for kind, count in record["failures_to_acquire"].items()
        if count
    )
    low, high = record["failure_to_acquire_rate_bounds"]
    opening = (
        f"{record['set']}: {_grouped(record['people'])} people, {_grouped(record['pictures'])} pictures; "
        f"{_grouped(record['mated'])} mated and {_grouped(record['non_mated'])} non-mated comparisons ({record['label']})"
    )
    lines = [
        opening,
        f"failure to acquire {record['failure_to_acquire_rate']:.2%} (95 %: {low:.2%} to {high:.2%})"
        + (f": {failures}" if failures else ""),
        "",
        *_table(record["operating_points"]),
        f"equal error rate {record['equal_error_rate']:.2%}",
    ]
    if "given_thresholds" in record:
        given = record["given_thresholds"]
        lines += ["", f"with the thresholds of {given['from']}", *_table(given["points"])]
    if "mated_not_compared" in record and (record["mated_not_compared"] or record["non_mated_not_compared"]):
        lines.append(
            f"not compared for want of a face: {record['mated_not_compared']} mated, "
            f"{record['non_mated_not_compared']} non-mated pairs"
        )
    costs = ", ".join(f"{step} {cost:g}" for step, cost in record["cost_ms"].items())
    return [*lines, f"CPU ms: {costs}; {record['seconds']:g} s in all"]


def _table(points: Sequence[dict[str, Any]]) -> list[str]:
    lines = [f"{'FMR stated':<12} {'threshold':>10}   {'FMR (95 %)':<34} {'FNMR (95 %)':<28} {'with FTA':>8}"]
    for point in points:
        fmr = f"{point['fmr']:.2e} ({point['fmr_bounds'][0]:.1e} to {point['fmr_bounds'][1]:.1e})"
        fnmr = f"{point['fnmr']:.2%} ({point['fnmr_bounds'][0]:.2%} to {point['fnmr_bounds'][1]:.2%})"
        doubt = "" if point["is_shown"] else "   too few comparisons to show this rate"
        lines.append(
            f"{point['stated_fmr']:<12g} {point['threshold']:>10.5f}   {fmr:<34} {fnmr:<28} {point['generalised_fnmr']:>8.2%}{doubt}"
        )
    return lines
