"""What a peer can do to us over MJPEG: nonsense, bombs, other encodings, other places, questions who we are."""

import asyncio
import base64
import contextlib
import resource
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.camera.http_authentication import Credentials, is_answered_by
from drivers.camera.twin_scene import TwinScene
from drivers.contracts import DeviceState, FrameCaptured
from tests.contract.camera_bench import FAST_LIMITS, Post

OK = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut\r\n"
Answer = Callable[[bytes], bytes]


class Server:
    """Answers each request with what `answer` makes of it, then goes on to send `again` until the viewer leaves."""

    def __init__(self, answer: Answer, again: bytes = b"") -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._again = again

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            writer.write(self._answer(request))
            while self._again:
                writer.write(self._again)
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()


@contextlib.asynccontextmanager
async def posted(source: str, **options: object) -> AsyncIterator[Post]:
    running = Post(source, fps=20, **{**FAST_LIMITS, **options})
    running.driver.set_active(active=True)
    try:
        yield running
    finally:
        await running.end()


def part(picture: bytes) -> bytes:
    return b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(picture), picture)


def picture() -> bytes:
    scene = TwinScene(320, 240, variants=2)
    scene.show_empty()
    return scene.pictures[0]


PICTURE = picture()
SIZE_AT = PICTURE.index(b"\xff\xc0") + 5
BOMB = PICTURE[:SIZE_AT] + struct.pack(">HH", 65_500, 65_500) + PICTURE[SIZE_AT + 4 :]


@pytest.mark.parametrize(
    ("answer", "again", "code"),
    [
        (OK + b"\r\n", b"--other\r\n\r\n" + PICTURE, "DRV-CAM-008"),
        (OK + b"\r\n--cut\r\nContent-Length: 4000000000\r\n\r\n", b"x", "DRV-CAM-002"),
        (OK + b"\r\n--cut\r\nX: " + b"y" * 9_000, b"y" * 900, "DRV-CAM-002"),
        (b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 3_000, b"", "DRV-CAM-002"),
        (OK + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b", "DRV-CAM-002"),
        (OK.replace(b"1.0", b"1.1") + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\n--cu\r\n", "DRV-CAM-002"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", b"", "DRV-CAM-002"),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n", b"", "DRV-CAM-009"),
        (b"HTTP/1.0 401 No\r\nWWW-Authenticate: Bearer\r\n\r\n", b"", "DRV-CAM-009"),
        (b"RTSP/1.0 200 OK\r\n\r\n", b"", "DRV-CAM-002"),
        (OK.replace(b"cut\r\n", b"cut\nX: y\r\n") + b"\r\n", part(PICTURE), "DRV-CAM-002"),
        (OK + b"\r\n", part(BOMB), "DRV-CAM-003"),
        (OK + b"\r\n", part(PICTURE[:400]), "DRV-CAM-003"),
    ],
    ids=[
        *("wrong-boundary", "huge-part", "endless-part-header", "endless-header", "gzip", "chunked", "not-found"),
        *("forbidden", "unknown-proof", "another-protocol", "torn-boundary", "bomb", "torn"),
    ],
)
async def test_a_peer_that_sends_no_usable_stream_is_a_fault_and_gives_no_frame(
    answer: bytes, again: bytes, code: str
) -> None:
    async with Server(lambda _: answer, again).running() as address, posted(f"http://u:p@{address}/") as post:
        await post.until(post.faults, 15)
        assert post.faults()[0] == code
        assert post.told(FrameCaptured) == []


async def test_a_bomb_costs_the_child_no_memory() -> None:
    server = Server(lambda _: OK + b"\r\n", part(BOMB))
    async with server.running() as address, posted(f"http://{address}/", stale_s=3.0) as post:
        await post.until(lambda: post.driver._has_opened, 15)
        child = post.driver._child._process.pid
        await asyncio.sleep(1.0)
        pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
        assert pages * resource.getpagesize() < 400_000_000  # 12 GB are what the picture asks for


async def test_a_redirect_is_refused_and_nobody_goes_there() -> None:
    visited = Server(lambda _: OK + b"\r\n")
    async with visited.running() as elsewhere:
        moved = f"HTTP/1.0 302 Found\r\nLocation: http://{elsewhere}/\r\n\r\n".encode()
        target = Server(lambda _: moved)
        async with target.running() as address, posted(f"http://{address}/") as post:
            await post.until(lambda: post.driver.reporter.fault_counts["DRV-CAM-002"] >= 2, 15)
    assert len(target.requests) >= 2
    assert visited.requests == []


@pytest.mark.parametrize("scheme", ["Digest", "Basic"])
async def test_credentials_are_proven_only_when_they_are_asked_for(scheme: str) -> None:
    secret = Credentials("gate camera", "p@ss:word")
    nonce = "n0nce"
    challenge = f'Digest realm="r", qop="auth", nonce="{nonce}"' if scheme == "Digest" else 'Basic realm="r"'
    basic = base64.b64encode(b"gate camera:p@ss:word").decode()

    def answer(request: bytes) -> bytes:
        lines = request.decode().split("\r\n")
        proof = next((line.partition(": ")[2] for line in lines if line.startswith("Authorization")), "")
        is_let_in = is_answered_by(proof, secret, "GET", nonce) if scheme == "Digest" else proof == f"Basic {basic}"
        return OK + b"\r\n" if is_let_in else f"HTTP/1.0 401 No\r\nWWW-Authenticate: {challenge}\r\n\r\n".encode()

    server = Server(answer, part(PICTURE))
    async with server.running() as address:
        async with posted(f"http://gate%20camera:p%40ss%3Aword@{address}/v", frozen_s=0) as post:
            await post.until_state(DeviceState.READY, 15)
        assert b"Authorization" not in server.requests[0]
        async with posted(f"http://gate%20camera:guess@{address}/v") as post:
            await post.until(post.faults, 15)
            assert post.faults()[0] == "DRV-CAM-009"
