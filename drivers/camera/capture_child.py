"""The capture child: `python -I -m drivers.camera.capture_child FD`. Owns one camera, keeps the newest frame, ends with its parent.

Messages are JSON objects on a sequenced-packet socket pair. From the parent: `configure` (once), `active`, `reading`, `release`.
From the child: `ring` (with the descriptors of the slots), `opened`, `frame`, `symbols`, `failed`.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from drivers.barcode.frame_stream import FrameReader
from drivers.camera.frame_marks import marks_of
from drivers.camera.frame_ring import RingWriter
from drivers.camera.frame_source import Frame, SourceFailed
from drivers.camera.sources import SourceOrders, open_source
from drivers.channels import Channel
from drivers.child_process import ParentGone, confine

MESSAGE_LIMIT_BYTES = 1 << 16
GRAB_WAIT_S = 0.1


class Capture:
    """The loop of one camera: drain, decode as often as asked, hand over, read bar codes."""

    def __init__(self, parent: socket.socket, orders: dict[str, Any]) -> None:
        self._parent = parent
        self._width_limit_px = int(orders["width_limit_px"])
        self._height_limit_px = int(orders["height_limit_px"])
        self._period_s = {True: 0.9 / float(orders["fps"]), False: 0.9 / float(orders["idle_fps"])}
        self._reading_period_s = 1 / float(orders["reading_fps"])
        self._is_active = bool(orders["active"])
        self._is_reading = bool(orders["reading"])
        channel = Channel(orders["channel"])
        self._number = 0
        self._digest = ""
        self._reader = FrameReader()
        self._decoded_s = self._read_s = 0.0
        slot_bytes = self._width_limit_px * self._height_limit_px * 3
        self._ring = RingWriter(int(orders["slots"]), slot_bytes)
        self._say({"say": "ring", "slot_bytes": slot_bytes}, self._ring.descriptors)
        limits_px = (self._width_limit_px, self._height_limit_px)
        self._source = open_source(
            SourceOrders(str(orders["source"]), float(orders["timeout_s"]), channel, limits_px, orders["controls"])
        )
        self._say({"say": "opened", "notes": self._source.notes})

    def run(self) -> None:
        """Work until the parent goes. Raises `SourceFailed` and `ParentGone`."""
        while True:
            self._obey()
            if not self._source.grab(GRAB_WAIT_S):
                continue
            arrived_s = time.monotonic()
            is_reading_due = self._is_reading and arrived_s - self._read_s >= self._reading_period_s
            if arrived_s - self._decoded_s < self._period_s[self._is_active] and not is_reading_due:
                continue
            frame = self._source.decode()
            if frame is None:
                continue
            self._decoded_s = arrived_s
            source_px = self._source.size_px or (frame.shape[1], frame.shape[0])
            frame = self._within_limits(frame)
            self._announce(frame, source_px, arrived_s)
            if is_reading_due:
                self._read_s = arrived_s
                self._read(frame, arrived_s)

    def _obey(self) -> None:
        while (order := receive(self._parent, socket.MSG_DONTWAIT)) is not None:
            match order["do"]:
                case "release":
                    self._ring.take_back(int(order["slot"]))
                case "active":
                    self._is_active = bool(order["on"])
                case "reading":
                    self._is_reading = bool(order["on"])
                    self._reader.reset()
            if not self._is_active:
                self._ring.wipe_free()

    def _within_limits(self, frame: Frame) -> Frame:
        height_px, width_px = frame.shape[:2]
        scale = min(self._width_limit_px / width_px, self._height_limit_px / height_px)
        if scale >= 1:
            return frame
        size = (max(1, int(width_px * scale)), max(1, int(height_px * scale)))
        is_depth = frame.dtype != np.uint8
        scaled = cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST if is_depth else cv2.INTER_AREA)
        return np.asarray(scaled, dtype=frame.dtype)  # depths are never mixed: between two of them there is nothing

    def _announce(self, frame: Frame, source_px: tuple[int, int], arrived_s: float) -> None:
        marks = marks_of(frame)
        is_new, self._digest = marks.digest != self._digest, marks.digest
        self._number += 1
        self._say(
            {
                "say": "frame",
                "number": self._number,
                "arrived": self._source.arrived,
                "t_mono_s": arrived_s,
                "stream_s": self._source.stream_s,
                "source_px": source_px,
                "width_px": frame.shape[1],
                "height_px": frame.shape[0],
                "slot": self._ring.write(frame) if self._is_active and is_new else -1,
                **asdict(marks),
            }
        )

    def _read(self, frame: Frame, arrived_s: float) -> None:
        symbols = self._reader.read(frame, arrived_s)
        if symbols:
            found = [[symbol.symbology, symbol.content.hex()] for symbol in symbols]
            self._say({"say": "symbols", "t_mono_s": arrived_s, "symbols": found[:3]})

    def _say(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        say(self._parent, message, descriptors)


def say(peer: socket.socket, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
    """Send one message. Raises `ParentGone`."""
    content = json.dumps(message, separators=(",", ":")).encode()
    try:
        socket.send_fds(peer, [content], descriptors or [])
    except OSError as error:
        raise ParentGone from error


def receive(peer: socket.socket, flags: int = 0) -> dict[str, Any] | None:
    """Return the next message, None when none waits (with MSG_DONTWAIT). Raises `ParentGone`."""
    try:
        content = peer.recv(MESSAGE_LIMIT_BYTES, flags)
    except BlockingIOError:
        return None
    except OSError as error:
        raise ParentGone from error
    if not content:
        raise ParentGone
    order: dict[str, Any] = json.loads(content)
    return order


def main(argv: list[str]) -> int:
    """Run one camera over the socket whose descriptor number is given; return 0 when the parent went, 1 on a failure said to it."""
    parent = socket.socket(fileno=int(argv[1]))
    try:
        orders = receive(parent)
        if orders is None:
            return 1
        confine(int(orders["memory_limit_bytes"]))
        cv2.setNumThreads(1)
        try:
            Capture(parent, orders).run()
        except SourceFailed as failure:
            say(parent, {"say": "failed", "reason": failure.reason, "text": str(failure)})
        except MemoryError:
            say(parent, {"say": "failed", "reason": "memory", "text": "out of memory"})
    except ParentGone:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
