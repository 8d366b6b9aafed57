"""What stands on a synthetic strip: a mixture of names, fillers, digits, lookalikes and anything."""

from __future__ import annotations

import numpy as np

from models.mrz_reader.symbols import SYMBOLS

SHORTEST, LONGEST = 10, 14
_LETTERS = SYMBOLS[11:]
_DIGITS = SYMBOLS[1:11]
_LOOKALIKES = ("0OQDU", "1ILT7", "8B3", "5S", "2Z7", "6GC", "KX<", "MNWH", "VYU", "FPER", "4A", "9GQ", "<CK", "DO0B")


def strip_text(rng: np.random.Generator) -> str:
    """Return 10 to 14 symbols: 25 % like names, 20 % mostly fillers, 25 % mostly digits, 10 % lookalikes, 20 % uniform."""
    length = int(rng.integers(SHORTEST, LONGEST + 1))
    kind = rng.random()
    if kind < 0.25:
        text = "".join(_word(rng) + ("<" if rng.random() < 0.6 else "<<") for _ in range(4))
        start = int(rng.integers(0, 6))
        return text[start : start + length].ljust(length, "<")
    if kind < 0.45:
        return _mixed(rng, length, 0.75, 0.15)
    if kind < 0.70:
        return _mixed(rng, length, 0.10, 0.75)
    if kind < 0.80:
        group = _LOOKALIKES[int(rng.integers(len(_LOOKALIKES)))]
        other = _LOOKALIKES[int(rng.integers(len(_LOOKALIKES)))]
        return _drawn(rng, group + other, length)
    return _drawn(rng, SYMBOLS, length)


def _drawn(rng: np.random.Generator, symbols: str, length: int) -> str:
    return "".join(symbols[index] for index in rng.integers(0, len(symbols), length))


def _word(rng: np.random.Generator) -> str:
    return _drawn(rng, _LETTERS, int(rng.integers(2, 9)))


def _mixed(rng: np.random.Generator, length: int, fillers: float, digits: float) -> str:
    """Return fillers, digits and letters in these shares, fillers in runs."""
    text = ""
    while len(text) < length:
        draw = rng.random()
        if draw < fillers:
            text += "<" * int(rng.integers(1, 6))
        elif draw < fillers + digits:
            text += _drawn(rng, _DIGITS, int(rng.integers(1, 5)))
        else:
            text += _drawn(rng, _LETTERS, int(rng.integers(1, 3)))
    return text[:length]
