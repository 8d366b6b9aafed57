"""How an officer closes a task of the desk: what was found, what is due after it, and by whose authority."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from gate_agent.domain.crossing import Officer
from gate_agent.domain.declaration import DeclaredGoods
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money


@dataclass(frozen=True, slots=True)
class TaskClosing:
    """One closing. The first of `officers` is of the task's agency and answers for it.

    `goods` are the lines as they were found, None where the declared ones stand. `computed` is what the engine says is due on them, None
    where it cannot say; `duty` is what is charged, and `duty_reason` says why where the two differ.
    """

    task_id: uuid.UUID
    finding: InspectionFinding
    officers: tuple[Officer, ...]
    goods: tuple[DeclaredGoods, ...] | None = None
    days_abroad: int | None = None
    computed: Money | None = None
    duty: Money | None = None
    duty_reason: str = ""
    act_number: str = ""
    remark: str = ""
    rulebook_version: int = 0
