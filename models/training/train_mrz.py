"""`python -m models.training.train_mrz`: teach the MRZ recogniser from nothing, write the ONNX file and a report on how it was made.

Everything is drawn from the seed. A repeated run reproduces the accuracy, not the bytes: sums in another order round differently.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.mrz_reader.symbols import SYMBOLS
from models.training.batches import BATCH, Batch, Fonts, batches
from models.training.network import STRIDE_PX, ctc_loss, network, parameter_count, probabilities

PEAK_RATE = 3e-3
GRADIENT_CLIP = 2.0
WARM_UP_SHARE = 0.04
HELD_OUT_BATCHES = 60
HELD_OUT_SEED_OFFSET = 1_000_000
"""Strips that are only examined come from another seed than those that teach."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What the network reads of strips it never saw: greedy decoding, without any grammar."""

    strips: int
    exact: int
    symbols: int
    errors: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, examine, export, report."""
    options = _options(arguments)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    fonts = Fonts(tuple(options.font), tuple(options.weight))
    started_s, cpu_s = time.monotonic(), time.process_time()
    net = network()
    loss = _taught(net, fonts, options)
    taught_s, taught_cpu_s = time.monotonic() - started_s, time.process_time() - cpu_s
    examination = _examined(net, fonts, options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(_exported(net))
    figures = {
        "seed": options.seed,
        "steps": options.steps,
        "strips": options.steps * BATCH,
        "parameters": parameter_count(net),
        "final_loss": round(loss, 4),
        "minutes": round(taught_s / 60, 1),
        "trainer_cpu_minutes": round(taught_cpu_s / 60, 1),
        "held_out_strips": examination.strips,
        "held_out_exact": examination.exact,
        "held_out_symbols": examination.symbols,
        "held_out_errors": examination.errors,
    }
    options.report.write_text(_report(figures, fonts, options.out), encoding="utf-8")
    print(options.report.read_text(encoding="utf-8"))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train_mrz", description=__doc__)
    parser.add_argument("--font", type=Path, action="append", required=True, help="monospaced font file; repeat")
    parser.add_argument("--weight", type=float, action="append", help="how often that font is taken; one per font")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    parser.add_argument("--report", type=Path, required=True, help="TOML report to write")
    parser.add_argument("--seed", type=int, default=20261)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--makers", type=int, default=1, help="processes that make strips")
    options = parser.parse_args(arguments)
    options.weight = options.weight or [1.0] * len(options.font)
    if len(options.weight) != len(options.font):
        parser.error("one --weight per --font")
    return options


def _tensors(made: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(made.strips),
        torch.from_numpy(made.classes),
        torch.from_numpy(made.lengths),
        torch.from_numpy(made.widths // STRIDE_PX),
    )


def _taught(net: nn.Sequential, fonts: Fonts, options: argparse.Namespace) -> float:
    """Train in place; return the mean loss of the last twentieth."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_RATE, total_steps=options.steps, pct_start=WARM_UP_SHARE
    )
    losses: list[float] = []
    net.train()
    for step, made in enumerate(batches(fonts, options.seed, options.steps, options.makers)):
        strips, classes, lengths, steps = _tensors(made)
        loss = ctc_loss(net(strips), classes, lengths, steps)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), GRADIENT_CLIP)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 50 == 49:
            print(f"step {step + 1} of {options.steps}, loss {np.mean(losses[-50:]):.4f}", file=sys.stderr, flush=True)
    return float(np.mean(losses[-max(1, options.steps // 20) :]))


def _examined(net: nn.Sequential, fonts: Fonts, options: argparse.Namespace) -> Examination:
    net.eval()
    strips = exact = symbols = errors = 0
    with torch.no_grad():
        for made in batches(fonts, options.seed + HELD_OUT_SEED_OFFSET, HELD_OUT_BATCHES, options.makers):
            best = net(torch.from_numpy(made.strips)).argmax(dim=1).numpy()
            start = 0
            for row, width, length in zip(best, made.widths, made.lengths, strict=True):
                wanted = "".join(SYMBOLS[index - 1] for index in made.classes[start : start + length])
                start += length
                wrong = _distance(_greedy(row[: width // STRIDE_PX]), wanted)
                strips, exact = strips + 1, exact + (wrong == 0)
                symbols, errors = symbols + len(wanted), errors + wrong
    return Examination(strips, exact, symbols, errors)


def _greedy(classes: np.ndarray) -> str:
    kept = classes[np.concatenate([[True], classes[1:] != classes[:-1]])]
    return "".join(SYMBOLS[index - 1] for index in kept if index)


def _distance(first: str, second: str) -> int:
    """Return the edit distance of two short texts."""
    row = list(range(len(second) + 1))
    for index, symbol in enumerate(first, 1):
        corner, row[0] = row[0], index
        for place, other in enumerate(second, 1):
            corner, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, corner + (symbol != other))
    return row[-1]


def _exported(net: nn.Sequential) -> bytes:
    stream = io.BytesIO()
    torch.onnx.export(
        probabilities(net),
        (torch.zeros(1, 1, 32, 256),),
        stream,
        input_names=["strips"],
        output_names=["probabilities"],
        dynamic_axes={"strips": {0: "count", 3: "width_px"}, "probabilities": {0: "count", 2: "steps"}},
        opset_version=17,
        dynamo=False,
    )
    return stream.getvalue()


def _report(figures: dict[str, float], fonts: Fonts, model: Path) -> str:
    content = model.read_bytes()
    lines = ["# How this recogniser was made; written by `make train-mrz`."]
    lines += [f"{name} = {value}" for name, value in figures.items()]
    lines += [
        f'torch = "{torch.__version__}"',
        f'numpy = "{np.__version__}"',
        f'file = "{model.name}"',
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
        f"size_bytes = {len(content)}",
    ]
    for path, weight in zip(fonts.paths, fonts.weights, strict=True):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        lines += ["", "[[font]]", f'file = "{path.name}"', f"weight = {weight}", f'sha256 = "{sha256}"']
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
