"""What a gallery of references refuses, in memory or sealed: malformed keys and features, and the faults with their codes.

GalleryFault
    MD-GAL-001  features, key, number of candidates or threshold are malformed
    MD-GAL-002  the key is in the gallery already
    MD-GAL-003  the key is not in the gallery
    MD-GAL-004  a sealed gallery belongs to another model, calibration, fusion or dimension
    MD-GAL-005  the runtime's integer product is not exact here, or copies what it should read in place
    MD-GAL-006  a sealed gallery was altered, or its key is another one
    MD-GAL-007  a sealed gallery's file cannot be read or written
    MD-GAL-008  another process holds the sealed gallery
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelsError

LARGEST_KEY_BYTES = 64
_UNIT_TOLERANCE = 1e-3


class GalleryFault(ModelsError):
    """A gallery refused; the code says why."""

    code = "MD-GAL-001"


def check_key(key: bytes) -> None:
    """Raise `GalleryFault` unless a key is 1 to 64 bytes."""
    if not isinstance(key, bytes) or not 1 <= len(key) <= LARGEST_KEY_BYTES:
        raise GalleryFault(f"a key must be 1 to {LARGEST_KEY_BYTES} bytes")


def unit_rows(features: NDArray[np.floating], dimension: int) -> NDArray[np.float32]:
    """Return features (n, dimension) as float32. Raises `GalleryFault` for another shape, or rows that are not of unit length."""
    try:
        rows = np.asarray(features, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise GalleryFault("features are not numbers") from error
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise GalleryFault(f"features of the shape {rows.shape[1:]} instead of ({dimension},)")
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    # a value that is not a number makes its length one, and fails this comparison
    if not (np.abs(lengths - 1) <= _UNIT_TOLERANCE).all():
        raise GalleryFault("features are not of unit length")
    return rows
