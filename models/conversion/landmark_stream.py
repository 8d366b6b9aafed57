"""The landmark model as dlib wrote it: an ensemble of regression trees (Kazemi and Sullivan, CVPR 2014), 15 cascades of 500 trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.conversion.dat_stream import DatStream

POINTS = 5
SPLITS = 15
LEAVES = 16
Progress = Callable[[float], None]


def _no_progress(_share: float) -> None:
    """Tell nobody."""


def read_landmarks(content: bytes, progress: Progress = _no_progress) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of the 5-point model by name; `progress` hears the share done, 0-1.

    initial (10,) float32 · first, second (cascades, trees, 15) uint16 pixel indices · threshold (…, 15) float32 ·
    leaf (…, 16, 10) float32 · anchor (cascades, pixels) uint8 · delta (cascades, pixels, 2) float32.
    Raises `ConversionFault`, also for a model with another number of points (the 68-point model is never read).
    """
    stream = DatStream(content)
    stream.expect_integer(1, "landmark model version")
    initial = stream.column(2 * POINTS)
    cascades = stream.count(64)
    first: list[int] = []
    second: list[int] = []
    threshold: list[np.float32] = []
    leaf: list[NDArray[np.float32]] = []
    for cascade in range(cascades):
        trees = stream.count(4096)
        for _ in range(trees):
            stream.expect_integer(SPLITS, "splits of a tree")
            for _ in range(SPLITS):
                first.append(stream.count(65535))
                second.append(stream.count(65535))
                threshold.append(stream.numbers(1)[0])
            stream.expect_integer(LEAVES, "leaves of a tree")
            leaf.extend(stream.column(2 * POINTS) for _ in range(LEAVES))
        progress((cascade + 1) / cascades)
    anchors = _anchors(stream, cascades)
    deltas = _deltas(stream, cascades)
    stream.close()
    if not cascades or len(first) % (cascades * SPLITS):
        raise stream.fault("cascades of different length")
    shape = (cascades, -1, SPLITS)
    if max(*first, *second) >= anchors.shape[1] or deltas.shape[:2] != anchors.shape:
        raise stream.fault("a split that compares a pixel which is not sampled")
    return {
        "initial": initial,
        "first": np.array(first, dtype=np.uint16).reshape(shape),
        "second": np.array(second, dtype=np.uint16).reshape(shape),
        "threshold": np.array(threshold, dtype=np.float32).reshape(shape),
        "leaf": np.array(leaf, dtype=np.float32).reshape(cascades, -1, LEAVES, 2 * POINTS),
        "anchor": anchors,
        "delta": deltas,
    }


def _anchors(stream: DatStream, cascades: int) -> NDArray[np.uint8]:
    stream.expect_integer(cascades, "anchor lists")
    lists = [[stream.count(POINTS - 1) for _ in range(stream.count(65535))] for _ in range(cascades)]
    if len({len(anchors) for anchors in lists}) > 1:
        raise stream.fault("anchor lists of different length")
    return np.array(lists, dtype=np.uint8)


def _deltas(stream: DatStream, cascades: int) -> NDArray[np.float32]:
    stream.expect_integer(cascades, "delta lists")
    lists = [stream.numbers(2 * stream.count(65535)).reshape(-1, 2) for _ in range(cascades)]
    if len({len(deltas) for deltas in lists}) > 1:
        raise stream.fault("delta lists of different length")
    return np.array(lists, dtype=np.float32)
