"""Presentation attack detection for one acquisition: every frame is handed in, each gets its own assessment (ISO/IEC 30107-1)."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector.border import Border
from models.attack_detector.combination import combined
from models.attack_detector.model_slot import AttackModel
from models.attack_detector.planarity import FOCAL_RATIO, Planarity
from models.attack_detector.working_frame import WorkingFrame, scale_for, suits, working_frame
from models.results import AttackAssessment, FaceBox, Image

CUES_VERSION = 1


class AttackDetection:
    """The cues of one acquisition and their memory of its frames. Deterministic: time comes with the frames.

    `rated_configuration_id` is the configuration that an evaluation record was measured with; assessments are rated only when it
    is this one's.
    """

    def __init__(
        self, model: AttackModel | None = None, *, focal_ratio: float = FOCAL_RATIO, rated_configuration_id: str = ""
    ) -> None:
        """`focal_ratio`: the camera's focal length in longer sides of its frame."""
        self._model = model
        self._planarity = Planarity(focal_ratio)
        self._border = Border()
        self._scale: float | None = None
        self._frame_px: tuple[int, ...] = ()
        self.configuration_id = configuration_id(model)
        self.is_rated = rated_configuration_id == self.configuration_id

    def reset(self) -> None:
        """Forget every frame: another person or another acquisition begins."""
        self._planarity.reset()
        self._border.reset()
        self._scale = None
        self._frame_px = ()

    def observe(
        self,
        image: Image,
        box: FaceBox,
        points: NDArray[Any],
        t_mono_s: float,
    ) -> AttackAssessment:
        """Return the assessment of this very frame, after the frames before it.

        `image` is the full BGR frame, `box` and `points` (5, 2) lie in its pixels; points keep their order from frame to frame.
        The score is None while nothing that could clear or accuse the face has a result; `detail` then says why.
        """
        frame = self._worked(image, box, points, t_mono_s)
        planarity = self._planarity.observe(frame)
        border = self._border.observe(frame)
        cues = {"planarity": planarity.planarity, "border": border.border}
        details = [planarity.detail]
        if self._model is not None:
            cues["model"] = _in_range(self._model.score(image, box))
        found = {name: round(cue, 3) for name, cue in cues.items() if cue is not None}
        score = combined(found)
        detail = "" if score is not None else " ".join(filter(None, details))
        return AttackAssessment(score, found, detail, self.is_rated)

    def _worked(self, image: Image, box: FaceBox, points: NDArray[Any], t_mono_s: float) -> WorkingFrame:
        if self._scale is None or self._frame_px != image.shape or not suits(self._scale, image, box):
            self.reset()
            self._scale, self._frame_px = scale_for(image, box), image.shape
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        return working_frame(grey, box, np.asarray(points, dtype=np.float64), self._scale, t_mono_s)


def configuration_id(model: AttackModel | None) -> str:
    """Return what an error rate is measured for: the version of the cues and the operator's model, if any."""
    return f"cues-{CUES_VERSION}" + (f"+{model.model_id}" if model is not None else "")


def _in_range(score: float | None) -> float | None:
    """Return a model's score in [0, 1], None where it is no number: a broken model has no result."""
    return None if score is None or not math.isfinite(score) else min(max(score, 0.0), 1.0)
