"""Presentation attack detection for one acquisition: every frame is handed in, each gets its own assessment (ISO/IEC 30107-1)."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector.border import Border
from models.attack_detector.colour import chroma_gamut, face_patch, flat_highlights
from models.attack_detector.combination import combined
from models.attack_detector.depth_plane import depth_plane
from models.attack_detector.infrared import infrared as infrared_cue
from models.attack_detector.model_slot import AttackModel
from models.attack_detector.moire import moire
from models.attack_detector.planarity import Planarity
from models.attack_detector.working_frame import WorkingFrame, scale_for, suits, working_frame
from models.results import AttackAssessment, FaceBox, Image

CUES_VERSION = 1


class AttackDetection:
    """The cues of one acquisition and their memory of its frames. Deterministic: time comes with the frames.

    `rated_configuration_id` is the configuration that an evaluation record was measured with; assessments are rated only when it
    is this one's.
    """

    def __init__(
        self, model: AttackModel | None = None, *, focal_ratio: float | None = None, rated_configuration_id: str = ""
    ) -> None:
        """`focal_ratio`: the camera's focal length in longer sides of its frame; None takes no lens for granted, and sees less."""
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
        depth: NDArray[Any] | None = None,
        infrared: NDArray[Any] | None = None,
    ) -> AttackAssessment:
        """Return the assessment of this very frame, after the frames before it.

        `image` is the full BGR frame, `box` and `points` (5, 2) lie in its pixels; points keep their order from frame to frame.
        `depth` (millimetres, 0 or NaN where there is none) and `infrared` (grey, 8 bits) show the same view at any resolution. The
        score is None while nothing that could clear or accuse the face has a result; `detail` then says why.
        """
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        frame = self._worked(image, grey, box, points, t_mono_s)
        planarity = self._planarity.observe(frame)
        cues: dict[str, float | None] = {
            "planarity": planarity.planarity,
            "surround": planarity.surround,
            "border": self._border.observe(frame).border,
            "moire": moire(grey, box),
            **_colour_cues(image, box),
        }
        details = [planarity.detail]
        frame_px = (image.shape[1], image.shape[0])
        if depth is not None:
            plane = depth_plane(depth, box, frame_px)
            cues["depth"] = plane.depth
            details.append(plane.detail)
        if infrared is not None:
            cues["infrared"], why = infrared_cue(infrared, box, frame_px)
            details.append(why)
        if self._model is not None:
            cues["model"] = _in_range(self._model.score(image, box))
        found = {name: round(cue, 3) for name, cue in cues.items() if cue is not None}
        score = combined(found)
        detail = "" if score is not None else " ".join(filter(None, details))
        return AttackAssessment(score, found, detail, self.is_rated)

    def _worked(
        self, image: Image, grey: NDArray[np.uint8], box: FaceBox, points: NDArray[Any], t_mono_s: float
    ) -> WorkingFrame:
        if self._scale is None or self._frame_px != image.shape or not suits(self._scale, image, box):
            self.reset()
            self._scale, self._frame_px = scale_for(image, box), image.shape
        return working_frame(grey, box, np.asarray(points, dtype=np.float64), self._scale, t_mono_s)


def _colour_cues(image: Image, box: FaceBox) -> dict[str, float | None]:
    patch, around = face_patch(image, box, 0.8), face_patch(image, box, 2.4)
    if patch is None or around is None:
        return {}
    return {"highlights": flat_highlights(patch), "chroma": chroma_gamut(patch, around)}


def configuration_id(model: AttackModel | None) -> str:
    """Return what an error rate is measured for: the version of the cues and the operator's model, if any."""
    return f"cues-{CUES_VERSION}" + (f"+{model.model_id}" if model is not None else "")


def _in_range(score: float | None) -> float | None:
    """Return a model's score in [0, 1], None where it is no number: a broken model has no result."""
    return None if score is None or not math.isfinite(score) else min(max(score, 0.0), 1.0)
