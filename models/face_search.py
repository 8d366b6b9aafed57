"""1:N search: the exact best references of a gallery for a biometric probe, one pass over one byte a component.

Two steps. The sieve multiplies quantised bytes and keeps every reference whose score could be among the best k, by a proven error
bound (`search_blocks`); the kept ones are scored with their float16 values. What comes out is the answer of a full comparison with
every reference, ties broken by key. References are added and removed in place; a removed one is overwritten with zeros.

Whether a gallery may be searched at all, and above which score a candidate counts, is `identification_policy`'s business.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.gallery_checks import GalleryFault, check_key, unit_rows
from models.results import Features
from models.search_blocks import REFERENCE_LEVELS, QuantisedProbe, SearchBlock, quantised_probe, reference_steps
from models.search_product import ByteProduct

LARGEST_K = 10_000
_FIRST_BLOCK = 1024  # a small gallery stays small, and its best ones set the bar for the big blocks
_GROWTH = 4
_BLOCK = 131_072
_PROBES_AT_ONCE = 16
_ADDED_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reference that a search returned: its key and its comparison score (cosine, larger is more alike)."""

    key: bytes
    comparison_score: float


@dataclass(slots=True)
class _Search:
    """What is known of one probe's best references while blocks are sieved."""

    probe: QuantisedProbe
    k: int
    bar: float  # no score below it can be in the answer
    best: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # the k largest exact scores seen
    kept: list[tuple[int, NDArray[np.intp], NDArray[np.float64]]] = field(default_factory=list)

    def keep(self, number: int, block: SearchBlock, slots: NDArray[np.intp], estimates: NDArray[np.float64]) -> None:
        """Score a block's most promising survivors, raise the bar by them, and remember those that still reach it."""
        promising = slots
        if len(slots) > self.k:
            promising = slots[np.argpartition(estimates, len(slots) - self.k)[-self.k :]]
        self.best = np.concatenate((self.best, block.scores(promising, self.probe)))
        if len(self.best) >= self.k:
            self.best = np.partition(self.best, len(self.best) - self.k)[-self.k :]
            self.bar = max(self.bar, float(self.best.min()))
        highest = estimates + block.error_bound(self.probe)
        could_be = highest >= self.bar
        self.kept.append((number, slots[could_be], highest[could_be]))


