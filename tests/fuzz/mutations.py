"""Seeded mutations of a target's seeds, for machines without a fuzzer: blind, but the same everywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_INTERESTING = (0x00, 0x01, 0x1F, 0x30, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFE, 0xFF)


def mutations(seeds: Sequence[bytes], count: int, seed: int, limit_bytes: int) -> Iterator[bytes]:
    """Yield the seeds as they are, then `count` inputs that differ from one of them in a few places."""
    yield from seeds
    chance = random.Random(seed)
    for _ in range(count):
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            _mutate(content, seeds, chance)
        yield bytes(content[:limit_bytes])


def _mutate(content: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(content) + 1)
    end = min(len(content), at + chance.choice((1, 2, 4, 32)))
    match chance.randrange(7):
        case 0 if at < len(content):
            content[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(content):
            content[at] = chance.choice(_INTERESTING)
        case 2:
            content[at:at] = chance.randbytes(chance.choice((1, 2, 8)))
        case 3:
            del content[at:end]
        case 4:
            content[at:at] = content[at:end] * chance.choice((1, 2, 16))
        case 5:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            content[at:end] = other[start : start + chance.choice((2, 8, 64))]
        case _:
            del content[at:]
