"""The slot for differential morphing attack detection: the document's portrait against the live face, both as aligned chips.

No detector ships, so a gate without an operator's model has no result and says so; and no error rate stands until a record names it.
A score never decides: a suspected morph is a matter for the guard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from models.errors import ModelsError
from models.results import Image


class MorphModel(Protocol):
    """An operator's detector (`models.slots.chip_scores.MorphModel` is one built from a manifest)."""

    model_id: str

    def score(self, reference_chip: Image, probe_chip: Image) -> float:
        """Return 0 bona fide … 1 morph for two aligned BGR chips."""


@dataclass(frozen=True, slots=True)
class MorphAssessment:
    """`score` 0 bona fide … 1 morph, None: no result, `detail` says why. `is_rated` only when error rates of this model are recorded."""

    score: float | None
    model_id: str = ""
    detail: str = ""
    is_rated: bool = False


class MorphSlot:
    """The morph detection of one transaction. It borrows the chip of the document's portrait until `forget`."""

    def __init__(self, model: MorphModel | None = None, *, is_rated: bool = False) -> None:
        """`is_rated`: a record states the model's error rates; without a model it is ignored."""
        self._model = model
        self._is_rated = is_rated and model is not None
        self._reference_chip: Image | None = None

    def take_reference(self, chip: Image) -> None:
        """Keep a copy of the aligned chip of the document's portrait."""
        self.forget()
        self._reference_chip = chip.copy()

    def assess(self, probe_chip: Image) -> MorphAssessment:
        """Return the assessment for the live face's aligned chip. A model that fails has no result; it never clears a portrait."""
        if self._model is None:
            return MorphAssessment(None, detail="no_model")
        model_id = self._model.model_id
        if self._reference_chip is None:
            return MorphAssessment(None, model_id, "no_reference", self._is_rated)
        try:
            score = self._model.score(self._reference_chip, probe_chip)
        except ModelsError as error:
            return MorphAssessment(None, model_id, f"model_refused {error.code}", self._is_rated)
        if not math.isfinite(score):
            return MorphAssessment(None, model_id, "no_number", self._is_rated)
        return MorphAssessment(min(max(score, 0.0), 1.0), model_id, "", self._is_rated)

    def forget(self) -> None:
        """Overwrite the borrowed chip."""
        if self._reference_chip is not None:
            self._reference_chip.fill(0)
            self._reference_chip = None
