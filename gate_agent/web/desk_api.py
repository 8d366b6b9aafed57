"""The desks' part of the lane API: served on the same Unix socket, answered by the agent's `DeskSource`."""

from __future__ import annotations

import uuid
from typing import Protocol

from fastapi import FastAPI, Response
from pydantic import BaseModel

from gate_agent.web.desk_messages import DutyQuestion, DutyView, InspectionsView, StopView
from gate_agent.web.lane_api import answered, refused


class DeskSource(Protocol):
    """What the agent tells of stops."""

    async def stop(self, stop_id: uuid.UUID) -> StopView | None:
        """Return everything about an open stop, None when there is no such."""
        ...

    async def duty(self, stop_id: uuid.UUID, question: DutyQuestion) -> DutyView | None:
        """Return what would be due, None when there is no such open stop."""
        ...

    async def inspections(self, days: int) -> InspectionsView:
        """Return what was counted of closed tasks in the last days."""
        ...


def add_desk_routes(app: FastAPI, source: DeskSource) -> None:
    """Add the desks to a lane API."""

    @app.get("/v1/stops/{stop_id}", response_model=StopView)
    async def stop(stop_id: uuid.UUID) -> Response:
        return _found(await source.stop(stop_id))

    @app.post("/v1/stops/{stop_id}/duty", response_model=DutyView)
    async def duty(stop_id: uuid.UUID, question: DutyQuestion) -> Response:
        return _found(await source.duty(stop_id, question))

    @app.get("/v1/inspections", response_model=InspectionsView)
    async def inspections(days: int = 30) -> Response:
        return answered(await source.inspections(days))


def _found(message: BaseModel | None) -> Response:
    return refused(404, "there is no such open stop") if message is None else answered(message)
