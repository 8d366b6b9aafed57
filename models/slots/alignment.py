"""From a face to the chip that an embedder was trained on: dlib's exact rule with landmarks of our own, or a similarity to a template.

Resolution rule: landmarks and chip come from the full image. While dlib's box is wider than 480 px, the surroundings of the face
and the box are halved first (area averaging).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import CatalogueFault
from models.face_alignment import CHIP_PX, aligned_chip
from models.face_landmarks import FaceLandmarks
from models.face_scaling import upscaled, width_px
from models.manifest import Alignment
from models.results import DetectedFace, FaceBox, Image, Point
from models.similarity import similarity

Points = NDArray[np.float64]

DLIB_POINTS = ("left_eye_outer", "left_eye_inner", "right_eye_outer", "right_eye_inner", "nose_base")
"""Names of dlib's five points in its own order: the eye on the image's right, which is the person's left, comes first."""
_LARGEST_BOX_PX = 480
_SMALLEST_IMAGE_PX = 16


@dataclass(frozen=True, slots=True)
class AlignedFace:
    """A chip and the points it was aligned by, (n, 2) as x, y in pixels of the image handed in, with their names."""

    chip: Image
    points: Points
    names: tuple[str, ...]

    def by_name(self) -> Mapping[str, Point]:
        """Return the points by name (the vocabulary of `models.results.DetectedFace`)."""
        return {name: (float(x), float(y)) for name, (x, y) in zip(self.names, self.points, strict=True)}


class Aligner(Protocol):
    """Makes chips of `chip_px` pixels a side."""

    chip_px: int
    needed: tuple[str, ...]

    def located(self, image: Image, face: DetectedFace) -> Points:
        """Return the points of a face in pixels of the image, in the order of `needed`."""
        ...

    def aligned(self, image: Image, face: DetectedFace) -> AlignedFace:
        """Return the chip of a face and its points."""
        ...


def halved_around(image: Image, box: FaceBox) -> tuple[Image, FaceBox, float]:
    """Return the image and box that landmarks are taken from, and their pixels per image pixel (1, 1/2, 1/4, …)."""
    part, moved, scale, _ = _halved(image, box)
    return part, moved, scale


def _halved(image: Image, box: FaceBox) -> tuple[Image, FaceBox, float, tuple[int, int]]:
    if width_px(box) <= _LARGEST_BOX_PX:
        return image, box, 1.0, (0, 0)
    reach = width_px(box)
    left, top = max(box.left_px - reach, 0), max(box.top_px - reach, 0)
    part = image[top : max(box.bottom_px + reach, 0), left : max(box.right_px + reach, 0)]
    scale = 1.0
    while width_px(box) * scale > _LARGEST_BOX_PX and min(part.shape[:2]) > _SMALLEST_IMAGE_PX:
        part = part[: part.shape[0] // 2 * 2, : part.shape[1] // 2 * 2]
        part = np.asarray(cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        scale /= 2
    moved = FaceBox(box.left_px - left, box.top_px - top, box.right_px - left, box.bottom_px - top, box.score)
    return part, upscaled(moved, 1 / scale), scale, (left, top)


class DlibAligner:
    """dlib's chip of 150 px from five landmarks found by the tree ensemble inside the detector's unclipped box."""

    chip_px = CHIP_PX
    needed: tuple[str, ...] = DLIB_POINTS

    def __init__(self, landmarks: FaceLandmarks) -> None:
        self._landmarks = landmarks

    def located(self, image: Image, face: DetectedFace) -> Points:
        """Return the five points in pixels of the image; whole pixels of the halved image where the box is wider than 480 px."""
        part, box, scale, corner = _halved(image, face.box)
        return _in_image(self._landmarks.locate(part, box), scale, corner)

    def aligned(self, image: Image, face: DetectedFace) -> AlignedFace:
        """Return chip and points."""
        part, box, scale, corner = _halved(image, face.box)
        points = self._landmarks.locate(part, box)
        return AlignedFace(aligned_chip(part, points), _in_image(points, scale, corner), DLIB_POINTS)


def _in_image(points: NDArray[np.int64], scale: float, corner: tuple[int, int]) -> Points:
    """Return points of a part that was halved by area averaging in pixels of the image: pixel centres map to block centres."""
    return np.asarray((points + 0.5) / scale - 0.5 + np.array(corner), dtype=np.float64)


class TemplateAligner:
    """A similarity of the detector's own points to the manifest's template, least squares over all of them."""

    def __init__(self, alignment: Alignment, given: tuple[str, ...], detector_id: str) -> None:
        """Prepare the template. Raises `CatalogueFault` when the detector does not give the points that it names."""
        self.chip_px = alignment.chip_px
        self.needed = tuple(name for name, _, _ in alignment.template)
        self._template = np.array([(x, y) for _, x, y in alignment.template])
        missing = [name for name in self.needed if name not in given]
        if missing:
            raise CatalogueFault(
                f"the embedder is aligned by {', '.join(self.needed)}, and the detector {detector_id} does not give "
                f"{', '.join(missing)}; it needs a detector that does, such as one of the YuNet layout",
                code="MD-CAT-012",
            )

    def located(self, image: Image, face: DetectedFace) -> Points:
        """Return the points of the template as the detector gave them. Raises `CatalogueFault` when the face lacks one."""
        del image
        try:
            return np.array([face.points[name] for name in self.needed], dtype=np.float64)
        except KeyError as error:
            raise CatalogueFault(f"the face was detected without its {error.args[0]}", code="MD-CAT-012") from error

    def aligned(self, image: Image, face: DetectedFace) -> AlignedFace:
        """Return chip and points. Large faces are halved (area averaging) before they are warped, so that nothing aliases."""
        points = self.located(image, face)
        a, b, x, y = similarity(points, self._template)
        source, share = image, 1.0  # pixels of the source per pixel of the image
        while 0 < np.hypot(a, b) / share <= 0.5 and min(source.shape[:2]) > 2 * _SMALLEST_IMAGE_PX:
            source = source[: source.shape[0] // 2 * 2, : source.shape[1] // 2 * 2]
            source = np.asarray(cv2.resize(source, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.uint8)
            share /= 2
        if share < 1:
            a, b, x, y = similarity((points + 0.5) * share - 0.5, self._template)
        chip = cv2.warpAffine(
            np.ascontiguousarray(source),
            np.array([[a, -b, x], [b, a, y]]),
            (self.chip_px, self.chip_px),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )
        return AlignedFace(np.asarray(chip, dtype=np.uint8), points, self.needed)
