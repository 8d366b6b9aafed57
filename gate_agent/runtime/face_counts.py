"""Counts of the gate's own face matching by time, lane and group, and the small file that carries them over a restart.

A cell is a count of people, never a person: no identifier, score or time of a crossing stands in it. Lanes are counted by the hour,
groups by the UTC day, because an hour in which one traveller of a nationality crossed would point at him.

The file is JSON (`egate-face-counts-1`), mode 0600, replaced in one step. One that cannot be read is put aside and counting begins
anew: statistics never keep a gate closed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog

from central_sync import strict_json
from central_sync.errors import StrictJsonError
from models.field_evaluation import FieldCounts

FILE_NAME = "face_counts.json"
WHOLE = ""
"""The dimension of counts that belong to no group."""

_FORMAT = "egate-face-counts-1"
_HOUR_S, _DAY_S = 3600, 86_400
_LARGEST_FILE_BYTES = 32_000_000
_NUMBERS = len(fields(FieldCounts))

log = structlog.get_logger()


class Cell(NamedTuple):
    """Where a count belongs: Unix time at which its hour or day began, operating point, lane, and the group (or `WHOLE`)."""

    begun_s: int
    point: str
    lane_id: int
    dimension: str = WHOLE
    label: str = ""

    @property
    def length_s(self) -> int:
        """Seconds that the cell covers."""
        return _DAY_S if self.dimension else _HOUR_S


def cell_at(now: datetime, point: str, lane_id: int, dimension: str = WHOLE, label: str = "") -> Cell:
    """Return the cell in which something that happened now is counted."""
    cell = Cell(0, point, lane_id, dimension, label)
    return cell._replace(begun_s=int(now.timestamp()) // cell.length_s * cell.length_s)


def _is_within(cell: Cell, now: datetime, window: timedelta) -> bool:
    now_s = now.timestamp()
    return cell.begun_s + cell.length_s > now_s - window.total_seconds() and cell.begun_s <= now_s + _DAY_S


class FaceCounts:
    """Counts by cell. `is_changed` says that there is something to write."""

    def __init__(self) -> None:
        self._cells: dict[Cell, FieldCounts] = {}
        self.is_changed = False

    def __len__(self) -> int:
        return len(self._cells)

    def add(self, cell: Cell, counts: FieldCounts) -> None:
        """Count something."""
        self._cells[cell] = self._cells.get(cell, FieldCounts()) + counts
        self.is_changed = True

    def take_back(self, cell: Cell, counts: FieldCounts) -> None:
        """Undo what was counted; a cell that has left the window stays gone."""
        if cell in self._cells:
            self._cells[cell] -= counts
            self.is_changed = True

    def drop_outside(self, now: datetime, window: timedelta) -> None:
        """Forget cells that ended before the window, and those of a clock that was wrong (more than a day ahead)."""
        for cell in [cell for cell in self._cells if not _is_within(cell, now, window)]:
            del self._cells[cell]
            self.is_changed = True

    def within(self, now: datetime, window: timedelta) -> Iterator[tuple[Cell, FieldCounts]]:
        """Yield the cells that lie in the window at least in part."""
        yield from ((cell, counts) for cell, counts in self._cells.items() if _is_within(cell, now, window))

    def points(self) -> list[str]:
        """Return the names of the operating points that something was counted at."""
        return sorted({cell.point for cell in self._cells})

    def encoded(self) -> bytes:
        """Return the content of the file."""
        rows = [[*cell, list(astuple(counts))] for cell, counts in sorted(self._cells.items())]
        return json.dumps({"format": _FORMAT, "cells": rows}, separators=(",", ":")).encode()

    @classmethod
    def decoded(cls, content: bytes) -> FaceCounts:
        """Return the counts of a file's content. Raises `ValueError` for anything else."""
        try:
            table = strict_json.load_object(content, max_bytes=_LARGEST_FILE_BYTES)
        except StrictJsonError as error:
            raise ValueError(str(error)) from error
        rows = table.get("cells")
        if table.get("format") != _FORMAT or not isinstance(rows, list):
            raise ValueError(f"no {_FORMAT}")
        counts = cls()
        for row in rows:
            cell, numbers = _read_row(row)
            counts.add(cell, FieldCounts(*numbers))
        counts.is_changed = False
        return counts


def _read_row(row: object) -> tuple[Cell, Iterable[int]]:
    match row:
        case [int(begun_s), str(point), int(lane_id), str(dimension), str(label), list(numbers)]:
            whole = [number for number in numbers if type(number) is int]
            if len(whole) == len(numbers) == _NUMBERS:
                return Cell(begun_s, point, lane_id, dimension, label), whole
    raise ValueError("a row that is no cell with its counts")


def read_counts(folder: Path) -> FaceCounts:
    """Return what was counted before; nothing when there is no file, or none that can be read (it is put aside)."""
    path = folder / FILE_NAME
    try:
        return FaceCounts.decoded(path.read_bytes())
    except FileNotFoundError:
        return FaceCounts()
    except (OSError, ValueError) as error:
        log.warning("face_counts_not_readable", why=str(error))
        try:
            path.replace(path.with_suffix(".unreadable"))
        except OSError:
            log.warning("face_counts_not_put_aside")
        return FaceCounts()


def write_counts(folder: Path, content: bytes) -> None:
    """Replace the file in one step, readable by the owner alone. Raises `OSError`."""
    path = folder / FILE_NAME
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
