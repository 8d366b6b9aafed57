"""Searching another process's memory for vectors and bytes that it should have forgotten.

Vectors are found whatever their length (a network's raw output is a multiple of the normalised one) and as float32 or float64. Only
mappings that can be written are searched: nothing of a traveller can lie in a read-only file mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 25
OVERLAP_BYTES = 1 << 13
RUN = 16
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \d+ *(.*)")


def writable_blocks(process_id: int) -> Iterator[tuple[int, bytes, str]]:
    """Yield address, content and name of everything writable, in overlapping blocks. Raises `PermissionError` where it is forbidden."""
    with Path(f"/proc/{process_id}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{process_id}/maps").read_text().splitlines():
            found = _MAPPING.match(line)
            if not found:
                continue
            begin, end, name = int(found[1], 16), int(found[2], 16), found[3] or "[anonymous]"
            while begin < end:
                memory.seek(begin)
                try:
                    content = memory.read(min(BLOCK_BYTES, end - begin))
                except OSError:
                    break  # a guard page, or a mapping that went away meanwhile
                yield begin, content, name
                begin += len(content) if begin + len(content) >= end else len(content) - OVERLAP_BYTES


def residue(process_id: int, vectors: Mapping[str, NDArray], texts: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return where in a process vectors and byte strings were found, by name; names without any place are left out."""
    windows = {name: _window(vector) for name, vector in vectors.items()}
    places: dict[str, set[str]] = {}
    for address, content, name in writable_blocks(process_id):
        for text_name, text in texts.items():
            for place in re.finditer(re.escape(text), content):
                places.setdefault(text_name, set()).add(f"{address + place.start():x} {name}")
        for kind in (np.float32, np.float64):
            size = np.dtype(kind).itemsize
            values = np.frombuffer(content, dtype=kind, count=len(content) // size)
            for vector_name, window in windows.items():
                for index in _runs_alike(values, window):
                    places.setdefault(vector_name, set()).add(f"{address + index * size:x} {kind.__name__} {name}")
    return {name: sorted(found) for name, found in places.items()}


def _window(vector: NDArray) -> NDArray[np.float64]:
    """Return the unit-length run of a vector that begins with two large values."""
    values = np.asarray(vector, dtype=np.float64)
    begin = max(range(len(values) - RUN), key=lambda place: min(abs(values[place]), abs(values[place + 1])))
    return values[begin : begin + RUN] / np.linalg.norm(values[begin : begin + RUN])


def _runs_alike(values: NDArray, window: NDArray[np.float64]) -> list[int]:
    with np.errstate(all="ignore"):
        ratio = values.dtype.type(window[1] / window[0])
        size = np.abs(values[1:])
        candidates = np.flatnonzero(
            (np.abs(values[1:] - ratio * values[:-1]) < 1e-3 * size) & (size > 1e-6) & (size < 100)
        )
        found = []
        for index in candidates[candidates + RUN <= len(values)]:
            run = values[index : index + RUN].astype(np.float64)
            length = np.linalg.norm(run)
            if np.isfinite(length) and length > 0 and (run / length) @ window > 0.99999:
                found.append(int(index))
    return found
