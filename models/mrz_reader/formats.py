"""The five formats as a grammar: which symbols may stand at each position, and which fields each check digit covers.

Source: ICAO Doc 9303-4 to -7; alphabets by position as 9303-3 §4.3 allows them, no narrower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.symbols import SYMBOLS

_FILLER, _DIGITS, _LETTERS = "<", SYMBOLS[1:11], SYMBOLS[11:]
_SEX = "MFX<"

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CheckedField:
    """Positions (line, index from 0) that a check digit covers, and its own; weights 7-3-1 run along the positions."""

    name: str
    covered: tuple[tuple[int, int], ...]
    digit: tuple[int, int]
    filler_if_empty: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ZoneFormat:
    """One of the five formats: name, length of its lines, allowed symbols (one boolean row per position) and its checked fields."""

    name: str
    length: int
    masks: tuple[Mask, ...]
    fields: tuple[CheckedField, ...]

    @property
    def line_count(self) -> int:
        """Number of lines."""
        return len(self.masks)


def _alphabet(symbols: str) -> Mask:
    return np.array([symbol in symbols for symbol in SYMBOLS])


def _line(*parts: tuple[int, str]) -> Mask:
    return np.concatenate([np.tile(_alphabet(symbols), (count, 1)) for count, symbols in parts])


def _run(line: int, first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Return positions `first` to `last`, counted from 1 as the standard does."""
    return tuple((line, index - 1) for index in range(first, last + 1))


_DATE = _DIGITS + _FILLER
_TEXT = _LETTERS + _FILLER
_NO_VISA = _LETTERS.replace("V", "")
_NAMES_30: Final = _line((1, _LETTERS), (29, _TEXT))


def _td1() -> ZoneFormat:
    first = _line((1, _LETTERS), (4, _TEXT), (25, SYMBOLS))
    second = _line(
        (6, _DATE), (1, _DIGITS), (1, _SEX), (6, _DATE), (1, _DIGITS), (3, _TEXT), (11, SYMBOLS), (1, _DIGITS)
    )
    fields = (
        CheckedField("document_number", _run(0, 6, 14), (0, 14)),
        CheckedField("date_of_birth", _run(1, 1, 6), (1, 6)),
        CheckedField("date_of_expiry", _run(1, 9, 14), (1, 14)),
        CheckedField("composite", _run(0, 6, 30) + _run(1, 1, 7) + _run(1, 9, 15) + _run(1, 19, 29), (1, 29)),
    )
    return ZoneFormat("TD1", 30, (first, second, _NAMES_30), fields)


def _two_lines(name: str, length: int, code: str, tail: tuple[tuple[int, str], ...]) -> ZoneFormat:
    first = _line((1, code), (length - 1, _TEXT))
    second = _line(
        (9, SYMBOLS), (1, _DATE), (3, _TEXT), (6, _DATE), (1, _DIGITS), (1, _SEX), (6, _DATE), (1, _DIGITS), *tail
    )
    fields = [
        CheckedField("document_number", _run(1, 1, 9), (1, 9)),
        CheckedField("date_of_birth", _run(1, 14, 19), (1, 19)),
        CheckedField("date_of_expiry", _run(1, 22, 27), (1, 27)),
    ]
    if name == "TD3":
        fields.append(CheckedField("optional_data", _run(1, 29, 42), (1, 42), filler_if_empty=True))
    if name in {"TD2", "TD3"}:
        end = length - 1
        covered = _run(1, 1, 10) + _run(1, 14, 20) + _run(1, 22, end)
        fields.append(CheckedField("composite", covered, (1, end)))
    return ZoneFormat(name, length, (first, second), tuple(fields))


FORMATS: Final = (
    _td1(),
    _two_lines("TD2", 36, _NO_VISA, ((7, SYMBOLS), (1, _DIGITS))),
    _two_lines("TD3", 44, _NO_VISA, ((14, SYMBOLS), (1, _DATE), (1, _DIGITS))),
    _two_lines("MRVA", 44, "V", ((16, SYMBOLS),)),
    _two_lines("MRVB", 36, "V", ((8, SYMBOLS),)),
)
