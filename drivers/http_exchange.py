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


def new_connection() -> h11.Connection:
    """Return the state of a fresh connection."""
    return h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)


async def receive(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body_limit_bytes: int
) -> Request | None:
    """Return the next request, None when the other side closed between requests. Raises `RequestRefused`, or OSError when it is torn."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise RequestRefused(error.error_status_hint, "no HTTP request") from error
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                writer.write(_written(connection, h11.InformationalResponse(status_code=100, headers=[])))
            chunk = await reader.read(READ_BYTES)
            if not chunk and head is None and not connection.trailing_data[0]:
                return None
            connection.receive_data(chunk)
        elif isinstance(event, h11.Request):
            head = event
            _refuse_large(head, body_limit_bytes)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > body_limit_bytes:
                raise RequestRefused(413, f"more than {body_limit_bytes} bytes")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
            return Request(head.method.decode("ascii"), head.target.decode("ascii"), headers, bytes(body))
        else:
            return None


def answer(connection: h11.Connection, response: Response, *, closes: bool = False) -> bytes:
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
    written = _written(connection, head)
    if response.body:
        written += _written(connection, h11.Data(data=response.body))
    return written + _written(connection, h11.EndOfMessage())


def is_open(connection: h11.Connection) -> bool:
    """Make ready for the next request; False when there can be none."""
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


def _refuse_large(head: h11.Request, limit_bytes: int) -> None:
    for name, value in head.headers:
        if name == b"content-length" and int(value) > limit_bytes:
            raise RequestRefused(413, f"more than {limit_bytes} bytes")


def _written(connection: h11.Connection, event: h11.Event) -> bytes:
    return connection.send(event) or b""
