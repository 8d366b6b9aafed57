"""The lane API's answer to how somebody at the desk stands with customs."""

from __future__ import annotations

import uuid
from typing import Protocol

from fastapi import FastAPI, Response

from gate_agent.web.appeal_messages import StandingView
from gate_agent.web.lane_api import answered, refused


class AppealSource(Protocol):
    """What the agent counts."""

    async def standing(self, transaction_id: uuid.UUID) -> StandingView | None:
        """Return what is counted of whoever made a crossing."""
        ...


def add_appeal_routes(app: FastAPI, source: AppealSource) -> None:
    """Add the standing to a lane API."""

    @app.get("/v1/standings/{transaction_id}", response_model=StandingView)
    async def standing(transaction_id: uuid.UUID) -> Response:
        found = await source.standing(transaction_id)
        return refused(404, "nobody knows any more whose crossing this was") if found is None else answered(found)
