"""Check digits over the evidence: verified as read, and as one more witness where the network wavers.

The sum of a field and the composite sum are followed together along the zone (ten by ten remainders), so that the most probable
reading with every digit right is found exactly. Weights 7-3-1, ICAO Doc 9303-3 §4.9; long numbers 9303-5 note j.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.formats import CheckedField, Mask, ZoneFormat
from models.mrz_reader.symbols import VALUES

_WEIGHTS: Final = (7, 3, 1)
_FILLER: Final = 0
_LOWEST: Final = -1e9
_FLOOR: Final = 1e-6
_COMPOSITE: Final = "composite"
_LONG_NUMBERS: Final = {"TD1": (0, 15, 30), "TD2": (1, 28, 35)}
"""Line and positions (from 0) where a document number of more than nine characters runs on."""
_REMAINDER_OF: Final = np.array(VALUES) % 10

Symbols = Sequence[NDArray[np.int64]]


def right_digits(zone: ZoneFormat, lines: Symbols) -> dict[str, bool]:
    """Return for each checked field whether its digit is right."""
    return {field.name: _is_right(zone, field, lines) for field in zone.fields}


def _is_right(zone: ZoneFormat, field: CheckedField, lines: Symbols) -> bool:
    covered = [int(lines[line][index]) for line, index in field.covered]
    digit = int(lines[field.digit[0]][field.digit[1]])
    if field.filler_if_empty and digit == _FILLER:
        return not any(covered)
    if field.name == "document_number" and digit == _FILLER and _FILLER not in covered and zone.name in _LONG_NUMBERS:
        line, first, last = _LONG_NUMBERS[zone.name]
        return _is_long_number_right(covered, [int(symbol) for symbol in lines[line][first:last]])
    return 1 <= digit <= 10 and _remainder(covered) == digit - 1


def _is_long_number_right(start: list[int], optional: list[int]) -> bool:
    rest = optional[: optional.index(_FILLER)] if _FILLER in optional else optional
    if len(rest) < 2 or not 1 <= rest[-1] <= 10:
        return False
    tail, digit = rest[:-1], rest[-1] - 1
    return digit in {_remainder([*start, *tail]), _remainder([*start, _FILLER, *tail])}


def _remainder(symbols: Sequence[int]) -> int:
    return int(sum(VALUES[symbol] * _WEIGHTS[index % 3] for index, symbol in enumerate(symbols)) % 10)


def best_with_right_digits(
    zone: ZoneFormat, evidence: Sequence[NDArray[np.float64]]
) -> tuple[list[NDArray[np.int64]], float] | None:
    """Return the most probable symbols with every digit right and their log-probability, or None when there are none.

    `evidence[n]` is (positions, symbols) for line n. A number of more than nine characters is taken as it stands, and only when its
    digit is right: that digit is no witness for other characters.
    """
    found = [
        reading
        for masks in _ways(zone)
        if (reading := _most_probable(zone, masks, evidence)) is not None
        and all(right_digits(zone, reading[0]).values())
    ]
    return max(found, key=lambda reading: reading[1], default=None)


@lru_cache(maxsize=8)
def _ways(zone: ZoneFormat) -> tuple[tuple[Mask, ...], ...]:
    """Return the alphabets of every way to set fillers for digits: none; a long number; an empty field that leaves its digit out."""
    places = {field.name: field for field in zone.fields}
    fillers = [places["document_number"].digit]
    empty = next((field for field in zone.fields if field.filler_if_empty), None)
    if empty is not None:
        fillers.append(empty.digit)
    ways = [_narrowed(zone, fillers, to_filler=False)]
    if zone.name in _LONG_NUMBERS:
        ways.append(_narrowed(zone, fillers, to_filler=True))
    if empty is not None:
        without = _narrowed(zone, fillers[:1], to_filler=False)
        ways.append(_narrowed(zone, [*empty.covered, empty.digit], to_filler=True, masks=without))
    return tuple(ways)


def _narrowed(
    zone: ZoneFormat, places: Sequence[tuple[int, int]], *, to_filler: bool, masks: Sequence[Mask] | None = None
) -> tuple[Mask, ...]:
    """Return the alphabets with these places held to the filler, or kept from it."""
    narrowed = tuple(mask.copy() for mask in (masks or zone.masks))
    for line, index in places:
        row = narrowed[line][index]
        row &= (np.arange(len(row)) == _FILLER) == to_filler
    return narrowed


def _most_probable(
    zone: ZoneFormat, masks: Sequence[Mask], evidence: Sequence[NDArray[np.float64]]
) -> tuple[list[NDArray[np.int64]], float] | None:
    """Return the most probable symbols within these alphabets; a digit that is a filler leaves its field open."""
    log = [
        np.where(mask, np.log(np.maximum(line, _FLOOR)), _LOWEST) for mask, line in zip(masks, evidence, strict=True)
    ]
    own, composite = _weights(zone)
    digits = {field.digit: field for field in zone.fields}
    state = np.full(100, _LOWEST)
    state[0] = 0.0
    places: list[tuple[int, int]] = []
    back: list[NDArray[np.int64]] = []
    chosen: list[NDArray[np.int64]] = []
    for line in range(zone.line_count):
        for index in range(zone.length):
            field = digits.get((line, index))
            weight = composite.get((line, index), 0)
            if field is None:
                state, came, symbols = _passed(state, log[line][index], own.get((line, index), 0), weight)
            else:
                state, came, symbols = _checked(state, log[line][index], field, weight)
            places.append((line, index))
            back.append(came)
            chosen.append(symbols)
    end = int(state.argmax())
    score = float(state[end])
    if score < _LOWEST / 2:
        return None
    lines = [np.zeros(zone.length, np.int64) for _ in range(zone.line_count)]
    for (line, index), came, symbols in zip(reversed(places), reversed(back), reversed(chosen), strict=True):
        lines[line][index] = symbols[end]
        end = int(came[end])
    return lines, score


def _weights(zone: ZoneFormat) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Return the weight of each position in its own field and in the composite."""
    own: dict[tuple[int, int], int] = {}
    composite: dict[tuple[int, int], int] = {}
    for field in zone.fields:
        table = composite if field.name == _COMPOSITE else own
        table |= {place: _WEIGHTS[index % 3] for index, place in enumerate(field.covered)}
    return own, composite


