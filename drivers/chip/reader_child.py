"""The reading process: `python -I -m drivers.chip.reader_child FD`. Owns one reader, reads chips when asked, ends with its parent.

PC/SC may hold its caller for ever and the arithmetic of a read takes tens of milliseconds: neither belongs in the agent's loop.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from drivers.child_process import ParentGone, confine
from drivers.chip.child_messages import MessageRefused, evidence_message, hear, say
from drivers.chip.errors import ChipFault, ChipSilent, ReadCancelled, ReadTooLong
from drivers.chip.file_reading import BlockSizes
from drivers.chip.presence import ChipPlace, PcscPlace, Presented, Ready, Removed, SocketPlace
from drivers.chip.reading import ChipReading, ReadOptions
from drivers.chip.transport import Transport
from drivers.contracts import ChipEvidence, ChipFileRead, ChipKeys, ChipProgress
from drivers.errors import UnexpectedFailure


class Watched:
    """A conversation that gives a sign of life before every command and ends when it is cancelled or too long."""

    def __init__(self, inner: Transport, before_each: Callable[[], None], away: Callable[[float], None]) -> None:
        self._inner = inner
        self._before_each = before_each
        self._away = away

    @property
    def atr(self) -> bytes:
        """The chip's answer to reset."""
        return self._inner.atr

    def transmit(self, command: bytes) -> bytes:
        """Send one command and return its answer."""
        self._before_each()
        started_s = time.thread_time()
        try:
            return self._inner.transmit(command)
        finally:
            self._away(time.thread_time() - started_s)

    def close(self) -> None:
        """Let go of the chip."""
        self._inner.close()


class ReaderChild:
    """Tells of chips that come and go, and reads the one that is there."""

    def __init__(self, parent: socket.socket, orders: dict[str, Any], place: ChipPlace) -> None:
        self._parent = parent
        self._place = place
        self._options = ReadOptions(
            basic_access=bool(orders["basic_access"]),
            active_authentication=bool(orders["active_authentication"]),
            time_limit_s=float(orders["read_timeout_s"]),
        )
        self._sizes = BlockSizes()
        self._deadline_s = 0.0
        self._away_s = 0.0
        self._said: set[str] = set()

    def run(self) -> None:
        """Work until the parent goes, or the reader is held for good. Raises `ParentGone`."""
        while True:
            self._tell_changes()
            parent = self._parent.fileno()
            readable, _, _ = select.select([parent, *self._place.descriptors()], [], [])
            if parent not in readable:
                continue
            order, _ = hear(self._parent)
            if order.get("do") == "read":
                fault = self._read(ChipKeys(*(str(order[name]) for name in ("mrz", "can", "alternative"))))
                if fault == ChipSilent.code and self._place.ends_with_silence:
                    return

    def _tell_changes(self) -> None:
        for change in self._place.changes():
            match change:
                case Ready(port):
                    say(self._parent, {"say": "ready", "port": port})
                case Presented(atr):
                    say(self._parent, {"say": "presented"}, atr)
                case Removed():
                    say(self._parent, {"say": "removed"})
                case ChipFault() as fault:
                    say(self._parent, {"say": "fault", "code": fault.code, "text": str(fault)})

    def _read(self, keys: ChipKeys) -> str:
        """Read the chip that is there; return the code of the fault that ended the read."""
        self._deadline_s = time.monotonic() + self._options.time_limit_s
        self._away_s = 0.0
        self._said = set()
        started_s = time.thread_time()
        reading = ChipReading(
            self._connect, keys, self._report, secrets.token_bytes, time.monotonic, self._options, self._sizes
        )
        try:
            evidence = reading.run()
        except ParentGone:
            raise
        except Exception as error:  # noqa: BLE001 - a chip must not end the process; its name goes into the evidence
            evidence = ChipEvidence(fault=UnexpectedFailure.code, fault_text=type(error).__name__)
        terminal_ms = (time.thread_time() - started_s - self._away_s) * 1000
        for name, content in evidence.files.items():
            if name not in self._said:
                say(self._parent, {"say": "file", "name": name, "is_progress": False}, content)
        self._tell_changes()  # a chip that went is gone before its evidence is: nobody reads it again until one comes
        say(self._parent, evidence_message(replace(evidence, terminal_ms=terminal_ms)))
        return evidence.fault

    def _connect(self) -> Transport:
        self._sign_of_life()
        return Watched(self._place.connect(), self._sign_of_life, self._count_away)

    def _count_away(self, seconds: float) -> None:
        self._away_s += seconds

    def _sign_of_life(self) -> None:
        say(self._parent, {"say": "alive"})
        while select.select([self._parent], [], [], 0)[0]:
            order, _ = hear(self._parent)
            if order.get("do") == "cancel":
                raise ReadCancelled("the gate gave the read up")
        if time.monotonic() > self._deadline_s:
            raise ReadTooLong(f"the read took longer than {self._options.time_limit_s:g} s")

    def _report(self, progress: ChipProgress) -> None:
        if isinstance(progress, ChipFileRead):
            self._said.add(progress.name)
            say(self._parent, {"say": "file", "name": progress.name, "is_progress": True}, progress.content)
        else:
            say(self._parent, {"say": "opened", "access": progress.access})


def place_of(orders: dict[str, Any]) -> ChipPlace:
    """Return the place that was configured. Raises `ChipFault` when it cannot be used at all."""
    answer_s = float(orders["answer_timeout_s"])
    if orders["kind"] == "pcsc":
        return PcscPlace(str(orders["reader"]), answer_s)
    return SocketPlace(int(orders["port"]), answer_s)


def main(argv: list[str]) -> int:
    """Serve one reader over the socket whose descriptor number is given; return 0 when the parent went, 1 when the reader is of no use."""
    parent = socket.socket(fileno=int(argv[1]))
    with contextlib.suppress(ParentGone, MessageRefused):
        orders, _ = hear(parent)
        confine(int(orders["memory_limit_bytes"]))
        try:
            place = place_of(orders)
        except ChipFault as fault:
            say(parent, {"say": "fault", "code": fault.code, "text": str(fault)})
            return 1
        ReaderChild(parent, orders, place).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
