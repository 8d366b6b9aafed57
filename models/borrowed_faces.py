"""All transactions that a worker holds now: found by id, bounded in number and age, wiped when they end.

What a request leaves behind is overwritten too: the buffers that frames are copied into, and what was freed (`models.freed_memory`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.face_comparison import FaceComparer
from models.face_sampling import FaceSampler
from models.face_transaction import AttackSetup, FaceTransaction
from models.freed_memory import wipe_freed
from models.site_cohort import SiteCohort

LARGEST_NUMBER = 16
LONGEST_IDLE_S = 900.0


class BorrowedFaces:
    """The transactions of one worker. `now_s` is a monotonic clock."""

    def __init__(
        self,
        sampler: FaceSampler,
        comparer: FaceComparer | None,
        now_s: Callable[[], float],
        site_cohort: SiteCohort | None = None,
        attacks: AttackSetup | None = None,
    ) -> None:
        """Begin with nobody. References that matched are added to a `site_cohort` when they are forgotten."""
        self.site_cohort = site_cohort
        self._attacks = attacks
        self._sampler = sampler
        self._comparer = comparer
        self._now_s = now_s
        self._held: OrderedDict[str, tuple[FaceTransaction, float]] = OrderedDict()
        self._buffers: dict[str, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def of(self, transaction: str) -> FaceTransaction:
        """Return a transaction, begun now if it is new; those idle for 15 minutes, and the oldest above 16, are wiped."""
        now_s = self._now_s()
        for name in [name for name, (_, used_s) in self._held.items() if now_s - used_s > LONGEST_IDLE_S]:
            self.forget(name)
        held = self._held.pop(transaction, None)
        found = held[0] if held else FaceTransaction(self._sampler, self._comparer, attacks=self._attacks)
        self._held[transaction] = (found, now_s)
        while len(self._held) > LARGEST_NUMBER:
            self.forget(next(iter(self._held)))
        return found

    def peek(self, transaction: str) -> FaceTransaction | None:
        """Return a transaction that is held, without beginning one."""
        held = self._held.get(transaction)
        return held[0] if held else None

    def frame_buffer(self, size_bytes: int, channel: str = "") -> NDArray[np.uint8]:
        """Return the one buffer that frames of a channel are copied into, `size_bytes` long."""
        held = self._buffers.get(channel)
        if held is None or len(held) < size_bytes:
            if held is not None:
                held.fill(0)
            held = self._buffers[channel] = np.zeros(size_bytes, dtype=np.uint8)
        return held[:size_bytes]

    def forget(self, transaction: str, holder: str = "") -> bool:
        """Wipe a transaction; False when it is not held. `holder` names its document's holder opaquely, for a cohort of the site."""
        held = self._held.pop(transaction, None)
        if held is None:
            return False
        features = held[0].reference_features
        if self.site_cohort is not None and held[0].has_matched and features is not None:
            self.site_cohort.add(features, holder)
        held[0].wipe()
        self.scrub()
        return True

    def forget_all(self) -> None:
        """Wipe every transaction."""
        for name in list(self._held):
            self.forget(name)

    def scrub(self) -> None:
        """Overwrite what the last face went through: the frame buffers, and the blocks that the array library keeps back."""
        for buffer in self._buffers.values():
            buffer.fill(0)
        wipe_freed()
