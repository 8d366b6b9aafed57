"""Features of an aligned face: the chip and its mirror image embedded, each brought to unit length, added, and brought to unit length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.results import Features, Image
from models.session import Session


class FaceEmbedder:
    """Turns chips into unit-length features whose Euclidean distance tells people apart."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def raw_features(self, chip: Image) -> Features:
        """Return the network's own output for one BGR chip: not normalised, no mirror image."""
        features: Features = self._session.run(_planes(chip)[None])[0]
        return features

    def features(self, chip: Image) -> Features:
        """Return the fused unit-length features of one BGR chip, float32, 128 values."""
        planes = _planes(chip)
        both = self._session.run(np.stack((planes, planes[:, :, ::-1]))).astype(np.float64)
        both /= np.linalg.norm(both, axis=1, keepdims=True)
        fused = both.sum(axis=0)
        features: Features = (fused / np.linalg.norm(fused)).astype(np.float32)
        return features


def _planes(chip: Image) -> NDArray[np.float32]:
    """Return RGB planes 0-255 of a BGR chip."""
    return np.ascontiguousarray(chip[:, :, ::-1].transpose(2, 0, 1), dtype=np.float32)
