"""From the answers for a few lines to the best zone that they can be: format, symbols, posteriors, doubts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.digits import best_with_right_digits, right_digits
from models.mrz_reader.formats import FORMATS, ZoneFormat
from models.mrz_reader.lattice import DecodedLine, decoded_lines, greedy_text
from models.mrz_reader.symbols import BLANK, SYMBOLS
from models.mrz_reader.zone import DoubtfulCharacter

LEAST_POSTERIOR: Final = 0.6
_TOLERANCE = 5
_SHORTEST, _LONGEST = 20, 52
_LEAST_CONFIDENCE = 0.6
_GAP_OF_DIGITS: Final = 6.0
"""How much less probable (log) a reading with every digit right may be than the best one to be preferred to it: a printed digit is
wrong far more rarely than the network errs."""
_MOST_REPAIRED: Final = 2
_FIRST_IS_POSSIBLE = 0.02
_AVERAGE_CHARACTERS = 80
_RIGHT_DIGIT, _WRONG_DIGIT = 2.3, 3.0
"""A digit is right by chance once in ten (log 10); a wrong one on paper is rarer still."""
_LEAST_SCORE = -0.8
"""Mean log-probability of a symbol below which the lines are no zone: bar codes, cloth and small print lie at -1 and lower."""
_SURE_SCORE = -0.3
_EVEN_GAPS = (0.6, 1.6)
"""Distances of neighbouring symbols, in pitches, between which print is even. Outside them a symbol was lost, or one was read as two."""

Answers = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LineReading:
    """One line as the network sees it: the answers, what they say without a grammar, and the mean confidence."""

    answers: Answers
    text: str
    confidence: float

    @classmethod
    def of(cls, answers: Answers) -> LineReading:
        """Return the reading of a line's answers."""
        return cls(answers, *greedy_text(answers))

    @property
    def is_plausible(self) -> bool:
        """Say whether this may be a line of a zone at all."""
        return _SHORTEST <= len(self.text) <= _LONGEST and self.confidence >= _LEAST_CONFIDENCE


@dataclass(frozen=True, slots=True)
class ZoneReading:
    """A zone decoded: its format, symbols as text, the posterior of each, what is doubtful, how many digits are right, its quality."""

    format: ZoneFormat
    first: int
    lines: tuple[str, ...]
    posteriors: tuple[tuple[float, ...], ...]
    doubtful: tuple[DoubtfulCharacter, ...]
    right: int
    score: float

    @property
    def has_right_digits(self) -> bool:
        """Say whether every check digit is right."""
        return self.right == len(self.format.fields)

    @property
    def rank(self) -> float:
        """Order of readings: the log-probability of an average zone, and what right and wrong digits say for it or against it."""
        wrong = len(self.format.fields) - self.right
        return self.score * _AVERAGE_CHARACTERS + _RIGHT_DIGIT * self.right - _WRONG_DIGIT * wrong

    @property
    def is_sure(self) -> bool:
        """Say whether nothing better can be hoped for elsewhere in the picture: right digits, and the network of one mind with them."""
        return self.passes or (self.has_right_digits and self.score >= _SURE_SCORE)

    @property
    def passes(self) -> bool:
        """Say whether every digit is right and no character doubtful."""
        return self.has_right_digits and not self.doubtful


def zone_readings(lines: Sequence[LineReading], least_posterior: float = LEAST_POSTERIOR) -> list[ZoneReading]:
    """Return every zone that neighbouring lines (top to bottom) can be, the best first; none when they are none."""
    readings = [
        reading
        for zone, first in _fitting(lines)
        if (reading := _decoded(zone, first, lines[first : first + zone.line_count], least_posterior)) is not None
        and reading.score >= _LEAST_SCORE
        and reading.right
    ]
    return sorted(readings, key=lambda reading: -reading.rank)


def contested(best: ZoneReading, others: Iterable[ZoneReading]) -> ZoneReading:
    """Return the best reading with the characters in doubt that another passing reading of the same print has otherwise.

    Another format, or the page the other way up: where two readings pass, neither is proven.
    """
    doubts = {(doubt.line, doubt.position): doubt for doubt in best.doubtful}
    for other in others:
        if other.passes and (other.format, other.lines) != (best.format, best.lines):
            for line, (row, posteriors) in enumerate(zip(best.lines, best.posteriors, strict=True)):
                rival = other.lines[line] if line < len(other.lines) else ""
                for position, symbol in enumerate(row):
                    alternative = rival[position : position + 1] or SYMBOLS[0]
                    if alternative != symbol or (line, position) == (0, 0):
                        doubt = DoubtfulCharacter(line + 1, position + 1, symbol, alternative, posteriors[position])
                        doubts.setdefault((line + 1, position + 1), doubt)
    return replace(best, doubtful=tuple(doubts[place] for place in sorted(doubts)))


