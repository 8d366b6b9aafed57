"""Cameras of other channels: depth and near infrared over the wire and from folders, up to attack detection in a real worker."""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera import driver as camera_driver
from drivers.camera.depth_twin import FACE_MM, WALL_MM, DepthCameraTwin
from drivers.camera.twin import CameraTwin
from drivers.channels import Channel, PixelFormat
from drivers.contracts import DeviceState, FrameCaptured
from drivers.errors import OptionsRefused
from gate_agent.app.channel_cameras import ChannelCameras
from gate_agent.cache import cache_folder, models_folder
from gate_agent.clock import SystemClock
from gate_agent.runtime.inference import FaceEngine
from gate_agent.settings import FaceSettings
from models.catalogue import ensure
from models.results import FaceFinding, FaceSample
from tests.contract.camera_bench import FAST_LIMITS, Post, scene


@contextlib.asynccontextmanager
async def posted(source: str, channel: str, **options: object) -> AsyncIterator[Post]:
    running = Post(source, channel=channel, fps=20, **{**FAST_LIMITS, **options})
    running.driver.set_active(active=True)
    running.keeps = True
    try:
        yield running
    finally:
        await running.end()
        for frame in running.kept:
            frame.release()


def pixels(frame: FrameCaptured) -> np.ndarray:
    size_bytes = frame.width_px * frame.height_px * frame.pixel_format.pixel_bytes
    kind = np.uint16 if frame.pixel_format is PixelFormat.DEPTH16 else np.uint8
    return np.frombuffer(os.pread(frame.memfd, size_bytes, 0), kind).reshape(frame.height_px, frame.width_px, -1)


async def test_depth_arrives_in_millimetres_and_is_not_mixed_when_it_is_scaled_down() -> None:
    async with DepthCameraTwin(fps=20) as twin:
        twin.show_head(100)
        async with posted(twin.url, "depth", width_limit_px=320, height_limit_px=320) as post:
            await post.until(lambda: post.kept, 15)
            frame = post.kept[0]
            assert (frame.channel, frame.pixel_format) == (Channel.DEPTH, PixelFormat.DEPTH16)
            assert (frame.width_px, frame.height_px) == (320, 180)
            depth = pixels(frame)[..., 0]
            assert abs(int(depth[5, 5]) - WALL_MM) < 10
            assert abs(int(depth[90, 160]) - FACE_MM) < 40
            between = (depth > FACE_MM + 120) & (depth < WALL_MM - 60)
            assert not between.any()  # no place hangs in the air between head and wall


async def test_a_depth_camera_without_a_reading_is_black_and_a_picture_is_no_depth() -> None:
    async with DepthCameraTwin(fps=20) as twin, CameraTwin(fps=20, width_px=320, height_px=240) as coloured:
        coloured.show_empty()
        async with posted(twin.url, "depth") as post:
            await post.until_state(DeviceState.READY, 15)
            twin.blank()
            await post.until(post.faults, 15)
            assert post.faults()[0] in {"DRV-CAM-004", "DRV-CAM-005"}  # a covered one has no noise either
        async with posted(coloured.url, "depth") as post:
            await post.until(post.faults, 15)
            assert post.faults()[0] == "DRV-CAM-002"


async def test_near_infrared_is_grey() -> None:
    async with CameraTwin(fps=20, width_px=320, height_px=240) as twin:
        twin.show(scene(), face_px=60)
        async with posted(twin.url, "near_infrared") as post:
            await post.until(lambda: post.kept, 15)
            frame = post.kept[0]
            assert (frame.channel, frame.pixel_format) == (Channel.NEAR_INFRARED, PixelFormat.GRAY8)
            assert pixels(frame).shape == (240, 320, 1)


async def test_a_folder_of_depth_plays_in_order_for_ever(tmp_path: Path) -> None:
    for number in range(3):
        picture = np.full((48, 64), 500 + number, np.uint16)
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    (tmp_path / "note.txt").write_text("no picture")
    async with posted(str(tmp_path), "depth", slots=16) as post:
        await post.until(lambda: len(post.kept) >= 5, 15)
        shown = [int(pixels(frame)[0, 0, 0]) - 500 for frame in post.kept[:5]]
        assert shown == [(shown[0] + number) % 3 for number in range(5)]


@pytest.mark.parametrize(
    "options",
    [
        {"source": "rtsp://127.0.0.1/", "channel": "depth"},
        {"source": "/tmp", "channel": "near_infrared", "read_barcodes": True},
        {"source": "/tmp", "channel": "thermal"},
    ],
    ids=["rtsp-depth", "infrared-codes", "unknown"],
)
def test_channels_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match=r"channel|RTSP|bar codes"):
        camera_driver.build("camera", options, lambda _: None, SystemClock())


def test_all_cameras_of_a_lane_start_together_and_only_the_visible_one_reads_codes() -> None:
    told: list[tuple[str, str, bool]] = []

    class Camera:
        def __init__(self, name: str) -> None:
            self.name = name

        def set_active(self, *, active: bool) -> None:
            told.append((self.name, "active", active))

        def set_reading(self, *, active: bool) -> None:
            told.append((self.name, "reading", active))

    cameras = ChannelCameras(Camera("visible"), Camera("depth"))
    cameras.set_active(active=True)
    cameras.set_reading(active=True)
    assert told == [("visible", "active", True), ("depth", "active", True), ("visible", "reading", True)]


@pytest.mark.portraits
@pytest.mark.weights
async def test_a_sheet_before_the_depth_camera_accuses_and_a_head_clears() -> None:
    ensure(models_folder(), lambda *_: None)
    content = (cache_folder() / "portraits" / "obama.jpg").read_bytes()
    portrait = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    picture = np.full((720, 1280, 3), 110, np.uint8)
    picture[:, 352:928] = cv2.resize(portrait, (576, 720))
    visible = os.memfd_create("visible")
    os.write(visible, picture.tobytes())
    engine = FaceEngine(FaceSettings(worker_timeout_s=4.0), models_folder(), SystemClock())

    async def looked_at(*beside: FrameCaptured) -> FaceSample:
        transaction_id = uuid.uuid4()
        await engine.reference(transaction_id, content)
        capture = await engine.probe(transaction_id, visible, 1280, 720, 100.0, beside=beside)
        assert capture.sample.finding is FaceFinding.FOUND
        return capture.sample

    await engine.start()
    try:
        async with DepthCameraTwin(fps=20) as twin:
            alone = await looked_at()
            box = alone.box
            width_px = (box.right_px - box.left_px) // 2  # of a depth picture half as wide
            at = ((box.left_px + box.right_px) / 2560, (box.top_px + box.bottom_px) / 1440)
            found = {}
            for shown, show in (("head", twin.show_head), ("sheet", twin.show_sheet)):
                show(width_px, at)
                async with posted(twin.url, "depth") as post:
                    await post.until(lambda post=post: post.kept, 15)
                    found[shown] = (await looked_at(post.kept[0])).attack
    finally:
        await engine.stop()
        os.close(visible)
    assert found["head"].cues["depth"] < 0.1
    assert found["sheet"].cues["depth"] > 0.9
    assert found["head"].score < found["sheet"].score
    assert "depth" not in alone.attack.cues
