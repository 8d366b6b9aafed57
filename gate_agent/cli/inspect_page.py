"""`egate inspect page --white FILE [--infrared FILE] [--ultraviolet FILE] [--mrz LINE…]`: judge the pictures of a document page.

What the gate would say of these pictures, and every measure that it says so by: a site calibrates its readers with the measures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate_agent.errors import SettingsFault

if TYPE_CHECKING:
    from datetime import datetime

    from gate_agent.domain.check import CheckResult
    from gate_agent.inspection.page_checks import PageLimits
    from models.page_results import InkLook, PageLook

SUMMARY = "judge the white, infrared and ultraviolet pictures of a document page"
FILE_LIMIT_BYTES = 8 << 20
ROLES = ("white", "infrared", "ultraviolet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    for role in ROLES:
        parser.add_argument(f"--{role}", type=Path, metavar="FILE", help=f"the {role} picture: JPEG, PNG or JPEG 2000")
    parser.add_argument(
        "--mrz", nargs="+", action="extend", default=[], metavar="LINE", help="lines that the reader delivered"
    )
    parser.add_argument("--certs", type=Path, action="append", metavar="DIR", help="certificates for digital seals")
    parser.add_argument("--config", type=Path, metavar="FILE", help="site file whose [page] limits count")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Answer. Returns 0, or 2 without any picture. Raises `SettingsFault` for a site file or certificates that cannot be read."""
    files = {role: getattr(arguments, role) for role in ROLES if getattr(arguments, role) is not None}
    if not files:
        print("egate inspect page: at least one picture is needed: --white, --infrared, --ultraviolet", file=sys.stderr)
        return 2
    answer = inspect_page(files, tuple(arguments.mrz), limits=_limits(arguments.config), certificates=arguments.certs)
    print(json.dumps(answer, ensure_ascii=True) if arguments.json else _as_text(answer), flush=True)
    return 0


def inspect_page(
    files: dict[str, Path],
    lines: tuple[str, ...] = (),
    *,
    limits: PageLimits | None = None,
    certificates: list[Path] | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Return `files`, `result` (all checks joined), `checks{}`, `format` and `lines` read in the white picture, `measures{}`, `ms`, `errors{}`.

    Each check: `result`, `reasons[]` with their parameters, `compared[]`. A file that cannot be read breaks its checks off.
    """
    from gate_agent.clock import SystemClock
    from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, join_all
    from gate_agent.domain.mrz import read_mrz
    from gate_agent.inspection.chip_authenticity import ChipJudge
    from gate_agent.inspection.chip_authenticity_messages import PageEvidence
    from gate_agent.inspection.page_checks import PageLimits
    from gate_agent.inspection.trust_bundle import load_folder
    from gate_agent.runtime.page_worker import examine

    now = now or SystemClock().now()
    images, errors = _contents(files)
    started_s = time.perf_counter()
    found = examine(PageEvidence(images, lines), limits or PageLimits())
    results = found.results
    if found.seals:
        try:
            bundle = load_folder(certificates) if certificates else None
        except OSError as error:
            raise SettingsFault(f"certificates: {error}") from error
        printed = lines or (found.look.zone.lines if found.look.zone is not None else ())
        document = read_mrz(printed, now.date()).document
        results = (*results, ChipJudge(bundle, 0.0).seals(found.seals, document, now))
    elif all(result.check is not CheckName.VISIBLE_SEAL for result in results):
        results = (*results, CheckResult(CheckName.VISIBLE_SEAL, CheckOutcome.NOT_SUPPORTED))
    zone = found.look.zone
    return {
        "files": {role: str(path) for role, path in files.items()},
        "result": join_all(result.outcome for result in results).value,
        "checks": {result.check.value: _shown(result) for result in results},
        "format": zone.format if zone is not None else None,
        "lines": list(zone.lines) if zone is not None else [],
        "measures": _measures(found.look),
        "ms": round((time.perf_counter() - started_s) * 1000, 2),
        "errors": errors,
    }


def _contents(files: dict[str, Path]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return what could be read; for anything else an empty picture, which nothing can be told by, and why."""
    images: dict[str, bytes] = {}
    errors: dict[str, str] = {}
    for role, path in files.items():
        try:
            with path.open("rb") as stream:
                images[role] = stream.read(FILE_LIMIT_BYTES + 1)
        except OSError as error:
            images[role], errors[role] = b"", f"MD-IMG-002: {error.strerror or error}"
        if len(images[role]) > FILE_LIMIT_BYTES:
            images[role], errors[role] = b"", f"MD-IMG-003: the file is larger than {FILE_LIMIT_BYTES} bytes"
    return images, errors


def _limits(site: Path | None) -> PageLimits | None:
    from gate_agent.app.document_side import page_limits
    from gate_agent.settings import load

    return None if site is None else page_limits(load(site).page)


def _shown(result: CheckResult) -> dict[str, Any]:
    return {
        "result": result.outcome.value,
        "reasons": [{"reason": reason.code.value, **reason.parameters} for reason in result.reasons],
        "compared": [{"name": one.name, "found": one.found, "expected": one.expected} for one in result.compared],
    }


def _measures(look: PageLook) -> dict[str, Any]:
    measures: dict[str, Any] = {
        role: {
            "level": round(picture.level, 1),
            "saturated_share": round(picture.saturated_share, 4),
            "edge_blur": None if picture.edge_blur is None else round(picture.edge_blur, 4),
        }
        for role, picture in look.pictures.items()
    }
    if look.ink is not None and look.ink.segments:
        measures["infrared"] |= _ink(look.ink)
    if look.paper is not None:
        paper = look.paper
        measures["ultraviolet"] |= {
            "area": paper.area,
            "blue_mean": round(paper.blue_mean, 1),
            "blue_median": round(paper.blue_median, 1),
            "blue_90th_percentile": round(paper.blue_upper, 1),
            "blue_excess": round(paper.blue_excess, 1),
        }
    return measures


def _ink(ink: InkLook) -> dict[str, Any]:
    return {
        "weakest_contrast": round(min(one.contrast for one in ink.segments), 3),
        "weakest_mass": round(min(one.mass for one in ink.segments), 3),
        "weakest_contrast_in_white": round(ink.white_contrast, 3),
        "likeness": round(ink.likeness, 3),
        "shift_px": [round(value, 1) for value in ink.shift_px],
        "scale": round(ink.scale, 4),
    }


def _as_text(answer: dict[str, Any]) -> str:
    rows = [f"{answer['result']}  {answer['ms']} ms", *(f"  {role}: {why}" for role, why in answer["errors"].items())]
    for name, check in answer["checks"].items():
        reasons = ", ".join(" ".join(reason.values()) for reason in check["reasons"])
        compared = ", ".join(f"{one['name']} {one['found']} {one['expected']}".strip() for one in check["compared"])
        rows.append("  ".join(part for part in (f"  {name}: {check['result']}", reasons, compared) if part))
    return "\n".join([*rows, *(f"  {line}" for line in answer["lines"])])
