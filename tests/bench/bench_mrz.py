"""The zone in a picture beside PassportEye (Tesseract, English) and RapidOCR: clean specimens and hard photographs, all drawn from seeds.

Exact: every line right; in the peers' lines a digit where only letters may stand counts as the letter that looks like it, and the other
way round, for neither knows the grammar. Accepted: what each reader vouches for: ours by its own rule, the peers' where every check digit is
right, which is all they offer. Both in per cent of the pages, `ratio` = ours / peer. Accepted but wrong is a count of pages. Times are
CPU milliseconds (children included) of one thread for each page 1280 px wide, `ratio` = peer / ours. The pages are drawings of
fictitious travellers, none of whose seeds the training uses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from gate_agent.cli.bench import BenchFault, BenchRow
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.mrz import read_mrz
from models.mrz_reader import read_zone
from models.mrz_reader.formats import FORMATS as ZONES
from models.mrz_reader.symbols import SYMBOLS
from tests.bench.mrz_pages import OCR_B, drawn_page, lines_of
from tests.bench.mrz_photographs import EVALUATION_SEED, FORMATS, WIDTH_PX, Photograph, photographs

NAME = "mrz"
PEERS = ("PassportEye", "RapidOCR")
PEER_PYTHON = Path(sys.prefix) / "mrz-peer" / "bin" / "python"
CLEAN, HARD = 20, 60
TODAY = date(2026, 6, 15)
_LOOKALIKES = str.maketrans("01258OISZB", "OIZSB01528")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one reader says of one page, and what that took."""

    lines: tuple[str, ...]
    is_accepted: bool
    cpu_ms: float


def run() -> list[BenchRow]:
    """Measure both sets. Raises `BenchFault` without the font, Tesseract or the peers' environment."""
    return measured(CLEAN, HARD)


def measured(clean: int, hard: int) -> list[BenchRow]:
    """Return the rows for this many clean and hard pages."""
    if not OCR_B.is_file():
        raise BenchFault("the pages are drawn with OCR-B (Debian: fonts-ocr-b)")
    if not PEER_PYTHON.is_file():
        raise BenchFault("the peers PassportEye and RapidOCR are not installed (`make mrz-peer`)")
    cv2.setNumThreads(1)
    rows = []
    for name, shots in (("clean", clean_pages(clean)), ("hard", list(photographs(hard)))):
        ours = [_ours(shot) for shot in shots]
        for peer, theirs in _peers(shots).items():
            rows += _rows(f"{name}: %s, beside {peer}", shots, ours, theirs)
    return rows


def clean_pages(count: int) -> list[Photograph]:
    """Return pages as a flatbed scanner gives them, 1280 px wide, the formats in turn."""
    shots = []
    for index in range(count):
        rng = np.random.default_rng([EVALUATION_SEED, index, 11])
        mrz_format = FORMATS[index % len(FORMATS)]
        page = drawn_page(rng, mrz_format, lines_of(rng, mrz_format))
        height = round(WIDTH_PX * page.picture.shape[0] / page.picture.shape[1])
        picture = cv2.resize(page.picture, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
        shots.append(Photograph(picture, page.format, page.lines, "clean"))
    return shots


def _ours(shot: Photograph) -> Answer:
    started_s = time.process_time()
    zone = read_zone(shot.picture)
    cpu_ms = (time.process_time() - started_s) * 1000
    return Answer((), False, cpu_ms) if zone is None else Answer(zone.lines, zone.is_accepted, cpu_ms)


def _peers(shots: Sequence[Photograph]) -> dict[str, list[Answer]]:
    """Ask every peer about the same pictures."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{index:04}.png") for index in range(len(shots))]
        for path, shot in zip(paths, shots, strict=True):
            cv2.imwrite(path, shot.picture)
        return {peer: _asked(peer, paths) for peer in PEERS}


def _asked(peer: str, paths: list[str]) -> list[Answer]:
    done = subprocess.run(
        [str(PEER_PYTHON), "-I", str(Path(__file__).with_name("mrz_peers.py")), peer, *paths],
        capture_output=True,
        text=True,
        env={**os.environ, **_ONE_THREAD},
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or not said or said.pop(0) != "ready" or len(said) != len(paths):
        raise BenchFault(f"the peer {peer} stopped: {done.stderr.strip().splitlines()[-1:]}")
    answers = [(settled(one["lines"]), one["cpu_ms"]) for one in said]
    return [Answer(lines, has_right_digits(lines), cpu_ms) for lines, cpu_ms in answers]


def settled(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines with O and 0, I and 1 and the like settled by what may stand at each position, where they are a zone by length."""
    zone = next((one for one in ZONES if [one.length] * one.line_count == [len(line) for line in lines]), None)
    if zone is None:
        return tuple(lines)
    return tuple(
        "".join(_settled(symbol, mask) for symbol, mask in zip(line, masks, strict=True))
        for line, masks in zip(lines, zone.masks, strict=True)
    )


def _settled(symbol: str, mask: np.ndarray) -> str:
    if symbol not in SYMBOLS or mask[SYMBOLS.index(symbol)]:
        return symbol
    other = symbol.translate(_LOOKALIKES)
    return other if mask[SYMBOLS.index(other)] else symbol


def has_right_digits(lines: Sequence[str]) -> bool:
    """Say whether these lines are a zone with every check digit right."""
    digits = read_mrz(list(lines), TODAY).digits if lines else ()
    return bool(digits) and all(digit.outcome is CheckOutcome.SUCCESSFUL for digit in digits)


def _rows(title: str, shots: Sequence[Photograph], ours: Sequence[Answer], theirs: Sequence[Answer]) -> list[BenchRow]:
    def share(answers: Sequence[Answer], *, accepted: bool) -> float:
        hits = [
            answer.is_accepted if accepted else answer.lines == shot.lines
            for answer, shot in zip(answers, shots, strict=True)
        ]
        return 100 * sum(hits) / len(hits)

    def wrong(answers: Sequence[Answer]) -> float:
        return float(
            sum(answer.is_accepted and answer.lines != shot.lines for answer, shot in zip(answers, shots, strict=True))
        )

    def cost_ms(answers: Sequence[Answer]) -> float:
        taken = [
            answer.cpu_ms
            for answer, shot in zip(answers, shots, strict=True)
            if max(shot.picture.shape[:2]) == WIDTH_PX
        ]
        return sum(taken) / len(taken)

    exact, peer_exact = share(ours, accepted=False), share(theirs, accepted=False)
    accepted, peer_accepted = share(ours, accepted=True), share(theirs, accepted=True)
    ms, peer_ms = cost_ms(ours), cost_ms(theirs)
    return [
        BenchRow(title % "exact", exact, peer_exact, _ratio(exact, peer_exact), "%"),
        BenchRow(title % "accepted", accepted, peer_accepted, _ratio(accepted, peer_accepted), "%"),
        BenchRow(title % "accepted but wrong", wrong(ours), wrong(theirs), None, "pages"),
        BenchRow(title % "per 1280 px photograph", ms, peer_ms, _ratio(peer_ms, ms), "ms"),
    ]


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None
