"""Several faces followed from frame to frame: all of the frame searched now and then, in between only around each face.

Following is detecting, too: the detector looks around the place where motion leads the face, at about its size, so there is no drift
and every box carries a detector's score. A face that is not confirmed there, or could be another's, makes the whole frame be
searched at once. Where a track ended beside a face that is still seen, the two may have changed places: for a while such a face gets
a new id in every frame, so that nobody counts its frames as one person's. Somebody never seen before who takes the place of a
tracked face within one frame is not noticed here; comparing features is. Pure and deterministic: frames and times are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from models.face_finder import FaceFinder
from models.face_scaling import shifted, width_px
from models.results import DetectedFace, Image, TrackedFace
from models.track_association import Expectation, associated, centre, distinct, is_plausible

_MOTION_SHARE = 0.5  # how much of the newest motion enters the smoothed one; boxes jump by the detector's stride
_LARGEST_STEP_RATIO = 0.5  # of its width that a face is predicted to move between two frames
_REACH_RATIO, _REACH_RATIO_PER_S = 0.3, 1.5
_SMALLEST_REACH_RATIO, _LARGEST_REACH_RATIO = 0.35, 0.8
_SEARCHES_IN_DOUBT = 4  # as often in the same time
_DOUBT_REACH_RATIO = 1.2  # faces so near to where a track ended may be its face


@dataclass(frozen=True, slots=True)
class _Track:
    track_id: int
    face: DetectedFace
    frames: int
    is_detected: bool
    doubtful_until_s: float = 0.0
    speed_x_px_per_s: float = 0.0
    speed_y_px_per_s: float = 0.0

    def expectation(self, elapsed_s: float) -> Expectation:
        """Return where the face should be after `elapsed_s`; its size is taken to stay."""
        limit = _LARGEST_STEP_RATIO * width_px(self.face.box)
        across, down = (
            round(min(max(speed * elapsed_s, -limit), limit))
            for speed in (self.speed_x_px_per_s, self.speed_y_px_per_s)
        )
        return Expectation(self.face.box, shifted(self.face.box, across, down))

    def continued(self, face: DetectedFace, elapsed_s: float, *, is_detected: bool) -> _Track:
        """Return the track with one more frame."""
        speeds = [self.speed_x_px_per_s, self.speed_y_px_per_s]
        if elapsed_s > 0:
            for axis, (now, before) in enumerate(zip(centre(face.box), centre(self.face.box), strict=True)):
                speeds[axis] += _MOTION_SHARE * ((now - before) / elapsed_s - speeds[axis])
        return _Track(self.track_id, face, self.frames + 1, is_detected, self.doubtful_until_s, *speeds)


class FaceTracker:
    """Follows up to `largest_number` faces. One per transaction or lane; not for two threads at once."""

    def __init__(
        self,
        finder: FaceFinder,
        *,
        redetect_s: float = 0.5,
        longest_gap_s: float = 1.0,
        settle_s: float = 0.5,
        largest_number: int = 8,
    ) -> None:
        """Prepare to follow faces.

        `redetect_s`: the whole frame is searched at least this often, so that a second person is noticed within it.
        `longest_gap_s`: no track lives on over a longer time between two frames.
        `settle_s`: how long a face is in doubt after a track ended beside it.
        `largest_number`: of tracks; the widest faces come first.
        """
        self._finder = finder
        self._redetect_s = redetect_s
        self._longest_gap_s = longest_gap_s
        self._settle_s = settle_s
        self._largest_number = largest_number
        self._next_id = 1
        self._tracks: list[_Track] = []
        self._last_s = 0.0
        self._searched_s: float | None = None
        self._frame_shape: tuple[int, ...] = ()

    def reset(self) -> None:
        """Forget every face, for a new transaction. Ids go on counting: none is ever used twice."""
        self._tracks = []
        self._searched_s = None

    def update(self, image: Image, t_mono_s: float) -> list[TrackedFace]:
        """Return the faces of the next BGR frame, widest first; `t_mono_s` is the moment it was taken on a monotonic clock."""
        elapsed_s = t_mono_s - self._last_s
        if image.shape != self._frame_shape or not 0 <= elapsed_s <= self._longest_gap_s:
            self.reset()  # another camera or a gap: nothing that was known holds
        self._last_s, self._frame_shape = t_mono_s, image.shape
        reach = min(max(_REACH_RATIO + _REACH_RATIO_PER_S * elapsed_s, _SMALLEST_REACH_RATIO), _LARGEST_REACH_RATIO)
        expected = [track.expectation(elapsed_s) for track in self._tracks]
        near: dict[int, list[DetectedFace]] = {}
        if self._tracks and not self._is_search_due():
            for number, place in enumerate(expected):
                near[number] = self._finder.found_near(image, place.predicted, reach)
            seen = distinct(face for faces in near.values() for face in faces)
            pairs = associated(expected, [face.box for face in seen], reach)
            if len(pairs) == len(self._tracks):
                self._tracks = self._continued(pairs, seen, 0, elapsed_s)
                return self._answer()
        found = self._finder.found(image)
        self._searched_s = t_mono_s
        seen = [*found, *self._overlooked(image, found, expected, near, reach)]
        pairs = associated(expected, [face.box for face in seen], reach)
        tracks = self._continued(pairs, seen, len(found), elapsed_s)
        known = set(pairs.values())
        tracks += self._begun([face for number, face in enumerate(found) if number not in known], len(tracks))
        ended = [place for number, place in enumerate(expected) if number not in pairs]
        self._tracks = [self._doubted(track, ended) for track in tracks]
        return self._answer()

    def _is_search_due(self) -> bool:
        is_in_doubt = any(self._last_s < track.doubtful_until_s for track in self._tracks)
        period_s = self._redetect_s / (_SEARCHES_IN_DOUBT if is_in_doubt else 1)
        return self._searched_s is None or self._last_s - self._searched_s >= period_s

    def _overlooked(
        self,
        image: Image,
        found: Sequence[DetectedFace],
        expected: Sequence[Expectation],
        near: Mapping[int, Sequence[DetectedFace]],
        reach: float,
    ) -> list[DetectedFace]:
        """Return faces of tracks that the search of the whole frame overlooked, but a look around their places confirms."""
        confirmed: list[DetectedFace] = []
        for number, place in enumerate(expected):
            if any(is_plausible(place, face.box, reach) for face in found):
                continue
            faces = near[number] if number in near else self._finder.found_near(image, place.predicted, reach)
            confirmed += [face for face in faces if is_plausible(place, face.box, reach)]
        return distinct(confirmed, besides=found)

    def _continued(
        self, pairs: Mapping[int, int], seen: Sequence[DetectedFace], found_count: int, elapsed_s: float
    ) -> list[_Track]:
        """Return the tracks that go on; the first `found_count` faces come from a search of the whole frame."""
        tracks = []
        for number, face in pairs.items():
            track = self._tracks[number]
            if self._last_s < track.doubtful_until_s:
                track = replace(track, track_id=self._new_id(), frames=0)
            tracks.append(track.continued(seen[face], elapsed_s, is_detected=face < found_count))
        return tracks

    def _begun(self, faces: Iterable[DetectedFace], taken: int) -> list[_Track]:
        widest = sorted(faces, key=lambda face: width_px(face.box), reverse=True)
        return [_Track(self._new_id(), face, 1, is_detected=True) for face in widest[: self._largest_number - taken]]

    def _doubted(self, track: _Track, ended: Sequence[Expectation]) -> _Track:
        """Return the track in doubt when another one ended beside it."""
        if any(is_plausible(place, track.face.box, _DOUBT_REACH_RATIO) for place in ended):
            return replace(track, doubtful_until_s=self._last_s + self._settle_s)
        return track

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _answer(self) -> list[TrackedFace]:
        tracks = sorted(self._tracks, key=lambda track: (-width_px(track.face.box), track.track_id))
        return [
            TrackedFace(track.track_id, track.face, is_detected=track.is_detected, frames=track.frames)
            for track in tracks
        ]
