"""Batches of synthetic strips, made by processes beside the trainer; batch n is the same whoever makes it."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.strip import normalised, padded
from models.mrz_reader.symbols import SYMBOLS
from models.training.glyphs import GlyphSheet, glyph_sheets
from models.training.strips import synthetic_strip

BATCH = 48


@dataclass(frozen=True, slots=True)
class Batch:
    """Strips padded to one width (n, 1, 32, w) with their true widths, and the symbols' classes, all texts in a row."""

    strips: NDArray[np.float32]
    widths: NDArray[np.int64]
    classes: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fonts:
    """Font files and how often each is taken."""

    paths: tuple[Path, ...]
    weights: tuple[float, ...]


def batch(sheets: Sequence[GlyphSheet], weights: Sequence[float], seed: int, index: int) -> Batch:
    """Return batch `index` of the run with this seed."""
    rng = np.random.default_rng([seed, index])
    made = [synthetic_strip(rng, sheets, weights) for _ in range(BATCH)]
    strips = [padded(normalised(strip.picture)) for strip in made]
    width = max(strip.shape[1] for strip in strips)
    return Batch(
        np.stack([padded(strip, width) for strip in strips])[:, None],
        np.array([strip.shape[1] for strip in strips]),
        np.array([SYMBOLS.index(symbol) + 1 for strip in made for symbol in strip.text]),
        np.array([len(strip.text) for strip in made]),
    )


_sheets: list[tuple[GlyphSheet, ...]] = []


def _prepare(paths: tuple[Path, ...]) -> None:
    cv2.setNumThreads(1)
    _sheets.append(glyph_sheets(paths))


def _made(weights: tuple[float, ...], seed: int, index: int) -> Batch:
    return batch(_sheets[0], weights, seed, index)


def batches(fonts: Fonts, seed: int, count: int, processes: int) -> Iterator[Batch]:
    """Yield batches 0 to `count` - 1 in order, made by this many processes."""
    with multiprocessing.get_context("spawn").Pool(processes, _prepare, (fonts.paths,)) as pool:
        ahead = iter(range(count))
        make = partial(_made, fonts.weights, seed)
        waiting = [pool.apply_async(make, (index,)) for index in itertools.islice(ahead, 4 * processes)]
        while waiting:
            done = waiting.pop(0).get()
            following = next(ahead, None)
            if following is not None:
                waiting.append(pool.apply_async(make, (following,)))
            yield done
