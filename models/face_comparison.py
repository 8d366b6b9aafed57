"""One comparison of a probe with a reference as a calibration record defines it: the same code for gate, command line and benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.cohort import Cohort
from models.errors import CalibrationRefused
from models.results import FaceComparison, Features
from models.score_normalisation import CohortStatistics, ScoreKind, cohort_statistics

_UNIT_TOLERANCE = 1e-3
_NO_STATISTICS = CohortStatistics(np.zeros(1), np.ones(1))


class FaceComparer:
    """Scores and decides at one stated false match rate; thresholds are looked up when it is made."""

    def __init__(
        self, record: Calibration, cohort: Cohort | None, dimension: int, model_id: str, false_match_rate: float
    ) -> None:
        """Prepare. Raises `CalibrationRefused` for a rate the record does not prove, or a cohort that is missing or of other features."""
        record.operating_point(false_match_rate)
        if cohort is None and record.score.kind is not ScoreKind.COSINE:
            raise CalibrationRefused(f"record {record.calibration_id} needs its cohort", code="MD-CAL-006")
        if cohort is not None and cohort.vectors.shape[1] != dimension:
            raise CalibrationRefused(f"the cohort {cohort.cohort_id} is not of {dimension} values", code="MD-CAL-006")
        self.record = record
        self._cohort = cohort if record.score.kind is not ScoreKind.COSINE else None
        self._dimension = dimension
        self._model_id = model_id
        self._false_match_rate = false_match_rate

    @property
    def proven_frames(self) -> int:
        """How many frames a probe may be fused from: scores of more have no threshold at this rate."""
        return self.record.proven_frames(self._false_match_rate)

    def statistics(self, features: Features) -> CohortStatistics:
        """Return what strangers score against these features (1 row); worth keeping for a reference."""
        vector = self._checked(features)
        return (
            _NO_STATISTICS if self._cohort is None else cohort_statistics(vector, self._cohort, self.record.score.top)
        )

    def compare(
        self,
        probe: Features,
        reference: Features,
        frames: int = 1,
        reference_statistics: CohortStatistics | None = None,
    ) -> FaceComparison:
        """Return the comparison of a probe fused from `frames` frames with a reference; both unit vectors.

        Raises `CalibrationRefused` (MD-CAL-005) for features that are no unit vector of the model's dimension.
        """
        first, second = self._checked(probe), self._checked(reference)
        cosine = float(first.astype(np.float64) @ second.astype(np.float64))
        statistics = reference_statistics or self.statistics(second)
        score = float(self.record.score.scores(np.array([[cosine]]), self.statistics(first), statistics)[0, 0])
        threshold = self.record.operating_point(self._false_match_rate, frames)
        return FaceComparison(
            comparison_score=score,
            decision=self.record.decided(score, threshold),
            threshold=threshold.score,
            non_match_threshold=self.record.non_match_threshold,
            false_match_rate=threshold.false_match_rate,
            calibration_id=self.record.calibration_id,
            model_id=self._model_id,
            cohort_id="" if self._cohort is None else self._cohort.cohort_id,
            cosine=cosine,
            frames=frames,
        )

    def _checked(self, features: Features) -> NDArray[Any]:
        vector = np.asarray(features, dtype=np.float32)
        length = float(np.linalg.norm(vector)) if vector.shape == (self._dimension,) else 0.0
        if not abs(length - 1) <= _UNIT_TOLERANCE:
            raise CalibrationRefused(f"features that are no unit vector of {self._dimension} values", code="MD-CAL-005")
        return vector
