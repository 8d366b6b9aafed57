import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from drivers.camera import driver as camera_driver
from drivers.camera.network_twin import NetworkCameraTwin
from drivers.camera.rtsp_twin import RtspCameraTwin
from drivers.camera.twin import CameraTwin
from drivers.contracts import BarcodeRead, DeviceState, FrameCaptured, StateChanged
from drivers.errors import OptionsRefused
from gate_agent.clock import SystemClock
from tests.contract.camera_bench import FAST_LIMITS, Post, open_descriptors, scene


@pytest.fixture(params=[CameraTwin, RtspCameraTwin], ids=["mjpeg", "rtsp"])
async def twin(request: pytest.FixtureRequest) -> AsyncIterator[NetworkCameraTwin]:
    camera: NetworkCameraTwin = request.param(fps=20, width_px=640, height_px=480, variants=3)
    camera.show(scene(), face_px=120)
    async with camera:
        yield camera


@pytest.fixture
async def post(twin: NetworkCameraTwin) -> AsyncIterator[Post]:
    running = Post(twin.url, fps=20, read_barcodes=True, reading_fps=10, **FAST_LIMITS)
    await running.until_state(DeviceState.READY)
    yield running
    await running.end()


async def test_frames_come_only_while_active_and_show_the_scene(post: Post, twin: NetworkCameraTwin) -> None:
    await asyncio.sleep(0.3)
    assert post.told(FrameCaptured) == []
    post.keeps = True
    post.driver.set_active(active=True)
    await post.until(lambda: len(post.kept) >= 2)
    frame = post.kept[0]
    picture = np.frombuffer(os.pread(frame.memfd, frame.width_px * frame.height_px * 3, 0), np.uint8)
    picture = picture.reshape(frame.height_px, frame.width_px, 3)
    shown = cv2.imdecode(np.frombuffer(twin.scene.pictures[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (480, 640, 3)
    assert float(cv2.absdiff(picture, shown).mean()) < 4
    assert [kept.frame_number for kept in post.kept[:2]] == [1, 2]
    event = post.told(FrameCaptured)[0]
    assert 0 <= time.monotonic() - event.t_mono_s < 2
    for kept in post.kept:
        kept.release()


async def test_a_borrowed_frame_is_never_overwritten_and_the_watch_goes_on(post: Post) -> None:
    post.keeps = True
    post.driver.set_active(active=True)
    await post.until(lambda: len(post.kept) == 4)
    before = [os.pread(frame.memfd, 10_000, 300_000) for frame in post.kept]
    await asyncio.sleep(2.0)  # longer than the stale limit: the stream is watched although no slot is free
    assert len(post.kept) == 4
    assert post.driver.state is DeviceState.READY
    assert [os.pread(frame.memfd, 10_000, 300_000) for frame in post.kept] == before
    post.kept[0].release()
    post.kept[0].release()
    await post.until(lambda: len(post.kept) == 5)
    await asyncio.sleep(0.2)
    assert len(post.kept) == 5
    for frame in post.kept[1:]:
        frame.release()


async def test_faces_are_wiped_from_memory_when_capture_ends(post: Post) -> None:
    post.keeps = True
    post.driver.set_active(active=True)
    await post.until(lambda: len(post.kept) == 2)
    descriptors = [os.dup(frame.memfd) for frame in post.kept]
    post.driver.set_active(active=False)
    for frame in post.kept:
        frame.release()
    sizes = [frame.width_px * frame.height_px * 3 for frame in post.kept]
    await post.until(
        lambda: all(not any(os.pread(fd, size, 0)) for fd, size in zip(descriptors, sizes, strict=True)), 2.0
    )
    for descriptor in descriptors:
        os.close(descriptor)


async def test_a_mute_camera_is_a_fault_in_time_and_recovers(post: Post, twin: NetworkCameraTwin) -> None:
    twin.mute()
    await post.until_state(DeviceState.FAULT, 15)
    assert post.faults() == ["DRV-CAM-003"]
    twin.mute(on=False)
    await post.until_state(DeviceState.READY)


async def test_a_frozen_picture_gives_no_frames_is_a_fault_and_stays_one_until_it_changes(
    post: Post, twin: NetworkCameraTwin
) -> None:
    post.driver.set_active(active=True)
    await post.until(lambda: len(post.told(FrameCaptured)) > 2)
    twin.freeze()
    await post.until_state(DeviceState.FAULT, 15)
    assert post.faults() == ["DRV-CAM-004"]
    number = len(post.told(FrameCaptured))
    still_s = post.told(StateChanged)[-1].t_mono_s - post.told(FrameCaptured)[-1].t_mono_s
    assert still_s >= FAST_LIMITS["frozen_s"], "the last frame is that of the last change"
    await asyncio.sleep(1.5)  # reopened meanwhile: the same picture proves nothing
    assert post.driver.state is DeviceState.FAULT
    assert len(post.told(FrameCaptured)) == number
    twin.freeze(on=False)
    await post.until_state(DeviceState.READY)


async def test_a_black_picture_is_a_fault_that_clears_without_reopening(post: Post, twin: NetworkCameraTwin) -> None:
    child = post.driver._child
    twin.blank()
    await post.until_state(DeviceState.FAULT)
    assert post.faults() == ["DRV-CAM-005"]
    twin.show(scene(1))
    await post.until_state(DeviceState.READY)
    assert post.driver._child is child


async def test_a_white_picture_is_a_fault_that_clears_without_reopening(post: Post, twin: NetworkCameraTwin) -> None:
    child = post.driver._child
    twin.overexpose()
    await post.until_state(DeviceState.FAULT)
    assert post.faults() == ["DRV-CAM-010"]
    twin.show(scene(1))
    await post.until_state(DeviceState.READY)
    assert post.driver._child is child


async def test_another_size_in_the_middle_is_a_fault_and_taken_after_a_reopening(
    post: Post, twin: NetworkCameraTwin
) -> None:
    child = post.driver._child
    twin.resize(320, 240)
    await post.until_state(DeviceState.FAULT)
    assert post.faults() == ["DRV-CAM-011"]
    await post.until_state(DeviceState.READY, 15)
    assert post.driver._child is not child
    post.driver.set_active(active=True)
    await post.until(lambda: post.told(FrameCaptured))
    assert (post.told(FrameCaptured)[0].data.width_px, post.told(FrameCaptured)[0].data.height_px) == (320, 240)


async def test_damaged_pictures_are_no_frames(post: Post, twin: NetworkCameraTwin) -> None:
    twin.corrupt()
    await post.until_state(DeviceState.FAULT)
    twin.corrupt(on=False)
    await post.until_state(DeviceState.READY)


async def test_unplug_is_seen_and_replug_is_ready_with_a_gap_free_sequence(post: Post, twin: NetworkCameraTwin) -> None:
    await twin.unplug()
    await post.until(lambda: post.driver.state is not DeviceState.READY, 15)
    await post.until_state(DeviceState.ABSENT)
    assert post.faults()[-1] == "DRV-CAM-001"
    await twin.plug()
    await post.until_state(DeviceState.READY)
    assert [event.seq for event in post.events] == list(range(1, len(post.events) + 1))


async def test_a_killed_child_is_replaced(post: Post) -> None:
    process = post.driver._child._process
    os.kill(process.pid, signal.SIGKILL)
    await post.until(lambda: post.driver.state is not DeviceState.READY)
    assert post.faults() == ["DRV-CAM-007"]
    await post.until_state(DeviceState.READY)
    assert post.driver._child._process.pid != process.pid


async def test_bar_codes_are_read_on_request_once_a_second(post: Post, twin: NetworkCameraTwin) -> None:
    payload = b"\x00declared\xff' OR '1'='1"
    code = np.array(zxingcpp.create_barcode(payload, zxingcpp.BarcodeFormat.QRCode).to_image(scale=8))
    picture = np.full((480, 640, 3), 230, np.uint8)
    picture[60 : 60 + code.shape[0], 150 : 150 + code.shape[1]] = code[..., None]
    twin.show(picture)
    await asyncio.sleep(0.3)
    assert post.told(BarcodeRead) == []
    post.driver.set_reading(active=True)
    await post.until(lambda: len(post.told(BarcodeRead)) == 2)
    first, second = post.told(BarcodeRead)
    assert (first.data.payload, first.data.symbology) == (payload, "QRCode")
    assert second.t_mono_s - first.t_mono_s >= 0.9
    post.driver.set_reading(active=False)


async def test_cancelling_leaves_no_task_child_or_descriptor(twin: NetworkCameraTwin) -> None:
    tasks, descriptors = len(asyncio.all_tasks()), open_descriptors()
    running = Post(twin.url, **FAST_LIMITS)
    running.keeps = True
    running.driver.set_active(active=True)
    await running.until(lambda: len(running.kept) > 1)
    child = running.driver._child._process.pid
    await running.end()
    for frame in running.kept:
        frame.release()
    await running.until(lambda: not Path(f"/proc/{child}").exists())
    await running.until(lambda: len(asyncio.all_tasks()) <= tasks + 1)  # the twin's own connection may still be closing
    await twin.unplug()
    await running.until(lambda: open_descriptors() <= descriptors)


async def test_an_address_that_is_no_camera_is_refused_in_plain_words() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>router</p>")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    running = Post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", **FAST_LIMITS)
    await running.until_state(DeviceState.FAULT)
    await running.end()
    server.close()
    await server.wait_closed()
    assert running.faults()[0] == "DRV-CAM-002"


async def test_a_missing_device_is_absent_and_a_file_plays_scaled_down_for_ever(tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    missing = Post(str(clip))
    await missing.until(lambda: missing.faults() == ["DRV-CAM-001"])
    assert missing.driver.state is DeviceState.ABSENT
    await missing.end()
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (640, 480))
    for seed in range(10):
        writer.write(cv2.resize(scene(seed), (640, 480)))
    writer.release()
    playing = Post(str(clip), width_limit_px=320, height_limit_px=320, fps=20)
    playing.driver.set_active(active=True)
    await playing.until(lambda: len(playing.told(FrameCaptured)) > 15)
    await playing.end()
    first, last = playing.told(FrameCaptured)[0], playing.told(FrameCaptured)[15]
    assert (first.data.width_px, first.data.height_px) == (320, 240)
    assert last.t_mono_s - first.t_mono_s > 0.6  # paced: 15 frames at 20 per second


@pytest.mark.parametrize("options", [{}, {"source": "x", "fps": 0}, {"source": "x", "colour": 1}], ids=str)
def test_wrong_options_are_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match=r"source|fps|colour"):
        camera_driver.build("camera", options, lambda _: None, SystemClock())
