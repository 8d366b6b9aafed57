"""A training session: exercises in front of a trainee at the real pages, and what came of each. Nothing is kept when it ends.

The site is a throw-away one with keys of its own and twins for devices; `gate.training` marks every record, and no process is started that
could carry one away.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from drivers.contracts import Door
from gate_agent.demo.exercises import HANDED_OVER, RELEASED, RELEASED_BY_GATE, TASK_CLOSED, Exercise
from gate_agent.demo.gate_view import Interrupted, NotReached
from gate_agent.demo.performance import DemoRun
from gate_agent.demo.stage import Observed
from gate_agent.web.lane_api_messages import GateSnapshot

NOTHING = "nothing"
_RELEASING = ("released", "passage_open")


@dataclass(frozen=True, slots=True)
class ExerciseResult:
    """One line of the result list: what was right, what the trainee did, after how many seconds; None where nothing was asked of him."""

    exercise: str
    expected: str
    decided: str
    seconds: float | None
    reasons: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether it was done as expected."""
        return self.decided == self.expected

    def fields(self) -> dict[str, object]:
        """Return the JSON fields."""
        seconds = None if self.seconds is None else round(self.seconds, 1)
        return {
            "exercise": self.exercise, "expected": self.expected, "decided": self.decided, "as_expected": self.is_right,
            "seconds": seconds, "reasons": list(self.reasons),
        }  # fmt: skip


async def hold(session: DemoRun, exercise: Exercise, patience_s: float) -> ExerciseResult:
    """Bring one case to the gate, wait for the trainee as long as `patience_s`, and leave the lane free for the next."""
    stage, lane_id = session.stage, exercise.lane_id
    observed = await exercise.come(session.cast)
    if observed.outcome != "referred":
        return await _passed(session, exercise, observed, patience_s)
    begun_s = time.monotonic()
    try:
        decided = await _decided(session, lane_id, patience_s)
    except (NotReached, Interrupted):
        decided = NOTHING
    seconds = time.monotonic() - begun_s
    if decided == RELEASED:
        await _walk_on(session, lane_id)
    elif decided == NOTHING:
        await stage.hand_over(lane_id, "traveller_request")  # the trainer clears the lane
    else:
        await stage.clear(lane_id)
    return ExerciseResult(exercise.name, exercise.expected, decided, seconds, tuple(observed.reasons))


async def _decided(session: DemoRun, lane_id: int, patience_s: float) -> str:
    """Return what became of a referral: released, or handed over."""
    lane = await session.stage.view.phase(lane_id, *_RELEASING, "handed_over", "idle", timeout_s=patience_s)
    return RELEASED if lane.state in _RELEASING else HANDED_OVER


async def _walk_on(session: DemoRun, lane_id: int) -> None:
    """Let whom the trainee released leave through the lane."""
    stage = session.stage
    twins = stage.twins(lane_id)
    if not twins.barrier.occupancy:
        await stage.door(lane_id, Door.ENTRANCE)
        twins.barrier.walk_in()
    twins.take_away()
    await stage.door(lane_id, Door.EXIT)
    twins.barrier.walk_out()
    await stage.ready(lane_id)


async def _passed(session: DemoRun, exercise: Exercise, observed: Observed, patience_s: float) -> ExerciseResult:
    """Return what came of a traveller who was not referred; one with a stop at the desk waits for its end."""
    decided, seconds = observed.outcome, None
    if decided == "released" and observed.decided_by == "machine":
        decided = RELEASED_BY_GATE
    if exercise.expected == TASK_CLOSED and decided == RELEASED_BY_GATE:
        begun_s = time.monotonic()

        def closed(snapshot: GateSnapshot) -> bool | None:
            return None if any(not task.closed_by for task in snapshot.customs_tasks) else True

        try:
            await session.stage.view.until(closed, patience_s, "the stop's end")
            decided = TASK_CLOSED
        except (NotReached, Interrupted):
            decided = NOTHING
        seconds = time.monotonic() - begun_s
    return ExerciseResult(exercise.name, exercise.expected, decided, seconds, tuple(observed.reasons))
