"""What was read of a zone, as values."""

from __future__ import annotations

from dataclasses import dataclass

Corner = tuple[float, float]


@dataclass(frozen=True, slots=True)
class DoubtfulCharacter:
    """A character that is not sure: line and position from 1 (as Doc 9303 counts), what was read, and what else it may be.

    `posterior` is the network's probability of what was read, before any check digit.
    """

    line: int
    position: int
    character: str
    alternative: str
    posterior: float


@dataclass(frozen=True, slots=True)
class MrzZone:
    """One zone: format (`TD1`, `TD2`, `TD3`, `MRVA`, `MRVB`), its lines, and how sure each character is (0-1).

    `is_accepted`: every check digit is right and no character is doubtful. Otherwise the zone is read, not trusted: for a guard to
    correct. `corners` are those of the zone in the picture, in pixels, clockwise from the top left of the text.
    """

    format: str
    lines: tuple[str, ...]
    posteriors: tuple[tuple[float, ...], ...]
    doubtful: tuple[DoubtfulCharacter, ...]
    has_right_digits: bool
    is_accepted: bool
    corners: tuple[Corner, Corner, Corner, Corner]

    @property
    def posterior(self) -> float:
        """The smallest posterior of all characters."""
        return min(min(line) for line in self.posteriors)
