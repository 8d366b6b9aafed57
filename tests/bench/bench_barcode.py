"""Bar codes beside pyzbar and zxing-cpp with every format: published samples by set, and 1280 x 720 frames as a camera gives them.

Read rates are in per cent of the pictures whose exact text (or bytes, where they are no text) was found; `ratio` = ours / peer. Times are CPU milliseconds of one process,
the median of three rounds that take turns; `ratio` = peer / ours. Frames are drawn at a fixed seed: a lit page of text with nothing, a QR
symbol or a PDF417 symbol that wanders by pixels. Our mean includes the thorough searches that a row of empty frames brings.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zxingcpp

from drivers.barcode import frames
from drivers.barcode.frame_stream import FrameReader
from gate_agent.cli.bench import BenchFault, BenchRow

NAME = "barcode"
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "barcodes"
SETS = ("qrcode-1", "pdf417-1", "aztec-1", "datamatrix-1", "code128-1")
ROUNDS = 3
FRAMES = 48
FRAME_PERIOD_S = 0.1
PDF417 = b"M1DOE/JANE            EABC123 TASFRAHY 0834 226F001A0025 100"
QR = b"EG1:" + b"NCFTW2BM75VOO10K" * 17

Read = Callable[[np.ndarray], set[str | bytes]]


def _ours(grey: np.ndarray) -> set[str | bytes]:
    return {payload for symbol in frames.read_symbols(grey) for payload in (symbol.text, symbol.content)}


def _zxing(grey: np.ndarray) -> set[str | bytes]:
    found = zxingcpp.read_barcodes(grey, text_mode=zxingcpp.TextMode.Plain)
    return {payload for code in found for payload in (code.text, bytes(code.bytes))}


def _pyzbar(grey: np.ndarray) -> set[str | bytes]:
    engine: Any = frames.zbar()
    found = [bytes(code.data) for code in engine.decode(grey)]
    return {*found, *(content.decode("utf-8", "replace") for content in found)}


READERS: dict[str, Read] = {"ours": _ours, "zxing-cpp": _zxing, "pyzbar": _pyzbar}


def run() -> list[BenchRow]:
    """Measure the sets (where the samples lie beside the checkout) and the frames. Raises `BenchFault` without libzbar."""
    if frames.zbar() is None:
        raise BenchFault("the peer pyzbar needs libzbar.so.0 (Debian: libzbar0)")
    cv2.setNumThreads(1)
    rows = [row for name in SETS if (SAMPLES / name).is_dir() for row in _sample_rows(name)]
    for name, content, kind in (
        ("empty", b"", None),
        ("QR", QR, zxingcpp.BarcodeFormat.QRCode),
        ("PDF417", PDF417, zxingcpp.BarcodeFormat.PDF417),
    ):
        rows += _frame_rows(name, _stream(content, kind), content)
    return rows


def _sample_rows(name: str) -> list[BenchRow]:
    pictures = [path for path in sorted((SAMPLES / name).iterdir()) if path.suffix in {".png", ".webp", ".jpg"}]
    greys = [frames.grey_of(frames.flattened(_decoded(path))) for path in pictures]
    expected = [_expected(path) for path in pictures]
    rate, ms = {}, {}
    for reader, read in READERS.items():
        found = [read(grey) for grey in greys]
        rate[reader] = 100 * sum(right in got for right, got in zip(expected, found, strict=True)) / len(greys)
    timings: dict[str, list[float]] = {reader: [] for reader in READERS}
    for _ in range(ROUNDS):
        for reader, read in READERS.items():
            timings[reader].append(_cpu_ms(lambda read=read: [read(grey) for grey in greys]) / len(greys))
    ms = {reader: statistics.median(values) for reader, values in timings.items()}
    return [
        row
        for peer in ("zxing-cpp", "pyzbar")
        for row in (
            BenchRow(f"{name}: read, beside {peer}", rate["ours"], rate[peer], _ratio(rate["ours"], rate[peer]), "%"),
            BenchRow(f"{name}: per picture, beside {peer}", ms["ours"], ms[peer], _ratio(ms[peer], ms["ours"]), "ms"),
        )
    ]


def _frame_rows(name: str, stream: list[np.ndarray], content: bytes) -> list[BenchRow]:
    timings: dict[str, list[float]] = {reader: [] for reader in READERS}
    for _ in range(ROUNDS):
        reader = FrameReader()
        for number, frame in enumerate(stream):
            timings["ours"].append(_cpu_ms(partial(reader.read, frame, number * FRAME_PERIOD_S)))
    reads = sum(bool(reader.read(frame, (number + FRAMES) * FRAME_PERIOD_S)) for number, frame in enumerate(stream))
    if content and not reads:
        raise BenchFault(f"no frame with {name} was read: this measures nothing")
    for peer in ("zxing-cpp", "pyzbar"):
        timings[peer] = [_cpu_ms(partial(READERS[peer], frames.grey_of(frame))) for frame in stream[::8]]
    ours, median = statistics.fmean(timings["ours"]), statistics.median(timings["ours"])
    rows = [BenchRow(f"720p frame, {name}: median", median, None, None, "ms")]
    for peer in ("zxing-cpp", "pyzbar"):
        theirs = statistics.fmean(timings[peer])
        rows.append(BenchRow(f"720p frame, {name}: mean, beside {peer}", ours, theirs, _ratio(theirs, ours), "ms"))
    return rows


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _cpu_ms(work: Callable[[], object]) -> float:
    started_s = time.process_time()
    work()
    return (time.process_time() - started_s) * 1000


def _decoded(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)


def _expected(path: Path) -> str | bytes:
    binary = path.with_suffix(".bin")
    return binary.read_bytes() if binary.exists() else path.with_suffix(".txt").read_bytes().decode("utf-8")


def _stream(content: bytes, kind: Any) -> list[np.ndarray]:
    """Frames of 1280 x 720 in which the scene moves by a few pixels."""
    rng = np.random.default_rng(20260601)
    light = cv2.resize(rng.integers(60, 200, (9, 16), dtype=np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC)
    scene = np.clip(light + rng.normal(0, 4, light.shape), 0, 255).astype(np.uint8)
    for row in range(12):
        cv2.putText(scene, f"REPUBLIC OF UTOPIA PASSPORT {row:02d}", (60, 60 + 55 * row), 0, 0.7, 30, 2)
    if kind is not None:
        symbol = np.array(zxingcpp.create_barcode(content, kind).to_image(scale=3))
        symbol = cv2.copyMakeBorder(symbol, 16, 16, 16, 16, cv2.BORDER_CONSTANT, value=235)[:600, :900]
        scene[90 : 90 + symbol.shape[0], 330 : 330 + symbol.shape[1]] = cv2.GaussianBlur(symbol, (3, 3), 0)
    picture = cv2.cvtColor(scene, cv2.COLOR_GRAY2BGR)
    return [np.ascontiguousarray(np.roll(picture, (number % 7, number % 5), (0, 1))) for number in range(FRAMES)]
