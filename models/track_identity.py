"""Who a tracked face is: evidence that belongs to one unbroken track, and identities given out one to one.

A track is a promise of the tracker that the same face was followed; the ledger trusts it only while nothing speaks against it.
Evidence of a track is its own frames since its last break. It breaks when its track comes close to another one (they could have
swapped places), was not seen for too long, or shows a face that its leading entry denies; afterwards the identity has to be
proved again from nothing. Rules kept here, and searched for counter-examples by the tests:

* an identity is asserted after N frames, spread over a time, in which the same gallery entry passed the threshold and beat the
  second by a margin; the threshold is handed in with the false positive identification rate that it was calibrated for;
* a track has at most one identity in its life, and an entry is asserted for at most one track at a time;
* two tracks with evidence for one entry: neither is identified; when both prove it, the entry stays contested for good;
* an entry is consumed once; whoever matches it on another proof afterwards is known as a second person, never identified.

Pure: no clock, no image, no features. Scores come from whoever compares; boxes are pixels of one camera.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from models.results import FaceBox

_REMEMBERED_TRACKS = 4096


class Standing(StrEnum):
    """What the ledger says of a track; only IDENTIFIED names somebody who may be released."""

    UNPROVEN = "unproven"  # not enough frames yet, or too near to another face
    IDENTIFIED = "identified"
    CONTESTED = "contested"  # another track matches the same entry
    CONTRADICTED = "contradicted"  # it was proved to be one traveller and then another
    EXHAUSTED = "exhausted"  # as many frames as are allowed, and nobody expected was recognised
    CONSUMED = "consumed"  # proved to be somebody who was released already


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Limits of the proof. Scores are those of the calibration record that the threshold comes from (larger is more alike)."""

    threshold: float
    """Score from which an entry passes, at the stated false positive identification rate for the whole gallery."""
    margin: float
    """By how much the best entry must beat the second one."""
    denial_threshold: float
    """Score below which a frame says that the track's leading entry is somebody else."""
    minimum_frames: int = 3
    minimum_span_s: float = 0.2
    """From the first to the last of those frames: neighbouring frames of one pose are hardly two proofs."""
    maximum_frames: int = 60
    """Compared frames of one track without an identity; more tries would make more false matches."""
    freshness_s: float = 1.5
    """Age at which the last passing frame proves nothing any more."""
    longest_gap_s: float = 1.0
    """Longest time between two looks at a track across which it is believed."""
    longest_step_ratio: float = 1.0
    """A face whose centre moves further than this share of its width between two looks may be another face."""
    separation_ratio: float = 0.5
    """Faces with less than this share of the narrower one's width between them are too close to be told apart for sure."""


@dataclass(frozen=True, slots=True)
class TrackScores:
    """One track in one frame: where it is, and its scores against every gallery entry; None: not compared in this frame."""

    track_id: int
    box: FaceBox
    scores: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class TrackIdentity:
    """The ledger's word on a track after a frame.

    `proof` numbers the unbroken evidence; it changes with every break, so that a decision can name the very proof it rests on.
    `entry` is the entry asserted (IDENTIFIED), or the one that the evidence points to; empty without any.
    """

    track_id: int
    proof: int
    standing: Standing
    entry: str = ""
    frames: int = 0
    score: float | None = None


@dataclass(slots=True)
class _Evidence:
    """Frames since the last break."""

    proof: int
    entry: str = ""
    frames: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    score: float | None = None


@dataclass(slots=True)
class _Track:
    evidence: _Evidence
    box: FaceBox
    seen_s: float
    compared: int = 0
    asserted: str = ""
    is_contradicted: bool = False
    is_proven: bool = False


@dataclass(slots=True)
class _Entry:
    is_contested: bool = False
    consumed_by: int | None = None


@dataclass(frozen=True, slots=True)
class _Best:
    entry: str
    score: float
    passes: bool


def box_gap_px(one: FaceBox, other: FaceBox) -> float:
    """Return the free pixels between two boxes along the axis that keeps them furthest apart; negative when they overlap."""
    across = max(one.left_px - other.right_px, other.left_px - one.right_px)
    down = max(one.top_px - other.bottom_px, other.top_px - one.bottom_px)
    return float(max(across, down))


