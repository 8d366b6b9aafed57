"""From device events to machine events: the plain ones are translated here, the others become jobs of the controller."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from drivers import contracts as dc
from gate_agent.domain import events as ev
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.settings import DocumentSettings, LaneSettings

_HOLDS = {
    "document_reader": ReasonCode.DOCUMENT_READER_FAULT,
    "camera": ReasonCode.CAMERA_FAULT,
    "barrier": ReasonCode.BARRIER_FAULT,
}
_ABORTED_STEPS = {
    "document_reader": ev.Step.DOCUMENT,
    "chip_reader": ev.Step.CHIP,
    "camera": ev.Step.FACE,
}


def holds_of(lane: LaneSettings, document: DocumentSettings) -> dict[str, ReasonCode]:
    """Return the devices, by their role, without which a lane takes nobody, and why."""
    if lane.chip_reader and document.chip == "required":
        return _HOLDS | {"chip_reader": ReasonCode.CHIP_READER_FAULT}
    return dict(_HOLDS)


class Intake:
    """What the lane knows of its devices: which are ready, and whether a document lies on the reader."""

    def __init__(self, lane: LaneSettings, holds: Mapping[str, ReasonCode], new_id: Callable[[], uuid.UUID]) -> None:
        self.document_on_reader = False
        self.watchers: list[Callable[[dc.BarrierInputs], None]] = []
        """Told of every report of the barrier, before the machine is; set before the lane runs."""
        self._roles = {getattr(lane, role): role for role in (*_ABORTED_STEPS, "barrier") if getattr(lane, role)}
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
            return () if hold is None else (ev.Unhold(hold),)
        if role == "document_reader":
            self.document_on_reader = False
        step = _ABORTED_STEPS.get(role) if was_ready else None
        cause = hold or ReasonCode.CHIP_READER_FAULT
        aborted = () if step is None else (ev.StepAborted(step, Reason(cause)),)
        return aborted if hold is None else (ev.Hold(hold), *aborted)

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
            ),
        )
