"""The trained network: grey strips in, the probability of every symbol at every step out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.errors import CatalogueFault
from models.mrz_reader.strip import STRIP_HEIGHT_PX, normalised, padded
from models.mrz_reader.symbols import CLASSES
from models.results import Image
from models.session import Session

STRIDE_PX: Final = 4


class Recogniser:
    """Reads strips (`models.mrz_reader.strip`); one thread."""

    def __init__(self, content: bytes) -> None:
        """Load the network. Raises `CatalogueFault` when it is not one that answers as this code expects."""
        self._session = Session(content)
        answer = self._session.run(np.zeros((1, 1, STRIP_HEIGHT_PX, 64), np.float32))
        if answer.shape != (1, CLASSES, 64 // STRIDE_PX):
            raise CatalogueFault(
                f"the MRZ recogniser answers {answer.shape}, not one row per symbol", code="MD-CAT-010"
            )

    def answers(self, strips: Sequence[Image]) -> list[NDArray[np.float32]]:
        """Return (steps, classes) for each strip; probabilities of a step sum to 1."""
        made = [padded(normalised(strip)) for strip in strips]
        if not made:
            return []
        width = max(strip.shape[1] for strip in made)
        batch = np.stack([padded(strip, width) for strip in made])[:, None]
        answers = self._session.run(batch)
        return [
            np.ascontiguousarray(answer[:, : strip.shape[1] // STRIDE_PX].T)
            for answer, strip in zip(answers, made, strict=True)
        ]
