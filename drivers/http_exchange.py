"""One request and its answer on the server's side of HTTP/1.1, parsed and written by h11; whoever serves brings stream, time and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import h11

READ_BYTES = 65_536
HEAD_LIMIT_BYTES = 8192
_REASONS = {
    200: b"OK", 204: b"No Content", 302: b"Found", 400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden",
    404: b"Not Found", 405: b"Method Not Allowed", 408: b"Request Timeout", 411: b"Length Required",
    413: b"Content Too Large", 415: b"Unsupported Media Type", 431: b"Request Header Fields Too Large",
    500: b"Internal Server Error", 503: b"Service Unavailable",
}  # fmt: skip


class RequestRefused(Exception):
    """The request cannot be taken; `status` is the answer to it, after which the connection ends."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; `headers` by lower-case name, of one that stands several times the last."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """One connection: bytes go in, requests come out one by one, each answered before the next. Holds no stream and no clock."""

    def __init__(self, body_limit_bytes: int) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * HEAD_LIMIT_BYTES)
        self._body_limit_bytes = body_limit_bytes
        self._head: h11.Request | None = None
        self._body = bytearray()
        self.is_ended = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has come."""
        return self._connection.their_state is h11.IDLE and not self._connection.trailing_data[0]

    def feed(self, received: bytes) -> None:
        """Take bytes; none: the other side sends no more. Raises `RequestRefused`."""
        if not received and self.is_idle:
            self.is_ended = True
            return
        try:
            self._connection.receive_data(received)
        except RuntimeError as error:  # bytes after the end
            raise RequestRefused(400, "no HTTP request") from error

    def take(self) -> Request | None:
        """Return the next whole request, None while bytes are missing. Raises `RequestRefused`."""
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise RequestRefused(error.error_status_hint, "no HTTP request") from error
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._body_limit_bytes:
                    raise RequestRefused(413, f"more than {self._body_limit_bytes} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return self._whole()
            else:
                self.is_ended = self.is_ended or isinstance(event, h11.ConnectionClosed)
                return None

    def to_continue(self) -> bytes:
        """Return what a client waits for before it sends its body (RFC 9110 10.1.1), mostly nothing."""
        if not self._connection.they_are_waiting_for_100_continue:
            return b""
        return self._written(h11.InformationalResponse(status_code=100, headers=[]))

    def answer(self, response: Response, *, closes: bool = False) -> bytes:
        """Return the bytes of an answer; `closes`: no other request is taken on this connection."""
        headers = [
            (b"Content-Length", str(len(response.body)).encode()),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()),
        ]
        if response.body:
            headers.append((b"Content-Type", response.media_type.encode("latin-1")))
        if closes:
            headers.append((b"Connection", b"close"))
        head = h11.Response(status_code=response.status, headers=headers, reason=_REASONS.get(response.status, b""))
        written = self._written(head)
        if response.body:
            written += self._written(h11.Data(data=response.body))
        return written + self._written(h11.EndOfMessage())

    def goes_on(self) -> bool:
        """Make ready for the next request; False when there can be none."""
        if self._connection.our_state is not h11.DONE or self._connection.their_state is not h11.DONE:
            return False
        self._connection.start_next_cycle()
        return True

    def _begin(self, head: h11.Request) -> None:
        self._head = head
        self._body.clear()
        # h11's own limit is for a head that is still incomplete.
        if sum(len(name) + len(value) for name, value in head.headers) + len(head.target) > HEAD_LIMIT_BYTES:
            raise RequestRefused(431, f"a head of more than {HEAD_LIMIT_BYTES} bytes")
        for name, value in head.headers:
            if name == b"content-length" and int(value) > self._body_limit_bytes:
                raise RequestRefused(413, f"more than {self._body_limit_bytes} bytes")

    def _whole(self) -> Request:
        head, self._head = self._head, None
        assert head is not None, "h11 ends no message that did not begin"
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
        return Request(head.method.decode("ascii"), head.target.decode("latin-1"), headers, bytes(self._body))

    def _written(self, event: h11.Event) -> bytes:
        return bytes(self._connection.send(event) or b"")


async def receive(exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Return the next request, None when the other side closed between two. Raises `RequestRefused` or OSError."""
    while (request := exchange.take()) is None and not exchange.is_ended:
        writer.write(exchange.to_continue())
        exchange.feed(await reader.read(READ_BYTES))
    return request
