"""`egate bench [NAME…]`: our figures beside a peer's, measured side by side in one run.

Each benchmark is a module `tests/bench/bench_*.py` of the checkout with `NAME: str` and `run() -> list[BenchRow]`. The modules are
not part of an installation, because their peers are not either.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import gate_agent
from gate_agent.errors import EgateError

SUMMARY = "measure against peers (needs a checkout)"


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One figure: ours and the peer's in `unit`, and `ratio` as the benchmark defines it (None: no peer)."""

    name: str
    ours: float
    peer: float | None
    ratio: float | None
    unit: str


class BenchFault(EgateError):
    """There is no checkout, no such benchmark, or a peer is not installed."""

    code = "EG-BEN-001"


def bench_folder() -> Path:
    """Return the checkout's `tests/bench`. Raises `BenchFault` when eGate runs from an installation."""
    folder = Path(gate_agent.__file__).resolve().parents[1] / "tests" / "bench"
    if not folder.is_dir():
        raise BenchFault("benchmarks need a checkout: there is no tests/bench beside the installed packages")
    return folder


def _loaded(path: Path) -> tuple[str, Callable[[], list[BenchRow]]]:
    spec = importlib.util.spec_from_file_location(f"egate_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BenchFault(f"{path.name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return str(module.NAME), module.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare names and output."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")


def run(arguments: argparse.Namespace) -> int:
    """Run the named benchmarks, or all; return 0."""
    paths = {path.stem.removeprefix("bench_"): path for path in sorted(bench_folder().glob("bench_*.py"))}
    wanted: list[str] = arguments.names or list(paths)
    unknown = [name for name in wanted if name not in paths]
    if unknown:
        raise BenchFault(f"no benchmark {', '.join(unknown)}; there are: {', '.join(paths)}")
    for wanted_name in wanted:
        name, measure = _loaded(paths[wanted_name])
        for row in measure():
            print(json.dumps({"bench": name, **asdict(row)}) if arguments.json else _line(name, row), flush=True)
    return 0


def _line(name: str, row: BenchRow) -> str:
    peer = "-" if row.peer is None else f"{row.peer:.2f}"
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return f"{name:<8} {row.name:<48} ours {row.ours:>9.2f}  peer {peer:>9}  ratio {ratio:>7}  {row.unit}"
