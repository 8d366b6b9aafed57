"""The camera driver against cameras that somebody else wrote: GStreamer's RTSP server and its multipart stream.

GStreamer writes no HTTP: the head of the MJPEG answer is the test's own, everything behind it is GStreamer's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.contracts import DeviceState, FrameCaptured
from tests.contract.camera_bench import Post

pytestmark = pytest.mark.gstreamer
SERVER = Path(__file__).with_name("gstreamer_cameras.py")


@contextlib.asynccontextmanager
async def served(kind: str, port: int = 0) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", SERVER, kind, str(port), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield port, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("kind", "address"),
    [("rtsp", "rtsp://127.0.0.1:{}/h264"), ("rtsp", "rtsp://127.0.0.1:{}/jpeg"), ("mjpeg", "http://127.0.0.1:{}/")],
    ids=["rtsp-h264", "rtsp-jpeg", "mjpeg"],
)
async def test_a_foreign_camera_is_ready_shows_its_picture_and_comes_back(kind: str, address: str) -> None:
    async with served(kind) as (port, process):
        post = Post(address.format(port), fps=20, open_timeout_s=5.0)
        try:
            post.driver.set_active(active=True)
            await post.until(lambda: len(post.told(FrameCaptured)) >= 10, 25)
            frame = post.told(FrameCaptured)[-1].data
            assert (frame.width_px, frame.height_px) == (640, 480)
            assert post.driver.state is DeviceState.READY
            process.kill()
            await process.wait()
            await post.until(lambda: post.driver.state is DeviceState.ABSENT, 20)
            count = len(post.told(FrameCaptured))
            async with served(kind, port):
                await post.until(lambda: len(post.told(FrameCaptured)) > count, 25)
                assert post.driver.state is DeviceState.READY
        finally:
            await post.end()
