"""Text from outside on its way to a person: no character of it may move a cursor, turn the direction of reading or hide itself."""

from __future__ import annotations

import unicodedata

# Controls (escape sequences, line ends), formats (directions, joiners), halves of surrogate pairs, private use, line separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_seen(character: str) -> bool:
    """Return whether a character stands for itself where it is shown, and does nothing else."""
    return unicodedata.category(character) not in _UNSEEN


def plain(text: str) -> str:
    """Return `text` with a mark in the place of every character that is not seen."""
    return "".join(character if is_seen(character) else _REPLACEMENT for character in text)
