"""What gate hardware reports that no release of ours explains, told long enough to be seen."""

from __future__ import annotations

from drivers.contracts import Irregularity

HOLD_S = 2.0  # a door that fell shut at once is told all the same


class Irregularities:
    """Each kind stands for `HOLD_S` after it was noted last."""

    def __init__(self) -> None:
        self._until_s: dict[Irregularity, float] = {}

    def note(self, kind: Irregularity, t_mono_s: float) -> bool:
        """Note one; True when it does not stand already."""
        is_new = kind not in self.at(t_mono_s)
        self._until_s[kind] = t_mono_s + HOLD_S
        return is_new

    def at(self, t_mono_s: float) -> tuple[Irregularity, ...]:
        """Return those that stand at a time, in a fixed order."""
        return tuple(kind for kind in Irregularity if t_mono_s < self._until_s.get(kind, t_mono_s))
