"""What the network twins of cameras share: a scene, a pace, and viewers who get its pictures or, being slow, miss some."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from typing import Self

from drivers.camera.twin_scene import Frame, TwinScene
from drivers.twin import TcpTwin

VIEWER_BACKLOG_BYTES = 1 << 18


class NetworkCameraTwin(TcpTwin):
    """A network camera that does what it is told: shows, blanks, freezes, falls silent, sends nonsense, crawls, disappears.

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
        super().__init__(port=port, seed=seed)
        self.fps = fps
        self.scene = TwinScene(width_px, height_px, variants=variants, seed=seed)
        self._is_crawling = False
        self._ticker: asyncio.Task[None] | None = None
        self._viewers: list[asyncio.StreamWriter] = []

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

    def show(self, picture: bytes | Frame, *, face_px: int = 200) -> None:
        """Show a portrait or a whole frame; see `TwinScene.show`."""
        self.scene.show(picture, face_px=face_px)

    def show_empty(self) -> None:
        """Show the neutral wall with nobody before it."""
        self.scene.show_empty()

    def blank(self) -> None:
        """Show black, as with a covered lens."""
        self.scene.blank()

    def overexpose(self) -> None:
        """Show white, as with a lamp into the lens."""
        self.scene.overexpose()

    def resize(self, width_px: int, height_px: int) -> None:
        """Send the empty wall at another size from now on."""
        self.scene.resize(width_px, height_px)

    def freeze(self, *, on: bool = True) -> None:
        """Send the very same picture for ever."""
        self.scene.freeze(on=on)

    def crawl(self, *, on: bool = True) -> None:
        """Send one byte per second from now on, in the middle of whatever is sent."""
        self._is_crawling = on

    @property
    @abstractmethod
    def url(self) -> str:
        """The address a camera driver is given as `source`, without credentials."""

    @abstractmethod
    def packed(self, picture: bytes) -> bytes:
        """Return the bytes on the wire that carry a JPEG file."""

    def damaged(self, picture: bytes) -> bytes:
        """Return a JPEG file as it is after its first 300 bytes were lost to zeros."""
        return picture[:300] + b"\x00" * (len(picture) - 300)

    def altered(self, chunk: bytes) -> bytes:
        """Return the bytes as they are: damage is done to the pictures, so that they still arrive as such."""
        return chunk

    async def say(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        """Send an answer, one byte per second while crawling."""
        while chunk and self._is_crawling:
            self.send(writer, chunk[:1])
            chunk = chunk[1:]
            await asyncio.sleep(1.0)
        self.send(writer, chunk)

    async def watched_by(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send the pictures of the scene until the viewer leaves."""
        self.admit(writer)
        try:
            await reader.read()
        finally:
            self.dismiss(writer)

    def admit(self, writer: asyncio.StreamWriter) -> None:
        """Begin to send pictures to a viewer."""
        writer.transport.set_write_buffer_limits(high=VIEWER_BACKLOG_BYTES)
        self._viewers.append(writer)

    def dismiss(self, writer: asyncio.StreamWriter) -> None:
        """Send a viewer no more pictures."""
        if writer in self._viewers:
            self._viewers.remove(writer)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + 1 / (1.0 if self._is_crawling else self.fps), loop.time())
            await asyncio.sleep(due_s - loop.time())
            if self._is_muted or not self._viewers:
                continue
            picture = self.scene.next_picture()
            part = self.packed(self.damaged(picture) if self._is_corrupting else picture)
            for viewer in tuple(self._viewers):
                if viewer.transport.get_write_buffer_size() < VIEWER_BACKLOG_BYTES:  # a slow viewer misses pictures
                    self.send(viewer, part[:1] if self._is_crawling else part)
