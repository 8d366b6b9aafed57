"""Identities of tracked faces: examples of each rule, and a search for histories that break one (arbitrary and lying trackers)."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.results import FaceBox
from models.track_identity import (
    IdentityLedger,
    IdentityRules,
    Standing,
    TrackIdentity,
    TrackScores,
    box_gap_px,
    passed_each_other,
)

RULES = IdentityRules(threshold=0.94, margin=0.03, denial_threshold=0.90, minimum_frames=3, minimum_span_s=0.15)
STEP_S = 0.1
ANNA, BORIS, CELIA = "anna", "boris", "celia"
PEOPLE = (ANNA, BORIS, CELIA)


def box(x_px: float, width_px: int = 100, y_px: float = 300) -> FaceBox:
    left, top = round(x_px - width_px / 2), round(y_px - width_px / 2)
    return FaceBox(left, top, left + width_px - 1, top + width_px - 1, 1.0)


def like(person: str | None, entries: Sequence[str] = PEOPLE, *, score: float = 0.97) -> dict[str, float]:
    return {entry: score if entry == person else 0.80 for entry in entries}


def shown(track_id: int, x_px: float, person: str | None, *, width_px: int = 100, score: float = 0.97) -> TrackScores:
    return TrackScores(track_id, box(x_px, width_px), like(person, score=score))


class Camera:
    """Feeds frames a tenth of a second apart and remembers the last answer."""

    def __init__(self, entries: Sequence[str] = PEOPLE, rules: IdentityRules = RULES) -> None:
        self.ledger = IdentityLedger(rules)
        for entry in entries:
            self.ledger.expect(entry)
        self.now_s = 0.0
        self.known: dict[int, TrackIdentity] = {}

    def frame(self, *seen: TrackScores, after_s: float = STEP_S) -> dict[int, TrackIdentity]:
        self.now_s += after_s
        self.known = {one.track_id: one for one in self.ledger.look(self.now_s, seen)}
        return self.known

    def frames(self, count: int, *seen: TrackScores) -> dict[int, TrackIdentity]:
        for _ in range(count):
            self.frame(*seen)
        return self.known


def test_an_identity_needs_frames_and_time() -> None:
    camera = Camera()
    assert camera.frames(2, shown(1, 300, ANNA))[1].standing is Standing.UNPROVEN
    assert camera.known[1].entry == ANNA
    assert camera.frame(shown(1, 300, ANNA))[1].standing is Standing.IDENTIFIED
    hasty = Camera(rules=replace(RULES, minimum_span_s=0.45))
    assert hasty.frames(5, shown(1, 300, ANNA))[1].standing is Standing.UNPROVEN
    assert hasty.frame(shown(1, 300, ANNA))[1].standing is Standing.IDENTIFIED


def test_threshold_and_margin_both_count() -> None:
    camera = Camera()
    camera.frames(5, shown(1, 300, ANNA, score=0.939), shown(2, 900, None))
    assert [one.standing for one in camera.known.values()] == [Standing.UNPROVEN, Standing.UNPROVEN]
    scores = {ANNA: 0.97, BORIS: 0.945, CELIA: 0.8}
    assert camera.frames(5, TrackScores(3, box(300), scores))[3].standing is Standing.UNPROVEN


def test_values_that_are_no_number_prove_nothing() -> None:
    camera = Camera()
    scores = {ANNA: float("nan"), BORIS: float("nan"), CELIA: 0.2}
    assert camera.frames(5, TrackScores(1, box(300), scores))[1].entry == ""
    camera.frames(3, shown(2, 300, ANNA))
    assert camera.frame(TrackScores(2, box(300), {ANNA: float("nan")}))[2].standing is Standing.UNPROVEN


def test_an_unexpected_entry_is_nobody() -> None:
    camera = Camera(entries=(BORIS,))
    assert camera.frames(5, shown(1, 300, ANNA))[1].standing is Standing.UNPROVEN


def test_strangers_are_told_after_the_allowed_frames_and_not_tried_for_ever() -> None:
    camera = Camera(rules=replace(RULES, maximum_frames=10))
    assert camera.frames(9, shown(1, 300, None))[1].standing is Standing.UNPROVEN
    assert camera.frame(shown(1, 300, None))[1].standing is Standing.EXHAUSTED
    assert camera.frames(20, shown(1, 300, ANNA))[1].standing is Standing.EXHAUSTED


def test_closeness_breaks_the_proof_of_both() -> None:
    camera = Camera()
    first = camera.frames(3, shown(1, 300, ANNA), shown(2, 600, BORIS))
    assert {one.standing for one in first.values()} == {Standing.IDENTIFIED}
    near = camera.frame(shown(1, 370, ANNA), shown(2, 510, BORIS))
    assert {one.standing for one in near.values()} == {Standing.UNPROVEN}
    assert all(near[track].proof != first[track].proof and near[track].frames == 0 for track in (1, 2))
    assert (
        camera.frames(10, shown(1, 370, ANNA), shown(2, 510, BORIS))[1].frames == 0
    )  # nothing counts while they are near
    apart = camera.frames(3, shown(1, 320, ANNA), shown(2, 560, BORIS))
    assert {one.standing for one in apart.values()} == {Standing.IDENTIFIED}


def test_a_small_face_far_behind_disturbs_only_when_it_touches() -> None:
    camera = Camera()
    front, behind = shown(1, 300, ANNA, width_px=200), shown(2, 460, BORIS, width_px=60)
    assert camera.frames(3, front, behind)[1].standing is Standing.IDENTIFIED
    assert camera.frame(front, shown(2, 420, BORIS, width_px=60))[1].standing is Standing.UNPROVEN


def test_passing_each_other_between_two_frames_breaks_both() -> None:
    camera = Camera(rules=replace(RULES, longest_step_ratio=9.0))
    camera.frames(3, shown(1, 300, ANNA), shown(2, 600, BORIS))
    crossed = camera.frame(shown(1, 600, BORIS), shown(2, 300, ANNA))
    assert {one.standing for one in crossed.values()} == {Standing.UNPROVEN}
    assert {one.frames for one in crossed.values()} == {0}


def test_a_gap_or_a_jump_breaks_the_proof() -> None:
    camera = Camera()
    camera.frames(3, shown(1, 300, ANNA))
    assert camera.frame(shown(1, 300, ANNA), after_s=1.01)[1].standing is Standing.UNPROVEN
    camera.frames(3, shown(1, 300, ANNA))
    assert camera.frame(shown(1, 410, ANNA))[1].standing is Standing.UNPROVEN


def test_a_track_that_ended_and_comes_back_names_nobody() -> None:
    camera = Camera()
    camera.frames(3, shown(1, 300, ANNA))
    camera.frame()
    assert camera.frames(9, shown(1, 300, ANNA))[1].standing is Standing.CONTRADICTED
    assert camera.frames(3, shown(2, 300, ANNA))[2].standing is Standing.IDENTIFIED


def test_a_frame_that_denies_the_leading_entry_breaks_the_proof() -> None:
    camera = Camera()
    before = camera.frames(3, shown(1, 300, ANNA))[1].proof
    after = camera.frame(shown(1, 300, ANNA, score=0.89))[1]
    assert (after.standing, after.proof == before) == (Standing.UNPROVEN, False)
    camera.frames(3, shown(1, 300, ANNA))
    assert camera.frame(shown(1, 300, ANNA, score=0.91))[1].standing is Standing.IDENTIFIED  # doubt is no denial


def test_a_frame_that_passes_for_somebody_else_breaks_the_proof() -> None:
    camera = Camera()
    camera.frames(2, shown(1, 300, ANNA))
    other = camera.frame(TrackScores(1, box(300), {ANNA: 0.92, BORIS: 0.97, CELIA: 0.8}))[1]
    assert (other.entry, other.frames) == (BORIS, 1)


def test_two_identities_on_one_track_are_none() -> None:
    camera = Camera()
    camera.frames(3, shown(1, 300, ANNA))
    assert camera.frames(3, shown(1, 300, BORIS))[1].standing is Standing.CONTRADICTED
    assert camera.frames(9, shown(1, 300, ANNA))[1].standing is Standing.CONTRADICTED


def test_one_frame_of_a_rival_suspends_and_proof_of_a_rival_contests_for_good() -> None:
    camera = Camera()
    camera.frames(3, shown(1, 300, ANNA), shown(2, 900, None))
    both = camera.frame(shown(1, 300, ANNA), shown(2, 900, ANNA))
    assert (both[1].standing, both[2].standing) == (Standing.CONTESTED, Standing.UNPROVEN)
    assert camera.frame(shown(1, 300, ANNA), shown(2, 900, None))[1].standing is Standing.IDENTIFIED
    both = camera.frames(3, shown(1, 300, ANNA), shown(2, 900, ANNA))
    assert {one.standing for one in both.values()} == {Standing.CONTESTED}
    assert (
        camera.frames(9, shown(1, 300, ANNA))[1].standing is Standing.CONTESTED
    )  # alone now, and still nobody knows who


def test_a_chance_resemblance_is_no_rival_for_ever() -> None:
    camera = Camera()
    camera.frame(shown(1, 300, ANNA), shown(2, 900, ANNA))
    doubtful = shown(2, 900, ANNA, score=0.92)  # neither passes nor denies
    assert camera.frames(5, shown(1, 300, ANNA), doubtful)[1].standing is Standing.CONTESTED
    assert camera.frames(20, shown(1, 300, ANNA), doubtful)[1].standing is Standing.IDENTIFIED


def test_an_old_proof_is_none() -> None:
    camera = Camera()
    camera.frames(3, shown(1, 300, ANNA))
    unseen = TrackScores(1, box(300), None)
    assert camera.frames(14, unseen)[1].standing is Standing.IDENTIFIED
    assert camera.frames(2, unseen)[1].standing is Standing.UNPROVEN
    assert camera.frame(shown(1, 300, ANNA))[1].standing is Standing.IDENTIFIED  # the same unbroken track


def test_an_entry_is_consumed_once_and_by_its_own_proof() -> None:
    camera = Camera()
    proof = camera.frames(3, shown(1, 300, ANNA))[1].proof
    assert not camera.ledger.consume(ANNA, proof + 1)
    assert not camera.ledger.consume(BORIS, proof)
    assert not camera.ledger.consume("nobody", proof)
    assert camera.ledger.consume(ANNA, proof)
    assert not camera.ledger.consume(ANNA, proof)
    walking = camera.frames(3, shown(1, 300, ANNA), shown(2, 900, ANNA))
    assert (walking[1].standing, walking[2].standing) == (Standing.IDENTIFIED, Standing.CONSUMED)
    assert not camera.ledger.consume(ANNA, walking[2].proof)
    camera.frame(shown(1, 300, None))  # even the released one's own track proves nothing anew
    assert camera.frames(3, shown(1, 300, ANNA))[1].standing is Standing.CONSUMED


def test_consuming_needs_a_proof_that_still_stands() -> None:
    camera = Camera()
    proof = camera.frames(3, shown(1, 300, ANNA))[1].proof
    camera.frame(shown(1, 300, ANNA), shown(2, 420, None))
    assert not camera.ledger.consume(ANNA, proof)


def test_withdrawing_forgets() -> None:
    camera = Camera()
    camera.frames(3, shown(1, 300, ANNA))
    camera.ledger.withdraw(ANNA)
    camera.ledger.withdraw("nobody")
    assert camera.ledger.standings()[0].standing is Standing.UNPROVEN
    assert camera.frames(5, shown(1, 300, ANNA))[1].standing is Standing.UNPROVEN


def test_nobody_is_expected_twice_and_time_runs_forward() -> None:
    camera = Camera()
    for name in (ANNA, ""):
        with pytest.raises(ValueError):
            camera.ledger.expect(name)
    camera.frame(shown(1, 300, ANNA))
    with pytest.raises(ValueError):
        camera.ledger.look(0.0, ())
    with pytest.raises(ValueError):
        camera.ledger.look(9.0, (shown(1, 300, ANNA), shown(1, 600, ANNA)))


def test_geometry() -> None:
    assert box_gap_px(box(100), box(300)) == box_gap_px(box(300), box(100)) == 101
    assert box_gap_px(box(100), box(150)) < 0
    assert passed_each_other((box(100), box(300)), (box(300), box(100)))
    assert not passed_each_other((box(100), box(300)), (box(120), box(280)))


# ---- arbitrary histories: whatever the tracker and the scores say -----------------------------------------------------------

score_values = st.sampled_from([0.5, 0.89, 0.91, 0.95, 0.99])
score_tables = st.none() | st.fixed_dictionaries({ANNA: score_values, BORIS: score_values})
places = st.sampled_from([100, 180, 400, 460, 800])
tracks = st.dictionaries(st.integers(1, 3), st.tuples(places, score_tables), max_size=3)
steps = st.tuples(st.sampled_from([0.1, 0.1, 0.1, 0.3, 1.2]), tracks, st.sampled_from([None, None, None, ANNA, BORIS]))
steady = st.integers(3, 6)
histories = st.lists(st.tuples(steps, steady), min_size=1, max_size=14)


@settings(max_examples=300)
@given(histories)
def test_no_history_gives_two_identities_or_carries_evidence_over_a_break(history: list) -> None:
    ledger = IdentityLedger(RULES)
    for entry in (ANNA, BORIS):
        ledger.expect(entry)
    now_s = 0.0
    lives: dict[int, set[str]] = defaultdict(set)
    unbroken: dict[int, list[dict[str, float] | None]] = {}
    last_seen: dict[int, tuple[float, FaceBox]] = {}
    consumed: dict[str, int] = {}
    for (pause_s, seen, wish), repeats in history:
        for turn in range(repeats):  # standing still is what lets proofs come about at all
            now_s += pause_s if turn == 0 else 0.1
            frame = [TrackScores(track, box(x), scores) for track, (x, scores) in seen.items()]
            answer = {one.track_id: one for one in ledger.look(now_s, frame)}
            forget_broken(unbroken, last_seen, frame, now_s)
            identified = [one for one in answer.values() if one.standing is Standing.IDENTIFIED]
            assert len({one.entry for one in identified}) == len(identified), "one entry on two tracks"
            for one in identified:
                lives[one.track_id].add(one.entry)
                assert len(lives[one.track_id]) == 1, "two identities on one track"
                frames = [scores for scores in unbroken[one.track_id] if scores and passes(scores, one.entry)]
                assert len(frames) >= RULES.minimum_frames, "evidence from before a break"
                assert consumed.get(one.entry, one.proof) == one.proof, "an identity that was used up"
            if wish:
                holder = next((one for one in identified if one.entry == wish), None)
                proof = holder.proof if holder else 1
                if ledger.consume(wish, proof):
                    assert wish not in consumed
                    assert holder is not None
                    consumed[wish] = proof


def passes(scores: Mapping[str, float], entry: str) -> bool:
    others = [score for name, score in scores.items() if name != entry]
    return scores[entry] >= RULES.threshold and scores[entry] - max(others) >= RULES.margin


def forget_broken(
    unbroken: dict[int, list[dict[str, float] | None]],
    last_seen: dict[int, tuple[float, FaceBox]],
    frame: Sequence[TrackScores],
    now_s: float,
) -> None:
    """The test's own, plainer view of a break: gone, away too long, moved at all far, or anybody within half a face."""
    here = {one.track_id for one in frame}
    for track in [track for track in unbroken if track not in here]:
        del unbroken[track], last_seen[track]
    for one in frame:
        was = last_seen.get(one.track_id)
        moved = was is not None and abs(was[1].left_px - one.box.left_px) > 100
        close = any(abs(one.box.left_px - other.box.left_px) < 150 for other in frame if other.track_id != one.track_id)
        if was is None or now_s - was[0] > RULES.longest_gap_s or moved or close:
            unbroken[one.track_id] = []
        if not close:
            unbroken[one.track_id].append(dict(one.scores) if one.scores is not None else None)
        last_seen[one.track_id] = (now_s, one.box)


