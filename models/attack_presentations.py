"""One labelled presentation through the gate's own steps: tracker, points, attack detection; the same thresholds and time limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from models.attack_detector import ALARM_FROM, DOUBTFUL_FROM, AttackDetection
from models.attack_evaluation import Outcome, classified
from models.face_chain import FaceChain
from models.face_scaling import width_px
from models.face_tracker import FaceTracker
from models.results import Image

LONGEST_S = 10.0
"""An acquisition with attack detection ends after this (TR-03121-3, ACQ-FI-AUTO-1); later frames of a recording are not looked at."""
FRAMES_PER_S = 15.0
_SMALLEST_SIDE_PX = 64


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one presentation."""

    outcome: Outcome
    highest_score: float | None
    last_score: float | None
    frames: int
    frames_with_face: int
    reasons: tuple[str, ...]


class PresentationJudge:
    """Judges presentations one after another; nothing passes from one to the next."""

    def __init__(
        self, chain: FaceChain, *, alarm_from: float = ALARM_FROM, doubtful_from: float = DOUBTFUL_FROM
    ) -> None:
        self._chain = chain
        self._tracker = FaceTracker(chain.finder)
        self._attacks = AttackDetection(chain.attack_models[0] if chain.attack_models else None)
        self.alarm_from = alarm_from
        self.doubtful_from = doubtful_from
        self.configuration_id = self._attacks.configuration_id

    def judged(self, frames: Iterable[tuple[Image, float]]) -> Judged:
        """Return what BGR frames with their times in seconds come to; times begin anywhere and never run back."""
        self._tracker.reset()
        self._attacks.reset()
        scores: list[float | None] = []
        reasons: dict[str, None] = {}
        track, seen, first_s = 0, 0, None
        for image, t_mono_s in frames:
            first_s = t_mono_s if first_s is None else first_s
            if t_mono_s - first_s > LONGEST_S:
                break
            seen += 1
            if min(image.shape[:2]) < _SMALLEST_SIDE_PX:
                continue
            tracked = self._tracker.update(image, t_mono_s)
            if not tracked:
                self._attacks.reset()
                continue
            largest = max(tracked, key=lambda one: width_px(one.face.box))
            if largest.track_id != track:
                self._attacks.reset()
                track = largest.track_id
            points = self._chain.locate(image, largest.face)
            assessment = self._attacks.observe(image, largest.face.box, points, t_mono_s)
            scores.append(assessment.score)
            if assessment.detail:
                reasons[assessment.detail] = None
        known = [score for score in scores if score is not None]
        outcome = classified(scores, self.alarm_from, self.doubtful_from)
        return Judged(
            outcome, max(known, default=None), known[-1] if known else None, seen, len(scores), tuple(reasons)
        )
