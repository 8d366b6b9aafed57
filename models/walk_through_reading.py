"""The loaded pipeline as walk-through uses it, and the one place that says whether a gallery may be searched on the move.

Without a record that proves a false positive identification rate at the gallery's size nothing is loaded, unless the caller says
that it only demonstrates; then the record's threshold at the union bound's false match rate stands in, and proves nothing.
"""

from __future__ import annotations

from dataclasses import replace

from models.errors import CalibrationRefused
from models.face_sampling import FaceSampler
from models.face_tracker import FaceTracker
from models.identification_policy import identification_allowed
from models.pipeline import PipelineChoice, load_pipeline
from models.results import DetectedFace, FaceFinding, Features, Image
from models.walk_through_matching import WalkThroughMatcher, false_match_rate_for, rules_of
from models.walk_through_messages import Ready

_LONGEST_GAP_S = 1.0  # as the ledger's: the tracker may follow as long as the ledger believes it


class PipelineReader:
    """Portraits and frames to features, by the sampler that gate and evaluation use."""

    def __init__(self, sampler: FaceSampler) -> None:
        self._sampler = sampler

    def reference(self, image: Image) -> tuple[FaceFinding, Features | None]:
        """Return what a portrait holds, and the features of its one face."""
        sample = self._sampler.sample(image, search_closer=True).sample
        return sample.finding, sample.features

    def features(self, image: Image, face: DetectedFace) -> Features:
        """Return the unit-length features of one of several faces of a BGR image."""
        return self._sampler.features(self._sampler.chain.align(image, face))


def load_matcher(
    choice: PipelineChoice, largest_gallery: int, false_positive_identification_rate: float, *, is_demonstration: bool
) -> tuple[WalkThroughMatcher, Ready]:
    """Return a matcher that is warm, and what it says of its thresholds. `choice.false_match_rate` is not used.

    Raises `CatalogueFault` for missing or altered models; `CalibrationRefused` when no record holds for them, or (MD-CAL-003) when
    it proves no false positive identification rate for a gallery of this size and this is no demonstration.
    """
    union_rate = false_match_rate_for(false_positive_identification_rate, largest_gallery)
    pipeline = load_pipeline(replace(choice, false_match_rate=union_rate))
    record = pipeline.record
    if record is None or pipeline.comparer is None:
        raise CalibrationRefused(pipeline.refusal)
    allowance = identification_allowed(record, largest_gallery, false_positive_identification_rate)
    point = record.operating_point(union_rate)
    threshold = point.score if allowance.threshold is None else allowance.threshold
    if not allowance.is_allowed and not is_demonstration:
        raise CalibrationRefused(f"walk-through is off: {allowance.detail}", code="MD-CAL-003")
    pipeline.sampler.warm_up()
    tracker = FaceTracker(pipeline.chain.finder, longest_gap_s=_LONGEST_GAP_S)
    rules = rules_of(threshold, record.non_match_threshold)
    matcher = WalkThroughMatcher(tracker, PipelineReader(pipeline.sampler), pipeline.comparer, rules, largest_gallery)
    ready = Ready(
        calibration_id=record.calibration_id,
        false_match_rate=point.false_match_rate,
        threshold=threshold,
        minimum_age_years=record.minimum_age_years,
        is_proven=allowance.is_allowed,
        detail=allowance.detail,
    )
    return matcher, ready
