"""Random selection that can be audited: a secret seed for each gate and day, told as a hash before the day and in clear after it.

Every draw is a function of the seed, the gate, the day and the number of the draw. Who has the records and the revealed seed computes every
draw again; who has neither cannot foresee one, and the gate itself cannot change one after its hash was told.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import date

from gate_agent.domain.selection import DRAW_RANGE

SEED_BYTES = 32
_DRAW = b"egate-draw-1"
_SEED = b"egate-seed-1"


def commitment_of(seed: bytes, source: str, day: date) -> str:
    """Return the hash (SHA-256, hex) under which a seed is told before its day; `source` names the gate (`country/post/gate`)."""
    return hashlib.sha256(_framed(_SEED, source.encode(), day.isoformat().encode(), seed)).hexdigest()


def draw_value(seed: bytes, source: str, day: date, number: int) -> int:
    """Return a draw: a whole number from 0 up to `DRAW_RANGE`, evenly spread to 2**-34."""
    message = _framed(_DRAW, source.encode(), day.isoformat().encode(), number.to_bytes(8, "big"))
    drawn = int.from_bytes(hmac.digest(seed, message, "sha256")[:8], "big")
    return drawn * DRAW_RANGE >> 64


def is_drawn(value: int, probability_ppm: int) -> bool:
    """Tell whether a draw selects at a probability in parts per million."""
    return value < probability_ppm * (DRAW_RANGE // 1_000_000)


def _framed(*parts: bytes) -> bytes:
    """Join parts so that no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