def _fitting(lines: Sequence[LineReading]) -> Iterator[tuple[ZoneFormat, int]]:
    """Yield each format with the index of its first line where lengths and the first symbol fit."""
    for zone in FORMATS:
        for first in range(len(lines) - zone.line_count + 1):
            group = lines[first : first + zone.line_count]
            fits = all(line.is_plausible and abs(len(line.text) - zone.length) <= _TOLERANCE for line in group)
            if fits and _opening(group[0].answers)[zone.masks[0][0]].max(initial=0.0) >= _FIRST_IS_POSSIBLE:
                yield zone, first


def _opening(answers: Answers) -> NDArray[np.float32]:
    """Return the largest probability of each symbol up to the third that the network sees."""
    best = answers.argmax(axis=1)
    starts = np.flatnonzero((np.diff(best, prepend=BLANK) != 0) & (best != BLANK))
    until = starts[2] if len(starts) > 2 else len(answers)
    return np.asarray(answers[: max(until, 1), 1:].max(axis=0), dtype=np.float32)


def _decoded(zone: ZoneFormat, first: int, lines: Sequence[LineReading], least_posterior: float) -> ZoneReading | None:
    decoded = decoded_lines([line.answers for line in lines], zone.masks)
    if decoded is None:
        return None
    symbols = [line.symbols for line in decoded]
    right = right_digits(zone, symbols)
    if not all(right.values()):
        found = best_with_right_digits(zone, [line.evidence for line in decoded])
        if found is not None and _log(symbols, decoded) - found[1] <= _GAP_OF_DIGITS:
            better = right_digits(zone, found[0])
            changed = sum(int((new != old).sum()) for new, old in zip(found[0], symbols, strict=True))
            if sum(better.values()) > sum(right.values()) and changed <= _MOST_REPAIRED:
                symbols, right = found[0], better
    score = float(np.mean([line.score for line in decoded]))
    posteriors = tuple(
        tuple(float(value) for value in line.evidence[np.arange(zone.length), row])
        for line, row in zip(decoded, symbols, strict=True)
    )
    text = tuple("".join(SYMBOLS[symbol] for symbol in row) for row in symbols)
    doubtful = tuple(_doubts(zone, symbols, decoded, least_posterior))
    return ZoneReading(zone, first, text, posteriors, doubtful, sum(right.values()), score)


def _log(symbols: Sequence[NDArray[np.int64]], decoded: Sequence[DecodedLine]) -> float:
    return sum(
        float(np.log(np.maximum(line.evidence[np.arange(len(row)), row], 1e-6)).sum())
        for line, row in zip(decoded, symbols, strict=True)
    )


def _doubts(
    zone: ZoneFormat, symbols: Sequence[NDArray[np.int64]], decoded: Sequence[DecodedLine], least_posterior: float
) -> Iterator[DoubtfulCharacter]:
    """Yield what is not sure: too weak, beside another symbol that is too strong, or out of step with the print."""
    for index, (row, line) in enumerate(zip(symbols, decoded, strict=True)):
        uneven = _uneven(line.places)
        for position, symbol in enumerate(row):
            posterior = float(line.evidence[position, symbol])
            others = np.where(zone.masks[index][position], line.evidence[position], -1.0)
            others[symbol] = -2.0
            others[row[max(position - 1, 0) : position + 2]] -= 1.0  # a neighbour's sound reaches into this one's
            rival = int(others.argmax())
            if posterior < least_posterior or others[rival] > 1 - least_posterior or uneven[position]:
                yield DoubtfulCharacter(index + 1, position + 1, SYMBOLS[symbol], SYMBOLS[rival], posterior)


def _uneven(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say for each symbol whether it stands too near to a neighbour or too far from it for print of one pitch."""
    gaps = np.diff(places)
    least, most = np.multiply(_EVEN_GAPS, np.median(gaps))
    odd = (gaps < least) | (gaps > most)
    return np.asarray(np.concatenate([odd, [False]]) | np.concatenate([[False], odd]), dtype=np.bool_)
