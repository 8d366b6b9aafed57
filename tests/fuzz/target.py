"""What a fuzz target is: seeds that our own encoders made, and one check of whatever bytes a fuzzer makes of them.

A check calls a parser as the gate does. It lets no exception out but the ones that a broken promise raises, and it asserts what must hold
for any bytes: round trips, limits, agreement with a second reader, and that nothing is ever taken for signed that nobody signed.

Many formats have doors that random bytes hardly pass (base45, zlib, a signature). Such a target has layers: the first byte of the input
chooses one, and the layer puts the rest behind the door by itself, signed anew with a key that the gate trusts.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Check = Callable[[bytes], bool]
"""Returns whether the parser accepted the bytes, so that a run can tell how much of it went past the door."""


@dataclass(frozen=True, slots=True)
class Target:
    """One parser ready to be fuzzed. Inputs are at most `limit_bytes` long."""

    seeds: tuple[bytes, ...]
    check: Check
    limit_bytes: int = 4096


_BYTE_BY_BYTE = 24
_MOST_CUTS = 7


def cut(content: bytes) -> list[bytes]:
    """Return the content in pieces, as a line may bring it."""
    edges = [0, *places(content), len(content)]
    return [content[start:end] for start, end in itertools.pairwise(edges) if start < end]


def places(content: bytes) -> Iterable[int]:
    """Return where `cut` cuts: before every byte of a short input, else at up to seven places that its checksum chooses.

    Every byte of a long input by itself would take nine tenths of a run, and a million inputs bring every kind of cut.
    The tests of the targets cut each seed at every place and into single bytes.
    """
    if len(content) <= _BYTE_BY_BYTE:
        return range(1, len(content))
    chosen = zlib.crc32(content)
    return sorted({(chosen >> shift) % len(content) for shift in range(0, 3 * _MOST_CUTS, 3)})


def layers(*pairs: tuple[Check, Iterable[bytes]], limit_bytes: int = 4096) -> Target:
    """Return a target of several layers, each with its seeds."""
    checks = [check for check, _ in pairs]

    def check(content: bytes) -> bool:
        return bool(content) and checks[content[0] % len(checks)](content[1:])

    seeds = tuple(bytes((layer,)) + seed for layer, (_, own) in enumerate(pairs) for seed in own)
    return Target(seeds, check, limit_bytes)
