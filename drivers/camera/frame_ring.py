"""The ring of shared-memory slots between the capture child, which makes and fills it, and the agent, which borrows from it.

A slot that was announced belongs to the agent until it comes back; the child never writes into it meanwhile. Size and seals are checked
on receipt, so a child cannot shrink a file under a reader.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class RingWriter:
    """The child's side: owns the files and knows which slots are free."""

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.descriptors: list[int] = []
        self._views: list[mmap.mmap] = []
        self._free: list[int] = []
        self._used_bytes = [0] * slots
        for slot in range(slots):
            descriptor = os.memfd_create(f"egate-frame-{slot}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(descriptor, slot_bytes)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SIZE_SEALS)
            self.descriptors.append(descriptor)
            self._views.append(mmap.mmap(descriptor, slot_bytes))
            self._free.append(slot)

    def write(self, frame: NDArray[Any]) -> int:
        """Copy a frame into a free slot and return its number; -1 when the agent holds all of them."""
        if not self._free:
            return -1
        slot = self._free.pop(0)
        target = np.frombuffer(self._views[slot], frame.dtype, frame.size).reshape(frame.shape)
        np.copyto(target, frame)
        self._used_bytes[slot] = max(self._used_bytes[slot], frame.nbytes)
        return slot

    def take_back(self, slot: int) -> None:
        """Count a slot as free: the agent is done with it."""
        if slot not in self._free:
            self._free.append(slot)

    def wipe_free(self) -> None:
        """Overwrite what free slots still show: a face is borrowed, not kept."""
        for slot in self._free:
            if self._used_bytes[slot]:
                self._views[slot][: self._used_bytes[slot]] = bytes(self._used_bytes[slot])
                self._used_bytes[slot] = 0


class RingReader:
    """The agent's side: borrowed slots of one child. It owns the descriptors once it was made; they close when the ring is retired and nobody borrows."""

    def __init__(self, descriptors: Sequence[int], slot_bytes: int) -> None:
        for descriptor in descriptors:
            seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
            if os.fstat(descriptor).st_size != slot_bytes or seals & SIZE_SEALS != SIZE_SEALS:
                raise ValueError("capture child offered shared memory of the wrong size or unsealed")
        self._slot_bytes = slot_bytes
        self._descriptors = dict(enumerate(descriptors))
        self._lent: set[int] = set()
        self._retired = False

    def lend(self, slot: int, used_bytes: int) -> int:
        """Return the descriptor of a slot and remember that somebody uses it. Raises `KeyError` for a slot or size there is not."""
        if not 0 < used_bytes <= self._slot_bytes:
            raise KeyError(used_bytes)
        descriptor = self._descriptors[slot]
        self._lent.add(slot)
        return descriptor

    def take_back(self, slot: int) -> bool:
        """Note that a slot is free again; return False when it was not lent (a second release is harmless)."""
        if slot not in self._lent:
            return False
        self._lent.discard(slot)
        if self._retired:
            os.close(self._descriptors.pop(slot))
        return True

    def retire(self) -> None:
        """Close what nobody uses, the child is gone; the rest closes on its release."""
        self._retired = True
        for slot in [number for number in self._descriptors if number not in self._lent]:
            os.close(self._descriptors.pop(slot))
