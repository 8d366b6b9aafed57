"""Camera twin: MJPEG over HTTP on the loopback address, showing a scene with a little sensor noise, as a real camera would.

A scene is encoded once, in a few noise variants that are sent in turn: a still scene never looks frozen, and serving costs a write.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

BOUNDARY = "egateframe"
BACKGROUND_BGR = (200, 196, 190)
FACE_SHARE_OF_PORTRAIT = 0.55
"""Width of the face in a portrait of the kind travel documents carry (ICAO 9303-9: head width 50 to 75 % of the image's)."""
NOISE_STEPS = 3
CLIENT_BACKLOG_BYTES = 1 << 18
_ANSWER = (
    "HTTP/1.0 200 OK\r\nCache-Control: no-store\r\n"
    f"Content-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\n\r\n"
).encode()


class CameraTwin:
    """A network camera that does what it is told: shows, blanks, freezes, falls silent, sends nonsense, disappears.

    `start` and `stop` (or `async with`) own the port; `unplug` and `plug` take the camera off the network and back on the same port.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        fps: float = 10.0,
        width_px: int = 1280,
        height_px: int = 720,
        variants: int = 7,
        seed: int = 1,
    ) -> None:
        self.port = port
        self.fps = fps
        self._size = (width_px, height_px)
        self._quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
        levels = np.random.default_rng(seed).integers(0, NOISE_STEPS, (variants, height_px, width_px, 1), np.uint8)
        self._noise = np.repeat(levels, 3, axis=3)
        self._parts: list[bytes] = []
        self._turn = 0
        self._is_frozen = self._is_mute = self._is_corrupt = False
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self.blank()

    @property
    def url(self) -> str:
        """The address a camera driver is given as `source`."""
        return f"http://127.0.0.1:{self.port}/video"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Come on the network and begin to send."""
        await self.plug()
        self._ticker = asyncio.create_task(self._tick(), name="camera-twin")

    async def stop(self) -> None:
        """Leave the network; nothing runs afterwards."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        await self.unplug()

    async def plug(self) -> None:
        """Listen (again) on the port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
            self.port = int(self._server.sockets[0].getsockname()[1])

    async def unplug(self) -> None:
        """Stop listening and cut every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        clients = list(self._clients)
        for client in clients:
            client.transport.abort()
        for client in clients:
            with contextlib.suppress(OSError):
                await client.wait_closed()
        await server.wait_closed()

    def show(self, picture: bytes | Frame, *, face_px: int = 200) -> None:
        """Show a portrait (an image file's bytes or BGR) before a neutral wall, its face about `face_px` wide.

        A picture of exactly the camera's size is shown as it is. Raises `ValueError` for bytes that are no image.
        """
        portrait = _decoded(picture) if isinstance(picture, bytes) else picture
        width_px, height_px = self._size
        if portrait.shape[:2] == (height_px, width_px):
            self._show_frame(portrait)
            return
        scale = face_px / (portrait.shape[1] * FACE_SHARE_OF_PORTRAIT)
        scale = min(scale, width_px / portrait.shape[1], height_px / portrait.shape[0])
        size = (max(1, round(portrait.shape[1] * scale)), max(1, round(portrait.shape[0] * scale)))
        scaled = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        frame = np.full((height_px, width_px, 3), BACKGROUND_BGR, np.uint8)
        left_px, top_px = (width_px - size[0]) // 2, (height_px - size[1]) // 2
        frame[top_px : top_px + size[1], left_px : left_px + size[0]] = scaled
        self._show_frame(frame)

    def show_empty(self) -> None:
        """Show the neutral wall with nobody before it."""
        self._show_frame(np.full((self._size[1], self._size[0], 3), BACKGROUND_BGR, np.uint8))

    def blank(self) -> None:
        """Show black, as with a covered lens."""
        self._show_frame(np.zeros((self._size[1], self._size[0], 3), np.uint8))

    def freeze(self, *, on: bool = True) -> None:
        """Send the very same picture for ever, as a hung encoder does; `show` does not end it."""
        self._is_frozen = on

    def mute(self, *, on: bool = True) -> None:
        """Keep connections open and send nothing."""
        self._is_mute = on

    def corrupt(self, *, on: bool = True) -> None:
        """Send pictures whose bytes are damaged."""
        self._is_corrupt = on

    def _show_frame(self, frame: Frame) -> None:
        parts = []
        for noise in self._noise:
            is_encoded, jpeg = cv2.imencode(".jpg", cv2.add(frame, noise), self._quality)
            if not is_encoded:
                raise ValueError("scene cannot be encoded")
            content = jpeg.tobytes()
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
            parts.append(head.encode() + content + b"\r\n")
        self._parts = parts

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.set_write_buffer_limits(high=CLIENT_BACKLOG_BYTES)
            if not self._is_mute:
                writer.write(_ANSWER)
            self._clients.add(writer)
            await reader.read()  # returns when the client leaves
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # a client that leaves or talks nonsense costs its own connection only
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + 1 / self.fps, loop.time())
            await asyncio.sleep(due_s - loop.time())
            if self._is_mute or not self._clients:
                continue
            if not self._is_frozen:
                self._turn = (self._turn + 1) % len(self._parts)
            part = self._parts[self._turn]
            if self._is_corrupt:
                part = part[:300] + b"\x00" * (len(part) - 302) + b"\r\n"
            for client in self._clients:
                transport: Any = client.transport
                if transport.get_write_buffer_size() < CLIENT_BACKLOG_BYTES:  # a slow client misses pictures
                    client.write(part)


def _decoded(content: bytes) -> Frame:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("the portrait is no image")
    return picture.astype(np.uint8, copy=False)
