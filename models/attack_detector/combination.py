"""How the cues become one score in [0, 1]: evidence in log-odds, bounded per cue, summed.

| cue | where it pulls | at most |
|---|---|---|
| planarity, depth, model | both ways: 0.5 says nothing | 2.2, 3.5, 3.0 |
| infrared | both ways: 0 (the face shows) weakly | +3.0, -0.5 |
| border | towards attack only | 2.2 |
| surround | towards attack only | 1.2 |
| moire, highlights, chroma | towards attack only, advisory | 0.25 each |

score = 1 / (1 + exp(-sum)). A log-odds of 2.2 is a score of 0.90, 1.2 of 0.77. All advisory cues together reach 0.68, with
a border that has not moved yet 0.79, below `ALARM_FROM`: they never alarm alone. Without a result of planarity, depth, infrared or model, and without a border or
surroundings that move along, there is no score: nothing that could clear or accuse a face has spoken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

ALARM_FROM = 0.80
DOUBTFUL_FROM = 0.35
_STEPS = 100
_CAN_CLEAR = ("planarity", "depth", "infrared", "model")
_CAN_ACCUSE = {"border": 0.3, "surround": 0.5}  # and from which value on


@dataclass(frozen=True, slots=True)
class Weight:
    """Log-odds that a cue adds at 1 (`towards_attack`) and takes off at 0 (`towards_bona_fide`); none at `neutral`."""

    towards_attack: float
    towards_bona_fide: float = 0.0
    neutral: float = 0.0
    is_advisory: bool = False

    def evidence(self, cue: float) -> float:
        """Return the log-odds for a cue of 0-1."""
        if cue >= self.neutral:
            return self.towards_attack * (cue - self.neutral) / (1 - self.neutral)
        return -self.towards_bona_fide * (self.neutral - cue) / self.neutral


WEIGHTS: Mapping[str, Weight] = {
    "planarity": Weight(2.2, 2.2, neutral=0.5),
    "border": Weight(2.2),
    "surround": Weight(1.2),
    "depth": Weight(3.5, 3.5, neutral=0.5),
    "infrared": Weight(3.0, 0.5, neutral=0.3),
    "model": Weight(3.0, 3.0, neutral=0.5),
    "moire": Weight(0.25, is_advisory=True),
    "highlights": Weight(0.25, is_advisory=True),
    "chroma": Weight(0.25, is_advisory=True),
}


def smooth_step(low: float, high: float, value: float) -> float:
    """Return 0 below `low`, 1 above `high`, smooth between."""
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return share * share * (3 - 2 * share)


def combined(cues: Mapping[str, float]) -> float | None:
    """Return the score of these cues in steps of 0.01, None when no cue has spoken that could clear or accuse a face."""
    clears = any(name in cues for name in _CAN_CLEAR)
    accuses = any(cues.get(name, 0.0) >= least for name, least in _CAN_ACCUSE.items())
    if not clears and not accuses:
        return None
    total = sum(WEIGHTS[name].evidence(cue) for name, cue in cues.items() if name in WEIGHTS)
    return round(_STEPS / (1 + math.exp(-total))) / _STEPS
