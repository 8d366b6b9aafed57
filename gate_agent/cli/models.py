"""`egate models build|list|verify`: convert the weights once, show what there is, and check it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from gate_agent.cache import models_folder
from gate_agent.errors import EgateError
from models import catalogue
from models.errors import ModelsError

SUMMARY = "build, list or verify the models folder"
_BAR_WIDTH = 30


class ModelsFault(EgateError):
    """The models folder could not be built or read; the code is the one of `models.errors`."""


def console_progress() -> Callable[[str, float], None]:
    """Return a progress listener: a bar on a terminal, otherwise one plain line per finished model; both on standard error."""
    if sys.stderr.isatty():
        return _draw_bar
    return _write_line


def _draw_bar(model_id: str, share: float) -> None:
    done = round(_BAR_WIDTH * share)
    end = "\n" if share >= 1 else ""
    print(
        f"\r{model_id:<36} [{'#' * done}{'.' * (_BAR_WIDTH - done)}] {share:4.0%}", end=end, file=sys.stderr, flush=True
    )


def _write_line(model_id: str, share: float) -> None:
    if share >= 1:
        print(f"built {model_id}", file=sys.stderr)


def ensured(folder: Path) -> None:
    """Build the models of a folder when they are not there yet. Raises `ModelsFault`."""
    try:
        catalogue.ensure(folder, console_progress())
    except ModelsError as error:
        raise ModelsFault(str(error), code=error.code) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the action and the folder."""
    parser.add_argument("action", choices=("build", "list", "verify"))
    parser.add_argument(
        "--models", type=Path, help="folder of built models (default: EGATE_CACHE or ~/.cache/egate, models)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per model or finding")


def run(arguments: argparse.Namespace) -> int:
    """Return 0, or 1 when `list` or `verify` find something wrong."""
    folder: Path = arguments.models or models_folder()
    if arguments.action == "build":
        try:
            built = catalogue.build(folder, console_progress())
        except ModelsError as error:
            raise ModelsFault(str(error), code=error.code) from error
        _show(list(built.values()), as_json=arguments.json)
        return 0
    if arguments.action == "list":
        try:
            _show(list(catalogue.recorded(folder).values()), as_json=arguments.json)
        except ModelsError as error:
            return _report([str(error)], folder, as_json=arguments.json)
        return 0
    return _report(catalogue.verify(folder), folder, as_json=arguments.json)


def _show(models: list[catalogue.BuiltModel], *, as_json: bool) -> None:
    for model in models:
        manifest = model.manifest
        if as_json:
            row = {
                "model_id": manifest.model_id,
                "role": manifest.role.value,
                "sha256": model.sha256,
                "size_bytes": model.size_bytes,
                "source_sha256": manifest.source_sha256,
                "licence": manifest.licence,
                "precision": manifest.precision,
                "calibration": manifest.calibration or None,
                "path": str(model.path),
            }
            print(json.dumps(row))
        else:
            calibration = manifest.calibration or "-"
            print(
                f"{manifest.role:<10} {manifest.model_id:<36} {model.sha256[:16]}… {model.size_bytes:>10}  {calibration}"
            )
            print(f"{'':<10} {manifest.licence}")


def _report(findings: list[str], folder: Path, *, as_json: bool) -> int:
    for finding in findings:
        print(json.dumps({"finding": finding}) if as_json else finding)
    if not findings and not as_json:
        print(f"{folder}: every model is there and unaltered")
    return 1 if findings else 0