def passed_each_other(before: tuple[FaceBox, FaceBox], now: tuple[FaceBox, FaceBox]) -> bool:
    """Tell whether two faces lie nearer to each other's last place than to their own: between two looks they may have crossed."""
    kept = _distance(before[0], now[0]) + _distance(before[1], now[1])
    swapped = _distance(before[0], now[1]) + _distance(before[1], now[0])
    return swapped <= kept


def _distance(one: FaceBox, other: FaceBox) -> float:
    dx = (one.left_px + one.right_px - other.left_px - other.right_px) / 2
    dy = (one.top_px + one.bottom_px - other.top_px - other.bottom_px) / 2
    return float((dx * dx + dy * dy) ** 0.5)


@dataclass
class IdentityLedger:
    """Evidence of every track in view and the state of every gallery entry. `entries` are opaque names, unique."""

    rules: IdentityRules
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _tracks: dict[int, _Track] = field(default_factory=dict)
    _ended: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_TRACKS))
    _proofs: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _now_s: float = 0.0

    def expect(self, entry: str) -> None:
        """Add an entry to the gallery. Raises `ValueError` for one that is there: nobody is expected twice."""
        if not entry or entry in self._entries:
            raise ValueError("an entry needs a name of its own")
        self._entries[entry] = _Entry()

    def withdraw(self, entry: str) -> None:
        """Forget an entry; evidence for it breaks. An unknown one is no fault."""
        if self._entries.pop(entry, None) is not None:
            for track in self._tracks.values():
                if track.evidence.entry == entry:
                    self._break(track)

    def consume(self, entry: str, proof: int) -> bool:
        """Use an entry up for the person of this proof; True once, and only while that very proof identifies him."""
        known = self._entries.get(entry)
        if known is None or known.consumed_by is not None:
            return False
        if not any(
            one.proof == proof and one.entry == entry and one.standing is Standing.IDENTIFIED
            for one in self.standings()
        ):
            return False
        known.consumed_by = proof
        return True

    def look(self, t_mono_s: float, seen: Sequence[TrackScores]) -> tuple[TrackIdentity, ...]:
        """Take all tracks of one frame and return what is known of each. A track that is missing here has ended.

        Raises `ValueError` when the time runs backwards or a track is named twice.
        """
        if t_mono_s < self._now_s or len({one.track_id for one in seen}) != len(seen):
            raise ValueError("frames come in order of time, each track once")
        self._now_s = t_mono_s
        before = {track_id: track.box for track_id, track in self._tracks.items()}
        self._follow(seen)
        tangled = self._tangled(before)
        for one in seen:
            track = self._tracks[one.track_id]
            if one.track_id in tangled:
                self._break(track)  # and what it shows while it is tangled proves nothing
            elif one.scores is not None:
                self._weigh(track, one.scores)
        for track in self._tracks.values():
            self._note_proven(track)
        self._note_contests()
        return self.standings()

    def standings(self) -> tuple[TrackIdentity, ...]:
        """Return what is known of each track in view, by track number."""
        return tuple(self._standing(track_id, track) for track_id, track in sorted(self._tracks.items()))

    # following tracks -----------------------------------------------------------------------------------------------------

    def _follow(self, seen: Sequence[TrackScores]) -> None:
        ended = self._tracks.keys() - {one.track_id for one in seen}
        for track_id in ended:
            del self._tracks[track_id]
            self._ended.append(track_id)
        for one in seen:
            track = self._tracks.get(one.track_id)
            if track is None:
                track = _Track(self._fresh(), one.box, self._now_s)
                self._tracks[one.track_id] = track
                # a number that comes back after its track ended names nobody: it may be anybody's face
                track.is_contradicted = one.track_id in self._ended
            elif self._now_s - track.seen_s > self.rules.longest_gap_s or self._has_jumped(track.box, one.box):
                self._break(track)
            track.box, track.seen_s = one.box, self._now_s

    def _tangled(self, before: Mapping[int, FaceBox]) -> set[int]:
        """Return the tracks that are so near to another one, or passed so near, that either could be the other."""
        found: set[int] = set()
        for (first, one), (second, other) in itertools.combinations(self._tracks.items(), 2):
            narrower_px = min(_width_px(one.box), _width_px(other.box))
            is_close = box_gap_px(one.box, other.box) < self.rules.separation_ratio * narrower_px
            has_crossed = (
                first in before
                and second in before
                and passed_each_other((before[first], before[second]), (one.box, other.box))
            )
            if is_close or has_crossed:
                found |= {first, second}
        return found

    def _has_jumped(self, before: FaceBox, now: FaceBox) -> bool:
        return _distance(before, now) > self.rules.longest_step_ratio * max(_width_px(before), _width_px(now))

    def _fresh(self) -> _Evidence:
        return _Evidence(next(self._proofs))

    def _break(self, track: _Track) -> None:
        track.evidence = self._fresh()
        track.is_proven = False

    # weighing frames ------------------------------------------------------------------------------------------------------

    def _weigh(self, track: _Track, scores: Mapping[str, float]) -> None:
        if self._is_spent(track):
            return
        track.compared += 1
        best = self._best(scores)
        leading = track.evidence.entry
        if leading and (
            (best is not None and best.passes and best.entry != leading)
            or not scores.get(leading, float("-inf")) >= self.rules.denial_threshold
        ):
            self._break(track)  # this frame shows somebody else than the frames before
        if best is None or not best.passes:
            return
        evidence = track.evidence
        if not evidence.frames:
            evidence.entry, evidence.first_s = best.entry, self._now_s
        evidence.frames += 1
        evidence.last_s, evidence.score = self._now_s, best.score

    def _best(self, scores: Mapping[str, float]) -> _Best | None:
        """Return the entry with the highest score; NaN and entries that are not expected count for nothing."""
        known = sorted(
            ((score, entry) for entry, score in scores.items() if entry in self._entries and not math.isnan(score)),
            reverse=True,
        )
        if not known:
            return None
        score, entry = known[0]
        second = known[1][0] if len(known) > 1 else float("-inf")
        passes = score >= self.rules.threshold and score - second >= self.rules.margin
        return _Best(entry, score, passes)

    def _is_spent(self, track: _Track) -> bool:
        return track.compared >= self.rules.maximum_frames and not track.asserted

    def _note_proven(self, track: _Track) -> None:
        """Note whether evidence suffices now; proof of a second identity on one track destroys both."""
        evidence, rules = track.evidence, self.rules
        is_enough = (
            evidence.frames >= rules.minimum_frames and evidence.last_s - evidence.first_s >= rules.minimum_span_s
        )
        is_fresh = self._now_s - evidence.last_s <= rules.freshness_s
        if evidence.frames and not is_enough and not is_fresh:
            self._break(track)  # a chance resemblance long ago is no rival to anybody
        track.is_proven = is_enough and is_fresh
        if track.is_proven and track.asserted not in {"", evidence.entry}:
            track.is_contradicted = True

    def _note_contests(self) -> None:
        """Mark entries that two tracks have proved, and write down which track was given which identity."""
        proven = [track for track in self._tracks.values() if track.is_proven]
        for entry in {track.evidence.entry for track in proven}:
            if sum(track.evidence.entry == entry for track in proven) > 1:
                self._entries[entry].is_contested = True
        for track_id, track in self._tracks.items():
            if self._standing(track_id, track).standing is Standing.IDENTIFIED:
                track.asserted = track.evidence.entry

    def _standing(self, track_id: int, track: _Track) -> TrackIdentity:
        evidence = track.evidence
        return TrackIdentity(
            track_id, evidence.proof, self._word(track), evidence.entry, evidence.frames, evidence.score
        )

    def _word(self, track: _Track) -> Standing:
        evidence = track.evidence
        if track.is_contradicted:
            return Standing.CONTRADICTED
        if not track.is_proven:
            return Standing.EXHAUSTED if self._is_spent(track) else Standing.UNPROVEN
        entry = self._entries[evidence.entry]
        if entry.consumed_by is not None:
            return Standing.IDENTIFIED if entry.consumed_by == evidence.proof else Standing.CONSUMED
        rivals = sum(other.evidence.entry == evidence.entry for other in self._tracks.values())
        return Standing.CONTESTED if entry.is_contested or rivals > 1 else Standing.IDENTIFIED


def _width_px(box: FaceBox) -> int:
    return box.right_px - box.left_px + 1
