"""Frames of other channels: which go with a frame of visible light, and that each goes back to its camera once."""

import json
import os
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.channels import Channel, PixelFormat
from drivers.contracts import FrameCaptured
from gate_agent.domain import events as ev
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection_settings import AttackDetection
from gate_agent.lane.face.channels import KEPT_FRAMES, ChannelFrames
from gate_agent.lane.intake import Intake, holds_of
from gate_agent.settings import disagreements
from models.borrowed_faces import BorrowedFaces
from models.errors import WorkerFault
from models.worker import beside_of

NIR, DEPTH = Channel.NEAR_INFRARED, Channel.DEPTH


def frame(channel: Channel, number: int = 1, released: Counter[int] | None = None) -> FrameCaptured:
    counted = Counter() if released is None else released
    return FrameCaptured(9, 640, 360, number, lambda: counted.update([number]), channel, PixelFormat.GRAY8)


def test_the_nearest_frame_of_each_channel_goes_with_a_moment() -> None:
    frames = ChannelFrames(0.15)
    frames.offer(frame(NIR, 1), 10.0)
    frames.offer(frame(NIR, 2), 10.1)
    frames.offer(frame(DEPTH, 3), 10.2)
    taken = frames.take(10.08)
    assert {one.channel: one.frame_number for one in taken} == {NIR: 2, DEPTH: 3}
    assert [one.frame_number for one in frames.take(10.08)] == [1]  # a frame is taken once


def test_a_frame_of_another_moment_goes_with_none() -> None:
    frames = ChannelFrames(0.15)
    frames.offer(frame(DEPTH), 10.0)
    assert frames.take(10.16) == ()
    assert frames.take(9.84) == ()
    assert len(frames.take(10.15 - 1e-9)) == 1


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("offer"), st.sampled_from(list(Channel)), st.floats(0, 2)),
            st.tuples(st.just("take"), st.none(), st.floats(0, 2)),
        ),
        max_size=40,
    )
)
def test_every_frame_goes_back_exactly_once_and_few_are_kept(steps: list[tuple[str, Channel | None, float]]) -> None:
    frames, released = ChannelFrames(0.2), Counter[int]()
    for number, (what, channel, t_s) in enumerate(steps):
        if what == "offer":
            frames.offer(frame(channel, number, released), t_s)
        else:
            for one in frames.take(t_s):
                assert one.channel is not Channel.VISIBLE
                one.release()
        offered = sum(1 for step in steps[: number + 1] if step[0] == "offer")
        assert offered - len(released) <= 2 * KEPT_FRAMES
    frames.drop()
    assert released == {number: 1 for number, step in enumerate(steps) if step[0] == "offer"}


LANE = {"lane_id": 1, "document_reader": "r", "barrier": "b", "camera": "c", "camera_depth": "d"}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"channel": "depth"}, []),
        ({}, ["lane 1.camera_depth"]),
        ({"channel": "near_infrared"}, ["lane 1.camera_depth"]),
    ],
    ids=["fits", "visible", "infrared"],
)
def test_a_camera_that_shows_something_else_is_found_in_the_site_file(
    options: dict[str, str], found: list[str]
) -> None:
    devices = [{"name": name, "driver": "opencv_camera", "options": {}} for name in "rbc"]
    devices.append({"name": "d", "driver": "opencv_camera", "options": options})
    assert [where for where, _ in disagreements({"lane": [LANE], "device": devices})] == found


def lane_of(**named: str) -> SimpleNamespace:
    roles = dict.fromkeys(("document_reader", "chip_reader", "camera_near_infrared", "camera_depth"), "")
    return SimpleNamespace(**(roles | {"camera": "c", "barrier": "b"} | named))


@pytest.mark.parametrize(
    ("detection", "is_held"), [(AttackDetection.REQUIRED, True), (AttackDetection.ADVISORY, False)]
)
def test_a_gate_that_requires_attack_detection_takes_nobody_without_its_depth_camera(
    detection: AttackDetection, is_held: bool
) -> None:
    settings = SimpleNamespace(
        document=SimpleNamespace(chip="optional"), face=SimpleNamespace(presentation_attack_detection=detection)
    )
    lane = lane_of(camera_depth="d")
    intake = Intake(lane, holds_of(lane, settings), lambda: None)
    hold, unhold = ev.Hold(ReasonCode.CAMERA_FAULT), ev.Unhold(ReasonCode.CAMERA_FAULT)
    assert intake.device_state("d", ready=False) == ((hold,) if is_held else ())
    assert intake.device_state("c", ready=True) == (() if is_held else (unhold,))
    assert intake.device_state("d", ready=True) == ((unhold,) if is_held else ())
    assert hold in intake.device_state("c", ready=False)
    assert intake.device_state("d", ready=True) == ()  # the other camera is still away


def memory(content: bytes) -> int:
    descriptor = os.memfd_create("frame")
    os.write(descriptor, content)
    return descriptor


def test_the_worker_takes_the_channels_that_are_named_each_from_its_own_file() -> None:
    depth = np.arange(6, dtype=np.uint16).reshape(2, 3) * 300
    files = [memory(bytes(range(4))), memory(depth.tobytes())]
    faces = BorrowedFaces(None, None, lambda: 0.0)
    request = json.loads('{"depth": [3, 2], "infrared": [4, 1]}')
    found = beside_of(request, files, faces)
    assert found["infrared"].tolist() == [[0, 1, 2, 3]]
    assert (found["depth"] == depth).all()
    assert found["depth"].dtype == np.uint16
    faces.scrub()
    assert not found["depth"].any()
    assert not found["infrared"].any()
    for descriptor in files:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("request_", "files"),
    [
        ({"depth": [3, 2]}, []),
        ({}, [bytes(12)]),
        ({"depth": [3, 2]}, [bytes(11)]),
        ({"depth": [3]}, [bytes(12)]),
        ({"depth": "3x2"}, [bytes(12)]),
        ({"depth": [0, 2]}, [bytes(12)]),
        ({"depth": [16384, 16384]}, [bytes(12)]),
        ({"infrared": [True, 2]}, [bytes(12)]),
    ],
    ids=["no-file", "no-name", "too-short", "one-side", "text", "nothing", "too-large", "truth"],
)
def test_a_channel_that_is_not_what_it_says_is_refused(request_: dict[str, object], files: list[bytes]) -> None:
    descriptors = [memory(content) for content in files]
    with pytest.raises(WorkerFault):
        beside_of(request_, descriptors, BorrowedFaces(None, None, lambda: 0.0))
    for descriptor in descriptors:
        os.close(descriptor)
