"""Tapes: everything that passed a link, `(t, direction, bytes)`, one JSON object per line; replayed they give the same events.

A tape holds what the device sent, personal data included: it is created readable by its owner only and belongs to the incident it explains.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from drivers.contracts import Clock
from drivers.errors import TapeFault

LINE_LIMIT_BYTES = 4 << 20


class TapeEntry(NamedTuple):
    """One piece: monotonic seconds, `open`, `rx` (from the device) or `tx` (to it), and the bytes."""

    t_mono_s: float
    direction: str
    chunk: bytes


class MemoryTape:
    """A tape in memory; give its `record` to a driver as `tap`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[TapeEntry] = []

    def record(self, direction: str, chunk: bytes) -> None:
        """Note one piece."""
        self.entries.append(TapeEntry(self._clock.monotonic_s(), direction, bytes(chunk)))


class TapeWriter:
    """A tape in a file of mode 0600; give its `record` to a driver as `tap`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def record(self, direction: str, chunk: bytes) -> None:
        """Note one piece."""
        entry = {"t": round(self._clock.monotonic_s(), 6), "direction": direction, "hex": chunk.hex()}
        self._stream.write(json.dumps(entry) + "\n")


def read_tape(path: Path) -> Iterator[TapeEntry]:
    """Yield the entries of a tape file. Raises `TapeFault` naming the line that is none."""
    try:
        with path.open(encoding="ascii") as stream:
            number = 0
            while line := stream.readline(LINE_LIMIT_BYTES):
                number += 1
                if line.strip():
                    yield _entry(line, f"{path.name} line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise TapeFault(f"{path.name} cannot be read: {error}") from error


def _entry(line: str, place: str) -> TapeEntry:
    try:
        fields = json.loads(line)
        entry = TapeEntry(float(fields["t"]), str(fields["direction"]), bytes.fromhex(fields["hex"]))
    except (ValueError, KeyError, TypeError) as error:
        raise TapeFault(f"{place} is no tape entry") from error
    if entry.direction not in {"open", "rx", "tx"}:
        raise TapeFault(f"{place}: direction {entry.direction[:16]!r} is none of open, rx, tx")
    return entry
