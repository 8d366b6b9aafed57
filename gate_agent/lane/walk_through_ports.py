"""What a walk-through lane needs of a matcher, and where its release zone lies."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers.contracts import BarrierInputs, Irregularity
from gate_agent.domain.walk_through_events import FaceStanding, SeenFace, ZoneChanged
from models.results import FaceBox, FaceFinding


@dataclass(frozen=True, slots=True)
class MatchedFace:
    """One followed face as the worker answered: no features, no picture."""

    track_id: int
    box: FaceBox
    proof: int
    standing: FaceStanding
    transaction_id: uuid.UUID | None
    score: float | None


class GalleryMatcher(Protocol):
    """Travellers expected now against faces on the move; faults are raised as `InferenceFault`. Features stay in the worker."""

    @property
    def calibration_id(self) -> str:
        """The calibration record that the threshold comes from."""
        ...

    @property
    def threshold(self) -> float:
        """Comparison score from which an entry passes."""
        ...

    @property
    def minimum_age_years(self) -> int:
        """The youngest age that the calibration record covers; 0: every age."""
        ...

    async def enrol(self, transaction_id: uuid.UUID, content: bytes) -> FaceFinding:
        """Take an encoded portrait into the gallery; only FOUND did."""
        ...

    async def look(self, memfd: int, width_px: int, height_px: int, t_mono_s: float) -> Sequence[MatchedFace]:
        """Look at a camera frame; return every followed face."""
        ...

    async def consume(self, transaction_id: uuid.UUID, proof: int) -> bool:
        """Use a gallery entry up; True once, and only while that very proof stands."""
        ...

    async def withdraw(self, transaction_id: uuid.UUID) -> None:
        """Destroy a reference; returns when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class ReleaseZone:
    """The place before the exit, as the camera sees it: faces of at least this width, in the middle of the picture (ratios 0-1)."""

    smallest_face_ratio: float = 0.14
    """Face width over frame width from which somebody stands before the exit."""
    left_ratio: float = 0.25
    right_ratio: float = 0.75

    def holds(self, box: FaceBox, width_px: int) -> bool:
        """Tell whether a face is in the zone."""
        centre = (box.left_px + box.right_px + 1) / 2 / width_px
        face_ratio = (box.right_px - box.left_px + 1) / width_px
        return face_ratio >= self.smallest_face_ratio and self.left_ratio <= centre <= self.right_ratio

    def seen(self, face: MatchedFace, width_px: int) -> SeenFace:
        """Return the face as the machine knows it."""
        in_zone = self.holds(face.box, width_px)
        return SeenFace(face.track_id, face.proof, face.standing, face.transaction_id, in_zone)


def zone_of(inputs: BarrierInputs) -> ZoneChanged:
    """Return what the barrier's inputs mean to the machine."""
    return ZoneChanged(
        inputs.exit_open,
        inputs.occupancy,
        inputs.exit_passages,
        inputs.fire,
        inputs.tamper
        or bool(set(inputs.irregularities) - {Irregularity.TAILGATING}),  # two on one release it sees by itself
        inputs.emergency_stop,
    )