class FaceGallery:
    """Biometric references of unit length by key, in memory, searched exactly. Belongs to one thread."""

    def __init__(self, dimension: int = 128) -> None:
        """Make an empty gallery for features of `dimension` values. Raises `GalleryFault` when the processor cannot serve it."""
        if not 1 <= dimension <= 4096:  # 4096 x 255 x 127 still fits 32 bits
            raise GalleryFault(f"a gallery of {dimension} values a reference")
        self.dimension = dimension
        self._product = ByteProduct(dimension)
        self._steps = reference_steps(dimension)
        self._blocks: list[SearchBlock] = []
        self._keys: list[list[bytes | None]] = []  # by block and slot
        self._positions: dict[bytes, int] = {}
        self._free: dict[float, list[int]] = {step: [] for step in self._steps}

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, key: bytes) -> bool:
        return key in self._positions

    @property
    def memory_bytes(self) -> int:
        """Bytes of the arrays that hold references, free slots included; keys are not counted."""
        return sum(block.memory_bytes for block in self._blocks)

    def add(self, key: bytes, features: Features) -> None:
        """Add one reference. Raises `GalleryFault`: MD-GAL-001 malformed, MD-GAL-002 the key is in the gallery."""
        self.add_many([key], np.asarray(features)[None])

    def add_many(self, keys: Sequence[bytes], features: NDArray[np.floating]) -> None:
        """Add references (n, dimension), all or none. Raises `GalleryFault` as `add` does."""
        rows = unit_rows(features, self.dimension)
        if len(rows) != len(keys):
            raise GalleryFault(f"{len(keys)} keys for {len(rows)} references")
        for key in keys:
            check_key(key)
            if key in self._positions:
                raise GalleryFault("the key is in the gallery already", code="MD-GAL-002")
        if len(set(keys)) != len(keys):
            raise GalleryFault("the same key twice in one addition", code="MD-GAL-002")
        for start in range(0, len(keys), _ADDED_AT_ONCE):
            self._place(keys[start : start + _ADDED_AT_ONCE], rows[start : start + _ADDED_AT_ONCE])

    def remove(self, key: bytes) -> None:
        """Remove one reference and overwrite it with zeros. Raises `GalleryFault` MD-GAL-003 for an unknown key."""
        if key not in self._positions:
            raise GalleryFault("the key is not in the gallery", code="MD-GAL-003")
        position = self._positions.pop(key)
        number, slot = divmod(position, _BLOCK)
        block = self._blocks[number]
        block.clear(np.array([slot]))
        self._keys[number][slot] = None
        self._free[block.step].append(position)

    def replace(self, key: bytes, features: Features) -> None:
        """Replace the reference of a known key. Raises `GalleryFault`: MD-GAL-001 malformed, MD-GAL-003 unknown."""
        rows = unit_rows(np.asarray(features)[None], self.dimension)
        self.remove(key)
        self._place([key], rows)

    def wipe(self) -> None:
        """Overwrite every reference and the last probe with zeros, and forget all keys."""
        for block in self._blocks:
            block.clear(np.arange(block.capacity))
        self._product.wipe()
        self._blocks.clear()
        self._keys.clear()
        self._positions.clear()
        self._free = {step: [] for step in self._steps}

    def search(self, probe: Features, k: int, threshold: float = -np.inf) -> list[Candidate]:
        """Return the at most `k` best references whose score reaches `threshold`, best first, ties in order of their keys.

        Scores are inner products with references rounded to float16 (error below 5e-4). Raises `GalleryFault` for a malformed
        probe, k outside 1 … 10 000 or a threshold that is not a number.
        """
        return self.search_many(np.asarray(probe)[None], k, threshold)[0]

    def search_many(self, probes: NDArray[np.floating], k: int, threshold: float = -np.inf) -> list[list[Candidate]]:
        """Return `search` of each probe (n, dimension); a batch reads the gallery once for sixteen probes."""
        if not 1 <= k <= LARGEST_K or np.isnan(threshold):
            raise GalleryFault(f"a search for {k} candidates from a score of {threshold}")
        answers: list[list[Candidate]] = []
        checked = unit_rows(probes, self.dimension)
        for start in range(0, len(checked), _PROBES_AT_ONCE):
            batch = [quantised_probe(row, self._product.levels) for row in checked[start : start + _PROBES_AT_ONCE]]
            searches = [_Search(probe, k, float(threshold)) for probe in batch]
            multiplied = np.stack([probe.bytes_ for probe in batch])
            for number, block in enumerate(self._blocks):
                if block.held:
                    self._sieve(number, block, multiplied, searches)
            answers += [self._scored(search, threshold) for search in searches]
        return answers

    def _sieve(self, number: int, block: SearchBlock, multiplied: NDArray[np.uint8], searches: list[_Search]) -> None:
        for products, search in zip(self._product.products(multiplied, block.columns), searches, strict=True):
            slots, estimates = block.sieve(products, search.probe, search.bar - block.error_bound(search.probe))
            if len(slots):
                search.keep(number, block, slots, estimates)

    def _scored(self, search: _Search, threshold: float) -> list[Candidate]:
        parts = [(number, slots[highest >= search.bar]) for number, slots, highest in search.kept]
        if not parts:
            return []
        scores = np.concatenate([self._blocks[number].scores(slots, search.probe) for number, slots in parts])
        positions = np.concatenate([number * _BLOCK + slots for number, slots in parts])
        lowest = threshold
        if len(scores) > search.k:
            lowest = max(lowest, float(np.partition(scores, len(scores) - search.k)[-search.k]))
        best: list[tuple[float, bytes]] = []
        for place in np.flatnonzero(scores >= lowest):
            number, slot = divmod(int(positions[place]), _BLOCK)
            key = self._keys[number][slot]
            assert key is not None
            best.append((-float(scores[place]), key))
        return [Candidate(key, -score) for score, key in heapq.nsmallest(search.k, best)]

    def _place(self, keys: Sequence[bytes], rows: NDArray[np.float32]) -> None:
        scored = rows.astype(np.float16)
        is_usual = np.abs(scored).max(axis=1) <= self._steps[0] * REFERENCE_LEVELS
        for step, chosen in zip(self._steps, (np.flatnonzero(is_usual), np.flatnonzero(~is_usual)), strict=True):
            self._make_room(step, len(chosen))
            free = self._free[step]
            positions = np.array([free.pop() for _ in range(len(chosen))], dtype=np.intp)
            for number in np.unique(positions // _BLOCK):
                here = positions // _BLOCK == number
                self._blocks[number].put(positions[here] % _BLOCK, scored[chosen[here]])
            for row, position in zip(chosen.tolist(), positions.tolist(), strict=True):
                number, slot = divmod(position, _BLOCK)
                self._positions[keys[row]] = position
                self._keys[number][slot] = keys[row]

    def _make_room(self, step: float, wanted: int) -> None:
        while len(self._free[step]) < wanted:
            alike = sum(block.step == step for block in self._blocks)
            capacity = min(_BLOCK, _FIRST_BLOCK * _GROWTH**alike)
            start = len(self._blocks) * _BLOCK
            self._blocks.append(SearchBlock(self._product, self.dimension, capacity, step))
            self._keys.append([None] * capacity)
            # popped from the end: slots freed earlier first, then the new ones in ascending order
            self._free[step][:0] = range(start + capacity - 1, start - 1, -1)
