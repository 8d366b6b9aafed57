"""MJPEG over HTTP (multipart/x-mixed-replace): the newest whole picture of a stream, undecoded.

OpenCV's own reader decodes every picture and keeps a queue; a gate wants the newest one only, and few of them while idle.
"""

from __future__ import annotations

import secrets
import select
import socket
import time
import urllib.parse
from dataclasses import dataclass

from drivers.camera.http_authentication import Credentials, answer_to

PICTURE_LIMIT_BYTES = 8 << 20
HEADER_LIMIT_BYTES = 8192
_READ_BYTES = 1 << 16
_DRAIN_READS = 512  # most reads in one call: a source that never pauses cannot hold the caller


class StreamRefused(Exception):
    """The peer is no MJPEG source, or broke its own framing."""


class CredentialsRefused(StreamRefused):
    """The peer does not let us in, with the credentials of the address or without any."""


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


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The head of an HTTP answer: its status, 0 when it is no HTTP, and its headers with names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a header, its name in lower case."""
        return tuple(value for key, value in self.headers if key == name)


def parse_head(content: bytes) -> AnswerHead:
    """Return what the bytes before the empty line say."""
    first, *lines = content.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    is_http = version.startswith("HTTP/1.") and rest[:3].isascii() and rest[:3].isdigit()
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return AnswerHead(int(rest[:3]) if is_http else 0, headers)


def boundary_of(answer: AnswerHead) -> bytes:
    """Return what parts the pictures of an answer. Raises `StreamRefused` saying why it brings none that we take."""
    if answer.status in {401, 403}:
        raise CredentialsRefused("the camera does not let this user in")
    if 300 <= answer.status < 400:
        raise StreamRefused("the camera sends us to another address, and redirects are not followed")
    if answer.status != 200:
        raise StreamRefused(f"the camera answered status {answer.status}" if answer.status else "answer is no HTTP")
    if any(value.lower() != "identity" for value in answer.all("content-encoding")):
        raise StreamRefused("the stream is compressed, and that is not spoken here")
    if any(value.lower() != "identity" for value in answer.all("transfer-encoding")):
        raise StreamRefused("the stream is in chunks, which nobody may send to a request of HTTP 1.0")
    kind = next(iter(answer.all("content-type")), "")
    boundary = kind.partition("boundary=")[2].split(";")[0].strip().strip('"')
    if "multipart/x-mixed-replace" not in kind.lower() or not boundary.isprintable() or not boundary:
        raise StreamRefused("answer is not multipart/x-mixed-replace with a boundary")
    return boundary.removeprefix("--").encode("latin-1")


class MjpegStream:
    """One HTTP connection to a source. `newest` waits at most the time given and drops older pictures."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Ask for the stream within the time, once more with credentials when they are wanted. Raises `StreamRefused`, `OSError`."""
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port or 80
        except ValueError as error:
            raise StreamRefused("not an http address") from error
        if parts.scheme != "http" or not parts.hostname:
            raise StreamRefused("not an http address")
        self.arrived = 0
        self._first: list[bytes] = []
        deadline_s = time.monotonic() + timeout_s
        answer = self._asked(parts, port, "", deadline_s)
        if answer.status == 401 and parts.username is not None:
            self._socket.close()
            answer = self._asked(parts, port, _authorization(parts, answer), deadline_s)
        try:
            self._parser = MultipartParser(boundary_of(answer))
            self._first = self._parser.feed(self._rest)
        except StreamRefused:
            self._socket.close()
            raise

    def _asked(self, parts: urllib.parse.SplitResult, port: int, authorization: str, deadline_s: float) -> AnswerHead:
        """Connect and ask; return the head of the answer, and leave what came behind it in `_rest`."""
        lines = [f"GET {_path(parts)} HTTP/1.0", f"Host: {parts.hostname}", "Accept: multipart/x-mixed-replace"]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        self._socket = socket.create_connection((parts.hostname, port), _left_s(deadline_s))
        try:
            self._socket.sendall(request)
            return self._answered(deadline_s)
        except BaseException:
            self._socket.close()
            raise

    def _answered(self, deadline_s: float) -> AnswerHead:
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > HEADER_LIMIT_BYTES:
                raise StreamRefused("answer header is too long")
            self._socket.settimeout(_left_s(deadline_s))
            chunk = self._socket.recv(_READ_BYTES)
            if not chunk:
                raise StreamRefused("connection closed before an answer")
            received += chunk
        self._rest = received[end + 4 :]
        return parse_head(received[:end])

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


def _path(parts: urllib.parse.SplitResult) -> str:
    return urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))


def _authorization(parts: urllib.parse.SplitResult, answer: AnswerHead) -> str:
    """Return the answer to a challenge. Raises `CredentialsRefused` for one that is not spoken here."""
    credentials = Credentials(urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or ""))
    proof = answer_to(answer.all("www-authenticate"), credentials, "GET", _path(parts), secrets.token_hex(8))
    if proof is None:
        raise CredentialsRefused("the camera asks for a kind of proof that is not spoken here")
    return proof


def _left_s(deadline_s: float) -> float:
    """Return how long may still be waited. Raises `TimeoutError` when it is over."""
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
