"""Faces on the move against a small gallery of travellers expected now: follow, compare, and keep the ledger of identities.

One object per lane, in a worker: references and probe features never leave it. Every followed face that is wide enough is compared
with every entry in every frame; `track_identity` alone says when that proves anything. The false positive identification rate of
a gallery of n entries is at most n times the calibration record's false match rate, so the rate asked for is divided by the
largest gallery that is let in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.errors import CalibrationRefused, ImageRefused
from models.image_decoding import decode_image
from models.results import ComparisonDecision, FaceBox, FaceComparison, FaceFinding, Features, Image, TrackedFace
from models.track_identity import IdentityLedger, IdentityRules, Standing, TrackScores

Comparer = Callable[[Features, Features], FaceComparison]
"""Probe and reference to their comparison, at one stated false match rate."""

SMALLEST_FACE_PX = 72
"""Narrower faces are followed and not compared: their features would only use up tries."""
_MOST_COMPARED = 4
_OTHER_FACE_SHARE = 0.5  # on a portrait a second face counts from half the width of the largest on


class Tracker(Protocol):
    """Follows faces; `models.face_tracker.FaceTracker`."""

    def update(self, image: Image, t_mono_s: float) -> list[TrackedFace]:
        """Return the faces of the next frame, widest first."""
        ...


class FaceReader(Protocol):
    """Finds faces in a still picture and turns a face into features; `models.walk_through_reading`."""

    def faces(self, image: Image) -> list[FaceBox]:
        """Return the faces of a portrait."""
        ...

    def features(self, image: Image, box: FaceBox) -> Features:
        """Return the unit-length features of one face."""
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


def false_match_rate_for(false_positive_identification_rate: float, largest_gallery: int) -> float:
    """Return the false match rate at which a search of that many entries stays below the rate asked for (union bound)."""
    if largest_gallery < 1:
        raise CalibrationRefused("a gallery holds at least one entry", code="MD-CAL-003")
    return false_positive_identification_rate / largest_gallery


def rules_of(compare: Comparer, features_size: int = 128) -> IdentityRules:
    """Return the ledger's rules from a comparison's own thresholds.

    Match: the threshold at the stated rate. Denial: the non-match threshold. Margin: the guard band between the two. They are
    taken from the comparison of a unit vector with itself. Raises `CalibrationRefused` when even that is no match.
    """
    one = np.full(features_size, features_size**-0.5, dtype=np.float32)
    itself = compare(one, one)
    if itself.decision is not ComparisonDecision.MATCH or itself.threshold < itself.non_match_threshold:
        raise CalibrationRefused("the calibration record's thresholds cannot be used for a gallery", code="MD-CAL-004")
    return IdentityRules(
        threshold=itself.threshold,
        margin=itself.threshold - itself.non_match_threshold,
        denial_threshold=itself.non_match_threshold,
    )


class WalkThroughMatcher:
    """The gallery, the tracker and the ledger of one lane. Not for two threads at once."""

    def __init__(
        self,
        tracker: Tracker,
        reader: FaceReader,
        compare: Comparer,
        rules: IdentityRules,
        largest_gallery: int,
    ) -> None:
        self._tracker = tracker
        self._reader = reader
        self._compare = compare
        self._largest_gallery = largest_gallery
        self._ledger = IdentityLedger(rules)
        self._references: dict[str, Features] = {}

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
        faces = sorted(self._reader.faces(image), key=_width_px, reverse=True)
        if not faces:
            return FaceFinding.NOT_FOUND, ""
        if any(_width_px(face) >= _OTHER_FACE_SHARE * _width_px(faces[0]) for face in faces[1:]):
            return FaceFinding.SEVERAL, ""
        self._references[entry] = self._reader.features(image, faces[0])
        self._ledger.expect(entry)
        return FaceFinding.FOUND, ""

    def withdraw(self, entry: str) -> None:
        """Overwrite and forget a reference."""
        reference = self._references.pop(entry, None)
        if reference is not None:
            reference.fill(0)
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
        if rank >= _MOST_COMPARED or _width_px(box) < SMALLEST_FACE_PX or not self._references:
            return TrackScores(tracked.track_id, box, None)
        probe = self._reader.features(image, box)
        scores = {
            entry: self._compare(probe, reference).comparison_score for entry, reference in self._references.items()
        }
        probe.fill(0)
        return TrackScores(tracked.track_id, box, scores)


def _width_px(box: FaceBox) -> int:
    return box.right_px - box.left_px + 1
