"""The tracker on synthetic video of public portraits with the real detector, and its association searched for counter-examples."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalogue import content_of, ensure
from models.face_detector import FaceDetector
from models.face_finder import ScaledFaceFinder
from models.face_scaling import width_px
from models.face_tracker import FaceTracker
from models.manifest import Role
from models.results import DetectedFace, FaceBox
from models.session import Session
from models.track_association import (
    Expectation,
    associated,
    centre,
    distinct,
    intersection_over_union,
    is_plausible,
    overlap_ratio,
)

WIDTH, HEIGHT = 1280, 720
FRAME_S = 1 / 15
# middle and width of the face in the public portraits, as shares of the picture's height
FACES = {"obama": (0.415, 0.265, 0.21), "biden": (0.41, 0.3, 0.21)}


@pytest.fixture(scope="module")
def detector(models_folder):
    return FaceDetector(Session(content_of(ensure(models_folder, lambda *_: None)[Role.DETECTOR])))


@pytest.fixture(scope="module")
def heads(portraits, detector):
    """Cut-outs three face widths wide, each with its own face in the middle: name → (picture, face width in it)."""
    cut = {}
    for name in FACES:
        picture = cv2.imread(str(portraits / f"{name}.jpg"))
        scale = 480 / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        box = detector.detect(small)[0]
        x, y = (round(value / scale) for value in centre(box))
        half = round(0.9 * width_px(box) / scale)
        cut[name] = (picture[max(y - half, 0) : y + half, max(x - half, 0) : x + half], width_px(box) / scale)
    return cut


def frame_of(heads, *places, seed=1):
    """Return a frame with faces at places (name, x, y, width in pixels), later ones in front, behind an oval mask."""
    noise = np.random.default_rng(seed).integers(95, 126, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    frame = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    for name, x, y, width in places:
        picture, face_px = heads[name]
        scale = width / face_px
        head = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        rows, columns = head.shape[:2]
        left, top = round(x - columns / 2), round(y - rows / 2)
        inner_left, inner_top = max(left, 0), max(top, 0)
        right, bottom = min(left + columns, WIDTH), min(top + rows, HEIGHT)
        if right <= inner_left or bottom <= inner_top:
            continue
        mask = np.zeros((rows, columns), np.uint8)
        cv2.ellipse(mask, (columns // 2, rows // 2), (round(columns * 0.42), round(rows * 0.49)), 0, 0, 360, 255, -1)
        part = slice(inner_top - top, bottom - top), slice(inner_left - left, right - left)
        target = frame[inner_top:bottom, inner_left:right]
        target[mask[part] > 0] = head[part][mask[part] > 0]
    return frame


def nearest(track, places):
    """Return the name of the face that a tracked box lies on."""
    x, y = centre(track.face.box)
    return min(places, key=lambda place: math.hypot(place[1] - x, place[2] - y))[0]


@pytest.mark.portraits
@pytest.mark.weights
def test_a_moving_growing_face_keeps_its_track_and_the_boxes_of_a_full_search(detector, heads):
    finder = ScaledFaceFinder(detector)
    tracker = FaceTracker(finder)
    searched = 0
    for number in range(24):
        place = ("obama", 380 + 18 * number, 330 + 60 * math.sin(number / 4), 150 * 1.02**number)
        frame = frame_of(heads, place)
        (track,) = tracker.update(frame, 100 + number * FRAME_S)
        assert (track.track_id, track.frames) == (1, number + 1)
        searched += track.is_detected
        whole = max(finder.found(frame), key=lambda face: width_px(face.box)).box
        assert intersection_over_union(track.face.box, whole) > 0.6
        x, y = centre(track.face.box)
        assert math.hypot(x - place[1], y - place[2]) < 0.2 * place[3]
        assert track.face.box.score > 0.3
    assert searched == 3  # at once, and then every eighth frame


@pytest.mark.portraits
@pytest.mark.weights
def test_a_second_face_is_noticed_within_the_period_and_a_vanished_one_dropped_at_once(detector, heads):
    tracker = FaceTracker(ScaledFaceFinder(detector), redetect_s=0.5)
    first, second = ("obama", 400, 340, 200), ("biden", 900, 380, 170)
    t_s, entered_s, noticed_s = 0.0, None, None
    for number in range(14):
        t_s = number * FRAME_S
        places = (first,) if number < 4 else (first, second)
        entered_s = t_s if number == 4 else entered_s
        tracks = tracker.update(frame_of(heads, *places), t_s)
        assert tracks[0].track_id == 1
        if len(tracks) == 2 and noticed_s is None:
            noticed_s = t_s
            assert (tracks[1].track_id, tracks[1].is_detected, tracks[1].frames) == (2, True, 1)
    assert noticed_s - entered_s <= 0.5 + FRAME_S
    tracks = tracker.update(frame_of(heads, second), t_s + FRAME_S)
    assert [(track.track_id, track.is_detected) for track in tracks] == [(2, True)]  # the whole frame was searched
    assert tracker.update(frame_of(heads), t_s + 2 * FRAME_S) == []
    (back,) = tracker.update(frame_of(heads, first), t_s + 3 * FRAME_S)
    assert back.track_id == 3


@pytest.mark.portraits
@pytest.mark.weights
@pytest.mark.parametrize("step_px", [24, 90])
def test_crossing_faces_never_swap_silently(detector, heads, step_px):
    tracker = FaceTracker(ScaledFaceFinder(detector))
    seen: dict[int, set[str]] = {}
    early, late = set(), set()
    for number in range(640 // step_px + 10):  # at the end they stand still
        way_px = min(step_px * number, 640)
        places = (
            ("obama", 320 + way_px, 340, 180),
            ("biden", 960 - way_px, 360, 170),
        )
        tracks = tracker.update(frame_of(heads, *places), 5 + number * FRAME_S)
        for track in tracks:
            seen.setdefault(track.track_id, set()).add(nearest(track, places))
        if number == 1:
            early = {track.track_id for track in tracks}
        late = {track.track_id for track in tracks}
    assert len(early) == len(late) == 2
    assert min(track.frames for track in tracks) > 1  # the doubt ended
    assert not early & late
    # while one face hides the other, the box of the front one may be nearer to the hidden one's middle: it is one frame's track
    assert all(len(seen[track]) == 1 for track in early | late)


@pytest.mark.portraits
@pytest.mark.weights
def test_gap_other_size_and_reset_end_every_track(detector, heads):
    tracker = FaceTracker(ScaledFaceFinder(detector), longest_gap_s=0.4)
    frame = frame_of(heads, ("obama", 600, 340, 200))
    ids = []
    for t_s, image in ((0.0, frame), (0.3, frame), (0.8, frame), (0.9, frame[:640]), (0.7, frame[:640])):
        ids += [track.track_id for track in tracker.update(image, t_s)]
    tracker.reset()
    ids += [track.track_id for track in tracker.update(frame[:640], 0.75)]
    assert ids == [1, 1, 2, 3, 4, 5]
    assert FaceTracker(ScaledFaceFinder(detector)).update(np.zeros((9, 2000, 3), np.uint8), 1.0) == []


@pytest.mark.portraits
@pytest.mark.weights
def test_looking_around_a_place_costs_a_fraction_and_reaches_beyond_the_border(detector, heads):
    finder = ScaledFaceFinder(detector)
    frame = frame_of(heads, ("obama", 70, 80, 200))
    whole = finder.found(frame)[0].box
    assert whole.left_px < 0 or whole.top_px < 0
    near = finder.found_near(frame, whole, 0.4)[0].box
    assert intersection_over_union(near, whole) > 0.6
    assert finder.found_near(frame, FaceBox(700, 300, 899, 499, 0.0), 0.4) == []
    assert finder.found_near(frame, FaceBox(1400, 300, 1599, 499, 0.0), 0.4) == []


# ---- association, without pictures ------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """What a detector would see: true boxes by name; of two that overlap by half only one, in either order; some are missed."""

    boxes: dict[str, FaceBox] = field(default_factory=dict)
    missed: frozenset[str] = frozenset()
    is_turned: bool = False
    searches: int = 0

    def visible(self):
        shown: list[FaceBox] = []
        for _, box in sorted(self.boxes.items(), reverse=self.is_turned):
            if all(overlap_ratio(box, other) < 0.5 for other in shown):
                shown.append(box)
        return [box for name, box in self.boxes.items() if name not in self.missed and box in shown]

    def found(self, image):
        self.searches += 1
        return [DetectedFace(box) for box in self.visible()]

    def found_near(self, image, box, reach_ratio):
        place = Expectation(box, box)
        return [DetectedFace(seen) for seen in self.visible() if is_plausible(place, seen, reach_ratio)]


def box_at(x, y, width):
    return FaceBox(round(x - width / 2), round(y - width / 2), round(x + width / 2), round(y + width / 2), 1.0)


BLANK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
moves = st.tuples(st.floats(-0.3, 0.3), st.floats(-0.1, 0.1), st.floats(0.93, 1.07))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(moves, moves, st.booleans()), min_size=4, max_size=30), st.floats(1.4, 3), st.floats(0.8, 1.25)
)
def test_two_people_in_any_motion_never_share_a_track_even_if_either_hides_the_other(path, apart, ratio):
    people = {"a": [300.0, 360.0, 120.0], "b": [300 + apart * 120, 360.0, 120 * ratio], "far": [1100.0, 360.0, 120.0]}
    scene = Scene()
    tracker = FaceTracker(scene, settle_s=100)
    owner: dict[int, str] = {}
    for number, (first, second, is_turned) in enumerate(path):
        for person, (across, down, growth) in zip(people.values(), (first, second), strict=False):
            if number:
                person[0] = min(person[0] + across * person[2], 800)
                person[1] += down * person[2]
                person[2] = min(max(person[2] * growth, 90), 160)
        scene.boxes = {name: box_at(*person) for name, person in people.items()}
        scene.is_turned = is_turned
        by_box = {box: name for name, box in scene.boxes.items()}
        highest = max(owner, default=0)
        tracks = tracker.update(BLANK, number * FRAME_S)
        assert len({track.track_id for track in tracks}) == len(tracks)
        for track in tracks:
            assert owner.setdefault(track.track_id, by_box[track.face.box]) == by_box[track.face.box]
            assert track.frames > 1 or track.track_id > highest  # an id is never used again
    assert list(owner.values()).count("far") == 1
    tracks = tracker.update(BLANK, len(path) * FRAME_S + 0.4)
    assert len(tracks) == len(scene.visible())  # whoever appeared is noticed by the next search of the whole frame


boxes = st.builds(box_at, st.integers(0, 600), st.integers(0, 400), st.integers(60, 160))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(boxes, boxes), max_size=5), st.lists(boxes, max_size=6, unique=True), st.randoms())
def test_association_is_one_to_one_unambiguous_and_free_of_order(places, seen, random):
    expected = [Expectation(*place) for place in places]
    pairs = associated(expected, seen, 0.4)
    assert len(set(pairs.values())) == len(pairs)
    for track, face in pairs.items():
        assert is_plausible(expected[track], seen[face], 0.4)
        for other_track, other_face in itertools.product(range(len(expected)), range(len(seen))):
            if (other_track == track) != (other_face == face):
                assert not is_plausible(expected[other_track], seen[other_face], 0.4)
        assert all(overlap_ratio(seen[face], box) <= 0.3 for number, box in enumerate(seen) if number != face)
    order = random.sample(range(len(seen)), len(seen))
    turned = associated(expected, [seen[number] for number in order], 0.4)
    assert {track: order[face] for track, face in turned.items()} == pairs


def test_faces_that_overlap_heavily_get_new_ids_until_they_have_been_apart_for_a_while():
    scene = Scene({"a": box_at(300, 300, 100), "b": box_at(500, 300, 100)})
    tracker = FaceTracker(scene, settle_s=0.3)
    assert {track.track_id for track in tracker.update(BLANK, 0.0)} == {1, 2}
    scene.boxes["a"] = box_at(320, 300, 100)
    assert {track.track_id for track in tracker.update(BLANK, 0.1)} == {1, 2}
    assert scene.searches == 1
    scene.boxes["b"] = box_at(380, 300, 100)
    assert {track.track_id for track in tracker.update(BLANK, 0.2)} == {3, 4}
    assert scene.searches == 2
    scene.boxes["b"] = box_at(420, 300, 100)
    ids = [{track.track_id for track in tracker.update(BLANK, 0.3 + number / 10)} for number in range(5)]
    assert ids[0].isdisjoint(ids[1])  # still in doubt
    assert ids[-1] == ids[-2]
    assert min(ids[-1]) > max(ids[0])


def test_the_number_of_tracks_is_bounded_and_the_widest_come_first():
    scene = Scene({f"p{number:02}": box_at(60 + 110 * number, 300, 60 + 4 * number) for number in range(11)})
    tracker = FaceTracker(scene, largest_number=5)
    for number in range(12):
        tracks = tracker.update(BLANK, number * FRAME_S)
        assert [track.track_id for track in tracks] == [1, 2, 3, 4, 5]
        assert [width_px(track.face.box) for track in tracks] == [101, 97, 93, 89, 85]


def test_a_face_that_only_the_look_around_its_place_confirms_is_kept():
    scene = Scene({"a": box_at(300, 300, 100)})
    tracker = FaceTracker(scene, redetect_s=0.2)
    tracker.update(BLANK, 0.0)
    scene.found = lambda image: []
    (track,) = tracker.update(BLANK, 0.3)
    assert (track.track_id, track.is_detected, track.frames) == (1, False, 2)
    scene.missed = frozenset("a")
    assert tracker.update(BLANK, 0.4) == []


def test_one_face_found_by_two_searches_counts_once():
    strong, weak = FaceBox(100, 100, 199, 199, 1.1), FaceBox(104, 98, 203, 197, 0.9)
    faces = [DetectedFace(weak), DetectedFace(strong), DetectedFace(box_at(400, 100, 90))]
    assert distinct(faces) == [faces[1], faces[2]]
    assert distinct(faces, besides=[faces[0]]) == [faces[2]]
