"""The agent's end of a reading process: starts it, hears it, ends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from drivers.child_process import reap, start_child
from drivers.chip.child_messages import HEAD_BYTES, MessageRefused, decode, encode, sizes

_CHILD_ENVIRONMENT = {"LANG": "C.UTF-8"}

Hear = Callable[[dict[str, Any], bytes], None]


class ReaderProcess:
    """One running child. `hear` gets every message in the loop's thread; `ended` is set when the child hung up or talked nonsense."""

    def __init__(self, hear: Hear) -> None:
        self.ended = asyncio.Event()
        self._hear = hear
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self, orders: dict[str, Any]) -> None:
        """Start the child and tell it what to watch. Raises `OSError` when no process can be started."""
        ours, theirs = socket.socketpair()
        try:
            self._process = await start_child("drivers.chip.reader_child", theirs, _CHILD_ENVIRONMENT)
        except BaseException:
            ours.close()
            raise
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._listening = asyncio.create_task(self._listen(reader), name="chip reader child")
        self.order(orders)

    def order(self, message: dict[str, Any]) -> None:
        """Send one order; lost when the child is gone."""
        if self._writer is not None and not self.ended.is_set():
            self._writer.write(encode(message))

    async def stop(self) -> None:
        """End the child: hang up, then kill; returns when it is reaped."""
        self.ended.set()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        if self._process is not None:
            await reap(self._process)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header_bytes, content_bytes = sizes(await reader.readexactly(HEAD_BYTES))
                message = decode(await reader.readexactly(header_bytes))
                self._hear(message, await reader.readexactly(content_bytes))
        except (asyncio.IncompleteReadError, OSError, MessageRefused, ValueError, KeyError, TypeError):
            return  # the driver says that the child ended
        finally:
            self.ended.set()
