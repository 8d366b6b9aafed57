"""Faces on the move against a small gallery of travellers expected now: follow, compare, and keep the ledger of identities.

One object per lane, in a worker: references and probe features never leave it. Every followed face that is wide enough is compared
with every entry in every frame; `track_identity` alone says when that proves anything. Were nothing better known, the false
positive identification rate of a gallery of n entries is at most n times the false match rate of one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from models.errors import CalibrationRefused, ImageRefused
from models.image_decoding import decode_image
from models.results import DetectedFace, FaceBox, FaceComparison, FaceFinding, Features, Image, TrackedFace
from models.score_normalisation import CohortStatistics
from models.track_identity import IdentityLedger, IdentityRules, Standing, TrackScores

SMALLEST_FACE_PX = 72
"""Narrower faces are followed and not compared: their features would only use up tries."""
_MOST_COMPARED = 4


class Tracker(Protocol):
    """Follows faces; `models.face_tracker.FaceTracker`."""

    def update(self, image: Image, t_mono_s: float) -> list[TrackedFace]:
        """Return the faces of the next frame, widest first."""
        ...


class FaceReader(Protocol):
    """Turns faces into features; `models.walk_through_reading.PipelineReader`."""

    def reference(self, image: Image) -> tuple[FaceFinding, Features | None]:
        """Return what a portrait holds, and the features of its one face."""
        ...

    def features(self, image: Image, face: DetectedFace) -> Features:
        """Return the unit-length features of one face of a frame."""
        ...


class Comparer(Protocol):
    """Compares as a calibration record defines it; `models.face_comparison.FaceComparer`."""

    def statistics(self, features: Features) -> CohortStatistics:
        """Return what strangers score against these features."""
        ...

    def compare(
        self,
        probe: Features,
        reference: Features,
        frames: int = 1,
        reference_statistics: CohortStatistics | None = None,
    ) -> FaceComparison:
        """Return the comparison of a probe with a reference."""
        ...


@dataclass(frozen=True, slots=True)
class SeenTrack:
    """One followed face after a frame: where it is and what is known of it. Holds no features."""

    track_id: int
    box: FaceBox
    proof: int
    standing: Standing
    entry: str
    frames: int
    score: float | None


@dataclass(frozen=True, slots=True)
class _Reference:
    features: Features
    statistics: CohortStatistics


def false_match_rate_for(false_positive_identification_rate: float, largest_gallery: int) -> float:
    """Return the false match rate at which a search of that many entries stays below the rate asked for (union bound)."""
    if largest_gallery < 1:
        raise CalibrationRefused("a gallery holds at least one entry", code="MD-CAL-003")
    return false_positive_identification_rate / largest_gallery


def rules_of(threshold: float, non_match_threshold: float) -> IdentityRules:
    """Return the ledger's rules from a record's scores: the guard band between both is the margin, and below it is a denial.

    Raises `CalibrationRefused` when there is no band: nothing would tell the best entry from the second one then.
    """
    if not threshold > non_match_threshold:
        raise CalibrationRefused("a gallery needs a guard band between match and non-match", code="MD-CAL-004")
    return IdentityRules(threshold, threshold - non_match_threshold, non_match_threshold)


class WalkThroughMatcher:
    """The gallery, the tracker and the ledger of one lane. Not for two threads at once."""

    def __init__(
        self, tracker: Tracker, reader: FaceReader, comparer: Comparer, rules: IdentityRules, largest_gallery: int
    ) -> None:
        self._tracker = tracker
        self._reader = reader
        self._comparer = comparer
        self._largest_gallery = largest_gallery
        self._ledger = IdentityLedger(rules)
        self._references: dict[str, _Reference] = {}

    def enrol(self, entry: str, content: bytes) -> tuple[FaceFinding, str]:
        """Take the chip's portrait into the gallery; return what was found in it, and why it was refused.

        Only FOUND enrols. A full gallery refuses: the stated rate holds up to `largest_gallery` entries.
        """
        if len(self._references) >= self._largest_gallery:
            return FaceFinding.REFUSED, "gallery_full"
        if not entry or entry in self._references:
            return FaceFinding.REFUSED, "entry_not_new"
        try:
            image = decode_image(content)
        except ImageRefused as refusal:
            return FaceFinding.REFUSED, refusal.code
        finding, features = self._reader.reference(image)
        if finding is FaceFinding.FOUND and features is not None:
            self._references[entry] = _Reference(features, self._comparer.statistics(features))
            self._ledger.expect(entry)
        return finding, ""

    def withdraw(self, entry: str) -> None:
        """Overwrite and forget a reference."""
        reference = self._references.pop(entry, None)
        if reference is not None:
            reference.features.fill(0)
        self._ledger.withdraw(entry)

    def consume(self, entry: str, proof: int) -> bool:
        """Use an entry up; True once, and only while that very proof stands."""
        return self._ledger.consume(entry, proof)

    def look(self, image: Image, t_mono_s: float) -> tuple[SeenTrack, ...]:
        """Take the next BGR frame; return every followed face with what is known of it, widest first."""
        tracked = self._tracker.update(image, t_mono_s)
        seen = [self._scored(image, face, rank) for rank, face in enumerate(tracked)]
        known = {one.track_id: one for one in self._ledger.look(t_mono_s, seen)}
        return tuple(
            SeenTrack(one.track_id, one.box, word.proof, word.standing, word.entry, word.frames, word.score)
            for one in seen
            for word in (known[one.track_id],)
        )

    def wipe(self) -> None:
        """Overwrite every reference."""
        for entry in tuple(self._references):
            self.withdraw(entry)

    def _scored(self, image: Image, tracked: TrackedFace, rank: int) -> TrackScores:
        box = tracked.face.box
        width_px = box.right_px - box.left_px + 1
        if rank >= _MOST_COMPARED or width_px < SMALLEST_FACE_PX or not self._references:
            return TrackScores(tracked.track_id, box, None)
        probe = self._reader.features(image, tracked.face)
        scores = {
            entry: self._comparer.compare(probe, held.features, 1, held.statistics).comparison_score
            for entry, held in self._references.items()
        }
        probe.fill(0)
        return TrackScores(tracked.track_id, box, scores)
