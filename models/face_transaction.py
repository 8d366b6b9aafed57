"""What a worker borrows of one traveller: the reference's features, the tracks, and the best and most different frames of the probe.

All of it lives in this object and dies with `wipe`. Only frames of one unbroken track are fused, and only while each new one still
looks like those before it: whoever takes another's place starts from nothing. The probe holds at most three frames, chosen by
quality and by how much they differ, with the newest always among them, so that the attack assessment that goes with a comparison
covers every frame that was compared: it is the worst of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.attack_detector import ALARM_FROM, AttackDetection
from models.face_chain import FaceChain
from models.face_comparison import FaceComparer
from models.face_fusion import fused
from models.face_sampling import FaceSampler, Look
from models.face_tracker import FaceTracker
from models.morph_slot import MorphSlot
from models.results import (
    AttackAssessment,
    ComparisonDecision,
    FaceComparison,
    FaceFinding,
    FaceSample,
    Features,
    Image,
)
from models.score_normalisation import CohortStatistics

FUSED_FRAMES = 3
_DIFFERENCE_WEIGHT = 2.0
_QUALITY_KEYS = ("HeadPoseYaw", "HeadPosePitch", "IlluminationUniformity", "LuminanceMean", "InterEyeDistance")


@dataclass(slots=True)
class _Frame:
    features: Features
    quality: float
    attack: AttackAssessment | None


@dataclass(frozen=True, slots=True)
class AttackSetup:
    """How attack detection is set up: focal length in longer sides of the frame, what an evaluation rated, score of an alarm."""

    focal_ratio: float | None = None
    rated_configuration_id: str = ""
    alarm_score: float = ALARM_FROM

    def detection(self, chain: FaceChain) -> AttackDetection:
        """Return a detection that has seen nothing yet."""
        model = chain.attack_models[0] if chain.attack_models else None
        return AttackDetection(model, focal_ratio=self.focal_ratio, rated_configuration_id=self.rated_configuration_id)


class FaceTransaction:
    """The face part of one transaction inside a worker."""

    def __init__(
        self,
        sampler: FaceSampler,
        comparer: FaceComparer | None,
        *,
        fused_frames: int = FUSED_FRAMES,
        attacks: AttackSetup | None = None,
    ) -> None:
        """Begin with nothing. Without a comparer nothing is ever compared; no more frames are fused than its record proves."""
        self._sampler = sampler
        self._comparer = comparer
        self._fused_frames = fused_frames if comparer is None else min(fused_frames, comparer.proven_frames)
        self._tracker = FaceTracker(sampler.chain.finder)
        attacks = attacks or AttackSetup()
        self._attacks, self._alarm_score = attacks.detection(sampler.chain), attacks.alarm_score
        self._morphs = MorphSlot(sampler.chain.morph_model)
        self._track_id = 0
        self._camera = 0
        self._frames: list[_Frame] = []
        self._statistics: CohortStatistics | None = None
        self.reference_features: Features | None = None
        self.has_matched = False
        """Whether a camera frame has matched this reference."""

    def take_reference(self, image: Image) -> Look:
        """Return the look at the document's portrait and keep its features; a second portrait takes the first one's place."""
        self.drop_reference()
        look = self._sampler.sample(image, search_closer=True)
        if look.sample.features is not None:
            self.reference_features = look.sample.features.copy()
            self._statistics = self._comparer.statistics(self.reference_features) if self._comparer else None
            if look.chip is not None:
                self._morphs.take_reference(look.chip)
        return look

    def drop_reference(self) -> None:
        """Overwrite the reference and all that was compared with it: whatever the next picture holds, this one is not its document's."""
        _overwrite(self.reference_features)
        self.reference_features, self._statistics, self.has_matched = None, None, False
        self._morphs.forget()
        self._forget_probe()

    def take_frame(
        self,
        image: Image,
        t_mono_s: float,
        camera: int = 0,
        *,
        beside: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    ) -> tuple[Look, FaceComparison | None]:
        """Return the look at the next camera frame and the comparison over the frames fused so far; None while there is none.

        With a frame of another `camera` all begins anew: what one sees continues no track and no assessment of the other. `beside`: what
        attack detection sees of the same view, `infrared` (grey, 8 bits) and `depth` (millimetres).
        """
        if camera != self._camera:
            self._camera = camera
            self._tracker.reset()
            self._forget_probe()
        watch = self._sampler.watch()
        tracked = self._tracker.update(image, t_mono_s)
        watch.lap("detection")
        look = self._sampler.look(image, [face.face for face in tracked], watch)
        if look.sample.finding is not FaceFinding.FOUND or look.sample.box is None or look.points is None:
            self._forget_probe()
            return look, None
        track_id = next(face.track_id for face in tracked if face.face.box == look.sample.box)
        if track_id != self._track_id:
            self._forget_probe()
            self._track_id = track_id
        elif self._frames and self._is_somebody_else(look.sample.features):
            self._forget_probe()  # before attack detection: nobody is judged by the frames of another
        attack = self._attacks.observe(image, look.sample.box, look.points, t_mono_s, **beside)
        attack = self._with_morph(attack, look)
        watch.lap("attack_detection")
        comparison = self._compared(look.sample, attack)
        self.has_matched |= comparison is not None and comparison.decision is ComparisonDecision.MATCH
        watch.lap("comparison")
        worst = self._worst_attack(attack)
        return replace(look, sample=replace(look.sample, attack=worst, step_ms=watch.step_ms)), comparison

    def take_picture(self, image: Image) -> tuple[Look, FaceComparison | None]:
        """Return the look at a single picture and its comparison by itself: nothing is tracked or fused."""
        look = self._sampler.sample(image, search_closer=True)
        features, reference = look.sample.features, self.reference_features
        if features is None or reference is None or self._comparer is None:
            return look, None
        return look, self._comparer.compare(features, reference, 1, self._statistics)

    def probe(self) -> Features | None:
        """Return the fused probe, None while there is none."""
        return fused([frame.features for frame in self._frames]) if self._frames else None

    @property
    def probe_frames(self) -> int:
        """How many frames the probe is fused from."""
        return len(self._frames)

    def wipe(self) -> None:
        """Overwrite every feature and forget the rest."""
        self.drop_reference()
        self._tracker.reset()

    def _compared(self, sample: FaceSample, attack: AttackAssessment | None) -> FaceComparison | None:
        features = sample.features
        assert features is not None, "a face that was found has features"
        if self._comparer is None:
            return None
        self._frames.append(_Frame(features.copy(), _quality(sample), attack))
        if len(self._frames) > self._fused_frames:
            self._drop_one()
        if self.reference_features is None:
            return None
        probe = self.probe()
        assert probe is not None, "there is at least this frame"
        return self._comparer.compare(probe, self.reference_features, len(self._frames), self._statistics)

    def _is_somebody_else(self, features: Features | None) -> bool:
        probe = self.probe()
        assert self._comparer is not None, "frames are kept only where there is one"
        assert probe is not None, "asked only while there are frames"
        assert features is not None, "a face that was found has features"
        return self._comparer.compare(features, probe).decision is ComparisonDecision.NON_MATCH

    def _drop_one(self) -> None:
        """Leave out, of all frames but the newest, the one without which the rest is best: good frames that differ."""
        worth = []
        for left_out in range(len(self._frames) - 1):
            kept = [frame for index, frame in enumerate(self._frames) if index != left_out]
            vectors = np.stack([frame.features for frame in kept])
            pairs = (vectors @ vectors.T)[np.triu_indices(len(kept), 1)]
            alike = float(pairs.mean()) if len(pairs) else 0.0
            worth.append(sum(frame.quality for frame in kept) / len(kept) - _DIFFERENCE_WEIGHT * alike)
        gone = self._frames.pop(int(np.argmax(worth)))
        _overwrite(gone.features)

    def _with_morph(self, attack: AttackAssessment, look: Look) -> AttackAssessment:
        """Return the assessment with the morph model's score beside its cues: shown to the guard, part of no decision."""
        if self._sampler.chain.morph_model is None or look.chip is None:
            return attack
        found = self._morphs.assess(look.chip).score
        return attack if found is None else replace(attack, cues={**attack.cues, "morph": round(found, 3)})

    def _worst_attack(self, newest: AttackAssessment) -> AttackAssessment:
        """Return the worst of the fused frames' assessments; a newest frame without a result hides nothing but what clears."""
        scored = [frame.attack for frame in self._frames if frame.attack and frame.attack.score is not None]
        worst = max(scored, key=lambda attack: attack.score or 0.0, default=newest)
        is_alarm = (worst.score or 0.0) >= self._alarm_score
        return newest if newest.score is None and not is_alarm else worst

    def _forget_probe(self) -> None:
        for frame in self._frames:
            _overwrite(frame.features)
        self._frames = []
        self._attacks.reset()


def _quality(sample: FaceSample) -> float:
    """Return how good a frame is, 0-1, from the measures that could be assessed."""
    values = [sample.quality[key] for key in _QUALITY_KEYS if sample.quality.get(key, -1) >= 0]
    return float(np.mean(values)) / 100 if values else 0.0


def _overwrite(features: Features | None) -> None:
    if features is not None:
        features.fill(0)
