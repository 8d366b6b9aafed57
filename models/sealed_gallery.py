"""A gallery sealed at rest: one file, every record under a key of its own, removal by destroying that key.

Every change is announced in the header before it is made and settled after it, each step on the disk before the next: what `add` or
`remove` answered survives a power cut, what they did not answer is undone (an addition) or completed (a removal) at the next opening.

What it does not stop: who kept a copy of the whole file and the gallery key has what was in it then, and putting the whole older file
back goes unnoticed (keep the gallery key in hardware, and a new one for a new gallery). A file system that copies on write, or a
flash disk, may keep overwritten blocks for a while; in them a wrapped key is still worth nothing without the gallery key.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.gallery_checks import GalleryFault, check_key, unit_rows
from models.results import Features
from models.sealed_records import (
    HEADER_BYTES,
    NO_SEAL,
    SALT_BYTES,
    WRAPPED_BYTES,
    GalleryIdentity,
    HeaderState,
    RecordSeal,
    altered,
    combined,
    opened_header,
)

_FIRST_SLOT_AT = 2 * HEADER_BYTES
_READ_AT_ONCE = 4096
Take = Callable[[list[bytes], NDArray[np.float16]], None]


class SealedGallery:
    """Records (key, features) in a sealed file; one process at a time. Use `create` or `open`, then `close`."""

    def __init__(self, descriptor: int, seal: RecordSeal, identity: GalleryIdentity, state: HeaderState) -> None:
        self._descriptor = descriptor
        self._seal = seal
        self.identity = identity
        self._state = state
        self._slots: dict[bytes, int] = {}
        self._free: list[int] = []
        self._end = 0  # number of slots in the file

    @classmethod
    def create(cls, path: Path, gallery_key: bytes, identity: GalleryIdentity) -> SealedGallery:
        """Make an empty gallery in a new file (mode 0600). Raises `GalleryFault` (MD-GAL-007) when there is a file."""
        seal = RecordSeal(gallery_key, os.urandom(SALT_BYTES), identity.dimension)
        header = seal.header(identity, HeaderState(0, 0, NO_SEAL, None))
        with _disk("created"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        gallery = cls(descriptor, seal, identity, HeaderState(0, 0, NO_SEAL, None))
        with gallery._changing():
            _lock(descriptor)
            _write(descriptor, header + header, 0)
            os.fsync(descriptor)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return gallery

    @classmethod
    def open(cls, path: Path, gallery_key: bytes, identity: GalleryIdentity, take: Take | None = None) -> SealedGallery:
        """Open and verify a gallery, every record of it; `take` is handed keys and features in parts (`FaceGallery.add_many`).

        What was taken counts only when this returns. Raises `GalleryFault`: MD-GAL-004 a gallery of another model, MD-GAL-006
        altered or another key, MD-GAL-007 unreadable, MD-GAL-008 held by another process.
        """
        with _disk("opened"):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            with _disk("read"):
                _lock(descriptor)
                salt, found, state = _newest_header(gallery_key, os.pread(descriptor, _FIRST_SLOT_AT, 0))
            _compare(found, identity)
            gallery = cls(descriptor, RecordSeal(gallery_key, salt, identity.dimension), identity, state)
            gallery._recover()
            gallery._read(take)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            raise
        return gallery

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: bytes) -> bool:
        return key in self._slots

    def add(self, key: bytes, features: Features) -> None:
        """Add a record; it is on the disk when this returns. Raises `GalleryFault`: MD-GAL-001, MD-GAL-002, MD-GAL-007."""
        self._add([key], np.asarray(features)[None])

    def add_many(self, keys: Sequence[bytes], features: NDArray[np.floating]) -> None:
        """Add records (n, dimension) in one change: all are on the disk when this returns, or none. Raises as `add` does."""
        if len(keys):
            self._add(keys, features)

    def remove(self, key: bytes) -> None:
        """Destroy a record: its wrapped key first, then the rest; gone from the file when this returns. MD-GAL-003: unknown key."""
        number = self._slot_of(key)
        with self._changing():
            seal = combined(self._state.seal, self._seal.hash_of(number, self._slot(number)))
            self._announce(self._state.held - 1, seal, (number, 1))
            self._destroy(number, 1)
            self._settle()
        del self._slots[key]
        self._free.append(number)

    def replace(self, key: bytes, features: Features) -> None:
        """Replace a record: the new one is on the disk before the old one is destroyed. MD-GAL-003: unknown key."""
        old = self._slot_of(key)
        rows = unit_rows(np.asarray(features)[None], self.identity.dimension).astype(np.float16)
        new = self._free.pop() if self._free else self._end
        slot = self._seal.slot(new, key, rows[0])
        with self._changing():
            self._announce(self._state.held, self._state.seal, (new, 1))
            self._put(new, slot)
            seal = combined(self._state.seal, self._seal.hash_of(new, slot))
            seal = combined(seal, self._seal.hash_of(old, self._slot(old)))
            self._settle(self._state.held, seal, (old, 1))
            self._destroy(old, 1)
            self._settle()
        self._slots[key] = new
        self._free.append(old)

    def features_of(self, key: bytes) -> NDArray[np.float16]:
        """Return the features of a record. Raises `GalleryFault`: MD-GAL-003 unknown key, MD-GAL-006 altered."""
        number = self._slot_of(key)
        with _disk("read"):
            return self._seal.open_slot(number, self._slot(number))[1]

    def close(self) -> None:
        """Let the file go. Nothing is left to write."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def destroy(self, path: Path) -> None:
        """Destroy the whole gallery: both headers with the salt that every key depends on, every wrapped key, then the file."""
        with self._changing():
            _write(self._descriptor, bytes(_FIRST_SLOT_AT), 0)
            os.fsync(self._descriptor)
            self._destroy(0, self._end)
            path.unlink()
        self._slots.clear()
        self.close()

    # ---- one change ------------------------------------------------------------------------------------------------------

    def _add(self, keys: Sequence[bytes], features: NDArray[np.floating]) -> None:
        rows = unit_rows(features, self.identity.dimension).astype(np.float16)
        if len(rows) != len(keys):
            raise GalleryFault(f"{len(keys)} keys for {len(rows)} records")
        for key in keys:
            check_key(key)
        if len(set(keys)) != len(keys) or any(key in self._slots for key in keys):
            raise GalleryFault("a key is in the gallery already, or twice in one addition", code="MD-GAL-002")
        # a free slot for a single record; several go to the end, so that one announcement covers them
        reused = self._free.pop() if len(keys) == 1 and self._free else None
        first = self._end if reused is None else reused
        with self._changing():
            self._announce(self._state.held, self._state.seal, (first, len(keys)))
            seal = self._state.seal
            for number, (key, row) in enumerate(zip(keys, rows, strict=True), start=first):
                slot = self._seal.slot(number, key, row)
                _write(self._descriptor, slot, self._at(number))
                seal = combined(seal, self._seal.hash_of(number, slot))
            os.fsync(self._descriptor)
            self._settle(self._state.held + len(keys), seal)
        self._end = max(self._end, first + len(keys))
        self._slots |= {key: number for number, key in enumerate(keys, start=first)}

    def _put(self, number: int, slot: bytes) -> None:
        _write(self._descriptor, slot, self._at(number))
        os.fsync(self._descriptor)
        self._end = max(self._end, number + 1)

    def _announce(self, held: int, seal: bytes, pending: tuple[int, int]) -> None:
        """First copy only: a torn write leaves the second, which says what was before."""
        self._state = HeaderState(self._state.generation + 1, held, seal, pending)
        self._write_header(0)

    def _settle(
        self, held: int | None = None, seal: bytes | None = None, pending: tuple[int, int] | None = None
    ) -> None:
        held, seal = self._state.held if held is None else held, seal or self._state.seal
        self._state = HeaderState(self._state.generation + 1, held, seal, pending)
        self._write_header(1)
        self._write_header(0)

    def _write_header(self, copy: int) -> None:
        _write(self._descriptor, self._seal.header(self.identity, self._state), copy * HEADER_BYTES)
        os.fsync(self._descriptor)

    def _destroy(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            _write(self._descriptor, bytes(WRAPPED_BYTES), self._at(number))
        os.fsync(self._descriptor)
        for number in range(first, first + count):
            _write(self._descriptor, bytes(self._seal.slot_bytes), self._at(number))
        os.fsync(self._descriptor)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Close the gallery when a change fails half-way: only opening it again knows what is on the disk."""
        if self._descriptor < 0:
            raise GalleryFault("the sealed gallery is closed", code="MD-GAL-007")
        try:
            with _disk("written"):
                yield
        except BaseException:
            self.close()
            raise

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Undo an unfinished addition, complete an unfinished removal; make both headers equal."""
        with _disk("written"):
            if self._state.pending is not None:
                first, count = self._state.pending
                self._destroy(first, count)
            self._settle()

    def _read(self, take: Take | None) -> None:
        seal, size = NO_SEAL, self._seal.slot_bytes
        with _disk("read"):
            length = os.fstat(self._descriptor).st_size - _FIRST_SLOT_AT
        self._end, rest = divmod(length, size)
        if rest:
            raise altered("the length of the sealed gallery")
        for first in range(0, self._end, _READ_AT_ONCE):
            count = min(_READ_AT_ONCE, self._end - first)
            with _disk("read"):
                content = os.pread(self._descriptor, count * size, self._at(first))
            keys: list[bytes] = []
            rows: list[NDArray[np.float16]] = []
            for number in range(first, first + count):
                slot = content[(number - first) * size : (number - first + 1) * size]
                if not any(slot):
                    self._free.append(number)
                    continue
                key, features = self._seal.open_slot(number, slot)
                if key in self._slots:
                    raise altered("a key of the sealed gallery stands twice")
                seal = combined(seal, self._seal.hash_of(number, slot))
                self._slots[key] = number
                keys.append(key)
                rows.append(features)
            if take is not None and keys:
                take(keys, np.stack(rows))
        if len(self._slots) != self._state.held or seal != self._state.seal:
            raise altered("the records of the sealed gallery are not those of its header")

    def _slot(self, number: int) -> bytes:
        return os.pread(self._descriptor, self._seal.slot_bytes, self._at(number))

    def _slot_of(self, key: bytes) -> int:
        if self._descriptor < 0:
            raise GalleryFault("the sealed gallery is closed", code="MD-GAL-007")
        if key not in self._slots:
            raise GalleryFault("the key is not in the gallery", code="MD-GAL-003")
        return self._slots[key]

    def _at(self, number: int) -> int:
        return _FIRST_SLOT_AT + number * self._seal.slot_bytes


def _newest_header(gallery_key: bytes, headers: bytes) -> tuple[bytes, GalleryIdentity, HeaderState]:
    """Return the newest of two copies; one may be torn, never both."""
    opened = []
    refused: GalleryFault | None = None
    for start in (0, HEADER_BYTES):
        try:
            opened.append(opened_header(gallery_key, headers[start : start + HEADER_BYTES]))
        except GalleryFault as fault:
            refused = fault
    if not opened:
        assert refused is not None
        raise refused
    return max(opened, key=lambda header: header[2].generation)


def _compare(found: GalleryIdentity, expected: GalleryIdentity) -> None:
    for name in ("model_id", "calibration_id", "fusion", "dimension"):
        theirs, ours = getattr(found, name), getattr(expected, name)
        if theirs != ours:
            raise GalleryFault(f"the gallery was enrolled with {name} {theirs}, not {ours}", code="MD-GAL-004")


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise GalleryFault("another process holds the sealed gallery", code="MD-GAL-008") from error


def _write(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


@contextlib.contextmanager
def _disk(verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GalleryFault(
            f"the sealed gallery cannot be {verb}: {error.strerror or error}", code="MD-GAL-007"
        ) from error
