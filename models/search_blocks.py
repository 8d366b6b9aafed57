"""Blocks of biometric references for the 1:N search: one byte a component to sieve with, two bytes to score with.

A reference is kept as float16 (what it is scored with) and as signed bytes in steps that all references of its block share. For a
probe q and a reference x, with q' and x' their quantised forms,

    |q·x - q'·x'| <= |q| |x - x'| + |q - q'| |x'|          (triangle and Cauchy-Schwarz)

and a block remembers the largest |x - x'| and |x'| it took in, so one number bounds the error of every estimate in it. The product
of bytes is an exact integer; so nothing but these two distances has to be allowed for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.search_product import ByteProduct

REFERENCE_LEVELS = 127
_USUAL_PEAK = 4.5  # deviations of a component of a random unit vector; few references go beyond
_ROUNDING = 1e-9  # bounds and estimates are float64 sums of at most 4096 terms below 2
_SCORED_ROWS = 4096


def reference_steps(dimension: int) -> tuple[float, float]:
    """Return the steps that blocks use: the finer for references of usual peak, the coarser for any of unit length."""
    usual = min(1.0, _USUAL_PEAK / math.sqrt(dimension))
    return usual / REFERENCE_LEVELS, 1.002 / REFERENCE_LEVELS


@dataclass(frozen=True, slots=True)
class QuantisedProbe:
    """One probe: the positive bytes that are multiplied, the step of one level, its own error and its length."""

    exact: NDArray[np.float64]
    bytes_: NDArray[np.uint8]
    step: float
    residual: float
    length: float


def quantised_probe(features: NDArray[np.float32], levels: int) -> QuantisedProbe:
    """Return a probe (d) in at most `levels` steps to each side, shifted by `levels + 1` so that every byte is positive."""
    exact = features.astype(np.float64)
    step = float(np.abs(exact).max()) / levels
    signed = np.clip(np.rint(exact / step), -levels, levels)
    return QuantisedProbe(
        exact,
        (signed + levels + 1).astype(np.uint8),
        step,
        float(np.linalg.norm(exact - signed * step)),
        float(np.linalg.norm(exact)),
    )


class SearchBlock:
    """References of one block by slot, free slots holding zeros. Slots are filled, overwritten and zeroed in place."""

    def __init__(self, product: ByteProduct, dimension: int, capacity: int, step: float) -> None:
        self.capacity = capacity
        self.step = step
        self.columns = product.columns(capacity)
        self._scored = np.zeros((capacity, dimension), dtype=np.float16)
        self._shifts = np.zeros(capacity, dtype=np.int32)
        self._is_held = np.zeros(capacity, dtype=np.bool_)
        self._offset = product.levels + 1
        self._residual = 0.0
        self._length = 0.0
        self.held = 0

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays, free slots included."""
        return sum(array.nbytes for array in (self.columns.values, self._scored, self._shifts, self._is_held))

    def put(self, slots: NDArray[np.intp], scored: NDArray[np.float16]) -> None:
        """Store references (n, d) in slots, free or not; what was there is overwritten."""
        exact = scored.astype(np.float32)
        signed = np.clip(np.rint(exact / np.float32(self.step)), -REFERENCE_LEVELS, REFERENCE_LEVELS)
        rebuilt = signed.astype(np.float64) * self.step
        self.held += int(np.count_nonzero(~self._is_held[slots]))
        self.columns.values[:, slots] = signed.T
        self._scored[slots] = scored
        self._shifts[slots] = signed.sum(axis=1).astype(np.int32) * self._offset
        self._is_held[slots] = True
        self._residual = max(self._residual, float(np.linalg.norm(exact - rebuilt, axis=1).max()))
        self._length = max(self._length, float(np.linalg.norm(rebuilt, axis=1).max()))

    def clear(self, slots: NDArray[np.intp]) -> None:
        """Overwrite slots with zeros and free them."""
        self.held -= int(np.count_nonzero(self._is_held[slots]))
        self.columns.values[:, slots] = 0
        self._scored[slots] = 0
        self._shifts[slots] = 0
        self._is_held[slots] = False
        if not self.held:
            self._residual = self._length = 0.0

    def error_bound(self, probe: QuantisedProbe) -> float:
        """Return how far an estimate of this block can be from the exact score."""
        return probe.length * self._residual + probe.residual * self._length + _ROUNDING

    def sieve(
        self, products: NDArray[np.int32], probe: QuantisedProbe, at_least: float
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the held slots whose estimated score reaches `at_least`, and the estimates. `products` is used up."""
        one_level = probe.step * self.step
        np.subtract(products, self._shifts, out=products)
        lowest = math.floor(
            min(max(at_least / one_level, -(2.0**31)), 2.0**31)
        )  # rounded down: one level too low costs nothing
        slots = np.flatnonzero(products >= lowest)
        slots = slots[self._is_held[slots]]
        return slots, products[slots].astype(np.float64) * one_level

    def scores(self, slots: NDArray[np.intp], probe: QuantisedProbe) -> NDArray[np.float64]:
        """Return the exact inner products of a probe with the float16 references in these slots, a bounded number at a time."""
        answer = np.empty(len(slots))
        for start in range(0, len(slots), _SCORED_ROWS):
            part = slots[start : start + _SCORED_ROWS]
            answer[start : start + len(part)] = self._scored[part].astype(np.float64) @ probe.exact
        return answer
