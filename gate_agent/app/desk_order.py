"""What the lane API asks of the agencies' desks when officers ordered something: `customs_desk.CustomsDesk` answers it."""

from __future__ import annotations

from typing import Protocol

from gate_agent.lane.authorisation import VerifiedAuthorisation
from gate_agent.web.desk_messages import CustomsTaskView
from gate_agent.web.lane_api_messages import ActionAnswer


class Desk(Protocol):
    """The agencies' desks of the gate."""

    def tasks(self) -> list[CustomsTaskView]:
        """Return the tasks of open stops, oldest first."""
        ...

    async def close(self, verified: VerifiedAuthorisation) -> ActionAnswer:
        """Close a task as its agency's officers signed it."""
        ...

    async def may_unlock(self, seal_id: str) -> bool:
        """Tell whether a seal belongs to an open customs task of this gate."""
        ...
