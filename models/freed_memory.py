"""Forgetting what was freed: a vector or picture stays readable in freed memory until something else happens to be written there.

Measured on a worker that had compared one face and then analysed an empty frame: its features were still found four to six times
(glibc's free lists, numpy's cache of small arrays, the inference arena) and a portrait once. So a worker is started with
`ENVIRONMENT`, which makes glibc overwrite every block as it is freed (tcache off: blocks in it are not overwritten), its sessions
keep no arena where features pass (`enable_cpu_mem_arena = False`), and `wipe_freed` at the end of a transaction covers what numpy
caches. Measured cost: 0.2 to 0.3 CPU-ms per embedding, about 5 per detection on 640 x 360. Other C libraries ignore the variable.
"""

from __future__ import annotations

import os

import numpy as np

ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.perturb=90:glibc.malloc.tcache_count=0"}
"""Environment in which a process must be started so that it overwrites what it frees."""

_CACHED_BELOW_BYTES = 1024  # numpy keeps up to seven freed blocks of each smaller size for itself
_CACHED_BLOCKS = 8


def is_wiped_when_freed() -> bool:
    """Say whether this process was started so that freed memory is overwritten."""
    return os.environ.get("GLIBC_TUNABLES", "") == ENVIRONMENT["GLIBC_TUNABLES"]


def wipe_freed() -> None:
    """Overwrite the small blocks that numpy keeps for reuse: whatever vectors were in them are gone when this returns."""
    blocks = [np.zeros(size, dtype=np.uint8) for size in range(1, _CACHED_BELOW_BYTES) for _ in range(_CACHED_BLOCKS)]
    del blocks  # every cached block was taken and written to, and goes back as zeros
