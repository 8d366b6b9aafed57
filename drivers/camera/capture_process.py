"""The agent's end of a capture child: starts it, hears it, lends its frames, ends it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from drivers.camera.frame_ring import RingReader
from drivers.child_process import reap, start_child

MESSAGE_LIMIT_BYTES = 1 << 16
_CHILD_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}


class CaptureProcess:
    """One running child. `hear` gets every message but `ring`, in the loop's thread; `ended` is set when the child hung up."""

    def __init__(self, hear: Callable[[dict[str, Any]], None]) -> None:
        self.ended = asyncio.Event()
        self._hear = hear
        self._ring: RingReader | None = None
        self._socket: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, orders: dict[str, Any]) -> None:
        """Start the child and tell it what to open. Raises `OSError` when no process can be started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        ours.setblocking(False)
        self._process = await start_child("drivers.camera.capture_child", theirs, _CHILD_ENVIRONMENT)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)
        self.order(orders)

    def order(self, message: dict[str, Any]) -> None:
        """Send one order; a child that does not take orders any more counts as ended."""
        if self._socket is None or self.ended.is_set():
            return
        try:
            self._socket.send(json.dumps(message).encode())
        except OSError:
            self._hang_up()

    def lend(self, slot: int, used_bytes: int) -> tuple[int, Callable[[], None]]:
        """Return the descriptor of a slot and the call that gives the slot back. Raises `KeyError` for a slot there is not."""
        ring = self._ring
        if ring is None:
            raise KeyError(slot)
        descriptor = ring.lend(slot, used_bytes)

        def release() -> None:
            if ring.take_back(slot):
                self.order({"do": "release", "slot": slot})

        return descriptor, release

    async def stop(self) -> None:
        """End the child: hang up, then kill; returns when it is reaped and nothing of it is left but borrowed frames."""
        self._hang_up()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._ring is not None:
            self._ring.retire()
        if self._process is not None:
            await reap(self._process)

    def _hang_up(self) -> None:
        if self._socket is not None and not self.ended.is_set():
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self.ended.set()

    def _readable(self) -> None:
        for _ in range(16):
            if self._socket is None or self.ended.is_set():
                return
            try:
                content, descriptors, _flags, _address = socket.recv_fds(
                    self._socket, MESSAGE_LIMIT_BYTES, 16, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError:
                content, descriptors = b"", []
            if not content:
                self._hang_up()
                return
            self._take(content, descriptors)

    def _take(self, content: bytes, descriptors: list[int]) -> None:
        try:
            message = json.loads(content)
            if self._ring is None and message["say"] == "ring":
                self._ring, descriptors = RingReader(descriptors, int(message["slot_bytes"])), []
            else:
                self._hear(message)
        except (ValueError, KeyError, TypeError):  # a child that talks nonsense was broken by its input
            self._hang_up()
        if descriptors:  # only the ring brings descriptors, and only once
            for descriptor in descriptors:
                os.close(descriptor)
            self._hang_up()
