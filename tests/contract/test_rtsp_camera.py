"""What only an RTSP camera can do to us: ask who we are, send us elsewhere, stop in the middle of a picture, crawl, describe nothing."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.camera.http_authentication import Credentials
from drivers.camera.network_twin import NetworkCameraTwin
from drivers.camera.rtsp_twin import RtspCameraTwin
from drivers.camera.twin import CameraTwin
from drivers.contracts import DeviceState, FrameCaptured
from tests.contract.camera_bench import FAST_LIMITS, Post, open_descriptors

SECRET = Credentials("gate camera", "p@ss:word/#")


@pytest.fixture
async def twin() -> AsyncIterator[RtspCameraTwin]:
    camera = RtspCameraTwin(fps=20, width_px=640, height_px=480, variants=3)
    camera.show_empty()
    async with camera:
        yield camera


@contextlib.asynccontextmanager
async def posted(source: str, **options: object) -> AsyncIterator[Post]:
    running = Post(source, fps=20, **{**FAST_LIMITS, **options})
    try:
        yield running
    finally:
        await running.end()


async def test_credentials_are_proven_by_digest_and_wrong_ones_are_named_as_such(twin: RtspCameraTwin) -> None:
    twin.credentials = SECRET
    right = twin.url.replace("//", "//gate%20camera:p%40ss%3Aword%2F%23@")
    async with posted(right) as post:
        post.driver.set_active(active=True)
        await post.until(lambda: post.told(FrameCaptured), 15)
    for wrong in (twin.url, twin.url.replace("//", "//gate%20camera:guess@")):
        async with posted(wrong) as post:
            await post.until(post.faults)
            assert post.faults()[0] == "DRV-CAM-009"
            assert post.told(FrameCaptured) == []


async def test_a_redirect_is_refused_and_nobody_goes_there(twin: RtspCameraTwin) -> None:
    visits = 0

    def visited(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        writer.close()

    elsewhere = await asyncio.start_server(visited, "127.0.0.1", 0)
    twin.redirect_to = f"rtsp://127.0.0.1:{elsewhere.sockets[0].getsockname()[1]}/video"
    async with posted(twin.url) as post:
        await post.until(lambda: post.driver.reporter.fault_counts["DRV-CAM-002"] >= 2, 15)
    elsewhere.close()
    await elsewhere.wait_closed()
    assert visits == 0


async def test_half_a_picture_and_a_cut_is_a_fault_and_heals(twin: RtspCameraTwin) -> None:
    async with posted(twin.url) as post:
        await post.until_state(DeviceState.READY, 15)
        twin.cut_after(5_000)
        await post.until(post.faults, 15)
        await post.until(lambda: not twin.is_plugged, 15)
        await twin.plug()
        await post.until_state(DeviceState.READY, 15)


@pytest.mark.parametrize("camera", [RtspCameraTwin, CameraTwin], ids=["rtsp", "mjpeg"])
async def test_one_byte_a_second_is_stale_and_does_not_hold_anybody(camera: type[NetworkCameraTwin]) -> None:
    async with camera(fps=20, width_px=640, height_px=480, variants=3) as twin:
        twin.show_empty()
        async with posted(twin.url, open_timeout_s=2.5) as post:
            await post.until_state(DeviceState.READY, 15)
            first = post.driver._child
            twin.crawl()
            await post.until(post.faults, 15)
            assert post.faults()[0] == "DRV-CAM-003"
            await post.until(lambda: post.driver._child is not first, 15)
            await post.until(lambda: post.driver.reporter.fault_counts["DRV-CAM-002"], 20)  # its answers crawl, too
            twin.crawl(on=False)
            await post.until_state(DeviceState.READY, 20)


async def test_a_stream_time_that_goes_back_is_a_fault_and_taken_after_a_reopening(twin: RtspCameraTwin) -> None:
    async with posted(twin.url) as post:
        await post.until_state(DeviceState.READY, 15)
        twin.set_back(30.0)
        await post.until(post.faults, 15)
        assert post.faults() == ["DRV-CAM-012"]
        await post.until_state(DeviceState.READY, 20)


async def test_a_stopped_child_is_found_and_replaced(twin: RtspCameraTwin) -> None:
    async with posted(twin.url) as post:
        await post.until_state(DeviceState.READY, 15)
        stopped = post.driver._child._process.pid
        os.kill(stopped, signal.SIGSTOP)
        await post.until(post.faults, 15)
        assert post.faults() == ["DRV-CAM-003"]
        await post.until_state(DeviceState.READY, 20)
        assert post.driver._child._process.pid != stopped
        assert not Path(f"/proc/{stopped}").exists()


async def test_children_killed_again_and_again_leave_no_descriptor(twin: RtspCameraTwin) -> None:
    async with posted(twin.url) as post:
        await post.until_state(DeviceState.READY, 15)
        before = open_descriptors()
        for _ in range(4):
            os.kill(post.driver._child._process.pid, signal.SIGKILL)
            await post.until(lambda: post.driver.state is not DeviceState.READY, 15)
            await post.until_state(DeviceState.READY, 20)
        await post.until(lambda: open_descriptors() <= before + 1)  # the twin may not have seen the newest viewer leave


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", "DRV-CAM-002"),
        (b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n", "DRV-CAM-002"),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 24\r\n\r\nv=0\r\nm=audio 0 RTP/AVP 0\r\n", "DRV-CAM-002"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "DRV-CAM-002"),
        (b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="a"\r\n\r\n', "DRV-CAM-009"),
        (b"RTSP/1.0 200 " + b"x" * 10_000, "DRV-CAM-002"),
        (b"$\x00\xff\xff" + bytes(70_000), "DRV-CAM-002"),
        (b"", "DRV-CAM-002"),
    ],
    ids=["http", "not-found", "audio-only", "huge-body", "unknown-proof", "endless-line", "only-data", "hangs-up"],
)
async def test_a_peer_that_offers_no_video_is_refused(answer: bytes, code: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"rtsp://user:word@127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with posted(address) as post:
        await post.until(post.faults, 15)
    server.close()
    await server.wait_closed()
    assert post.faults()[0] == code
