"""Camera twin: MJPEG over HTTP on the loopback address."""

from __future__ import annotations

import asyncio

from drivers.camera.network_twin import NetworkCameraTwin

BOUNDARY = "egateframe"
_ANSWER = (
    "HTTP/1.0 200 OK\r\nCache-Control: no-store\r\n"
    f"Content-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\n\r\n"
).encode()


class CameraTwin(NetworkCameraTwin):
    """A network camera that sends MJPEG over HTTP to whoever asks."""

    media_type = "image/jpeg"

    @property
    def url(self) -> str:
        """The address a camera driver is given as `source`."""
        return f"http://127.0.0.1:{self.port}/video"

    def packed(self, picture: bytes) -> bytes:
        """Return one part of the multipart stream."""
        head = f"--{BOUNDARY}\r\nContent-Type: {self.media_type}\r\nContent-Length: {len(picture)}\r\n\r\n"
        return head.encode() + picture + b"\r\n"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer any request with the stream."""
        try:
            await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return  # nonsense costs its own connection only
        await self.say(writer, _ANSWER)
        await self.watched_by(reader, writer)
