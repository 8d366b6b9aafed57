"""The most probable line of a known length over an alphabet per position, from the network's answers (CTC, Viterbi).

A path emits exactly one symbol per position; two equal neighbours need a blank between them. All lines of a zone and all positions
and symbols are one array; only time is a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.symbols import BLANK, SYMBOLS

_LOWEST: Final = -1e9
_SURE_BLANK = 0.9995
_FLOOR = 1e-7

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DecodedLine:
    """Symbols (indices into `SYMBOLS`), the largest probability of every symbol within each position's span, and the mean log-probability.

    `places` are the steps of the strip where the symbols stand; print of one pitch stands at even distances.
    """

    symbols: NDArray[np.int64]
    evidence: NDArray[np.float64]
    places: NDArray[np.float64]
    score: float


def greedy_text(answers: Probabilities) -> tuple[str, float]:
    """Return what the network says without any grammar, and its mean confidence in it; `answers` is (steps, classes)."""
    best = answers.argmax(axis=1)
    kept = np.concatenate([[True], best[1:] != best[:-1]]) & (best != BLANK)
    if not kept.any():
        return "", 0.0
    starts = np.flatnonzero(kept)
    peaks = np.maximum.reduceat(answers.max(axis=1) * (best != BLANK), starts)
    return "".join(SYMBOLS[index - 1] for index in best[kept]), float(peaks.mean())


def steps_that_count(answers: Probabilities) -> NDArray[np.int64]:
    """Return the steps that remain when every run of sure blanks is shortened to one step: nothing happens there."""
    sure = answers[:, BLANK] > _SURE_BLANK
    return np.flatnonzero(~(sure & np.concatenate([[False], sure[:-1]])))


def decoded_lines(answers: Sequence[Probabilities], masks: Sequence[NDArray[np.bool_]]) -> list[DecodedLine] | None:
    """Return the best reading of each line, or None when a line has too few steps for its positions.

    `masks[n]` (positions, symbols) says what line n may hold; all lines of a zone have the same number of positions.
    """
    steps = [steps_that_count(line) for line in answers]
    if any(len(line) < masks[0].shape[0] for line in steps):
        return None
    paths = _Paths([line[kept] for line, kept in zip(answers, steps, strict=True)], masks)
    return [paths.decoded(index, kept) for index, kept in enumerate(steps)] if paths.are_complete else None


class _Paths:
    """One pass over time for all lines, with what is needed to walk back."""

    def __init__(self, answers: Sequence[Probabilities], masks: Sequence[NDArray[np.bool_]]) -> None:
        lines, (positions, symbols) = len(answers), masks[0].shape
        self._answers = answers
        longest = max(len(line) for line in answers)
        log = np.full((longest, lines, symbols + 1), _LOWEST)
        log[:, :, BLANK] = 0.0  # a line that ended waits in its last blank
        for index, line in enumerate(answers):
            log[: len(line), index] = np.log(np.maximum(line, _FLOOR))
        barred = np.where(np.stack(list(masks)), 0.0, _LOWEST)
        inside = np.full((lines, positions, symbols), _LOWEST)
        between = np.full((lines, positions + 1), _LOWEST)
        between[:, 0] = 0.0
        self._came = np.zeros((longest, lines, positions, symbols), np.int8)
        self._waited = np.zeros((longest, lines, positions + 1), np.bool_)
        self._first = np.zeros((longest, lines, positions), np.int8)
        self._second = np.zeros((longest, lines, positions), np.int8)
        every = np.arange(symbols)
        entered = np.full((lines, positions, symbols), _LOWEST)
        for step in range(longest):
            first = inside.argmax(axis=2)
            best = np.take_along_axis(inside, first[..., None], 2)
            is_first = every == first[..., None]
            others = np.where(is_first, _LOWEST, inside)
            second = others.argmax(axis=2)
            runner_up = np.take_along_axis(others, second[..., None], 2)
            entered[:, 1:] = np.where(is_first, runner_up, best)[:, :-1]
            gap = between[:, :-1, None]
            came = np.zeros(inside.shape, np.int8)
            value = inside
            came[gap > value] = 1
            value = np.maximum(value, gap)
            came[entered > value] = 2
            value = np.maximum(value, entered)
            finished = np.concatenate([np.full((lines, 1), _LOWEST), best[..., 0]], axis=1)
            self._waited[step] = between >= finished
            between = np.maximum(between, finished) + log[step, :, BLANK, None]
            inside = value + log[step, :, None, 1:] + barred
            self._came[step], self._first[step], self._second[step] = came, first, second
        self._final = np.concatenate([between[:, -1:], inside[:, -1].max(axis=1, keepdims=True)], axis=1)
        self._last_symbol = inside[:, -1].argmax(axis=1)
        self._positions = positions

    @property
    def are_complete(self) -> bool:
        """Say whether every line has a path that its alphabets allow."""
        return bool((self._final.max(axis=1) > _LOWEST / 2).all())

    def decoded(self, line: int, steps_of_strip: NDArray[np.int64]) -> DecodedLine:
        """Walk one line back and gather the evidence of each position; the answers stand at these steps of the strip."""
        steps, positions = len(self._came), self._positions
        symbols = np.zeros(positions, np.int64)
        starts, ends = np.zeros(positions, np.int64), np.zeros(positions, np.int64)
        position = positions - 1
        is_blank = bool(self._final[line, 0] >= self._final[line, 1])
        symbol = int(self._last_symbol[line])
        emitted = positions
        for step in range(steps - 1, -1, -1):
            if is_blank:
                if not self._waited[step, line, emitted]:
                    is_blank, position = False, emitted - 1
                    symbol = int(self._first[step, line, position])
                continue
            symbols[position], starts[position] = symbol, step
            ends[position] = ends[position] or step + 1
            came = self._came[step, line, position, symbol]
            if came == 1:
                is_blank, emitted = True, position
            elif came == 2:
                position -= 1
                first = int(self._first[step, line, position])
                symbol = first if first != symbol else int(self._second[step, line, position])
        answers = self._answers[line]
        evidence = np.maximum.reduceat(answers[:, 1:], starts, axis=0).astype(np.float64)
        places = [
            np.average(steps_of_strip[start:end], weights=np.maximum(answers[start:end, symbol + 1], _FLOOR) ** 2)
            for start, end, symbol in zip(starts, ends, symbols, strict=True)
        ]
        return DecodedLine(symbols, evidence, np.array(places), float(self._final[line].max()) / positions)
