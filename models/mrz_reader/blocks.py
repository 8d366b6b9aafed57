"""Bars that may belong to one zone, gathered into upright blocks in the direction of the text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.text_lines import Bar

_MOST_BLOCKS = 6
_SAME_ANGLE_DEG = 4.0
_SINGLE_RATIO = 18.0
"""A single line of 30 characters or more is longer than this many thicknesses."""
_MOST_IN_ZONE = 4
_LIKE_STRENGTH = 0.75
"""Lines of one zone stand out alike; a stripe of the table beside them does not."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle in the direction of the text: centre, width along it, height across it (pixels), angle in degrees.

    The larger the `weight`, the more like a zone it looks.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float
    weight: float

    def frame(self) -> NDArray[np.float64]:
        """Return the 2 x 3 matrix from (along, across), measured from the centre, to picture coordinates."""
        return _frame(self.x, self.y, self.angle)


def blocks(found: Sequence[Bar]) -> list[Block]:
    """Return blocks, the most zone-like first: equal bars at the distance of lines, thick bars of merged lines, single bars."""
    made: list[Block] = []
    stacked: set[int] = set()
    for chain in _chains(found):
        stacked.update(chain)
        members = [found[index] for index in chain]
        weight = 3.0 if len(members) <= _MOST_IN_ZONE else 0.7
        heaviest = max(bar.weight for bar in members)
        made.append(_around(members, weight * heaviest))
        longer = [bar for bar in found if _continues(members, bar)]
        if longer:  # light or a fold broke the others off
            made.append(_around([*members, *longer], 0.9 * weight * heaviest))
    for index, bar in enumerate(found):
        if index not in stacked:
            made.append(_around([bar], bar.weight * (1.2 if bar.ratio < _SINGLE_RATIO else 1.0)))
    made.sort(key=lambda block: -block.weight)
    kept: list[Block] = []
    for block in made:
        if not any(_covers(other, block) for other in kept):
            kept.append(block)
    return kept[:_MOST_BLOCKS]


def _frame(x: float, y: float, angle_deg: float) -> NDArray[np.float64]:
    angle = math.radians(angle_deg)
    return np.array([[math.cos(angle), -math.sin(angle), x], [math.sin(angle), math.cos(angle), y]])


def _offset(seed: Bar | Block, other: Bar | Block) -> tuple[float, float]:
    """Return how far the other's centre is along and across the seed's direction."""
    angle = math.radians(seed.angle)
    away_x, away_y = other.x - seed.x, other.y - seed.y
    return (
        away_x * math.cos(angle) + away_y * math.sin(angle),
        away_y * math.cos(angle) - away_x * math.sin(angle),
    )


def _are_neighbours(first: Bar, second: Bar) -> bool:
    """Say whether two bars may be neighbouring lines of one zone."""
    thick, thin = max(first.thickness, second.thickness), min(first.thickness, second.thickness)
    if abs(first.angle - second.angle) > _SAME_ANGLE_DEG or thick > 2.0 * thin:
        return False
    if first.ratio < _SINGLE_RATIO or min(first.length, second.length) < 0.72 * max(first.length, second.length):
        return False
    if min(first.strength, second.strength) < _LIKE_STRENGTH * max(first.strength, second.strength):
        return False
    along, across = _offset(first, second)
    return abs(along) < 0.16 * first.length and 1.3 * thin < abs(across) < 5.0 * thick


def _chains(found: Sequence[Bar]) -> list[list[int]]:
    """Return groups of two bars and more in which each has a neighbour."""
    leader = list(range(len(found)))

    def root(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for first in range(len(found)):
        for second in range(first + 1, len(found)):
            if _are_neighbours(found[first], found[second]):
                leader[root(second)] = root(first)
    groups: dict[int, list[int]] = {}
    for index in range(len(found)):
        groups.setdefault(root(index), []).append(index)
    return [group for group in groups.values() if len(group) >= 2]


def _continues(members: Sequence[Bar], bar: Bar) -> bool:
    """Say whether a bar runs along one of these lines and beyond it."""
    longest = max(member.length for member in members)
    if not 1.08 * longest < bar.length < 2.2 * longest or bar.ratio < _SINGLE_RATIO:
        return False
    for member in members:
        along, across = _offset(member, bar)
        if abs(across) < 0.6 * member.thickness and abs(along) < 0.6 * bar.length:
            return True
    return False


def _around(members: Sequence[Bar], weight: float) -> Block:
    """Return the block around bars, in the direction of the longest."""
    seed = max(members, key=lambda bar: bar.length)
    places = [(*_offset(seed, bar), bar) for bar in members]
    left = min(along - bar.length / 2 for along, _, bar in places)
    right = max(along + bar.length / 2 for along, _, bar in places)
    top = min(across - bar.thickness / 2 for _, across, bar in places)
    bottom = max(across + bar.thickness / 2 for _, across, bar in places)
    x, y = _frame(seed.x, seed.y, seed.angle) @ np.array([(left + right) / 2, (top + bottom) / 2, 1.0])
    return Block(float(x), float(y), right - left, bottom - top, seed.angle, weight)


def _covers(block: Block, other: Block) -> bool:
    """Say whether another block would show much the same."""
    along, across = _offset(block, other)
    return (
        abs(along) < 0.05 * block.width
        and abs(across) < 0.5 * block.height + 0.02 * block.width
        and 0.92 * block.width < other.width < 1.08 * block.width
        and abs(block.angle - other.angle) < 2
    )