# ---- true faces, a tracker that lies -----------------------------------------------------------------------------------------

walks = st.lists(st.sampled_from([-90, -60, 0, 0, 0, 60, 90]), min_size=20, max_size=40)


@settings(max_examples=200)
@given(
    walks,
    walks,
    walks,
    st.lists(st.permutations((1, 2, 3)), min_size=1, max_size=4),
    st.lists(st.integers(0, 39), max_size=4),
    st.booleans(),
)
def test_identities_follow_faces_whatever_the_tracker_says(
    walk_a: list, walk_b: list, walk_c: list, orders: list, lies_at: list, by_place: bool
) -> None:
    """Anna and Boris are expected, the third is a stranger. The tracker swaps numbers at will, or keeps them at their places."""
    ledger = IdentityLedger(RULES)
    for entry in (ANNA, BORIS):
        ledger.expect(entry)
    faces: list[str | None] = [ANNA, BORIS, None]
    x = [200, 500, 800]
    numbers = {0: 1, 1: 2, 2: 3}
    turns = itertools.cycle(orders)
    for step, moves in enumerate(zip(walk_a, walk_b, walk_c, strict=False)):
        x = [min(max(place + move, 0), 1000) for place, move in zip(x, moves, strict=True)]
        if step in lies_at:
            numbers = dict(enumerate(next(turns)))
        if by_place:  # the leftmost face is always number 1: two who change places exchange their numbers
            numbers = {person: rank + 1 for rank, person in enumerate(sorted(range(3), key=lambda who: x[who]))}
        seen = [TrackScores(numbers[person], box(x[person]), like(faces[person], (ANNA, BORIS))) for person in range(3)]
        for one in ledger.look(step * STEP_S, seen):
            if one.standing is Standing.IDENTIFIED:
                person = next(person for person, number in numbers.items() if number == one.track_id)
                assert faces[person] == one.entry


def test_the_search_does_reach_identities() -> None:
    """The two searches above would prove little if nobody were ever identified in them."""
    camera = Camera(entries=(ANNA, BORIS))
    reached = set()
    for step in range(40):
        seen = (
            TrackScores(1, box(200 + 5 * step), like(ANNA, (ANNA, BORIS))),
            TrackScores(2, box(800 - 5 * step), like(BORIS, (ANNA, BORIS))),
        )
        reached |= {(one.entry, one.standing) for one in camera.frame(*seen).values()}
    assert {(ANNA, Standing.IDENTIFIED), (BORIS, Standing.IDENTIFIED)} <= reached
