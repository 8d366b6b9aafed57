"""`egate face compare REFERENCE PROBE…`: one-to-one face comparison by hand, with the workers and the calibration of the gate."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate_agent import logs
from gate_agent.cli.model_choice import add_model_arguments, chosen
from gate_agent.clock import SystemClock
from gate_agent.errors import EgateError
from gate_agent.runtime.inference import FaceCapture, FaceEngine
from gate_agent.settings import FaceSettings
from models.calibration import CEILING_FALSE_MATCH_RATE
from models.pipeline import PipelineChoice

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
    parser.add_argument(
        "--calibration", default="", metavar="ID", help="calibration record (default: as the gate does)"
    )
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line per probe; return 0 whatever the decision is. Raises `EgateError` for faults."""
    logs.configure("face", level="WARNING")
    return asyncio.run(_compared(arguments, chosen(arguments)))


async def _compared(arguments: argparse.Namespace, choice: PipelineChoice) -> int:
    settings = FaceSettings(
        false_match_rate=arguments.false_match_rate,
        operator_models=choice.operator_models,
        trusted_keys=choice.trusted_keys,
        allow_unsigned_models=choice.allow_unsigned,
        embedder=choice.embedder,
        calibration=arguments.calibration,
    )
    engine = FaceEngine(settings, choice.models, SystemClock())
    await engine.start()
    transaction_id = uuid.uuid4()
    try:
        reference = await _looked(engine.reference, transaction_id, arguments.reference)
        for path in arguments.probes:
            row = _row(engine, reference, await _looked(engine.picture, transaction_id, path))
            print(json.dumps(row) if arguments.json else _line(row), flush=True)
        await engine.forget(transaction_id)
    finally:
        await engine.stop()
    return 0


async def _looked(
    look: Callable[[uuid.UUID, bytes], Awaitable[FaceCapture]], transaction_id: uuid.UUID, path: Path
) -> _Picture:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureFault(f"{path} cannot be read: {error.strerror}") from error
    started = time.perf_counter()
    capture = await look(transaction_id, content)
    return _Picture(path, capture, round((time.perf_counter() - started) * 1000, 2))


def _row(engine: FaceEngine, reference: _Picture, probe: _Picture) -> dict[str, Any]:
    first, second, comparison = reference.capture.sample, probe.capture.sample, probe.capture.comparison
    unproven = "" if engine.calibration_id else "no calibration record holds for these models"
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
        "detail": " ".join(detail for detail in (first.detail, second.detail, unproven) if detail),
        "quality": {"reference": dict(first.quality), "probe": dict(second.quality)},
    }
    if comparison is not None:
        row |= {
            "comparison_score": round(comparison.comparison_score, 6),
            "cosine": None if comparison.cosine is None else round(comparison.cosine, 6),
            "decision": comparison.decision.value,
            "threshold": round(comparison.threshold, 6),
            "non_match_threshold": round(comparison.non_match_threshold, 6),
            "false_match_rate": comparison.false_match_rate,
            "model_id": comparison.model_id,
            "cohort_id": comparison.cohort_id or None,
        }
    row["ms"] = {"reference": reference.total_ms, "probe": probe.total_ms, **second.step_ms}
    return row


def _line(row: dict[str, Any]) -> str:
    if row["comparison_score"] is None:
        return f"{row['probe']}: not compared (reference {row['reference_finding']}, probe {row['probe_finding']}; {row['detail']})"
    return (
        f"{row['probe']}: {row['decision']}, score {row['comparison_score']:.4f}, threshold {row['threshold']:.4f} "
        f"at a false match rate of {row['false_match_rate']:g}"
    )
