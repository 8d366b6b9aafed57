"""Walk-through on synthetic video with the real models: identities follow the faces, never the places."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gate_agent.demo.walk_through_scene import Figure, Frame, cut_out, hall, load_portrait, render
from models.face_tracker import FaceTracker
from models.pipeline import PipelineChoice
from models.results import TrackedFace
from models.track_identity import Standing
from models.walk_through_matching import SeenTrack, WalkThroughMatcher
from models.walk_through_reading import load_matcher

pytestmark = [pytest.mark.portraits, pytest.mark.weights]

STEP_S = 0.1
ONE, TWO = "traveller-one", "traveller-two"
Place = tuple[float, float]
"""x of the face's centre and its width, in pixels."""
Walk = Callable[[int], tuple[Place, Place]]


def between(step: int, first: int, last: int, start: float, end: float) -> float:
    return float(np.interp(step, (first, last), (start, end)))


def side_by_side(step: int) -> tuple[Place, Place]:
    """They cross at the same distance; one hides the other for a moment."""
    return (between(step, 8, 28, 380, 900), 160), (between(step, 8, 28, 900, 380), 160)


def one_before_the_other(step: int) -> tuple[Place, Place]:
    """The nearer one walks across before the farther one, and hides him."""
    return (between(step, 8, 28, 380, 900), 200), (between(step, 8, 28, 900, 380), 140)


def at_once(step: int) -> tuple[Place, Place]:
    """They exchange their places between two frames, as on a camera that lost frames: any tracker must be fooled."""
    left, right = (400.0, 160.0), (880.0, 160.0)
    return (left, right) if step < 18 else (right, left)


WALKS = [side_by_side, one_before_the_other]
STEPS = 44


class PlaceTracker:
    """A tracker that is wrong on purpose: the face on the left is number 1 for ever, whoever it is."""

    def __init__(self, true: FaceTracker) -> None:
        self._true = true

    def update(self, image: Frame, t_mono_s: float) -> list[TrackedFace]:
        faces = sorted(self._true.update(image, t_mono_s), key=lambda one: one.face.box.left_px)
        return [TrackedFace(number, one.face, one.is_detected, one.frames) for number, one in enumerate(faces, start=1)]


@pytest.fixture
def matcher(models_folder: Path, portraits: Path) -> WalkThroughMatcher:
    loaded, _ = load_matcher(PipelineChoice(models=models_folder), 8, 1e-3, is_demonstration=True)
    assert loaded.enrol(ONE, load_portrait(portraits, "obama"))[0] == "found"
    assert loaded.enrol(TWO, load_portrait(portraits, "biden"))[0] == "found"
    return loaded


def watched(matcher: WalkThroughMatcher, portraits: Path, walk: Walk) -> list[dict[str, SeenTrack]]:
    """Show the walk; return who was identified in each frame, after checking that it is his own face each time."""
    heads = [cut_out(load_portrait(portraits, name), name) for name in ("obama2", "biden")]
    background = hall()
    found = []
    for step in range(STEPS):
        places = walk(step)
        figures = [Figure(head, coat, *place) for coat, (head, place) in enumerate(zip(heads, places, strict=True))]
        tracks = matcher.look(render(background, figures, step * STEP_S), step * STEP_S)
        identified = [track for track in tracks if track.standing is Standing.IDENTIFIED]
        assert len({track.entry for track in identified}) == len(identified)
        for track in identified:
            centre = (track.box.left_px + track.box.right_px) / 2
            nearest = min((abs(centre - place[0]), entry) for place, entry in zip(places, (ONE, TWO), strict=True))
            assert track.entry == nearest[1], f"step {step}: the identity is at the other one's face"
        found.append({track.entry: track for track in identified})
    return found


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_two_who_swap_places_keep_their_identities(matcher: WalkThroughMatcher, portraits: Path, walk: Walk) -> None:
    found = watched(matcher, portraits, walk)
    before, after = found[7], found[-1]
    assert before.keys() == after.keys() == {ONE, TWO}, "both are identified before and after"
    for entry in (ONE, TWO):
        assert before[entry].proof != after[entry].proof, "nothing was carried across: each was proved anew"
        assert before[entry].track_id != after[entry].track_id


@pytest.mark.parametrize("walk", [side_by_side, at_once], ids=lambda walk: walk.__name__)
def test_a_tracker_that_follows_places_leads_to_nobody_being_identified(
    matcher: WalkThroughMatcher, portraits: Path, walk: Walk
) -> None:
    matcher._tracker = PlaceTracker(matcher._tracker)
    found = watched(matcher, portraits, walk)
    assert found[7].keys() == {ONE, TWO}
    assert found[-1] == {}, "two identities on one track are none"


def demonstration(*scenarios: int) -> tuple[int, list[dict[str, object]], dict[str, object]]:
    chosen = [word for number in scenarios for word in ("--scenario", str(number))]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "gate_agent", "demo", "walk-through", *chosen],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stderr[-3000:]
    return done.returncode, lines[:-1], lines[-1]["summary"]


def test_the_demonstration_releases_each_once_as_himself_and_says_what_it_is() -> None:
    """Through camera, capture process, worker, store and exit: two who swap places, a look-alike, one who steps beside."""
    code, lines, summary = demonstration(3, 7, 9)
    assert summary["unexpected"] == [], lines
    assert code == 0
    assert [line["outcome"] for line in lines if line["scenario"] == 3] == ["released", "released"]
    assert [line["released_as_himself"] for line in lines if line["scenario"] == 3] == [True, True]
    assert summary["released_as_somebody_else"] == 0
    assert summary["identification_proven"] is False
    for line in [*lines, summary]:
        assert line["label"] == "demonstration: the shipped model proves no false positive identification rate"
