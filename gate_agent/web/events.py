"""Fan-out of changing state to pages: bounded, newest state wins for a slow consumer, the publisher never waits.

The lane publishes and goes on. A consumer that is slow skips states in between and then sees the newest one whole, so nothing
queues up however many pages look and however badly their links behave. Everything here belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Generic, TypeVar

State = TypeVar("State")

COMMENT_INTERVAL_S = 2.0
"""Longest silence of a stream. Pages call a link lost after 5 s, so this stays well below (the usual 15 s would be too slow)."""

RETRY_MS = 1000
"""How soon a browser opens a broken stream again."""

MINIMUM_GAP_S = 0.05
"""Shortest time between two frames of one consumer: twenty a second are more than an eye follows."""

STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


class TooManyConsumers(Exception):
    """The broadcaster serves as many consumers as it was told to; the page is answered 503 and tries again."""


class Subscription(Generic[State]):
    """One consumer's place: a single slot that holds the newest state it has not seen."""

    def __init__(self, leave: Callable[[Subscription[State]], None]) -> None:
        self._leave = leave
        self._changed = asyncio.Event()
        self._newest: State | None = None
        self._ended = False

    def offer(self, state: State) -> None:
        """Replace what the consumer has not seen yet. Never waits."""
        self._newest = state
        self._changed.set()

    def end(self) -> None:
        """Tell the consumer that nothing more will come."""
        self._ended = True
        self._changed.set()

    @property
    def ended(self) -> bool:
        """True once the broadcaster was closed."""
        return self._ended

    async def next(self, timeout_s: float) -> State | None:
        """Return the newest unseen state, or None when `timeout_s` passed without one or the broadcaster closed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return None
        if not self._ended:
            self._changed.clear()
        newest, self._newest = self._newest, None
        return newest

    def __enter__(self) -> Subscription[State]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(self)


class Broadcaster(Generic[State]):
    """Hands each published state to every consumer. `limit` bounds the consumers, one slot bounds each of them."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._consumers: set[Subscription[State]] = set()
        self._closed = False

    @property
    def consumers(self) -> int:
        """Number of consumers now."""
        return len(self._consumers)

    def publish(self, state: State) -> None:
        """Offer `state` to all consumers; returns at once."""
        for consumer in self._consumers:
            consumer.offer(state)

    def require_room(self) -> None:
        """Raise `TooManyConsumers` at the limit. Ask before answering; the place itself is taken when the answer is read."""
        if len(self._consumers) >= self._limit:
            raise TooManyConsumers(f"{self._limit} consumers are served already")

    def subscribe(self) -> Subscription[State]:
        """Return a new consumer's place (use as context manager). Raises `TooManyConsumers` at the limit."""
        self.require_room()
        place = Subscription[State](self._consumers.discard)
        if self._closed:
            place.end()
        self._consumers.add(place)
        return place

    def close(self) -> None:
        """End all streams, so that a server can stop without waiting for its readers."""
        self._closed = True
        for consumer in self._consumers:
            consumer.end()


def frame(identity: int | str, content: str, event: str = "") -> bytes:
    """Return one server-sent event. `content` is JSON text on one line; `event` names it when it is not a plain message."""
    name = f"event: {event}\n" if event else ""
    return f"id: {identity}\n{name}data: {content}\n\n".encode()


async def stream(
    changes: Broadcaster[int], render: Callable[[], tuple[int, str]], *, comment_interval_s: float = COMMENT_INTERVAL_S
) -> AsyncIterator[bytes]:
    """Yield server-sent events: `retry:`, the whole state first, then each changed state, a comment in silence.

    `render` returns the newest sequence and its JSON; it is called once after each change. States that render to the same
    text are not repeated. The stream ends when the broadcaster closes.
    """
    with changes.subscribe() as place:
        sequence, shown = render()
        yield f"retry: {RETRY_MS}\n\n".encode() + frame(sequence, shown)
        while True:
            change = await place.next(comment_interval_s)
            if place.ended:
                return
            if change is None:
                yield b": alive\n\n"
                continue
            sequence, content = render()
            if content != shown:
                shown = content
                yield frame(sequence, content)
                await asyncio.sleep(MINIMUM_GAP_S)


class EventReader:
    """Splits a byte stream of server-sent events (WHATWG HTML 9.2.6, the fields this house sends).

    Lines end at line feed only: the JSON inside may hold U+2028 and other characters that text splitting takes for line ends.
    """

    def __init__(self, longest_bytes: int = 4_000_000) -> None:
        self._longest_bytes = longest_bytes
        self._rest = b""
        self._event = ""
        self._content: list[bytes] = []

    def feed(self, chunk: bytes) -> list[tuple[str, str]]:
        """Return the events that `chunk` completes, as (event name, data text). Raises `ValueError` for an endless line."""
        complete: list[tuple[str, str]] = []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > self._longest_bytes:
            raise ValueError("a line of the event stream does not end")
        for line in lines:
            if not line:
                if self._content:
                    complete.append((self._event, b"\n".join(self._content).decode("utf-8")))
                self._event, self._content = "", []
            elif line.startswith(b"data:"):
                self._content.append(line[5:].removeprefix(b" "))
            elif line.startswith(b"event:"):
                self._event = line[6:].strip().decode("ascii", "replace")
        return complete
