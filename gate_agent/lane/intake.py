"""From device events to machine events: the plain ones are translated here, the others become jobs of the controller."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from drivers import contracts as dc
from gate_agent.domain import events as ev
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection_settings import AttackDetection
from gate_agent.settings import LaneSettings, Settings

_HOLDS = {
    "document_reader": ReasonCode.DOCUMENT_READER_FAULT,
    "camera": ReasonCode.CAMERA_FAULT,
    "barrier": ReasonCode.BARRIER_FAULT,
}
_IRREGULARITIES = {
    dc.Irregularity.DOOR_FORCED: ReasonCode.DOOR_FORCED,
    dc.Irregularity.PASSAGE_WITHOUT_RELEASE: ReasonCode.PASSAGE_WITHOUT_RELEASE,
    dc.Irregularity.TAILGATING: ReasonCode.TAILGATING,
    dc.Irregularity.WRONG_WAY: ReasonCode.WRONG_WAY,
}
_ABORTED_STEPS = {
    "document_reader": ev.Step.DOCUMENT,
    "chip_reader": ev.Step.CHIP,
    "camera": ev.Step.FACE,
}
_CHANNELS = ("camera_near_infrared", "camera_depth")


def holds_of(lane: LaneSettings, settings: Settings) -> dict[str, ReasonCode]:
    """Return the devices, by their role, without which a lane takes nobody, and why."""
    holds = dict(_HOLDS)
    if lane.chip_reader and settings.document.chip == "required":
        holds["chip_reader"] = ReasonCode.CHIP_READER_FAULT
    if settings.face.presentation_attack_detection is AttackDetection.REQUIRED:
        holds |= {role: ReasonCode.CAMERA_FAULT for role in _CHANNELS if getattr(lane, role)}
    return holds


class Intake:
    """What the lane knows of its devices: which are ready, and whether a document lies on the reader."""

    def __init__(self, lane: LaneSettings, holds: Mapping[str, ReasonCode], new_id: Callable[[], uuid.UUID]) -> None:
        self.document_on_reader = False
        self.watchers: list[Callable[[dc.BarrierInputs], None]] = []
        """Told of every report of the barrier, before the machine is; set before the lane runs."""
        self._roles = {
            getattr(lane, role): role for role in (*_ABORTED_STEPS, *_CHANNELS, "barrier") if getattr(lane, role)
        }
        self._holds = holds
        self._new_id = new_id
        self._ready: dict[str, bool] = {}

    def device_state(self, device: str, *, ready: bool) -> tuple[ev.Event, ...]:
        """Hold the lane while a device is missing; one that fails while it works also aborts the step it served."""
        was_ready = self._ready.get(device, False)
        self._ready[device] = ready
        role = self._roles.get(device)
        if role is None:
            return ()
        hold = self._holds.get(role)
        if ready:
            return () if hold is None or self._holds_still(hold) else (ev.Unhold(hold),)
        if role == "document_reader":
            self.document_on_reader = False
        step = _ABORTED_STEPS.get(role) if was_ready else None
        cause = hold or ReasonCode.CHIP_READER_FAULT
        aborted = () if step is None else (ev.StepAborted(step, Reason(cause)),)
        return aborted if hold is None else (ev.Hold(hold), *aborted)

    def _holds_still(self, hold: ReasonCode) -> bool:
        """Return whether another device with the same reason is known to be away."""
        return any(
            self._holds.get(role) is hold and not self._ready.get(device, False) for device, role in self._roles.items()
        )

    def presented(self) -> tuple[ev.Event, ...]:
        """Note that a document came."""
        self.document_on_reader = True
        return (ev.DocumentPresented(self._new_id()),)

    def removed(self, step: ev.Step | None) -> tuple[ev.Event, ...]:
        """Take the document's leaving; while something of it is read it aborts that `step`."""
        was_there, self.document_on_reader = self.document_on_reader, False
        if step is None or not was_there:
            return (ev.DocumentRemoved(),)
        return (ev.DocumentRemoved(), ev.StepAborted(step, Reason(ReasonCode.DOCUMENT_REMOVED_EARLY)))

    def moved(self, inputs: dc.BarrierInputs) -> tuple[ev.Event, ...]:
        """Take the barrier's inputs."""
        for watcher in self.watchers:
            watcher(inputs)
        return (
            ev.BarrierChanged(
                self._new_id(),
                inputs.entrance_open,
                inputs.exit_open,
                inputs.occupancy,
                inputs.entrance_passages,
                inputs.exit_passages,
                inputs.fire,
                inputs.tamper,
                inputs.emergency_stop,
                frozenset(_IRREGULARITIES[kind] for kind in inputs.irregularities),
            ),
        )
