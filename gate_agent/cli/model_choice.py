"""Which face models a command uses: the options that say so, and the folder that is built where it is not there yet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gate_agent.cache import models_folder
from gate_agent.errors import EgateError
from models import catalogue
from models.errors import ModelsError

if TYPE_CHECKING:
    from models.pipeline import PipelineChoice

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


def add_operator_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare an operator's own models and who may sign them."""
    parser.add_argument("--operator", type=Path, metavar="FOLDER", help="folder of the operator's own models")
    parser.add_argument(
        "--trust", type=Path, nargs="+", default=[], metavar="PUB", help="public keys trusted to sign them"
    )
    parser.add_argument("--allow-unsigned", action="store_true", help="accept files without signature (laboratory)")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder of built models, a shipped variant, and an operator's own."""
    parser.add_argument("--models", type=Path, help="folder of built models (built on first use)")
    parser.add_argument(
        "--embedder", default="", metavar="MODEL_ID", help="shipped variant instead of the shipped embedder"
    )
    add_operator_arguments(parser)


def chosen(arguments: argparse.Namespace) -> PipelineChoice:
    """Return what the options chose; shipped models are built first when they are not there. Raises `ModelsFault`."""
    from models.pipeline import PipelineChoice  # needs libraries that building does not load

    folder: Path = arguments.models or models_folder()
    ensured(folder)
    return PipelineChoice(
        folder, arguments.operator, tuple(arguments.trust), arguments.allow_unsigned, arguments.embedder
    )
