"""MJPEG over HTTP (multipart/x-mixed-replace): the newest whole picture of a stream, undecoded.

OpenCV's own reader decodes every picture and keeps a queue; a gate wants the newest one only, and few of them while idle.
"""

from __future__ import annotations

import base64
import select
import socket
import time
import urllib.parse

PICTURE_LIMIT_BYTES = 8 << 20
HEADER_LIMIT_BYTES = 8192
_READ_BYTES = 1 << 16
_DRAIN_READS = 512  # most reads in one call: a source that never pauses cannot hold the caller


class StreamRefused(Exception):
    """The peer is no MJPEG source, or broke its own framing."""


class MultipartParser:
    """Finds whole parts in a multipart stream, with or without Content-Length; sans-IO and bounded."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"--" + boundary
        self._pending = bytearray()
        self._length: int | None = None
        self._in_part = False
        self.bodies = 0

    def feed(self, received: bytes) -> list[bytes]:
        """Take bytes as they came, return the bodies that are complete now. Raises `StreamRefused`."""
        self._pending += received
        bodies: list[bytes] = []
        while (body := self._next()) is not None:
            bodies.append(body)
        self.bodies += len(bodies)
        if len(self._pending) > PICTURE_LIMIT_BYTES + HEADER_LIMIT_BYTES:
            raise StreamRefused("a picture is larger than 8 MiB")
        return bodies

    def _next(self) -> bytes | None:
        if not self._in_part and not self._read_header():
            return None
        if self._length is not None:
            end = self._length
            if len(self._pending) < end:
                return None
        else:
            end = self._pending.find(b"\r\n" + self._delimiter)
            if end < 0:
                return None
        body = bytes(self._pending[:end])
        del self._pending[:end]
        self._in_part = False
        return body

    def _read_header(self) -> bool:
        start = self._pending.find(self._delimiter)
        if start < 0:
            if len(self._pending) > HEADER_LIMIT_BYTES:
                raise StreamRefused("no part boundary where one belongs")
            return False
        end = self._pending.find(b"\r\n\r\n", start)
        if end < 0:
            if len(self._pending) - start > HEADER_LIMIT_BYTES:
                raise StreamRefused("part header is too long")
            return False
        self._length = None
        for line in bytes(self._pending[start:end]).split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                if not value.strip().isdigit() or int(value) > PICTURE_LIMIT_BYTES:
                    raise StreamRefused("Content-Length of a part is no size up to 8 MiB")
                self._length = int(value)
        del self._pending[: end + 4]
        self._in_part = True
        return True


class MjpegStream:
    """One HTTP connection to a source. `newest` waits at most the time given and drops older pictures."""

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise StreamRefused("not an http address")
        self.arrived = 0
        self._first: list[bytes] = []
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout_s)
        try:
            self._parser = self._request(parts)
        except BaseException:
            self._socket.close()
            raise

    def _request(self, parts: urllib.parse.SplitResult) -> MultipartParser:
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        lines = [f"GET {path} HTTP/1.0", f"Host: {parts.hostname}", "Accept: multipart/x-mixed-replace"]
        if parts.username is not None:
            pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            lines.append(f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > HEADER_LIMIT_BYTES:
                raise StreamRefused("answer header is too long")
            chunk = self._socket.recv(_READ_BYTES)
            if not chunk:
                raise StreamRefused("connection closed before an answer")
            received += chunk
        status, *headers = received[:end].decode("latin-1").split("\r\n")
        if status.split(" ")[1:2] != ["200"]:
            raise StreamRefused(f"camera answered {status[:40]!r}")
        kinds = [line.split(":", 1)[1] for line in headers if line.lower().startswith("content-type:")]
        boundary = kinds[0].partition("boundary=")[2].split(";")[0].strip().strip('"') if kinds else ""
        if not kinds or "multipart/x-mixed-replace" not in kinds[0].lower() or not boundary:
            raise StreamRefused("answer is not multipart/x-mixed-replace with a boundary")
        parser = MultipartParser(boundary.removeprefix("--").encode("latin-1"))
        self._first = parser.feed(received[end + 4 :])
        return parser

    def newest(self, wait_s: float) -> bytes | None:
        """Return the newest whole picture, None when none came in time. Raises `StreamRefused` and `OSError`."""
        deadline_s = time.monotonic() + wait_s
        pictures, self._first = self._first, []
        for _ in range(_DRAIN_READS):
            left_s = 0.0 if pictures else max(0.0, deadline_s - time.monotonic())
            if not select.select([self._socket], [], [], left_s)[0]:
                break
            chunk = self._socket.recv(_READ_BYTES)
            if not chunk:
                raise StreamRefused("camera closed the connection")
            pictures = self._parser.feed(chunk)[-1:] or pictures
        self.arrived = self._parser.bodies
        return pictures[-1] if pictures else None

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
