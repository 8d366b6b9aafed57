"""The differential morph slot: honest without a model, bound to one transaction's reference chip, wiped afterwards."""

import math

import numpy as np
import pytest

from models.errors import CatalogueFault
from models.morph_slot import MorphAssessment, MorphSlot
from models.results import Image

CHIP = np.full((112, 112, 3), 90, np.uint8)


class TinyModel:
    """Scores by how far the two chips' brightness lies apart: enough to see which chips reach it."""

    def __init__(self, answer: float | None = None, fault: bool = False) -> None:
        self.model_id = "tiny-morph"
        self._answer, self._fault = answer, fault

    def score(self, reference_chip: Image, probe_chip: Image) -> float:
        if self._fault:
            raise CatalogueFault("does not answer one number", code="MD-CAT-004")
        if self._answer is not None:
            return self._answer
        return abs(float(reference_chip.mean()) - float(probe_chip.mean())) / 255


def test_without_a_model_there_is_no_result_and_nothing_is_rated() -> None:
    slot = MorphSlot(is_rated=True)
    slot.take_reference(CHIP)
    assert slot.assess(CHIP) == MorphAssessment(None, detail="no_model")


def test_the_models_score_is_of_reference_and_live_chip() -> None:
    slot = MorphSlot(TinyModel())
    assert slot.assess(CHIP).detail == "no_reference"
    slot.take_reference(CHIP)
    same, other = slot.assess(CHIP), slot.assess(np.full_like(CHIP, 217))
    assert same.score == 0.0
    assert other.score == pytest.approx(127 / 255)
    assert (other.model_id, other.is_rated) == ("tiny-morph", False)


def test_rated_only_with_a_record() -> None:
    slot = MorphSlot(TinyModel(0.5), is_rated=True)
    slot.take_reference(CHIP)
    assert slot.assess(CHIP).is_rated


@pytest.mark.parametrize(
    ("model", "detail"),
    [
        (TinyModel(fault=True), "model_refused MD-CAT-004"),
        (TinyModel(math.nan), "no_number"),
        (TinyModel(math.inf), "no_number"),
    ],
)
def test_a_model_that_fails_clears_nobody(model: TinyModel, detail: str) -> None:
    slot = MorphSlot(model)
    slot.take_reference(CHIP)
    assessment = slot.assess(CHIP)
    assert (assessment.score, assessment.detail) == (None, detail)


@pytest.mark.parametrize(("answer", "score"), [(-0.2, 0.0), (1.7, 1.0)])
def test_scores_stay_in_range(answer: float, score: float) -> None:
    slot = MorphSlot(TinyModel(answer))
    slot.take_reference(CHIP)
    assert slot.assess(CHIP).score == score


def test_the_borrowed_chip_is_overwritten() -> None:
    slot = MorphSlot(TinyModel())
    slot.take_reference(CHIP)
    held = slot._reference_chip
    assert held is not None
    assert held is not CHIP
    slot.forget()
    assert not held.any()
    assert CHIP.any(), "the caller's own chip is the caller's to forget"
    assert slot.assess(CHIP).detail == "no_reference"
