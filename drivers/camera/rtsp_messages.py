"""RTSP 1.0 on one connection (RFC 2326): text messages with a body, and binary data interleaved between them; sans-IO and bounded."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

HEADER_LIMIT_BYTES = 8_192
BODY_LIMIT_BYTES = 65_536


class RtspMalformed(Exception):
    """Bytes that are no RTSP; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class RtspMessage:
    """A request or an answer: its first line, its headers in order, its body."""

    start: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def status(self) -> int:
        """The status of an answer; 0 for a request, and for an answer of another protocol."""
        version, _, rest = self.start.partition(" ")
        return int(rest[:3]) if version == "RTSP/1.0" and rest[:3].isascii() and rest[:3].isdigit() else 0

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a header."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    def first(self, name: str) -> str:
        """Return the first value of a header, empty when there is none."""
        return next(iter(self.all(name)), "")

    def encode(self) -> bytes:
        """Return the message's bytes. Raises `ValueError` for a line break where none may be."""
        headers = (*self.headers, *((("Content-Length", str(len(self.body))),) if self.body else ()))
        lines = [self.start, *(f"{name}: {value}" for name, value in headers)]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line break inside a line")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Binary data of one channel (§10.12)."""

    channel: int
    content: bytes

    def encode(self) -> bytes:
        """Return the framed bytes. Raises `struct.error` for more than 65535 bytes."""
        return struct.pack(">cBH", b"$", self.channel, len(self.content)) + self.content


@dataclass(slots=True)
class RtspParser:
    """Finds the messages of one direction."""

    _pending: bytearray = field(default_factory=bytearray)

    def feed(self, received: bytes) -> list[RtspMessage | Interleaved]:
        """Take bytes as they came, return what is complete now. Raises `RtspMalformed`."""
        self._pending += received
        found: list[RtspMessage | Interleaved] = []
        while (one := self._next()) is not None:
            found.append(one)
        return found

    def _next(self) -> RtspMessage | Interleaved | None:
        pending = self._pending
        while pending[:2] == b"\r\n":  # empty lines between messages are allowed (§4.2 of RFC 2068)
            del pending[:2]
        if pending[:1] == b"$":
            return self._interleaved()
        end = pending.find(b"\r\n\r\n")
        if end < 0 or end > HEADER_LIMIT_BYTES:
            if len(pending) > HEADER_LIMIT_BYTES:
                raise RtspMalformed("header is too long")
            return None
        start, *lines = bytes(pending[:end]).decode("latin-1").split("\r\n")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise RtspMalformed("no header where one belongs")
            headers.append((name, value.strip()))
        message = RtspMessage(start, tuple(headers))
        if "RTSP/1.0" not in start.split(" "):
            raise RtspMalformed("no RTSP 1.0")
        length = message.first("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()) or int(length[:9]) > BODY_LIMIT_BYTES:
            raise RtspMalformed("Content-Length is no size up to 64 KiB")
        if len(pending) < end + 4 + int(length):
            return None
        body = bytes(pending[end + 4 : end + 4 + int(length)])
        del pending[: end + 4 + int(length)]
        return RtspMessage(start, message.headers, body)

    def _interleaved(self) -> Interleaved | None:
        if len(self._pending) < 4:
            return None
        channel, length = struct.unpack_from(">xBH", self._pending)
        if len(self._pending) < 4 + length:
            return None
        content = bytes(self._pending[4 : 4 + length])
        del self._pending[: 4 + length]
        return Interleaved(channel, content)
