"""The slot for an operator's own attack detector: any object with `score`; models built from a manifest offer it."""

from __future__ import annotations

from typing import Protocol

from models.results import FaceBox, Image


class AttackModel(Protocol):
    """A passive detector on single frames (MiniFASNet-style)."""

    @property
    def model_id(self) -> str:
        """Id of the model, part of the configuration that an error rate is measured for."""

    def score(self, image: Image, box: FaceBox) -> float | None:
        """Return 0 bona fide … 1 attack for the face in a BGR frame, None when the model has no result."""
