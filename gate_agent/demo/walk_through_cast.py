"""A walker on the way: where he is at each moment of the scene, and what became of him."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np

from gate_agent.demo.walk_through_scene import Figure, Head
from gate_agent.demo.walk_through_scripts import ZONE_FACE_PX, Walker


@dataclass(slots=True)
class Performer:
    """One walker of a scenario being played."""

    walker: Walker
    coat: int
    head: Head | None
    transaction_id: uuid.UUID | None = None
    released_as: uuid.UUID | None = None
    outcome: str = ""
    decided_by: str = ""
    reasons: tuple[str, ...] = ()
    is_gone: bool = False
    _leg: int = -1
    _leg_began_s: float = 0.0
    _leg_ended: bool = True
    _place: tuple[float, float] | None = None

    def advance(self, now_s: float, gone: set[str]) -> None:
        """Move on to where he is at `now_s`; `gone` are the names of those who left."""
        legs = self.walker.legs
        if self.is_gone:
            return
        if self._leg_ended and self._leg + 1 < len(legs) and gone.issuperset(legs[self._leg + 1].after):
            self._leg += 1
            self._leg_began_s, self._leg_ended = now_s, False
        if self._leg < 0:
            return
        leg = legs[self._leg]
        times, places, widths = zip(*leg.points, strict=True)
        elapsed_s = now_s - self._leg_began_s
        self._leg_ended = elapsed_s >= times[-1]
        if elapsed_s < times[0]:
            return
        self._place = (float(np.interp(elapsed_s, times, places)), float(np.interp(elapsed_s, times, widths)))
        if self._leg_ended and leg.leaves:
            self.is_gone = True

    @property
    def is_done(self) -> bool:
        """True when nothing more will become of him: he left, or he does nothing by himself any more and waits for nobody."""
        return self.is_gone or (self.walker.outcome in {"expected", "not_decided"} and self._rests)

    @property
    def _rests(self) -> bool:
        return self._leg_ended and self._leg + 1 >= len(self.walker.legs)

    @property
    def is_in_zone(self) -> bool:
        """True while he stands before the exit."""
        return self.is_near(ZONE_FACE_PX)

    def is_near(self, face_px: float) -> bool:
        """Tell whether he is in the hall and so near that his face is this wide."""
        return not self.is_gone and self._place is not None and self._place[1] >= face_px

    def figure(self) -> Figure | None:
        """Return how he looks now; None when he is not in the hall."""
        if self.is_gone or self.head is None or self._place is None:
            return None
        return Figure(self.head, self.coat, *self._place)

    def end(self, outcome: str, decided_by: str, reasons: tuple[str, ...]) -> None:
        """Note what became of him; he is not in the hall any more."""
        self.outcome, self.decided_by, self.reasons = outcome, decided_by, reasons
        self.is_gone = True