@lru_cache(maxsize=16)
def _sources(own: int, composite: int) -> NDArray[np.int64]:
    """Return for each remainder of a symbol (10) and each state (own x composite, 100) the state before it."""
    value = np.arange(10)[:, None, None]
    first = (np.arange(10)[None, :, None] - own * value) % 10
    second = (np.arange(10)[None, None, :] - composite * value) % 10
    return (first * 10 + second).reshape(10, 100)


_Step = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


def _passed(state: NDArray[np.float64], log: NDArray[np.float64], own: int, composite: int) -> _Step:
    """Take one symbol into the sums."""
    by_remainder = np.where(np.arange(10)[:, None] == _REMAINDER_OF, log, 2 * _LOWEST)
    symbol = by_remainder.argmax(axis=1)
    sources = _sources(own, composite)
    reached = state[sources] + by_remainder.max(axis=1)[:, None]
    remainder = reached.argmax(axis=0)
    every = np.arange(100)
    return reached[remainder, every], sources[remainder, every], symbol[remainder]


def _checked(state: NDArray[np.float64], log: NDArray[np.float64], field: CheckedField, weight: int) -> _Step:
    """Take a check digit: it must equal the remainder of its field, which then starts anew; a filler goes with any remainder."""
    table = state.reshape(10, 10)
    after = np.full(100, 2 * _LOWEST)
    came = np.zeros(100, np.int64)
    symbols = np.zeros(100, np.int64)
    is_composite = field.name == _COMPOSITE
    for remainder in range(10):
        for other in range(10):
            own, total = (other, remainder) if is_composite else (remainder, other)
            for symbol, target in ((remainder + 1, (total + weight * remainder) % 10), (_FILLER, total)):
                value = float(table[own, total]) + float(log[symbol])
                if value > after[target]:
                    after[target], came[target], symbols[target] = value, own * 10 + total, symbol
    return after, came, symbols
