"""Searching another process's memory for vectors and bytes that it should have forgotten.

Vectors are found whatever their length (a network's raw output is a multiple of the normalised one) and as float32 or float64. Only
mappings that can be written are searched: nothing of a traveller can lie in a read-only file mapping. Pages that have not changed
since `page_marks` was taken, such as model weights, are left out.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 25
PAGE_BYTES = 4096
RUN = 16
_DROPPED_BITS = 12  # of a ratio as float32: 11 bits of its fraction remain
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \d+ *(.*)")


PageMarks = Mapping[int, int]
"""Checksum of each writable page by its address."""


def page_marks(process_id: int) -> PageMarks:
    """Return what a process's pages hold now. Raises `PermissionError` where looking is forbidden."""
    return {
        address + place: zlib.crc32(content[place : place + PAGE_BYTES])
        for address, content, _ in _mapped(process_id)
        for place in range(0, len(content), PAGE_BYTES)
    }


def changed_blocks(process_id: int, since: PageMarks) -> Iterator[tuple[int, bytes, str]]:
    """Yield address, content and name of everything writable that has changed, with a page of surroundings on each side."""
    for address, content, name in _mapped(process_id):
        places = range(0, len(content), PAGE_BYTES)
        is_changed = [since.get(address + at) != zlib.crc32(content[at : at + PAGE_BYTES]) for at in places]
        number = 0
        while number < len(is_changed):
            end = number
            while any(is_changed[end : end + 2]):
                end += 1
            if end > number:
                first = max(number - 1, 0) * PAGE_BYTES
                yield address + first, content[first : (end + 1) * PAGE_BYTES], name
            number = end + 1


def _mapped(process_id: int) -> Iterator[tuple[int, bytes, str]]:
    with Path(f"/proc/{process_id}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{process_id}/maps").read_text().splitlines():
            found = _MAPPING.match(line)
            begin, end = (int(found[1], 16), int(found[2], 16)) if found else (0, 0)
            while begin < end:
                memory.seek(begin)
                try:
                    content = memory.read(min(BLOCK_BYTES, end - begin))
                except OSError:
                    break  # a guard page, or a mapping that went away meanwhile
                yield begin, content, found[3] or "[anonymous]"
                # blocks overlap, so that nothing is cut in two
                begin += len(content) if begin + len(content) >= end else len(content) - PAGE_BYTES


@dataclass(frozen=True)
class _Run:
    """A piece of a vector: its name, and the piece brought to unit length."""

    name: str
    values: NDArray[np.float64]

    @property
    def ratios(self) -> tuple[float, float]:
        """Second by first and third by second value: what is looked for, since no scaling changes it."""
        return self.values[1] / self.values[0], self.values[2] / self.values[1]


class _Sought:
    """All runs of all vectors, behind two tables of ratios that tell in one pass where to look closer."""

    def __init__(self, vectors: Mapping[str, NDArray]) -> None:
        runs = [_Run(name, run) for name, vector in vectors.items() for run in _runs_of(vector)]
        self._by_ratio: dict[int, list[_Run]] = {}
        self._tables = [np.zeros(1 << (32 - _DROPPED_BITS), dtype=bool) for _ in range(2)]
        for run in runs:
            for table, ratio in zip(self._tables, run.ratios, strict=True):
                table[_cells_of(ratio)] = True
            for cell in _cells_of(run.ratios[0]):
                self._by_ratio.setdefault(cell, []).append(run)

    def found_in(self, values: NDArray) -> Iterator[tuple[int, str]]:
        """Yield place and name of every run in an array."""
        with np.errstate(all="ignore"):
            cells = (values[1:] / values[:-1]).astype(np.float32).view(np.uint32) >> _DROPPED_BITS
        if len(cells) < RUN:
            return
        for place in np.flatnonzero(self._tables[0][cells[:-1]] & self._tables[1][cells[1:]]):
            piece = values[place : place + RUN].astype(np.float64)
            length = np.linalg.norm(piece) if len(piece) == RUN and np.isfinite(piece).all() else 0.0
            if not 1e-9 < length < 1e9:
                continue
            for run in self._by_ratio.get(int(cells[place]), ()):
                if (piece / length) @ run.values > 0.99999:
                    yield int(place), run.name


def residue(
    process_id: int, vectors: Mapping[str, NDArray], texts: Mapping[str, bytes], since: PageMarks | None = None
) -> dict[str, list[str]]:
    """Return where in a process vectors and byte strings were found, by name; names without any place are left out."""
    sought = _Sought(vectors)
    places: dict[str, set[str]] = {}
    for address, content, mapping in changed_blocks(process_id, since or {}):
        for name, text in texts.items():
            place = content.find(text)
            while place >= 0:
                places.setdefault(name, set()).add(f"{address + place:x} {mapping}")
                place = content.find(text, place + 1)
        for kind in (np.float32, np.float64):
            size = np.dtype(kind).itemsize
            for place, name in sought.found_in(np.frombuffer(content, dtype=kind, count=len(content) // size)):
                places.setdefault(name, set()).add(f"{address + place * size:x} {kind.__name__} {mapping}")
    return {name: sorted(found) for name, found in places.items()}


def _runs_of(vector: NDArray) -> list[NDArray[np.float64]]:
    """Return a run of the first and of the second half, each beginning with the largest values there."""
    values = np.asarray(vector, dtype=np.float64)
    runs = []
    for first, end in ((0, len(values) // 2), (len(values) // 2, len(values) - RUN)):
        begin = max(range(first, end), key=lambda place: np.abs(values[place : place + 3]).min())
        runs.append(values[begin : begin + RUN] / np.linalg.norm(values[begin : begin + RUN]))
    return runs


def _cells_of(ratio: float) -> list[int]:
    """Return the cells of the table in which a ratio may fall, rounding allowed for."""
    bits = np.array([ratio * (1 - 1e-4), ratio, ratio * (1 + 1e-4)], dtype=np.float32).view(np.uint32)
    return sorted({int(cell) for cell in bits >> _DROPPED_BITS})
