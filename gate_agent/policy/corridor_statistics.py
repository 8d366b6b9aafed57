"""Share, hit rate and time for each corridor, counted from single passages and inspections; whole numbers until they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from gate_agent.domain.crossing import Corridor
from gate_agent.domain.declaration import Direction
from gate_agent.domain.inspection_finding import InspectionFinding


@dataclass(slots=True)
class Tally:
    """What happened in one corridor; `seconds` is the sum over the `timed` passages."""

    crossings: int = 0
    inspections: int = 0
    found: int = 0
    amended: int = 0
    timed: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class CorridorRow:
    """One line of the report. Shares and rates are in tenths of a percent, None where there is nothing to divide by."""

    direction: Direction | None
    corridor: Corridor
    tally: Tally
    share_permille: int | None
    hit_permille: int | None
    mean_s: int | None


class CorridorStatistics:
    """Counts; `rows` answers for each direction, and for both together."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[Direction, Corridor], Tally] = {}

    def crossed(self, direction: Direction, corridor: Corridor, seconds: int | None = None, times: int = 1) -> None:
        """Count confirmed passages; `seconds` is how long each took from the first document to its end, where that is known."""
        tally = self._tally(direction, corridor)
        tally.crossings += times
        if seconds is not None:
            tally.timed += times
            tally.seconds += times * seconds

    def inspected(
        self, direction: Direction, corridor: Corridor, finding: InspectionFinding | None, seconds: int | None
    ) -> None:
        """Count a finished inspection; `finding` None: it was not recorded. `seconds` as above, the inspection included."""
        tally = self._tally(direction, corridor)
        tally.inspections += finding is not None
        tally.found += finding is InspectionFinding.FOUND
        tally.amended += finding is InspectionFinding.AMENDED
        if seconds is not None:
            tally.timed += 1
            tally.seconds += seconds

    def rows(self, direction: Direction | None = None) -> list[CorridorRow]:
        """Return green, yellow and red; without a direction both count together."""
        tallies = {corridor: self._sum(direction, corridor) for corridor in Corridor}
        crossings = sum(tally.crossings for tally in tallies.values())
        return [
            CorridorRow(
                direction,
                corridor,
                tally,
                permille(tally.crossings, crossings),
                permille(tally.found, tally.inspections),
                (2 * tally.seconds + tally.timed) // (2 * tally.timed) if tally.timed else None,
            )
            for corridor, tally in tallies.items()
        ]

    def _tally(self, direction: Direction, corridor: Corridor) -> Tally:
        return self._tallies.setdefault((direction, corridor), Tally())

    def _sum(self, direction: Direction | None, corridor: Corridor) -> Tally:
        total = Tally()
        for (of, colour), tally in self._tallies.items():
            if colour is corridor and direction in {None, of}:
                total.crossings += tally.crossings
                total.inspections += tally.inspections
                total.found += tally.found
                total.amended += tally.amended
                total.timed += tally.timed
                total.seconds += tally.seconds
        return total


def permille(part: int, whole: int) -> int | None:
    """Return a share in tenths of a percent, rounded half up; None of nothing."""
    return (2_000 * part + whole) // (2 * whole) if whole else None
