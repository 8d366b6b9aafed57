"""Jaro-Winkler: one name against another, or against many at once.

Prefix weight 0.1 over at most four letters, and only where the Jaro part is at least 0.7 (Winkler 1990, as GTAS and RapidFuzz have it). Many at once:
letters in common are counted for all of them together, a bit per place of the name asked for (Hyyrö's way); only where the best that these
could mean reaches the threshold is the order of letters looked at.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gate_agent.inspection.watchlist_names import LONGEST_FOLDED

Bytes: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = npt.NDArray[np.uint32]
Floats: TypeAlias = npt.NDArray[np.float64]

_PREFIX_WEIGHT = 0.1
_PREFIX_LETTERS = 4
_BOOSTED_FROM = 0.7
_ONE = np.uint64(1)


def jaro_winkler(one: str, other: str) -> float:
    """Return how alike two texts are, from 0 to 1; two empty ones are the same."""
    if one == other:
        return 1.0
    if not one or not other:
        return 0.0
    matched, of_one = _matched(one, other)
    if not matched:
        return 0.0
    half_transposed = sum(a != b for a, b in zip(of_one, matched, strict=True)) // 2
    count = len(matched)
    jaro = (count / len(one) + count / len(other) + (count - half_transposed) / count) / 3
    return _boosted(jaro, _prefix(one, other))


def _matched(one: str, other: str) -> tuple[list[str], list[str]]:
    """Return the letters that both have within the window, in the order of `other` and in that of `one`."""
    window = max(max(len(one), len(other)) // 2 - 1, 0)
    taken = [False] * len(one)
    found: list[str] = []
    for place, letter in enumerate(other):
        for at in range(max(0, place - window), min(len(one), place + window + 1)):
            if not taken[at] and one[at] == letter:
                taken[at] = True
                found.append(letter)
                break
    return found, [letter for letter, is_taken in zip(one, taken, strict=True) if is_taken]


def _prefix(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one[:_PREFIX_LETTERS], other[:_PREFIX_LETTERS], strict=False):
        if a != b:
            break
        count += 1
    return count


def _boosted(jaro: float, prefix: int) -> float:
    return jaro + prefix * _PREFIX_WEIGHT * (1 - jaro) if jaro >= _BOOSTED_FROM else jaro


def close_to(asked: bytes, letters: Bytes, lengths: Bytes, threshold: float | Floats) -> dict[int, float]:
    """Return which of many texts reach the threshold, each with its score.

    `letters`: one text a row, at most 64 bytes, zeros behind its end; `lengths`: how long each is. `asked`: at most 64 bytes.
    `threshold`: one for all, or each row's own.
    """
    if not asked or not len(lengths):
        return {}
    best = _best_possible(asked, letters, lengths)
    text = asked.decode("ascii")
    limits = np.broadcast_to(threshold, len(lengths))
    scores: dict[bytes, float] = {}
    found: dict[int, float] = {}
    for row in np.flatnonzero(best >= limits - 1e-9).tolist():
        other = letters[row, : lengths[row]].tobytes()
        score = scores.get(other)
        if score is None:
            score = scores[other] = jaro_winkler(text, other.decode("ascii"))
        if score >= limits[row]:
            found[row] = score
    return found


def _best_possible(asked: bytes, letters: Bytes, lengths: Bytes) -> Floats:
    """Return for each row the score that it has if no letter is out of order."""
    count = len(lengths)
    masks, places = _masks(len(asked)), _places(asked)
    taken = np.zeros(count, dtype=np.uint64)
    for place in range(letters.shape[1]):
        open_places = places[letters[:, place]] & masks[place][lengths] & ~taken
        taken |= open_places & (~open_places + _ONE)  # the lowest bit
    shared = np.bitwise_count(taken).astype(np.float64)
    jaro = (shared / len(asked) + shared / np.maximum(lengths, 1) + 1) / 3
    jaro[shared == 0] = 0.0
    prefix = np.zeros(count)
    is_alike = np.ones(count, dtype=bool)
    for place in range(min(_PREFIX_LETTERS, len(asked), letters.shape[1])):
        is_alike &= letters[:, place] == asked[place]
        prefix += is_alike
    boosted: Floats = np.where(jaro >= _BOOSTED_FROM, jaro + prefix * _PREFIX_WEIGHT * (1 - jaro), jaro)
    return boosted


def _places(asked: bytes) -> npt.NDArray[np.uint64]:
    """Return for each byte the places at which the asked text has it; the zero behind a text has none."""
    found = [0] * 256
    for place, letter in enumerate(asked):
        found[letter] |= 1 << place
    found[0] = 0
    return np.array(found, dtype=np.uint64)


@lru_cache(maxsize=LONGEST_FOLDED + 1)
def _masks(length: int) -> npt.NDArray[np.uint64]:
    """Return for each place and each length of the other text the places of the asked one that lie within the window."""
    every = (1 << length) - 1
    table = np.zeros((LONGEST_FOLDED, LONGEST_FOLDED + 1), dtype=np.uint64)
    for other in range(1, LONGEST_FOLDED + 1):
        window = max(max(length, other) // 2 - 1, 0)
        for place in range(other):
            low = (1 << max(0, place - window)) - 1
            table[place, other] = ((2 << (place + window)) - 1) & ~low & every
    return table
