"""`egate face compare REFERENCE PROBE…`: one-to-one face comparison by hand, with the workers and the calibration of the gate."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate_agent import logs
from gate_agent.cache import models_folder
from gate_agent.cli.models import ensured
from gate_agent.clock import SystemClock
from gate_agent.errors import EgateError
from gate_agent.runtime.inference import FaceCapture, FaceEngine
from gate_agent.settings import FaceSettings
from models.calibration import CEILING_FALSE_MATCH_RATE

SUMMARY = "compare a reference picture with one or more probes"


class PictureFault(EgateError):
    """A picture file cannot be read."""

    code = "EG-CLI-001"


@dataclass(frozen=True, slots=True)
class _Picture:
    path: Path
    capture: FaceCapture
    total_ms: float


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= CEILING_FALSE_MATCH_RATE:
        raise argparse.ArgumentTypeError(f"a false match rate lies above 0 and is at most {CEILING_FALSE_MATCH_RATE:g}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare pictures and options."""
    parser.add_argument("reference", type=Path, help="picture of the document holder (JPEG, PNG or JPEG 2000)")
    parser.add_argument("probes", type=Path, nargs="+", metavar="probe", help="pictures to compare with it")
    parser.add_argument("--json", action="store_true", help="one JSON object per probe")
    parser.add_argument("--false-match-rate", type=_rate, default=1e-4, help="stated false match rate (default 1e-4)")
    parser.add_argument("--models", type=Path, help="folder of built models (built on first use)")


def run(arguments: argparse.Namespace) -> int:
    """Print one line per probe; return 0 whatever the decision is. Raises `EgateError` for faults."""
    folder: Path = arguments.models or models_folder()
    logs.configure("face", level="WARNING")
    ensured(folder)
    return asyncio.run(_compared(arguments, folder))


async def _compared(arguments: argparse.Namespace, folder: Path) -> int:
    engine = FaceEngine(FaceSettings(false_match_rate=arguments.false_match_rate), folder, SystemClock())
    await engine.start()
    try:
        reference = await _sampled(engine, arguments.reference)
        for path in arguments.probes:
            row = _row(engine, reference, await _sampled(engine, path))
            print(json.dumps(row) if arguments.json else _line(row), flush=True)
    finally:
        await engine.stop()
    return 0


async def _sampled(engine: FaceEngine, path: Path) -> _Picture:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureFault(f"{path} cannot be read: {error.strerror}") from error
    started = time.perf_counter()
    capture = await engine.reference(content)
    return _Picture(path, capture, round((time.perf_counter() - started) * 1000, 2))


def _row(engine: FaceEngine, reference: _Picture, probe: _Picture) -> dict[str, Any]:
    first, second = reference.capture.sample, probe.capture.sample
    row: dict[str, Any] = {
        "reference": str(reference.path),
        "probe": str(probe.path),
        "reference_finding": first.finding.value,
        "probe_finding": second.finding.value,
        "comparison_score": None,
        "decision": "not_compared",
        "threshold": None,
        "false_match_rate": None,
        "calibration_id": engine.calibration_id,
        "detail": " ".join(sample.detail for sample in (first, second) if sample.detail),
        "quality": {"reference": dict(first.quality), "probe": dict(second.quality)},
    }
    compare_ms = 0.0
    if first.features is not None and second.features is not None:
        started = time.perf_counter()
        comparison = engine.compare(second.features, first.features)
        compare_ms = round((time.perf_counter() - started) * 1000, 3)
        row |= {
            "comparison_score": round(comparison.comparison_score, 6),
            "decision": comparison.decision.value,
            "threshold": round(comparison.threshold, 6),
            "non_match_threshold": round(comparison.non_match_threshold, 6),
            "false_match_rate": comparison.false_match_rate,
        }
    row["ms"] = {"reference": reference.total_ms, "probe": probe.total_ms, "compare": compare_ms, **second.step_ms}
    return row


def _line(row: dict[str, Any]) -> str:
    if row["comparison_score"] is None:
        return f"{row['probe']}: not compared (reference {row['reference_finding']}, probe {row['probe_finding']} {row['detail']})"
    return (
        f"{row['probe']}: {row['decision']}, score {row['comparison_score']:.4f}, threshold {row['threshold']:.4f} "
        f"at a false match rate of {row['false_match_rate']:g}"
    )
