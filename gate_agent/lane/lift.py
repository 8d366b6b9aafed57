"""The camera's lift under the lane's rule: it moves while both doors are shut and neither fire nor emergency stop is told, and stops at once otherwise.

The lift's own limits and its own stop contact are hardware; this is what the software adds, because it knows the doors.
"""

from __future__ import annotations

from drivers.accessibility import LiftDirection, LiftReported
from drivers.contracts import BarrierInputs
from gate_agent.lane.ports import LaneLift


class SafeLift:
    """One lane's lift. `doors` takes every report of the barrier; before the first nothing moves."""

    def __init__(self, lift: LaneLift) -> None:
        self._lift = lift
        self.is_allowed = False

    def doors(self, inputs: BarrierInputs) -> None:
        """Take the barrier's inputs: a door that is not shut may be moving."""
        is_stopped = inputs.fire or inputs.emergency_stop
        self.is_allowed = not (inputs.entrance_open or inputs.exit_open or is_stopped)
        if not self.is_allowed:
            self._lift.stop()

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported | None:
        """Move for at most `seconds`; returns how the lift stands, None where it may not move now. Raises `DeviceFault`."""
        if not self.is_allowed:
            return None
        return await self._lift.move(direction, seconds)

    def stop(self) -> None:
        """End a running move."""
        self._lift.stop()
