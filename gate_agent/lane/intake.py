"""From device events to machine events: the plain ones are translated here, the others become jobs of the controller."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from drivers import contracts as dc
from gate_agent.domain import events as ev
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.settings import LaneSettings

HOLDS = {
    "document_reader": ReasonCode.DOCUMENT_READER_FAULT,
    "camera": ReasonCode.CAMERA_FAULT,
    "barrier": ReasonCode.BARRIER_FAULT,
}
"""Devices without which a lane takes nobody, and why."""


class Intake:
    """What the lane knows of its devices: which are ready, and whether a document lies on the reader."""

    def __init__(self, lane: LaneSettings, new_id: Callable[[], uuid.UUID]) -> None:
        self.document_on_reader = False
        self._lane = lane
        self._new_id = new_id
        self._ready: dict[str, bool] = {}

    def device_state(self, device: str, *, ready: bool) -> tuple[ev.Event, ...]:
        """Hold the lane while a device is missing; one that fails while it works also aborts the step it served."""
        was_ready = self._ready.get(device, False)
        self._ready[device] = ready
        for role, cause in HOLDS.items():
            if getattr(self._lane, role) != device:
                continue
            if ready:
                return (ev.Unhold(cause),)
            aborted: tuple[ev.Event, ...] = ()
            if was_ready and role == "document_reader":
                self.document_on_reader = False
                aborted = (ev.StepAborted(ev.Step.DOCUMENT, Reason(cause)),)
            elif was_ready and role == "camera":
                aborted = (ev.StepAborted(ev.Step.FACE, Reason(cause)),)
            return (ev.Hold(cause), *aborted)
        return ()

    def presented(self) -> tuple[ev.Event, ...]:
        """Note that a document came."""
        self.document_on_reader = True
        return (ev.DocumentPresented(self._new_id()),)

    def removed(self, *, was_read: bool) -> tuple[ev.Event, ...]:
        """Take the document's leaving; before everything was read it aborts the step, once."""
        was_there, self.document_on_reader = self.document_on_reader, False
        if was_read or not was_there:
            return (ev.DocumentRemoved(),)
        reason = Reason(ReasonCode.DOCUMENT_REMOVED_EARLY)
        return (ev.DocumentRemoved(), ev.StepAborted(ev.Step.DOCUMENT, reason))

    def moved(self, inputs: dc.BarrierInputs) -> tuple[ev.Event, ...]:
        """Take the barrier's inputs."""
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
